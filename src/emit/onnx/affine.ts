/** Which standardisations are followed by a scale and a shift that LayerNormalization can take along? */
import { dimValue } from "../../expression/dim.js";
import type { Plan, PlanNode } from "../../tensor/plan.js";
import { readCounts } from "../../tensor/schedule.js";

export interface Affine {
  readonly node: Extract<PlanNode, { readonly op: "standardize" }>;
  /** Plan nodes of shape [d], d the size of the last axis. */
  readonly scale?: number;
  readonly shift?: number;
  /** Plan nodes that the one LayerNormalization replaces, beside the one whose value it gives. */
  readonly inner: readonly number[];
}

/** By the plan node whose value it gives: standardize·scale + shift, standardize·scale; each part used once. */
export function affineNormalizations(plan: Plan): ReadonlyMap<number, Affine> {
  const uses = readCounts(plan.nodes, plan.outputs);
  const found = new Map<number, Affine>();
  for (const node of plan.nodes) {
    if (node.op === "standardize" && node.centred && dimValue(node.shape.at(-1) ?? { terms: [], key: "0" }) !== undefined) {
      found.set(node.id, { node, inner: [] });
    }
    if (node.op !== "binary" || (node.fn !== "multiply" && node.fn !== "add")) continue;
    for (const [x, other] of [[node.a, node.b], [node.b, node.a]] as const) {
      const before = found.get(x);
      const vector = plan.nodes[other];
      if (!before || uses.get(x) !== 1 || vector?.op !== "parameter" || vector.shape.length !== 1) continue;
      if (vector.shape[0]?.key !== before.node.shape.at(-1)?.key || before.shift !== undefined) continue;
      if (node.fn === "multiply" && before.scale !== undefined) continue;
      found.delete(x);
      found.set(node.id, { ...before, ...(node.fn === "multiply" ? { scale: other } : { shift: other }), inner: [...before.inner, x] });
      break;
    }
  }
  return new Map([...found].filter(([, a]) => a.scale !== undefined || a.shift !== undefined));
}
