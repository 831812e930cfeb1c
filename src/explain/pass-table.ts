/** What did the optimiser do? One row for each pass: what it saved, and why it stands there. */
import { type Dim, dimNumber, dimSubstitute, dimValue } from "../expression/dim.js";
import type { UnrolledNetwork } from "../network/network.js";
import { costValue } from "../tensor/cost.js";
import type { PassReport } from "../tensor/passes/optimise.js";

/** What free sizes count as in the table. */
export const shownSize = 256;

interface Change {
  readonly before: number;
  readonly after: number;
}
/** One pass in numbers. What a batch does not change (products of parameters) is spent once, whatever the batch. */
export interface PassSaving {
  readonly pass: string;
  readonly why: string;
  readonly flopsPerSample: Change;
  readonly flopsOnce: Change;
  readonly bytesPerSample: Change;
  readonly nodes: Change;
}
/** Costs are linear in the batch: the slope is what a sample costs, the rest is spent once. */
function split(flops: Dim, bytes: Dim, free: readonly string[]): { readonly flops: number; readonly once: number; readonly bytes: number } {
  const at = (batch: number): { readonly flops: number; readonly bytes: number } =>
    costValue({ flops, bytes }, { ...Object.fromEntries(free.map((s) => [s, shownSize])), batch });
  const [one, two] = [at(1), at(2)];
  return { flops: two.flops - one.flops, once: 2 * one.flops - two.flops, bytes: two.bytes - one.bytes };
}
export function passSavings(report: readonly PassReport[], free: readonly string[]): readonly PassSaving[] {
  return report.map((r) => {
    const [before, after] = [split(r.flopsBefore, r.bytesBefore, free), split(r.flopsAfter, r.bytesAfter, free)];
    return {
      pass: r.pass, why: r.why,
      flopsPerSample: { before: before.flops, after: after.flops }, flopsOnce: { before: before.once, after: after.once },
      bytesPerSample: { before: before.bytes, after: after.bytes }, nodes: { before: r.nodesBefore, after: r.nodesAfter },
    };
  });
}
/** How many columns (tokens) the network's variable has; undefined where it is a vector or the size stays free. */
export function columnsOf(network: UnrolledNetwork): number | undefined {
  const cols = network.statements.find((s) => s.variable !== undefined)?.value.shape[1];
  const size = cols && dimValue(dimSubstitute(cols, (s) => {
    const known = network.dims.get(s);
    return known === undefined ? dimNumber(shownSize) : dimNumber(known);
  }));
  return size === undefined || size === 1 ? undefined : size;
}

const units = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]] as const;
export function showCount(x: number): string {
  const unit = units.find(([size]) => Math.abs(x) >= size);
  return unit ? `${(x / unit[0]).toPrecision(3)} ${unit[1]}` : String(Math.round(x));
}
const change = ({ before, after }: Change): string => (before === after ? showCount(before) : `${showCount(before)} → ${showCount(after)}`);
const totalOf = (first: Change, last: Change): Change => ({ before: first.before, after: last.after });

/** The table as text: passes in order, the total, and what a column (token) of the variable costs. */
export function passTable(savings: readonly PassSaving[], columns: number | undefined): string {
  const [first, last] = [savings[0], savings.at(-1)];
  if (!first || !last) return "no passes: -O0 emits the graph as it was lowered";
  const row = (s: Omit<PassSaving, "why">): readonly string[] =>
    [s.pass, change(s.flopsPerSample), change(s.flopsOnce), change(s.bytesPerSample), change(s.nodes)];
  const total = {
    pass: "total", flopsPerSample: totalOf(first.flopsPerSample, last.flopsPerSample), flopsOnce: totalOf(first.flopsOnce, last.flopsOnce),
    bytesPerSample: totalOf(first.bytesPerSample, last.bytesPerSample), nodes: totalOf(first.nodes, last.nodes),
  };
  const perColumn = (c: Change): Change => ({ before: c.before / (columns ?? 1), after: c.after / (columns ?? 1) });
  const rows = [
    ["pass", "FLOPs per sample", "FLOPs once", "bytes per sample", "nodes"], ...savings.map(row), row(total),
    ...(columns === undefined ? [] : [["per token", change(perColumn(total.flopsPerSample)), "", change(perColumn(total.bytesPerSample)), ""]]),
  ];
  const widths = (rows[0] as readonly string[]).map((_, i) => Math.max(...rows.map((r) => (r[i] ?? "").length)));
  const lines = rows.map((r) => r.map((cell, i) => cell.padEnd(widths[i] as number)).join("  ").trimEnd());
  return [...lines, "", ...savings.map((s) => `${s.pass}: ${s.why}`)].join("\n");
}
