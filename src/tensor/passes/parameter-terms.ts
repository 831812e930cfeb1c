/** Are several parameters added to one activation? They are added to each other first: one addition for each token is left. */
import type { Graph, TensorNode } from "../graph.js";
import { parameterOnlyIn } from "./parameter-only.js";
import type { Pass } from "./pass.js";
import { readersOf, rewriteGraph, type RewriteRule } from "./rewrite.js";

/** x + by or x − by, x an activation and by parameters alone. */
interface Shift {
  readonly x: number;
  readonly by: number;
  readonly minus: boolean;
}
function rule(graph: Graph): RewriteRule {
  const parameterOnly = parameterOnlyIn(graph.nodes);
  const readers = readersOf(graph);
  const node = (id: number): TensorNode => graph.nodes[id] as TensorNode;
  const shiftOf = (n: TensorNode): Shift | undefined => {
    if (n.op !== "binary" || n.type !== "float" || (n.fn !== "add" && n.fn !== "subtract") || parameterOnly(n.id)) return undefined;
    if (parameterOnly(n.b)) return { x: n.a, by: n.b, minus: n.fn === "subtract" };
    return n.fn === "add" && parameterOnly(n.a) ? { x: n.b, by: n.a, minus: false } : undefined;
  };
  return (outer, { builder: b, of }) => {
    const first = shiftOf(outer);
    if (!first) return undefined;
    const shifts = [first];
    // Renaming between two shifts has moved outside of them while building.
    for (let next = shiftOf(node(first.x)); next && readers[shifts.at(-1)?.x ?? -1]?.length === 1; next = shiftOf(node(next.x))) shifts.push(next);
    const innermost = shifts.at(-1);
    if (shifts.length < 2 || !innermost) return undefined;
    const sum = shifts.reduce((total, s) => b.binary(s.minus ? "subtract" : "add", total, of(s.by)), b.fill(0));
    return b.binary("add", of(innermost.x), sum);
  };
}

export const parameterTerms: Pass = {
  name: "parameter-terms", level: 1,
  why: "parameters that are added to one activation are added to each other first: one addition for each token",
  run: (graph) => rewriteGraph(graph, rule(graph)),
};
