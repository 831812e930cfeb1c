/**
 * Must the mean of a product be taken token by token? a·P less its mean along an axis that only P has is a·(P less its mean): parameters are
 * centred once, tokens come out centred. The gradient of every normalisation that follows a product with parameters begins so.
 */
import { hasAxis, sizeOf } from "../builder.js";
import type { Graph, TensorNode } from "../graph.js";
import { nominal } from "../product.js";
import { parameterOnlyIn } from "./parameter-only.js";
import type { Pass } from "./pass.js";
import { readersOf, rewriteGraph, type RewriteRule } from "./rewrite.js";

type Contraction = TensorNode & { readonly op: "contract" };
/** x − mean(x) along an axis, x a product of tokens and parameters. */
interface Centred {
  readonly product: Contraction;
  readonly tokens: number;
  readonly matrix: number;
  readonly axis: string;
}

function rule(graph: Graph): RewriteRule {
  const readers = readersOf(graph);
  const parameterOnly = parameterOnlyIn(graph.nodes);
  const node = (id: number): TensorNode => graph.nodes[id] as TensorNode;
  const centred = (n: TensorNode): Centred | undefined => {
    if (n.op !== "binary" || n.fn !== "subtract") return undefined;
    const mean = node(n.b);
    const [axis, ...more] = mean.op === "reduce" && mean.fn === "mean" && mean.x === n.a ? mean.over : [];
    if (axis === undefined || more.length > 0) return undefined;
    if ((readers[n.a] ?? []).some((r) => r !== n.id && r !== n.b) || (readers[n.b] ?? []).some((r) => r !== n.id)) return undefined;
    const product = node(n.a);
    if (product.op !== "contract" || parameterOnly(product.id)) return undefined;
    const [tokens, matrix] = parameterOnly(product.b) ? [product.a, product.b] : [product.b, product.a];
    if (!parameterOnly(matrix) || hasAxis(node(tokens).axes, axis) || !hasAxis(node(matrix).axes, axis)) return undefined;
    return nominal(sizeOf(node(matrix).axes)) < nominal(sizeOf(product.axes)) ? { product, tokens, matrix, axis } : undefined;
  };
  return (n, { builder: b, of }) => {
    const found = centred(n);
    if (!found) return undefined;
    const matrix = of(found.matrix);
    const own = b.binary("subtract", matrix, b.reduce("mean", matrix, [found.axis]));
    return b.contract(of(found.tokens), own, found.product.over);
  };
}

export const centringIntoParameters: Pass = {
  name: "centring-into-parameters", level: 2,
  why: "the gradient of a normalisation takes a mean from every token: the matrix of the product before it is centred instead, once",
  run: (graph) => rewriteGraph(graph, rule(graph)),
};
