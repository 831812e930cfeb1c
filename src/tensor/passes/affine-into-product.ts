/**
 * Must a normalised token be scaled and shifted before it meets a matrix? (s∘y + t)·W = y·(s∘W) + t·W, and both s∘W and t·W are
 * parameters alone. Where every reader is such a product and the cost at nominal sizes falls, tokens are left as they were standardised.
 */
import { hasAxis, sizeOf } from "../builder.js";
import { nodeCost } from "../cost.js";
import type { Axis, Graph, TensorNode } from "../graph.js";
import { nominal } from "../product.js";
import { parameterOnlyIn } from "./parameter-only.js";
import type { Pass } from "./pass.js";
import { readersOf, rewriteGraph, type Rewriting } from "./rewrite.js";

type Contraction = TensorNode & { readonly op: "contract" };
/** scale ∘ y + shift: ids of the old graph. */
interface Affine {
  readonly y: number;
  readonly scale?: { readonly by: number; readonly divides: boolean };
  readonly shift?: { readonly by: number; readonly sign: "plus" | "minus" };
  /** The nodes that go when nobody reads the result. */
  readonly inner: readonly number[];
}

class AffineFolding {
  private readonly parameterOnly: (id: number) => boolean;
  private readonly readers: readonly (readonly number[])[];
  private readonly folded = new Map<number, Affine>();

  constructor(private readonly graph: Graph) {
    this.parameterOnly = parameterOnlyIn(graph.nodes);
    this.readers = readersOf(graph);
    for (const node of graph.nodes) {
      const affine = this.affine(node);
      if (affine && this.pays(node, affine)) this.folded.set(node.id, affine);
    }
  }
  private node(id: number): TensorNode {
    return this.graph.nodes[id] as TensorNode;
  }
  private axes(id: number): readonly Axis[] {
    return this.node(id).axes;
  }
  private onlyReaderOf(id: number, reader: number): boolean {
    return (this.readers[id] ?? []).every((r) => r === reader);
  }
  /** Has every axis of the result, so that nothing is spread. */
  private covers(x: number, node: TensorNode): boolean {
    return this.axes(x).length === node.axes.length;
  }
  private affine(node: TensorNode): Affine | undefined {
    if (node.op !== "binary" || node.type !== "float" || this.parameterOnly(node.id)) return undefined;
    if (node.fn === "multiply" || node.fn === "divide") return this.scaling(node);
    if (node.fn !== "add" && node.fn !== "subtract") return undefined;
    const [x, by] = node.fn === "add" && this.parameterOnly(node.a) ? [node.b, node.a] : [node.a, node.b];
    if (!this.parameterOnly(by) || this.parameterOnly(x) || !this.covers(x, node)) return undefined;
    const shift = { by, sign: node.fn === "add" ? "plus" : "minus" } as const;
    const inside = this.onlyReaderOf(x, node.id) ? this.scaling(this.node(x)) : undefined;
    return inside ? { ...inside, shift, inner: [...inside.inner, node.id] } : { y: x, shift, inner: [node.id] };
  }
  private scaling(node: TensorNode): Affine | undefined {
    if (node.op !== "binary" || (node.fn !== "multiply" && node.fn !== "divide")) return undefined;
    const [y, by] = node.fn === "multiply" && this.parameterOnly(node.a) ? [node.b, node.a] : [node.a, node.b];
    if (!this.parameterOnly(by) || this.parameterOnly(y) || !this.covers(y, node)) return undefined;
    return { y, scale: { by, divides: node.fn === "divide" }, inner: [node.id] };
  }
  /** The parameters that a product's reader brings: undefined where it is none of the kind, or they would grow. */
  private matrixBeside(reader: number, x: number, affine: Affine): number | undefined {
    const node = reader < 0 ? undefined : this.node(reader);
    if (node?.op !== "contract" || node.a === node.b) return undefined;
    const matrix = node.a === x ? node.b : node.a;
    const scale = affine.scale?.by;
    const grows = scale !== undefined && this.axes(scale).some((a) => !hasAxis(this.axes(matrix), a.name));
    return this.parameterOnly(matrix) && !grows ? matrix : undefined;
  }
  private pays(node: TensorNode, affine: Affine): boolean {
    const readers = this.readers[node.id] ?? [];
    const cost = (id: number): number => nominal(nodeCost(this.node(id), this.graph).flops);
    let saving = affine.inner.reduce((sum, id) => sum + cost(id), 0);
    for (const reader of readers) {
      const matrix = this.matrixBeside(reader, node.id, affine);
      if (matrix === undefined) return false;
      if (affine.scale) saving -= nominal(sizeOf(this.axes(matrix)));
      if (!affine.shift) continue;
      saving -= 2 * nominal(sizeOf(this.axes(matrix)));
      if (!this.meetsShift(reader)) saving -= nominal(sizeOf(this.axes(reader)));
    }
    return readers.length > 0 && saving > 0;
  }
  /** Is parameters alone added to the product anyway? Both shifts are then one. */
  private meetsShift(reader: number): boolean {
    const [next, ...others] = this.readers[reader] ?? [];
    if (next === undefined || next < 0 || others.length > 0) return false;
    const node = this.node(next);
    if (node.op === "rename") return this.meetsShift(next);
    return node.op === "binary" && (node.fn === "add" || node.fn === "subtract") && this.parameterOnly(node.a === reader ? node.b : node.a);
  }
  /** The product of the unscaled tokens. */
  rewrite(node: TensorNode, { builder: b, of }: Rewriting): number | undefined {
    if (node.op !== "contract") return undefined;
    const affine = this.folded.get(node.a) ?? this.folded.get(node.b);
    if (!affine) return undefined;
    const matrix = of(this.folded.has(node.a) ? (node as Contraction).b : node.a);
    const { scale, shift } = affine;
    const scaled = scale ? b.binary(scale.divides ? "divide" : "multiply", matrix, of(scale.by)) : matrix;
    const product = b.contract(of(affine.y), scaled, node.over);
    if (!shift) return product;
    b.name(product, node.label);
    return b.binary(shift.sign === "plus" ? "add" : "subtract", product, b.contract(of(shift.by), matrix, node.over));
  }
}

export const affineIntoProduct: Pass = {
  name: "affine-into-product", level: 2,
  why: "the scale and shift of a normalisation go into the matrix that follows: they are applied to few parameters, not to every token",
  run: (graph) => {
    const folding = new AffineFolding(graph);
    return rewriteGraph(graph, (node, rewriting) => folding.rewrite(node, rewriting));
  },
};
