/**
 * The tensor graph: arrays with named axes, no order among them. Names decide what meets what: a contraction sums over
 * the names it lists, entrywise operations spread over the names that one side lacks. Emitters never see the
 * paper's expressions; gradients and passes work here, where no transpose exists.
 */
import type { Dim } from "../expression/dim.js";

export interface Axis {
  /** Unique within a value: "batch", "k", "n", "n'", "d". */
  readonly name: string;
  /** A number, or a symbol that stays free ("batch", an unsolved dim). */
  readonly size: Dim;
}
/** `int`: labels, tokens and positions. */
export type ElementType = "float" | "int";

export type UnaryFunction =
  | "negate" | "exp" | "log" | "sqrt" | "abs" | "sign" | "relu" | "gelu" | "erf" | "sigmoid" | "tanh" | "reciprocal" | "square"
  /** Exactly 1 where positive, else 0. */
  | "step";
export type BinaryFunction =
  | "add" | "subtract" | "multiply" | "divide" | "power" | "max" | "min" | "remainder"
  /** 1 where it holds, else 0. */
  | "equal" | "less" | "less_equal" | "greater" | "greater_equal";
export type ReduceFunction = "sum" | "mean" | "max";

interface NodeBase {
  /** Position in `Graph.nodes`; operands come before. */
  readonly id: number;
  /** The axes of the value, in the order in which it is stored on the wire (leaves) or prefers to be (others). */
  readonly axes: readonly Axis[];
  readonly type: ElementType;
  /** Where in the network: `block.3/compress`; "" outside of steps. */
  readonly path: string;
  /** A readable name where the spec has one: `Z`, `softmax`, `block.3.U`. */
  readonly label: string;
}
export type TensorOp =
  /** A batch's input or target; `axes` is the wire order, batch first. */
  | { readonly op: "input"; readonly name: string }
  /** A parameter by its full name; `axes` is the stored order (family index first). */
  | { readonly op: "parameter"; readonly name: string }
  /** Row-major over `axes`; small tables only. */
  | { readonly op: "constant"; readonly data: Float64Array }
  /** The same number everywhere (axes may be none: a scalar). */
  | { readonly op: "fill"; readonly value: number }
  /** 0, 1, 2, … along its one axis. */
  | { readonly op: "iota" }
  /** The size of a free dim, as a scalar. */
  | { readonly op: "size"; readonly of: Dim }
  | { readonly op: "unary"; readonly fn: UnaryFunction; readonly x: number }
  | { readonly op: "binary"; readonly fn: BinaryFunction; readonly a: number; readonly b: number }
  /** where(condition ≠ 0, a, b). */
  | { readonly op: "select"; readonly condition: number; readonly a: number; readonly b: number }
  /** Σ over the names in `over` (each in both operands) of a·b; shared names not in `over` go along, others multiply out. */
  | { readonly op: "contract"; readonly a: number; readonly b: number; readonly over: readonly string[] }
  | { readonly op: "reduce"; readonly fn: ReduceFunction; readonly x: number; readonly over: readonly string[] }
  | { readonly op: "softmax"; readonly x: number; readonly over: string }
  | { readonly op: "log_softmax"; readonly x: number; readonly over: string }
  /** (x − mean)/√(biased variance + eps) along one axis; `centred: false`: x/√(mean square + eps). */
  | { readonly op: "standardize"; readonly x: number; readonly over: string; readonly eps: number; readonly centred: boolean }
  /** Other names for some axes; nothing is computed. */
  | { readonly op: "rename"; readonly x: number; readonly names: ReadonlyMap<string, string> }
  /** Entries from…to−1 (from 0) of one axis, which keeps its name. */
  | { readonly op: "slice"; readonly x: number; readonly axis: string; readonly from: Dim; readonly to: Dim }
  | { readonly op: "concat"; readonly parts: readonly number[]; readonly axis: string }
  /** Zeros put before and after along one axis. */
  | { readonly op: "pad"; readonly x: number; readonly axis: string; readonly before: Dim; readonly after: Dim }
  /** One axis becomes several, the first varying slowest. */
  | { readonly op: "split"; readonly x: number; readonly axis: string; readonly into: readonly Axis[] }
  /** Several axes become one, the first named varying slowest. */
  | { readonly op: "merge"; readonly x: number; readonly from: readonly string[]; readonly into: Axis }
  /** table[…, indices, …] along `axis` of the table; indices (int, from 0) bring their own axes. */
  | { readonly op: "gather"; readonly table: number; readonly indices: number; readonly axis: string }
  /** The reverse of gather: entries of x (with the axes of indices) added up where indices say; gives `axis`. */
  | { readonly op: "scatter_add"; readonly x: number; readonly indices: number; readonly axis: Axis }
  | { readonly op: "cumsum"; readonly x: number; readonly axis: string; readonly reverse: boolean }
  /** Entries of x where axes `a` and `b` (of one size) have the same position; `a` stays. */
  | { readonly op: "diagonal"; readonly x: number; readonly a: string; readonly b: string }
  /** Passes its operand on; no gradient flows back. */
  | { readonly op: "stop"; readonly x: number }
  /** In training zeroes entries with probability rate and divides the rest by 1 − rate; else the operand. */
  | { readonly op: "dropout"; readonly x: number; readonly rate: number }
  /** Float to int and back. */
  | { readonly op: "cast"; readonly x: number; readonly to: ElementType };

export type TensorNode = NodeBase & TensorOp;

export interface Graph {
  readonly nodes: readonly TensorNode[];
  /** Name on the wire → node, in the order of the spec; `wire` is the order of axes that the output must have. */
  readonly outputs: readonly { readonly name: string; readonly node: number; readonly wire: readonly string[] }[];
}
