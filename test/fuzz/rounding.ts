/** How much may float32 lose in a network? Every kernel's result is moved by half a unit in the last place, in the float64 graph. */
import type { CompiledNetwork } from "../../src/compile.js";
import { dimValue } from "../../src/expression/dim.js";
import type { HostTensor, TensorMap } from "../../src/runtime/contract.js";
import type { Random } from "../../src/runtime/random.js";
import { type GraphBuilder, mapOperands } from "../../src/tensor/builder.js";
import { evaluateGraph } from "../../src/tensor/evaluate-graph.js";
import type { Graph, TensorOp } from "../../src/tensor/graph.js";
import { rewriteGraph } from "../../src/tensor/passes/rewrite.js";
import { graphOf } from "../../src/targets.js";
import { relativeError } from "../support/build.js";

/** Operations that round; the others hand their operands on. */
const rounds: ReadonlySet<TensorOp["op"]> = new Set(["unary", "binary", "contract", "reduce", "softmax", "log_softmax", "standardize", "cumsum"]);
/** What float32's rounding does to one value, as a part of it. */
const halfUnit = 2 ** -24;

/** Entries are moved by signs along each axis of known size, so that neighbours move apart. */
function shaken(b: GraphBuilder, id: number, random: Random): number {
  return b.axes(id).reduce((value, axis) => {
    const length = dimValue(axis.size);
    if (length === undefined) return value;
    const signs = Float64Array.from({ length }, () => 1 + halfUnit * (random.uniform() < 0.5 ? 1 : -1));
    return b.binary("multiply", value, b.constant(signs, [axis], "float"));
  }, id);
}
const wide = (map: TensorMap): Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float64Array }>> =>
  Object.fromEntries(Object.entries(map).map(([name, t]: [string, HostTensor]) => [name, { shape: t.shape, data: Float64Array.from(t.data) }]));

/** The largest change of z, as a part of its largest entry, over some draws. */
export function roundingError(network: CompiledNetwork, weights: TensorMap, feeds: TensorMap, random: Random, draws = 3): number {
  const graph = graphOf(network, {});
  const values = { inputs: wide(feeds), parameters: wide(weights), sizes: { batch: feeds[Object.keys(feeds)[0] ?? ""]?.shape[0] ?? 1 } };
  const z = (g: Graph): Float64Array => evaluateGraph(g, values).get("z")?.data ?? new Float64Array();
  const exact = z(graph);
  return Math.max(...Array.from({ length: draws }, () => relativeError(z(rewriteGraph(graph, (node, { builder: b, of }) => {
    if (node.type !== "float" || !rounds.has(node.op)) return undefined;
    return shaken(b, b.rebuild(mapOperands(node, of), node.axes, node.type, node.label), random);
  })), exact)));
}
