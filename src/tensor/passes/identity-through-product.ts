/**
 * Must an identity be added before a product? (D − I)·D' is D·D' − D': as many additions, and a product of D with itself, whose gradient is one
 * product (`common-factor`) where that of D − I and D is two. The difference loses digits where D is near I, so this is done where an identity
 * is added to the result anyway, as in the matrix I + ηD'(I − D) of an ISTA step: beside it they are lost in any case.
 */
import type { Graph, TensorNode } from "../graph.js";
import { parameterOnlyIn } from "./parameter-only.js";
import type { Pass } from "./pass.js";
import { readersOf, rewriteGraph, type RewriteRule } from "./rewrite.js";

/** X ± I or I − X, the identity along two axes of X. */
interface Shifted {
  readonly x: number;
  readonly axes: readonly [string, string];
  readonly fn: "add" | "subtract";
  /** I − X instead of X − I. */
  readonly turned: boolean;
}
/** Small ones are written out. */
function isIdentity(data: Float64Array): boolean {
  const size = Math.sqrt(data.length);
  return data.every((x, i) => x === (i % (size + 1) === 0 ? 1 : 0));
}
function rule(graph: Graph): RewriteRule {
  const parameterOnly = parameterOnlyIn(graph.nodes);
  const readers = readersOf(graph);
  const node = (id: number): TensorNode => graph.nodes[id] as TensorNode;
  const identityAxes = (id: number): readonly [string, string] | undefined => {
    const n = node(id);
    const of = n.op === "cast" ? node(n.x) : n;
    const [r, c] = of.axes;
    if (of.axes.length !== 2 || !r || !c || r.size.key !== c.size.key) return undefined;
    const compared = of.op === "binary" && of.fn === "equal" && node(of.a).op === "iota" && node(of.b).op === "iota";
    return compared || (of.op === "constant" && isIdentity(of.data)) ? [r.name, c.name] : undefined;
  };
  const shifted = (id: number): Shifted | undefined => {
    const n = node(id);
    if (n.op !== "binary" || (n.fn !== "add" && n.fn !== "subtract") || !parameterOnly(id) || readers[id]?.length !== 1) return undefined;
    for (const [x, i] of [[n.a, n.b], [n.b, n.a]] as const) {
      const axes = identityAxes(i);
      if (axes && node(x).axes.length === n.axes.length) return { x, axes, fn: n.fn, turned: n.fn === "subtract" && i === n.a };
    }
    return undefined;
  };
  const bare = (id: number): number => {
    const n = node(id);
    return n.op === "rename" ? n.x : id;
  };
  /** Does the value, scaled at most, meet an identity in a sum and nothing else? */
  const meetsIdentity = (id: number): boolean => {
    const [reader = -1, ...others] = readers[id] ?? [];
    if (others.length > 0 || reader < 0) return false;
    const n = node(reader);
    if (n.op === "rename" || (n.op === "unary" && n.fn === "negate")) return meetsIdentity(reader);
    if (n.op !== "binary") return false;
    const other = n.a === id ? n.b : n.a;
    if (n.fn === "add" || n.fn === "subtract") return identityAxes(other) !== undefined;
    return n.fn === "multiply" && node(other).axes.length === 0 && meetsIdentity(reader);
  };
  return (product, { builder: b, of }) => {
    if (product.op !== "contract" || product.over.length !== 1 || !parameterOnly(product.id) || !meetsIdentity(product.id)) return undefined;
    const [over] = product.over as readonly [string];
    for (const [side, other] of [[product.a, product.b], [product.b, product.a]] as const) {
      const found = shifted(side);
      const row = found?.axes.find((a) => a !== over);
      // Along the identity's other axis the other side must be free: it bears that name afterwards.
      if (!found?.axes.includes(over) || row === undefined || node(other).axes.some((a) => a.name === row)) continue;
      if (bare(found.x) !== bare(other)) continue;
      const [whole, own] = [b.contract(of(found.x), of(other), product.over), b.rename(of(other), new Map([[over, row]]))];
      return found.turned ? b.binary("subtract", own, whole) : b.binary(found.fn, whole, own);
    }
    return undefined;
  };
}

export const identityThroughProduct: Pass = {
  name: "identity-through-product", level: 2,
  why: "(D − I)·D' of parameters beside an identity is D·D' − D': as cheap, and its gradient is one product of parameters instead of two",
  run: (graph) => rewriteGraph(graph, rule(graph)),
};
