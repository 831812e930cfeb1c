/**
 * Must several axes be merged in the spec's order? Where only sums, normalisations and matrices of parameters meet the merged axis, its
 * order is free: activations keep the order in which they are stored, and the parameters are permuted instead, once.
 */
import { type GraphBuilder, hasAxis, operandsOf, sizeOf } from "../builder.js";
import type { Axis, Graph, TensorNode } from "../graph.js";
import { freshName } from "../lowered.js";
import { nominal } from "../product.js";
import { parameterOnlyIn } from "./parameter-only.js";
import type { Pass } from "./pass.js";
import { readersOf, rewriteGraph, type RewriteRule } from "./rewrite.js";

type Merge = TensorNode & { readonly op: "merge" };
/** The merge's axes as they stood, and as they are to stand. */
interface NewOrder {
  readonly from: readonly Axis[];
  readonly order: readonly string[];
}
/** What follows a merge along its axis. */
interface Followers {
  /** Parameters that meet the axis: reader → the operand and the axis's name there. */
  readonly parameters: ReadonlyMap<number, { readonly operand: number; readonly axis: string }>;
}

class Orders {
  private readonly parameterOnly: (id: number) => boolean;
  private readonly readers: readonly (readonly number[])[];

  constructor(private readonly graph: Graph) {
    this.parameterOnly = parameterOnlyIn(graph.nodes);
    this.readers = readersOf(graph);
  }
  private node(id: number): TensorNode {
    return this.graph.nodes[id] as TensorNode;
  }
  /** The order in which the merged axes stand before they are merged, where the spec asks for another. */
  private storedOrder(merge: Merge): readonly string[] | undefined {
    const order = this.node(merge.x).axes.map((a) => a.name).filter((n) => merge.from.includes(n));
    return order.join() === merge.from.join() ? undefined : order;
  }
  /** Everything along the axis, or undefined where something needs its order. */
  private followers(merge: Merge): Followers | undefined {
    const parameters = new Map<number, { readonly operand: number; readonly axis: string }>();
    const waiting: { readonly id: number; readonly axis: string }[] = [{ id: merge.id, axis: merge.into.name }];
    const seen = new Set<number>();
    for (let at = waiting.pop(); at; at = waiting.pop()) {
      if (seen.has(at.id)) continue;
      seen.add(at.id);
      for (const reader of this.readers[at.id] ?? []) {
        const next = reader < 0 ? undefined : this.passedOn(this.node(reader), at.id, at.axis);
        if (!next) return undefined;
        if (next.parameter !== undefined) parameters.set(reader, { operand: next.parameter, axis: at.axis });
        if (next.axis !== undefined) waiting.push({ id: reader, axis: next.axis });
      }
    }
    return { parameters };
  }
  /** What a reader makes of the axis: its name in the result, if it stays, and the parameter that it meets. */
  private passedOn(reader: TensorNode, x: number, axis: string): { readonly axis?: string; readonly parameter?: number } | undefined {
    switch (reader.op) {
      case "rename": return { axis: reader.names.get(axis) ?? axis };
      case "unary": case "standardize": case "softmax": case "log_softmax": case "stop": return { axis };
      case "reduce": return reader.over.includes(axis) ? {} : { axis };
      case "binary": case "contract": {
        const other = reader.a === x ? reader.b : reader.a;
        const stays = reader.op === "binary" || !reader.over.includes(axis) ? { axis } : {};
        if (!hasAxis(this.node(other).axes, axis)) return stays;
        return this.parameterOnly(other) ? { ...stays, parameter: other } : undefined;
      }
      default: return undefined;
    }
  }
  /** Merge → its new order; reader → the parameter to permute. */
  find(): { readonly merges: ReadonlyMap<number, NewOrder>; readonly permuted: ReadonlyMap<number, NewOrder & { readonly operand: number; readonly axis: string }> } {
    const merges = new Map<number, NewOrder>();
    const permuted = new Map<number, NewOrder & { readonly operand: number; readonly axis: string }>();
    for (const node of this.graph.nodes) {
      if (node.op !== "merge" || this.parameterOnly(node.id)) continue;
      const order = this.storedOrder(node);
      const followers = order && this.followers(node);
      if (!order || !followers) continue;
      const moved = [...followers.parameters.values()].reduce((sum, p) => sum + nominal(sizeOf(this.node(p.operand).axes)), 0);
      if (moved >= nominal(sizeOf(node.axes)) || [...followers.parameters.keys()].some((r) => permuted.has(r))) continue;
      const from = node.from.map((n) => this.node(node.x).axes.find((a) => a.name === n) as Axis);
      merges.set(node.id, { from, order });
      for (const [reader, p] of followers.parameters) permuted.set(reader, { from, order, ...p });
    }
    return { merges, permuted };
  }
}
/** The parameter with one axis in the new order. */
function permute(b: GraphBuilder, x: number, axis: string, { from, order }: NewOrder): number {
  const taken = new Set(b.axes(x).map((a) => a.name));
  const names = new Map<string, string>();
  for (const a of from) {
    const name = freshName(a.name, taken);
    names.set(a.name, name);
    taken.add(name);
  }
  const apart = b.split(x, axis, from.map((a) => ({ name: names.get(a.name) as string, size: a.size })));
  return b.merge(apart, order.map((n) => names.get(n) as string), axis);
}
function rule(graph: Graph): RewriteRule {
  const { merges, permuted } = new Orders(graph).find();
  return (node, { builder: b, of }) => {
    const merge = merges.get(node.id);
    if (merge && node.op === "merge") return b.merge(of(node.x), merge.order, node.into.name);
    const parameter = permuted.get(node.id);
    if (!parameter || (node.op !== "binary" && node.op !== "contract")) return undefined;
    const [left, right] = operandsOf(node).map((id) => (id === parameter.operand ? permute(b, of(id), parameter.axis, parameter) : of(id))) as [number, number];
    return node.op === "binary" ? b.binary(node.fn, left, right) : b.contract(left, right, node.over);
  };
}

export const mergedOrder: Pass = {
  name: "merged-order", level: 1,
  why: "features that only meet parameters are merged in the order in which they are stored; the parameters are permuted instead of every token",
  run: (graph) => (graph.nodes.some((n) => n.op === "merge") ? rewriteGraph(graph, rule(graph)) : graph),
};
