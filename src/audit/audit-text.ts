/** An audit as text for a terminal: one block for each step, one line for each stage. */
import type { Audit, Change, Condition, Stage, StepAudit } from "./audit.js";

const exactLabel = "exact step";
export const stageLabel = (s: Stage): string =>
  s.kind === "exact" ? exactLabel : s.kind === "built" ? "as built" : s.kind === "capture" ? `capture ${s.name}` : s.name;

/** Three digits, a minus that is as wide as a plus. */
export function figure(x: number): string {
  if (Number.isNaN(x)) return "not a number";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  const text = size !== 0 && (size >= 1e5 || size < 1e-4) ? size.toExponential(2) : size.toFixed(Math.max(0, size >= 100 ? 1 : size >= 1 ? 2 : 4));
  return x < 0 ? `−${text}` : text;
}
export const signed = (x: number): string => (x > 0 ? `+${figure(x)}` : figure(x));

export function conditionText(c: Condition): string {
  const range = c.least === undefined || c.largest === undefined ? "" : c.least === c.largest ? ` (${figure(c.largest)})` : ` (${figure(c.least)} to ${figure(c.largest)})`;
  if (c.held) return `when ${c.text}: holds${range}`;
  return c.share > 0 ? `when ${c.text}: fails at ${Math.round(100 * (1 - c.share))}% of the places${range}` : `when ${c.text}: does not hold${range}`;
}
const goes = (c: Change, sense: "minimize" | "maximize"): string => {
  const change = sense === "minimize" ? c.change : -c.change;
  return Math.abs(change) <= 1e-12 * Math.max(1, Math.abs(c.before)) ? "no change" : change < 0 ? "improves" : "worsens";
};

function stageLine(s: Stage, step: StepAudit, width: number): string {
  const parts = [
    `    ${stageLabel(s).padEnd(width)}  ${signed(s.own.change).padStart(10)}  ${goes(s.own, step.sense).padEnd(9)}`,
    ...(s.surrogate ? [`surrogate ${signed(s.surrogate.change)}`] : []),
    ...Object.entries(s.objectives).map(([name, c]) => `${name} ${signed(c.change)}`),
    ...(s.lemma ? [`${s.lemma.relation === "identity" ? "identity, error" : "error"} ${figure(s.lemma.error)}`] : []),
    ...(s.lemma?.when ? [conditionText(s.lemma.when)] : []),
    ...(step.turns.includes(s.name) ? ["<- improvement turns into its opposite here"] : []),
  ];
  return parts.join("  ").trimEnd();
}
export function findings(step: StepAudit): readonly string[] {
  const [verb, opposite] = step.sense === "minimize" ? ["descends", "ascends"] : ["ascends", "descends"];
  const failed = step.stages.filter((s) => step.outside.includes(s.name));
  return [
    ...(step.blamed === undefined ? [] : [`${step.blamed === "built" ? "normalisation or momentum" : step.blamed} is to blame: the exact step ${verb}, the built one ${opposite}`]),
    ...failed.map((s) => `${s.name} is outside of its domain${s.lemma?.when?.largest === undefined ? "" : `: ${figure(s.lemma.when.largest)} where ${figure(s.lemma.when.bound ?? Number.NaN)} is the bound`}`),
  ];
}
/** What was found in all copies of a step together: `block.1…4.compress: …`, the numbers of the worst. */
export function groupedFindings(audit: Audit): readonly { readonly place: string; readonly text: string }[] {
  const groups = new Map<string, { steps: StepAudit[]; texts: string[] }>();
  for (const s of audit.steps) for (const text of findings(s)) {
    const key = `${s.layer ?? ""}.${s.step}|${text.replace(/[−\d.∞]+/g, "#")}`;
    const group = groups.get(key) ?? { steps: [], texts: [] };
    group.steps.push(s);
    group.texts.push(text);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ steps, texts }) => {
    const [first] = steps as [StepAudit];
    const copies = steps.flatMap((s) => (s.copy === undefined ? [] : [s.copy]));
    const run = copies.length > 1 && copies.every((c, i) => i === 0 || c === (copies[i - 1] as number) + 1);
    const place = copies.length < 2 ? first.place : `${first.layer}.${run ? `${copies[0]}…${copies.at(-1)}` : copies.join(",")}.${first.step}`;
    const size = (t: string): number => Math.max(0, ...(t.match(/\d+(?:\.\d+)?/g) ?? []).map(Number));
    return { place, text: [...texts].sort((a, b) => size(b) - size(a))[0] as string };
  });
}
function stepText(step: StepAudit): string {
  const width = Math.max(...step.stages.map((s) => stageLabel(s).length));
  const first = step.stages[0];
  return [
    `  ${step.place}: ${step.sense} ${step.objective}${first ? ` (${figure(first.own.before)} where the step is taken)` : ""}`,
    ...(step.surrogate === undefined ? [] : [`    through ${step.surrogate}`]),
    ...step.stages.map((s) => stageLine(s, step, width)),
    ...Object.entries(step.terms).flatMap(([name, terms]) => (terms.length < 2 ? [] : [
      `    ${name}: ${terms.map((t) => `${t.text.length > 40 ? `${t.text.slice(0, 39)}…` : t.text} ${figure(t.before)} → ${figure(t.after)}`).join("; ")}`])),
    ...step.rates.map((r) => `    coding rate of ${r.of}: ${figure(r.mean)} (±${figure(r.std)})`),
    `    non-zeros ${figure(step.density.before)} → ${figure(step.density.after)}`,
    ...findings(step).map((f) => `    ! ${f}`),
  ].join("\n");
}
export function auditText(audit: Audit, weights: string): string {
  const found = groupedFindings(audit).map((f) => `  ${f.place}: ${f.text}`);
  return [
    `${audit.network}, ${audit.samples} ${audit.samples === 1 ? "sample" : "samples"}, ${weights}`,
    ...audit.steps.map(stepText),
    found.length === 0 ? "  no lemma turned a step around, and every condition held" : `Found:\n${found.join("\n")}`, "",
  ].join("\n");
}
