/** What of a plan is known before any input is there? Computed once, in float64, and written into the model. */
import { dimValue } from "../../expression/dim.js";
import { type Dense, evaluatePlanNodes, type PlanValues } from "../../tensor/evaluate-plan.js";
import type { Plan, PlanNode } from "../../tensor/plan.js";
import { planOperands } from "../../tensor/schedule.js";

/** Results without parameters are written out up to this many entries. */
const largestFolded = 65536;

export interface FoldOptions {
  /** Parameters whose values never change. */
  readonly fixed: ReadonlySet<string>;
  /** Store turned or reshaped parameters as such. */
  readonly weights: boolean;
}
/** A parameter in another layout: `name` as declared, turned and reshaped to plan node `node`. */
export interface FoldedWeight {
  readonly node: number;
  readonly name: string;
  readonly turned: boolean;
}
export interface Folded {
  /** Plan node → value; their operands are no longer needed for them. */
  readonly constants: ReadonlyMap<number, Dense>;
  readonly weights: readonly (FoldedWeight & { readonly value: Dense })[];
}

const isLeaf = (node: PlanNode): boolean => planOperands(node).length === 0;
/** The parameter of which a node is a mere view, and whether its axes were turned. */
function viewed(plan: Plan, node: PlanNode): { readonly name: string; readonly turned: boolean } | undefined {
  if (node.op === "parameter") return { name: node.name, turned: false };
  if (node.op !== "transpose" && node.op !== "reshape") return undefined;
  const below = viewed(plan, plan.nodes[node.x] as PlanNode);
  return below && { name: below.name, turned: below.turned || node.op === "transpose" };
}

/** Views of parameters that something other than a further view reads. */
function viewsRead(plan: Plan): readonly FoldedWeight[] {
  const read = new Set(plan.outputs.map((o) => o.node));
  for (const node of plan.nodes) if (!viewed(plan, node)) for (const x of planOperands(node)) read.add(x);
  return plan.nodes.filter((n) => read.has(n.id) && !isLeaf(n)).flatMap((n) => {
    const view = viewed(plan, n);
    return view ? [{ node: n.id, ...view }] : [];
  });
}

/** Values of all nodes that depend on constants and fixed parameters only and that something else reads. */
export function foldPlan(plan: Plan, parameters: PlanValues["parameters"], options: FoldOptions): Folded {
  const known: boolean[] = [], fixed: boolean[] = [];
  for (const node of plan.nodes) {
    const operands = planOperands(node);
    fixed[node.id] = (node.op === "parameter" && options.fixed.has(node.name)) || operands.some((x) => fixed[x]);
    const small = fixed[node.id] || node.shape.reduce((p, d) => p * (dimValue(d) ?? Number.POSITIVE_INFINITY), 1) <= largestFolded;
    const leaf = node.op === "constant" || node.op === "fill" || node.op === "iota" || (node.op === "parameter" && fixed[node.id] === true);
    const free = node.op === "input" || node.op === "parameter" || node.op === "size" || node.op === "dropout" || node.shape.some((d) => dimValue(d) === undefined);
    known[node.id] = leaf ? small && !node.shape.some((d) => dimValue(d) === undefined) : !free && small && operands.every((x) => known[x]);
  }
  const read = new Set(plan.outputs.map((o) => o.node));
  for (const node of plan.nodes) if (!known[node.id]) for (const x of planOperands(node)) read.add(x);
  const chosen = plan.nodes.filter((n) => known[n.id] && read.has(n.id) && !isLeaf(n) && !viewed(plan, n)).map((n) => n.id);
  const views = options.weights ? viewsRead(plan) : [];
  const values = evaluatePlanNodes(plan, [...chosen, ...views.map((v) => v.node)], { inputs: {}, parameters });
  const valueAt = (id: number): Dense => values.get(id) as Dense;
  return {
    constants: new Map(chosen.map((id) => [id, valueAt(id)])),
    weights: views.map((v) => ({ ...v, value: valueAt(v.node) })),
  };
}
