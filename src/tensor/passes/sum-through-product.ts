/**
 * Is a sum of entries already there, one product earlier? Σₙ y∘(x·z) is Σ z∘(Σₙ y·x), and where y·x stands anyway it costs a few entries
 * instead of all of y's. The gradient of attention asks for it: Σₙ A∘(V dOᵀ) is the row sum of dO∘O, as FlashAttention has it (Dao et al. 2022, appendix B.2).
 */
import { type GraphBuilder, hasAxis, sizeOf } from "../builder.js";
import type { Axis, Graph, TensorNode } from "../graph.js";
import { nominal } from "../product.js";
import type { Pass } from "./pass.js";
import { readersOf, rewriteGraph, type RewriteRule } from "./rewrite.js";

type Contraction = TensorNode & { readonly op: "contract" };
const isContraction = (n: TensorNode | undefined): n is Contraction => n?.op === "contract";
const keyOf = (x: number, y: number, over: readonly string[]): string => `${Math.min(x, y)} ${Math.max(x, y)} ${[...over].sort().join(" ")}`;
const without = (axes: readonly Axis[], names: readonly string[]): readonly Axis[] => axes.filter((a) => !names.includes(a.name));

/** Σ over `over` of y∘(x·z), by the product y·x that stands. */
interface Through {
  readonly z: number;
  readonly standing: Contraction;
  readonly over: readonly string[];
}
function rule(graph: Graph): RewriteRule {
  const readers = readersOf(graph);
  const axesOf = (id: number): readonly Axis[] => graph.nodes[id]?.axes ?? [];
  const standing = new Map(graph.nodes.filter(isContraction).map((n) => [keyOf(n.a, n.b, n.over), n]));
  const through = (node: TensorNode & { readonly op: "reduce" }, y: number, product: Contraction, x: number, z: number): Through | undefined => {
    const has = (id: number, names: readonly string[]): boolean => names.every((n) => hasAxis(axesOf(id), n));
    const misses = (id: number, names: readonly string[]): boolean => names.every((n) => !hasAxis(axesOf(id), n));
    if (!has(y, node.over) || !has(x, node.over) || !misses(z, node.over) || !misses(y, product.over)) return undefined;
    const before = standing.get(keyOf(y, x, node.over));
    return before && before.id < node.id ? { z, standing: before, over: product.over } : undefined;
  };
  const found = (node: TensorNode): Through | undefined => {
    const entries = node.op === "reduce" && node.fn === "sum" ? graph.nodes[node.x] : undefined;
    if (node.op !== "reduce" || entries?.op !== "binary" || entries.fn !== "multiply" || (readers[entries.id] ?? []).length > 1) return undefined;
    for (const [y, g] of [[entries.a, entries.b], [entries.b, entries.a]] as const) {
      const product = graph.nodes[g];
      if (!isContraction(product)) continue;
      const way = through(node, y, product, product.a, product.b) ?? through(node, y, product, product.b, product.a);
      const cheaper = way && nominal(sizeOf([...way.standing.axes, ...without(axesOf(way.z), way.standing.axes.map((a) => a.name))])) < nominal(sizeOf(entries.axes));
      if (cheaper) return way;
    }
    return undefined;
  };
  return (node, { builder: b, of }) => {
    const way = found(node);
    return way && sumOfProducts(b, of(way.standing.id), of(way.z), way.over);
  };
}
/** Σ of a∘z: a product and a sum, or a matrix product where both sides have axes of their own. */
function sumOfProducts(b: GraphBuilder, a: number, z: number, over: readonly string[]): number {
  const own = (x: number, other: number): boolean => b.axes(x).some((axis) => !b.has(other, axis.name));
  return own(a, z) && own(z, a) ? b.contract(a, z, over) : b.reduce("sum", b.binary("multiply", a, z), over);
}

export const sumThroughProduct: Pass = {
  name: "sum-through-product", level: 1,
  why: "the row sums in attention's gradient are taken over a head's few features, not over all tokens: the product that they need stands already",
  run: (graph) => rewriteGraph(graph, rule(graph)),
};
