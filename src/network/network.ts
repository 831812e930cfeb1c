/**
 * An unrolled network: what the derivations say is computed, copy by copy, in order.
 * Every value has one name and is assigned once; expressions stay in the paper's orientation.
 */
import type { Dim } from "../expression/dim.js";
import type { Expr } from "../expression/expr.js";
import type { Shape } from "../expression/functions.js";
import type { TrainingProgram } from "../runtime/contract.js";

/** The type of an input, target or output. `shape` is per sample: token[V, n] is [n, 1], class[C] is [1, 1]. */
export interface ValueType {
  readonly kind: "real" | "class" | "token";
  /** Count of classes or symbols. */
  readonly symbols?: Dim;
  /** Two dims: a matrix as declared (a column is [q, 1], a scalar [1, 1]); more: an array. */
  readonly shape: Shape;
  /** How it was declared: `real[q]` has 1, `real[d, n]` 2, `real` 0: the rank on the wire, batch not counted. */
  readonly rank: number;
}

export interface NetworkInput {
  readonly name: string;
  readonly type: ValueType;
}

/** How a parameter starts, dims resolved, fans counted (language, sections 4 and 13). */
export type ParameterInit =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "orthonormal" }
  | { readonly kind: "identity"; readonly scale: number }
  | { readonly kind: "sincos2d"; readonly classToken: boolean }
  | { readonly kind: "sincos"; readonly base: number }
  /** Computed from other parameters, consts and dims; names in it are full names. */
  | { readonly kind: "from"; readonly value: Expr }
  | { readonly kind: "file" };

export interface NetworkParameter {
  /** `block.1.U`, `logits.linear.weight`. */
  readonly name: string;
  /** As declared: [rows, cols], a column [n, 1], a scalar [1, 1]; all symbols resolved. */
  readonly shape: Shape;
  /** 0 scalar, 1 column, 2 matrix: how many of the shape's axes are stored. */
  readonly rank: number;
  /** The family's index and its size: stored as a first axis. */
  readonly family?: { readonly index: string; readonly size: number };
  readonly trainable: boolean;
  readonly positive: boolean;
  /** True: filled by construction (a capture). */
  readonly captured: boolean;
  readonly init: ParameterInit;
  readonly alias?: { readonly name: string; readonly axes?: string };
  /** Dims' names of rows and cols as declared, for axis patterns of aliases. */
  readonly axisNames: readonly string[];
}

export interface UnrolledStatement {
  /** The one name of the value that is assigned: `Z`, `block.3.compress`, `block.3.sparsify.iteration1`. */
  readonly target: string;
  readonly value: Expr;
  /** Where it stands, for names of nodes: `block.3/compress`. The same statement in another copy differs in the number only. */
  readonly path: string;
  /** What the symbols of `value` are called here: local name → name of a parameter, input or earlier statement. */
  readonly names: ReadonlyMap<string, string>;
  /** Symbols that are numbers in this copy: `layer`. */
  readonly numbers: ReadonlyMap<string, number>;
  /** Free family index of the value (a variable that is a family). */
  readonly family?: { readonly index: string; readonly size: number };
  /** The spec's variable whose new value this is, after a step or assignment (what `--probe` shows). */
  readonly variable?: string;
  /** Set on captures: the value becomes the parameter of that name while the network is constructed. */
  readonly capture?: string;
}

export interface NetworkOutput {
  readonly name: string;
  readonly type: ValueType;
  /** Name of the statement that gives it. */
  readonly value: string;
}

export interface UnrolledNetwork {
  readonly name: string;
  readonly doc?: string;
  /** Numbers of all solved dims, by symbol. */
  readonly dims: ReadonlyMap<string, number>;
  /** Dims that stay symbolic in the emitted graph (dynamic axes), without the batch axis. */
  readonly freeDims: readonly string[];
  /** `dim m = batch`: the dim that runs over samples; then no batch axis is implied. */
  readonly batchDim?: string;
  /** Sizes of the indices, by name. */
  readonly indices: ReadonlyMap<string, number>;
  /** Consts, and scalar lets free of variables (families too, their index free): by local name. */
  readonly definitions: ReadonlyMap<string, Expr>;
  readonly inputs: readonly NetworkInput[];
  readonly targets: readonly NetworkInput[];
  readonly parameters: readonly NetworkParameter[];
  readonly statements: readonly UnrolledStatement[];
  readonly outputs: readonly NetworkOutput[];
  /** A scalar; symbols: outputs, targets, inputs, parameters and statements, by the names given in `lossNames`. */
  readonly loss?: Expr;
  readonly lossNames: ReadonlyMap<string, string>;
  readonly training?: TrainingProgram;
}
