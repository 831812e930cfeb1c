/** What does a graph cost, before anything is run? Operations and bytes for each node, as formulas in the free sizes. */
import { type Dim, dimAdd, dimMultiply, dimNumber } from "../expression/dim.js";
import { operandsOf, sizeOf } from "./builder.js";
import { sizeValue } from "./evaluate-graph.js";
import type { Graph, TensorNode, UnaryFunction } from "./graph.js";

export interface Cost {
  /** Floating-point operations: a multiplication and an addition count one each. */
  readonly flops: Dim;
  /** Bytes read and written in float32, each operand once. */
  readonly bytes: Dim;
}
const zero = dimNumber(0);
const dear: ReadonlySet<UnaryFunction> = new Set(["exp", "log", "sqrt", "gelu", "erf", "sigmoid", "tanh", "reciprocal"]);
/** What a transcendental function of one entry counts as. */
const dearCost = 10;

function flopsOf(node: TensorNode, graph: Graph): Dim {
  const entries = sizeOf(node.axes);
  const times = (factor: number, of: Dim = entries): Dim => dimMultiply(of, dimNumber(factor));
  const operand = (id: number): Dim => sizeOf(graph.nodes[id]?.axes ?? []);
  switch (node.op) {
    case "unary": return times(dear.has(node.fn) ? dearCost : 1);
    case "binary": return times(node.fn === "power" ? dearCost : 1);
    case "select": case "cumsum": case "dropout": return entries;
    case "contract": {
      const summed = (graph.nodes[node.a]?.axes ?? []).filter((a) => node.over.includes(a.name));
      return times(2, dimMultiply(entries, sizeOf(summed)));
    }
    case "reduce": case "scatter_add": return operand(node.x);
    case "softmax": case "log_softmax": return times(dearCost + 3);
    case "standardize": return times(node.centred ? 7 : 4);
    default: return zero;
  }
}
/** Renames, splits, slices and the like move nothing that a runtime must: they count as free. */
const free: ReadonlySet<TensorNode["op"]> = new Set(["input", "parameter", "constant", "fill", "iota", "size", "rename", "split", "stop", "cast"]);

export function nodeCost(node: TensorNode, graph: Graph): Cost {
  if (free.has(node.op)) return { flops: zero, bytes: zero };
  // A slice reads no more than it gives.
  const reads = node.op === "slice" ? [node.axes] : [...new Set(operandsOf(node))].map((id) => graph.nodes[id]?.axes ?? []);
  const read = reads.map(sizeOf).reduce(dimAdd, zero);
  return { flops: flopsOf(node, graph), bytes: dimMultiply(dimNumber(4), dimAdd(read, sizeOf(node.axes))) };
}
const plus = (a: Cost, b: Cost): Cost => ({ flops: dimAdd(a.flops, b.flops), bytes: dimAdd(a.bytes, b.bytes) });
const nothing: Cost = { flops: zero, bytes: zero };

/** The cost of each place (`block.3/compress`; "" outside of steps), in order, and of all. */
export function graphCost(graph: Graph): { readonly places: ReadonlyMap<string, Cost>; readonly total: Cost } {
  const places = new Map<string, Cost>();
  for (const node of graph.nodes) {
    const cost = nodeCost(node, graph);
    if (cost.bytes.key !== "0") places.set(node.path, plus(places.get(node.path) ?? nothing, cost));
  }
  return { places, total: [...places.values()].reduce(plus, nothing) };
}
/** The entries of all parameters of the graph. */
export function parameterCount(graph: Graph): Dim {
  return graph.nodes.filter((n) => n.op === "parameter").map((n) => sizeOf(n.axes)).reduce(dimAdd, zero);
}
/** A cost as numbers at given free sizes. */
export function costValue(cost: Cost, sizes: Readonly<Record<string, number>>): { readonly flops: number; readonly bytes: number } {
  const free = new Map(Object.entries(sizes));
  return { flops: sizeValue(cost.flops, free), bytes: sizeValue(cost.bytes, free) };
}
