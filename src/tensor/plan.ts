/**
 * The kernel plan: the tensor graph with its axes put in order, as the operations that both runtimes have.
 * Emitters read this and nothing earlier, and compute nothing that is not written here.
 */
import type { Dim } from "../expression/dim.js";
import type { BinaryFunction, ElementType, ReduceFunction, UnaryFunction } from "./graph.js";

interface PlanBase {
  readonly id: number;
  /** Sizes in order; a free one is a symbol ("batch", "n") or a polynomial of them. */
  readonly shape: readonly Dim[];
  readonly type: ElementType;
  readonly path: string;
  readonly label: string;
}
export type PlanOp =
  | { readonly op: "input"; readonly name: string }
  | { readonly op: "parameter"; readonly name: string }
  /** Row-major. A scalar has shape []. */
  | { readonly op: "constant"; readonly data: Float64Array }
  /** Filled with one number; shape may hold free sizes. */
  | { readonly op: "fill"; readonly value: number }
  | { readonly op: "iota" }
  /** The value of a free size as a scalar (shape []), float. */
  | { readonly op: "size"; readonly of: Dim }
  | { readonly op: "unary"; readonly fn: UnaryFunction; readonly x: number }
  /** Spreads as NumPy does. */
  | { readonly op: "binary"; readonly fn: BinaryFunction; readonly a: number; readonly b: number }
  | { readonly op: "select"; readonly condition: number; readonly a: number; readonly b: number }
  /** Of the last two axes; leading axes spread as NumPy does. Flags turn the last two axes of an operand. */
  | { readonly op: "matmul"; readonly a: number; readonly b: number; readonly transposeA: boolean; readonly transposeB: boolean }
  /** axes count from 0 at the front. */
  | { readonly op: "reduce"; readonly fn: ReduceFunction; readonly x: number; readonly axes: readonly number[]; readonly keep: boolean }
  | { readonly op: "softmax"; readonly x: number; readonly axis: number }
  | { readonly op: "log_softmax"; readonly x: number; readonly axis: number }
  /** Along the last axis, as in the graph. */
  | { readonly op: "standardize"; readonly x: number; readonly eps: number; readonly centred: boolean }
  | { readonly op: "transpose"; readonly x: number; readonly order: readonly number[] }
  | { readonly op: "reshape"; readonly x: number }
  | { readonly op: "slice"; readonly x: number; readonly axis: number; readonly from: Dim; readonly to: Dim }
  | { readonly op: "concat"; readonly parts: readonly number[]; readonly axis: number }
  | { readonly op: "pad"; readonly x: number; readonly axis: number; readonly before: Dim; readonly after: Dim }
  /** Along axis 0 of the table: result shape = shape of indices, then the table's others. */
  | { readonly op: "gather"; readonly table: number; readonly indices: number }
  /** x: [indices' shape…, rest…] added into zeros of this shape [count, rest…]. */
  | { readonly op: "scatter_add"; readonly x: number; readonly indices: number }
  | { readonly op: "cumsum"; readonly x: number; readonly axis: number; readonly reverse: boolean }
  /** Spread to this shape. */
  | { readonly op: "broadcast"; readonly x: number }
  | { readonly op: "dropout"; readonly x: number; readonly rate: number }
  /** Passes x on; no gradient flows back. */
  | { readonly op: "stop"; readonly x: number }
  | { readonly op: "cast"; readonly x: number; readonly to: ElementType };
export type PlanNode = PlanBase & PlanOp;

export interface Plan {
  readonly nodes: readonly PlanNode[];
  readonly outputs: readonly { readonly name: string; readonly node: number }[];
}
