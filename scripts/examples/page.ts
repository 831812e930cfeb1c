/** An example's page and figures. */
import { ticks } from "../../src/audit/plot.js";
import { examplePresets } from "../../src/cli/examples.js";
import type { CompiledNetwork } from "../../src/compile.js";
import { equations } from "../../src/targets.js";
import { trainableCount } from "../../src/network/describe.js";
import type { Row } from "./rows.js";
import type { Curve, Outcome } from "./run.js";

const [width, height, left, bottom, top] = [640, 320, 64, 44, 28];
const colours = ["#1f6feb", "#d1242f"];

/** At most 400 points of a series: means of neighbours. */
function thinned(points: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  const size = Math.ceil(points.length / 400);
  if (size <= 1) return points;
  const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size);
    return [mean(part.map((p) => p[0])), mean(part.map((p) => p[1]))] as const;
  });
}
const short = (x: number): string => String(Number(x.toPrecision(3)));
export function drawCurve(curve: Curve): string {
  const series = curve.series.map((s) => ({ ...s, points: thinned(s.points) })).filter((s) => s.points.length > 0);
  const scaleY = (y: number): number => (curve.logarithmic ? Math.log10(y) : y);
  const xs = series.flatMap((s) => s.points.map((p) => p[0])), ys = series.flatMap((s) => s.points.map((p) => scaleY(p[1])));
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const px = (x: number): string => (left + ((x - x0) / (x1 - x0 || 1)) * (width - left - 16)).toFixed(1);
  const py = (y: number): string => (top + ((y1 - y) / (y1 - y0 || 1)) * (height - top - bottom)).toFixed(1);
  const grid = ticks(y0, y1).map((y) => `<line x1="${left}" x2="${width - 16}" y1="${py(y)}" y2="${py(y)}" stroke="#ddd"/><text x="${left - 6}" y="${Number(py(y)) + 4}" text-anchor="end">${curve.logarithmic ? `1e${short(y)}` : short(y)}</text>`);
  const marks = ticks(x0, x1).map((x) => `<text x="${px(x)}" y="${height - bottom + 18}" text-anchor="middle">${short(x)}</text>`);
  const lines = series.map((s, i) => `<polyline fill="none" stroke="${colours[i % 2]}" stroke-width="1.6" points="${s.points.map(([x, y]) => `${px(x)},${py(scaleY(y))}`).join(" ")}"/>` +
    s.points.filter(() => s.points.length < 30).map(([x, y]) => `<circle cx="${px(x)}" cy="${py(scaleY(y))}" r="2.5" fill="${colours[i % 2]}"/>`).join("") +
    `<text x="${width - 20}" y="${top + 6 + 16 * i}" text-anchor="end" fill="${colours[i % 2]}">${s.name}</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/><text x="${left}" y="18" font-size="14">${curve.title}</text>
${[...grid, ...marks, ...lines].join("\n")}
<text x="${(width + left) / 2}" y="${height - 8}" text-anchor="middle">${curve.x}</text><text transform="translate(14 ${height / 2}) rotate(-90)" text-anchor="middle">${curve.y}</text>
</svg>\n`;
}
function commandsOf(row: Row, network: CompiledNetwork): readonly string[] {
  const chosen = examplePresets[row.name];
  const preset = chosen === undefined ? "" : ` --preset ${chosen}`;
  const { training, parameters } = network.unrolled;
  if (parameters.some((p) => p.captured)) return [`npx crate-compile construct examples/${row.name}.srr${preset} --out out/${row.name}`];
  if (!training?.optimizer) return [`npx crate-compile build examples/${row.name}.srr${preset} --target onnx --out out/${row.name}.onnx`];
  return [`npx crate-compile build examples/${row.name}.srr${preset} --target onnx-train --out out/${row.name}`, `cd out/${row.name} && npm install && npm run train`];
}
export function writePage(row: Row, outcome: Outcome): readonly { readonly path: string; readonly text: string }[] {
  const { network } = outcome;
  if (!network) return [];
  const learned = trainableCount(network.unrolled);
  const figures = [
    ...(outcome.curve ? [{ path: `examples/${row.name}.svg`, text: drawCurve(outcome.curve), alt: outcome.curve.title }] : []),
    ...(outcome.picture ? [{ path: `examples/${row.name}-pictures.svg`, text: outcome.picture, alt: "test digits" }] : []),
  ];
  const page = [
    `# ${network.typed.name}`, network.typed.doc ?? "", `Paper: ${row.paper}. The spec: [\`${row.name}.srr\`](${row.name}.srr).`,
    "## Derived updates", ...equations(network).map((e) => `\`${e.path}\`\n\n    ${e.text.length > 1200 ? `${e.text.slice(0, 1200)} …` : e.text}`),
    "## Run it", commandsOf(row, network).map((c) => `    ${c}`).join("\n"),
    "## What it reached",
    `${outcome.reached[0]?.toUpperCase() ?? ""}${outcome.reached.slice(1)}${learned > 0 ? `, with ${learned.toLocaleString("en-US")} learned numbers` : ""}. ${outcome.fault === undefined ? "" : `This is short of its aim: ${outcome.fault}. `}The run took ${Math.ceil(outcome.seconds)} s on two cores (\`npm run examples -- --full ${row.name}\`).`,
    ...figures.map((f) => `![${f.alt}](${f.path.replace("examples/", "")})`),
  ].filter((p) => p !== "").join("\n\n");
  return [{ path: `examples/${row.name}.md`, text: `${page}\n` }, ...figures.map(({ path, text }) => ({ path, text }))];
}
