/** Must a product of tokens be scaled by a number? Where a matrix of parameters took part, the matrix is scaled instead. */
import { sizeOf } from "../builder.js";
import type { Graph, TensorNode } from "../graph.js";
import { nominal } from "../product.js";
import { parameterOnlyIn } from "./parameter-only.js";
import type { Pass } from "./pass.js";
import { readersOf, rewriteGraph, type RewriteRule } from "./rewrite.js";

function rule(graph: Graph): RewriteRule {
  const parameterOnly = parameterOnlyIn(graph.nodes);
  const readers = readersOf(graph);
  const node = (id: number): TensorNode => graph.nodes[id] as TensorNode;
  const scalar = (id: number): boolean => parameterOnly(id) && node(id).axes.length === 0;
  return (scaling, { builder: b, of }) => {
    if (scaling.op !== "binary" || (scaling.fn !== "multiply" && scaling.fn !== "divide")) return undefined;
    const [x, by] = scaling.fn === "multiply" && scalar(scaling.a) ? [scaling.b, scaling.a] : [scaling.a, scaling.b];
    const product = node(x);
    if (!scalar(by) || product.op !== "contract" || readers[x]?.length !== 1) return undefined;
    const matrix = [product.a, product.b].find(parameterOnly);
    if (matrix === undefined || parameterOnly(x) || nominal(sizeOf(node(matrix).axes)) >= nominal(sizeOf(product.axes))) return undefined;
    const scaled = b.binary(scaling.fn, of(matrix), of(by));
    return b.contract(of(matrix === product.a ? product.b : product.a), scaled, product.over);
  };
}

export const scalarsIntoParameters: Pass = {
  name: "scalars-into-parameters", level: 1,
  why: "a number that multiplies a product of tokens with a matrix multiplies the matrix instead",
  run: (graph) => rewriteGraph(graph, rule(graph)),
};
