/** Charts as SVG that stand in a page and on their own: lines over layers, matrices as heat maps, pictures in a row. */
import { escapeHtml } from "../explain/escape.js";
import { figure } from "./audit-text.js";
import { type Colour, heat, pngDataUri, signedHeat } from "./png.js";

export interface Series {
  readonly name: string;
  /** By place on the x axis; NaN leaves a gap. */
  readonly values: readonly number[];
  /** Half-width of a band around the line. */
  readonly spread?: readonly number[];
  readonly dashed?: boolean;
}
export interface LineChart {
  readonly title: string;
  readonly x: readonly string[];
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  readonly logarithmic?: boolean;
  /** A horizontal line: a bound, zero. */
  readonly mark?: { readonly at: number; readonly label: string };
}
/** Colours as a page sets them, with values for a file of its own. */
const colours = ["#0b5cad", "#c2410c", "#18794e", "#7c3aed", "#b42318", "#0e7490", "#8a5a00", "#5b6470"];
const colour = (i: number): string => `var(--s${i % colours.length}, ${colours[i % colours.length]})`;
const [width, height, left, right, top, bottom] = [520, 300, 72, 14, 34, 46];

/** About five round numbers from low to high. */
export function ticks(low: number, high: number): readonly number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10) * power;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
const round = (x: number): string => String(Math.round(x * 100) / 100);

export function lineChart(chart: LineChart): string {
  const scale = chart.logarithmic ? (v: number): number => Math.log10(v) : (v: number): number => v;
  const usable = (v: number): boolean => Number.isFinite(v) && (!chart.logarithmic || v > 0);
  const all = [...chart.series.flatMap((s) => s.values.flatMap((v, i) => (s.spread ? [v - (s.spread[i] ?? 0), v + (s.spread[i] ?? 0)] : [v]))), ...(chart.mark ? [chart.mark.at] : [])].filter(usable).map(scale);
  const [least, most] = all.length === 0 ? [0, 1] : [Math.min(...all), Math.max(...all)];
  const room = most > least ? (most - least) * 0.06 : Math.max(1e-9, Math.abs(most) * 0.1 || 1);
  const [low, high] = [least - room, most + room];
  const x = (i: number): number => (chart.x.length < 2 ? (left + width - right) / 2 : left + (i * (width - left - right)) / (chart.x.length - 1));
  const y = (v: number): number => top + ((high - scale(v)) * (height - top - bottom)) / (high - low);
  const marks = chart.logarithmic ? ticks(Math.ceil(low), Math.floor(high)).filter(Number.isInteger).map((t) => 10 ** t) : ticks(low, high);
  const labelWidth = 8 + 6.5 * Math.max(1, ...chart.x.map((t) => t.length));
  const every = Math.max(1, Math.ceil((chart.x.length * labelWidth) / (width - left - right)));
  const grid = marks.map((v) => `<path class="guide" d="M${left} ${round(y(v))}H${width - right}"/><text x="${left - 6}" y="${round(y(v) + 4)}" text-anchor="end">${chart.logarithmic ? v.toExponential(0).replace("e+", "e") : figure(v).replace(/\.?0+$/, "") || "0"}</text>`);
  const labels = chart.x.map((label, i) => (i % every === 0 ? `<text x="${round(x(i))}" y="${height - bottom + 16}" text-anchor="middle">${escapeHtml(label)}</text>` : ""));
  const lines = chart.series.map((s, k) => {
    const points = s.values.map((v, i) => (usable(v) ? `${round(x(i))} ${round(y(v))}` : undefined));
    const path = points.map((p, i) => (p === undefined ? "" : `${i === 0 || points[i - 1] === undefined ? "M" : "L"}${p}`)).join("");
    const band = s.spread && s.values.every(usable) && !chart.logarithmic
      ? `<path d="M${s.values.map((v, i) => `${round(x(i))} ${round(y(v + (s.spread?.[i] ?? 0)))}`).join("L")}L${s.values.map((v, i) => `${round(x(i))} ${round(y(v - (s.spread?.[i] ?? 0)))}`).reverse().join("L")}Z" fill="${colour(k)}" fill-opacity=".15"/>` : "";
    const dots = s.values.map((v, i) => (usable(v) ? `<circle cx="${round(x(i))}" cy="${round(y(v))}" r="3" fill="${colour(k)}"><title>${escapeHtml(`${s.name}, ${chart.x[i]}: ${figure(v)}`)}</title></circle>` : ""));
    return `${band}<path d="${path}" fill="none" stroke="${colour(k)}" stroke-width="2"${s.dashed ? ' stroke-dasharray="5 4"' : ""}/>${dots.join("")}`;
  });
  const mark = chart.mark && usable(chart.mark.at) ? `<path d="M${left} ${round(y(chart.mark.at))}H${width - right}" stroke="currentColor" stroke-dasharray="2 3"/><text x="${width - right}" y="${round(y(chart.mark.at) - 4)}" text-anchor="end">${escapeHtml(chart.mark.label)}</text>` : "";
  const perLine = 2;
  const legend = chart.series.length < 2 ? [] : chart.series.map((s, k) => {
    const [cx, cy] = [left + (k % perLine) * 220, height + 6 + Math.floor(k / perLine) * 18];
    return `<path d="M${cx} ${cy}h20" stroke="${colour(k)}" stroke-width="3"${s.dashed ? ' stroke-dasharray="5 4"' : ""}/><text x="${cx + 26}" y="${cy + 4}">${escapeHtml(s.name.length > 30 ? `${s.name.slice(0, 29)}…` : s.name)}</text>`;
  });
  const whole = height + (legend.length === 0 ? 0 : 14 + Math.ceil(legend.length / perLine) * 18);
  return svg(width, whole, `${chart.title}: ${chart.series.map((s) => `${s.name} from ${figure(s.values[0] ?? Number.NaN)} to ${figure(s.values.at(-1) ?? Number.NaN)}`).join("; ")}`, `
<text x="${left}" y="16" class="title">${escapeHtml(chart.title)}</text>
${grid.join("")}<path class="axis" d="M${left} ${top}V${height - bottom}H${width - right}"/>${labels.join("")}
<text x="${(left + width - right) / 2}" y="${height - 8}" text-anchor="middle">${escapeHtml(chart.xLabel)}</text>
<text transform="translate(14 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(chart.yLabel)}</text>
${mark}${lines.join("\n")}${legend.join("")}`);
}
const style = "text{font:12px system-ui,sans-serif;fill:currentColor}.title{font-weight:600;font-size:13px}.guide{stroke:currentColor;stroke-opacity:.15}.axis{fill:none;stroke:currentColor;stroke-opacity:.5}";
function svg(w: number, h: number, label: string, body: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img" aria-label="${escapeHtml(label.slice(0, 600))}"><style>${style}</style>${body}</svg>`;
}

