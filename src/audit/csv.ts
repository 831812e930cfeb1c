/** An audit as one tidy table: a row for each number, so that any tool can plot it anew. */
import type { Audit } from "./audit.js";

const quoted = (text: string): string => {
  // A cell that a spreadsheet would take for a formula is marked as text.
  const plain = /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
  return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
};
export type CsvRow = readonly (string | number)[];
export const csv = (head: readonly string[], rows: readonly CsvRow[]): string => `${[head, ...rows].map((r) => r.map((c) => quoted(String(c))).join(",")).join("\n")}\n`;

export const auditColumns = ["weights", "place", "layer", "copy", "step", "measure", "of", "stage", "value"] as const;
export function auditRows(weights: string, audit: Audit): readonly CsvRow[] {
  return audit.steps.flatMap((s): readonly CsvRow[] => {
    const row = (measure: string, of: string, stage: string, value: number): CsvRow => [weights, s.place, s.layer ?? "", s.copy ?? "", s.step, measure, of, stage, value];
    return [
      ...s.stages.flatMap((g): readonly CsvRow[] => [
        row("change", "own objective", g.name, g.own.change), row("before", "own objective", g.name, g.own.before), row("after", "own objective", g.name, g.own.after),
        ...(g.surrogate ? [row("change", "surrogate", g.name, g.surrogate.change)] : []),
        ...Object.entries(g.objectives).map(([name, c]) => row("change", name, g.name, c.change)),
        ...(g.lemma ? [row("lemma error", g.name, g.name, g.lemma.error), row("update error", g.name, g.name, g.lemma.updateError)] : []),
        ...(g.lemma?.when ? [row("condition held", g.lemma.when.text, g.name, g.lemma.when.share), ...(g.lemma.when.largest === undefined ? [] : [row("condition, largest", g.lemma.when.text, g.name, g.lemma.when.largest)])] : []),
      ]),
      ...Object.entries(s.terms).flatMap(([name, terms]) => terms.flatMap((t) => [row("term before", `${name}: ${t.text}`, "built", t.before), row("term after", `${name}: ${t.text}`, "built", t.after)])),
      ...s.rates.flatMap((r) => [row("coding rate", r.of, "start", r.mean), row("coding rate, std", r.of, "start", r.std)]),
      row("non-zeros", "variable", "before", s.density.before), row("non-zeros", "variable", "built", s.density.after), row("gini", "variable", "built", s.density.gini),
    ];
  });
}
