/** Which values does a batch not change? Those of parameters and numbers alone: computed once for all tokens of a step. */
import { operandsOf } from "../builder.js";
import type { TensorNode } from "../graph.js";

/** Is the node the same for every batch? The list may grow between questions. Dropout draws anew, so its mask counts as data. */
export function parameterOnlyIn(nodes: readonly TensorNode[]): (id: number) => boolean {
  const known: (boolean | undefined)[] = [];
  const ask = (id: number): boolean => {
    const before = known[id];
    if (before !== undefined) return before;
    const node = nodes[id];
    const hasBatch = node?.axes.some((a) => a.name === "batch") ?? true;
    const answer = node !== undefined && !hasBatch && node.op !== "input" && node.op !== "dropout" && operandsOf(node).every(ask);
    known[id] = answer;
    return answer;
  };
  return ask;
}