export interface Tile {
  readonly label: string;
  readonly rows: number;
  readonly cols: number;
  /** Row by row. */
  readonly values: ArrayLike<number>;
  /** signed: zero is white; grey: from 0 (dark) to 1; heat: from least to most. */
  readonly scale: "heat" | "signed" | "grey";
}
function pixels(tile: Tile): Uint8Array {
  const values = Array.from(tile.values);
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const size = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const paint = (v: number): Colour => {
    if (tile.scale === "signed") return signedHeat(v / size);
    const t = (v - low) / (high - low || 1);
    if (tile.scale === "heat") return heat(t);
    const g = Math.round(255 * t);
    return [g, g, g];
  };
  return Uint8Array.from(values.flatMap((v) => [...paint(v)]));
}
/** Matrices side by side, each as large as the others; pixels stay sharp. */
export function tileChart(title: string, tiles: readonly Tile[], perRow = 4, side = 120): string {
  const gap = 14;
  const lines = Math.ceil(tiles.length / perRow);
  const w = Math.max(260, Math.min(perRow, tiles.length) * (side + gap) + gap);
  const cell = (t: Tile, i: number): string => {
    const [x, y] = [gap + (i % perRow) * (side + gap), 28 + Math.floor(i / perRow) * (side + 26)];
    const scale = side / Math.max(t.rows, t.cols);
    const label = t.label.length > Math.floor(side / 6.5) ? `${t.label.slice(0, Math.floor(side / 6.5) - 1)}…` : t.label;
    return `<g><title>${escapeHtml(t.label)}</title><image x="${x}" y="${y}" width="${round(t.cols * scale)}" height="${round(t.rows * scale)}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${pngDataUri(t.cols, t.rows, pixels(t))}"/><text x="${x}" y="${y + side + 14}">${escapeHtml(label)}</text></g>`;
  };
  return svg(w, 34 + lines * (side + 26), `${title}: ${tiles.map((t) => t.label).join(", ")}`, `<text x="${gap}" y="16" class="title">${escapeHtml(title)}</text>${tiles.map(cell).join("\n")}`);
}
