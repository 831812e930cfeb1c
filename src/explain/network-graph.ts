/** The unrolled network as a picture: a row for each copy of a layer, a box for each step, arrows in the order of the data. */
import { showExpr } from "../expression/print.js";
import type { UnrolledNetwork, UnrolledStatement } from "../network/network.js";
import { escapeHtml } from "./escape.js";

interface Box {
  readonly label: string;
  readonly title: string;
  readonly kind: "input" | "value" | "step" | "output";
}
interface Row {
  readonly label: string;
  readonly boxes: readonly Box[];
}
const boxWidth = 118;
const boxHeight = 30;
const gapX = 26;
const gapY = 22;
const labelWidth = 96;
const perRow = 4;
/** Longer expressions are cut in tooltips. */
const longest = 400;
const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** `block.3/compress` → row `block 3`, box `compress`. */
function rowsOf(network: UnrolledNetwork): readonly Row[] {
  const rows: { label: string; boxes: Box[] }[] = [];
  const put = (label: string, box: Box): void => {
    const last = rows.at(-1);
    if (last && last.label === label) last.boxes.push(box);
    else rows.push({ label, boxes: [box] });
  };
  for (const i of network.inputs) put("inputs", { label: i.name, title: `input ${i.name}`, kind: "input" });
  const outputs = new Map(network.outputs.map((o) => [o.value, o.name]));
  const last = new Map<string, UnrolledStatement>();
  for (const s of network.statements) last.set(s.path, s);
  const shown = new Set<string>();
  for (const s of network.statements) {
    if (shown.has(s.path)) continue;
    shown.add(s.path);
    const final = last.get(s.path) ?? s;
    const [row, name] = s.path.includes("/") ? s.path.split("/") as [string, string] : ["", s.path];
    const output = outputs.get(final.target);
    const title = cut(`${final.target} = ${showExpr(final.value, 400)}`, longest);
    put(output !== undefined ? "outputs" : row.replace(".", " "), { label: output ?? name, title, kind: output !== undefined ? "output" : row ? "step" : "value" });
  }
  return rows;
}

export function networkGraph(network: UnrolledNetwork): string {
  const lines = rowsOf(network).flatMap((row) => Array.from({ length: Math.ceil(row.boxes.length / perRow) }, (_, i): Row => ({
    label: i === 0 ? row.label : "", boxes: row.boxes.slice(i * perRow, (i + 1) * perRow),
  })));
  const widest = Math.max(1, ...lines.map((l) => l.boxes.length));
  const width = labelWidth + widest * (boxWidth + gapX);
  const height = lines.length * (boxHeight + gapY) + 8;
  const x = (i: number): number => labelWidth + i * (boxWidth + gapX);
  const y = (line: number): number => 4 + line * (boxHeight + gapY);
  const middle = boxHeight / 2;
  const arrows = lines.flatMap((line, l) => [
    ...line.boxes.slice(1).map((_, i) => `<path d="M${x(i) + boxWidth} ${y(l) + middle}h${gapX - 2}"/>`),
    ...(l + 1 < lines.length ? [`<path d="M${x(line.boxes.length - 1) + boxWidth / 2} ${y(l) + boxHeight}v${gapY / 2}H${x(0) + boxWidth / 2}v${gapY / 2 - 2}"/>`] : []),
  ]);
  const boxes = lines.flatMap((line, l) => [
    ...(line.label ? [`<text x="${labelWidth - 10}" y="${y(l) + middle + 4}" text-anchor="end" class="row">${escapeHtml(cut(line.label, 14))}</text>`] : []),
    ...line.boxes.map((b, i) => `<g class="${b.kind}"><title>${escapeHtml(b.title)}</title><rect x="${x(i)}" y="${y(l)}" width="${boxWidth}" height="${boxHeight}" rx="6"/>` +
      `<text x="${x(i) + boxWidth / 2}" y="${y(l) + middle + 4}" text-anchor="middle">${escapeHtml(cut(b.label, 16))}</text></g>`),
  ]);
  const counts = `${lines.reduce((n, l) => n + l.boxes.length, 0)} values in ${new Set(lines.map((l) => l.label).filter(Boolean)).size} groups`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeHtml(`The unrolled network ${network.name}: ${counts}`)}">
<style>.arrows path{fill:none;stroke:currentColor;stroke-opacity:.55;marker-end:url(#head)}rect{fill:none;stroke:currentColor;stroke-opacity:.45}.step rect{stroke:var(--accent,#0b5cad);stroke-opacity:1}.input rect,.output rect{stroke-dasharray:4 3}.row{fill-opacity:.7}</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor"/></marker></defs>
<g class="arrows">${arrows.join("")}</g>
${boxes.join("\n")}
</svg>`;
}
