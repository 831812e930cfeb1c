/** What each step claims, measured while the network trains: its objective before and after it, and the sparsity it leaves. */
import { type Batch, type HostTensor, isNeeded, type ModelDescription, own, type TensorMap, type TrainingEngine } from "./contract.js";
import { addedNames } from "./wire-names.js";

export interface AuditRow {
  /** `block.3.compress`. */
  readonly step: string;
  readonly before: number;
  readonly after: number;
  /** Share of entries that are not 0, after the step; undefined where the value is not probed. */
  readonly nonZero: number | undefined;
}
export const auditHeader = "training_step,network_step,objective_before,objective_after,change,non_zero\n";

const numberOf = (t: HostTensor | undefined): number => Number(t?.data[0] ?? Number.NaN);
function nonZeroShare(t: HostTensor | undefined): number | undefined {
  if (!t || t.data.length === 0) return undefined;
  let count = 0;
  for (let i = 0; i < t.data.length; i++) if (t.data[i] !== 0) count += 1;
  return count / t.data.length;
}
/** Rows in the order of the network, from what an engine's probe gives. */
export function auditRows(probed: TensorMap): readonly AuditRow[] {
  return Object.keys(probed).flatMap((name): AuditRow[] => {
    const m = /^audit\/(.+)\/before$/.exec(name);
    if (!m?.[1]) return [];
    return [{ step: m[1], before: numberOf(probed[name]), after: numberOf(probed[`audit/${m[1]}/after`]), nonZero: nonZeroShare(own(probed, m[1])) }];
  });
}
const cell = (text: string): string => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
/** Lines of `audit.csv`. */
export function auditLines(trainingStep: number, rows: readonly AuditRow[]): string {
  return rows.map((r) => `${[trainingStep, cell(r.step), r.before, r.after, r.after - r.before, r.nonZero ?? ""].join(",")}\n`).join("");
}
/** Targets that an audit reads and a batch lacks. */
export const unaudited = (model: ModelDescription, batch: Batch): readonly string[] =>
  model.targets.filter((t) => isNeeded(t, true) && !own(batch, t.name)).map((t) => t.name);
export async function audit(engine: TrainingEngine, batch: Batch): Promise<readonly AuditRow[]> {
  return engine.probe ? auditRows(await engine.probe(batch)) : [];
}
/**
 * The first step of the network whose probed value is not finite. The steps stand in the network's order, what follows from them comes
 * last; an objective may be infinite where its value is not, so audits do not count.
 */
export function firstUnfinite(probed: TensorMap, model: ModelDescription): string | undefined {
  const ends = new Set([...model.outputs.map((o) => o.name), addedNames(model).loss]);
  return Object.keys(probed).filter((n) => !n.startsWith("audit/")).sort((a, b) => Number(ends.has(a)) - Number(ends.has(b)))
    .find((name) => !Array.prototype.every.call(probed[name]?.data ?? [], (x) => Number.isFinite(x)));
}
