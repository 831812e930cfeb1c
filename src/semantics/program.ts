/**
 * The typed program: names resolved, shapes checked, functions and lets spread out, every expression a matrix expression.
 * Steps are not yet derived; layers are not yet unrolled.
 */
import type { Span } from "../diagnostics/span.js";
import type { Dim } from "../expression/dim.js";
import type { Expr } from "../expression/expr.js";
import type { Shape } from "../expression/functions.js";
import type { PlainCall, TrainingProgram } from "../runtime/contract.js";
import type { Expression, StepDeclaration } from "../syntax/ast.js";

export interface TypedProgram {
  readonly networks: readonly TypedNetwork[];
  readonly lemmas: readonly TypedLemma[];
}

/** A parameter of a lemma. Its dims are the lemma's own, named `<lemma>.<dim>`; so is its index. */
export interface LemmaHole {
  readonly name: string;
  /** `U[k]`: the lemma's own index name. */
  readonly index?: string;
  readonly shape: Shape;
  readonly span: Span;
}
export interface TypedLemma {
  readonly name: string;
  readonly doc?: string;
  readonly span: Span;
  readonly holes: readonly LemmaHole[];
  readonly relation: "approximation" | "identity";
  /** Holes stand as symbols of role "hole" under their own names; own dims as numbers are symbols of role "dim" named `<lemma>.<dim>`. */
  readonly left: Expr;
  readonly right: Expr;
  readonly when?: Expr;
  readonly text: string;
}
/** What a `using` gives for a hole: an expression in which the hole's own index name stands free if it is a family. */
export interface LemmaUseTyped {
  readonly lemma: TypedLemma;
  readonly given: ReadonlyMap<string, Expr>;
  readonly span: Span;
}

export interface TypedDim {
  readonly name: string;
  readonly span: Span;
  /** `dim m = batch`. */
  readonly batch: boolean;
  /** Expanded: given by an expression or solved from the shapes, in terms of dims that are numbers or free. */
  readonly definition?: Dim;
  /** The number, where it is known after presets and settings. */
  readonly value?: number;
}
export interface TypedIndex {
  readonly name: string;
  readonly size: Dim;
  readonly count: number;
  readonly span: Span;
}
export interface TypedConst {
  readonly name: string;
  readonly value: number;
  readonly span: Span;
}
export interface TypedLet {
  readonly name: string;
  /** A family's own index. */
  readonly index?: string;
  readonly value: Expr;
  readonly span: Span;
  /** True: a scalar free of variables, which stays a symbol of role "let"; false: already spread out wherever it is used. */
  readonly kept: boolean;
}

/** See `ValueType` in network.ts: the same, unresolved. */
export interface TypedValue {
  readonly kind: "real" | "class" | "token";
  readonly symbols?: Dim;
  /** Per sample, expanded dims. A token sequence is [n, 1]; with `dim m = batch` a target class[J] is [m, 1] in expressions. */
  readonly shape: Shape;
  /** 0 `real` or class[C], 1 `real[n]` or token[V, n], 2 `real[d, n]`, … */
  readonly rank: number;
  readonly declared: string;
}
export interface TypedInput {
  readonly name: string;
  readonly type: TypedValue;
  readonly span: Span;
}

export type TypedInit =
  | { readonly kind: "zeros" | "ones" | "orthonormal" | "xavier_uniform" }
  | { readonly kind: "constant" | "normal" | "uniform" | "identity"; readonly value: number }
  | { readonly kind: "kaiming_uniform"; readonly a: number }
  | { readonly kind: "sincos2d"; readonly classToken: boolean }
  | { readonly kind: "sincos"; readonly base: number }
  | { readonly kind: "from"; readonly value: Expr }
  /** `fixed` without `init`: comes from a file. */
  | { readonly kind: "file" };

export interface TypedParam {
  /** Local name: `U`, or the path of a network function's parameter, `compress.layernorm.scale`. */
  readonly name: string;
  readonly index?: string;
  readonly shape: Shape;
  readonly rank: number;
  readonly fixed: boolean;
  readonly shared: boolean;
  readonly positive: boolean;
  readonly captured: boolean;
  readonly init: TypedInit;
  /** `pattern` may hold `{layer-1}`: pieces of text and expressions of the symbol `layer`. `suffix`: what a network function adds (".weight"). */
  readonly alias?: { readonly pieces: readonly (string | Expr)[]; readonly axes?: string; readonly span: Span };
  /** Dims' names of the axes as written (`["d", "p"]`), for alias patterns; `1`-based positions serve where they clash. */
  readonly axisNames: readonly string[];
  readonly span: Span;
}

export type MethodName = "gradient" | "proximal_gradient" | "proximal" | "exact";
export interface TypedMethod {
  readonly name: MethodName;
  readonly rate?: Expr;
  readonly iterations: number;
  readonly momentum: { readonly kind: "none" | "nesterov" | "fista" } | { readonly kind: "scalar"; readonly value: Expr };
  readonly span: Span;
}
export interface TypedStep {
  readonly kind: "step";
  readonly name: string;
  readonly doc?: string;
  readonly when?: Expr;
  readonly sense: "minimize" | "maximize";
  readonly objective: Expr;
  /** The network's variable that the step changes. */
  readonly variable: string;
  readonly over?: { readonly name: string; readonly index?: string; readonly shape: Shape; readonly from: Expr };
  readonly surrogate?: Expr;
  readonly method: TypedMethod;
  readonly captures: readonly { readonly name: string; readonly index?: string; readonly value: Expr; readonly span: Span }[];
  readonly using: readonly LemmaUseTyped[];
  /** `call`: F of the placeholder symbol `prenormHole`, which has the variable's shape. */
  readonly prenorm?: { readonly mode: "increment" | "input"; readonly call: Expr; readonly span: Span };
  readonly then?: Expr;
  readonly expect?: Expr;
  /** Where the clauses stand, for messages. */
  readonly ast: StepDeclaration;
  readonly span: Span;
}
/** The symbol in `prenorm.call` that stands for F's argument (role "hole"). */
export const prenormHole = "·";

/** `ast`: as it is written, for places. */
export type TypedStatement =
  | TypedStep
  | { readonly kind: "var"; readonly name: string; readonly index?: string; readonly shape: Shape; readonly rank: number; readonly init: Expr; readonly ast: Expression; readonly span: Span }
  | { readonly kind: "assign"; readonly name: string; readonly index?: string; readonly value: Expr; readonly ast: Expression; readonly span: Span }
  | { readonly kind: "objective"; readonly name: string; readonly sense: "minimize" | "maximize"; readonly value: Expr; readonly span: Span }
  | { readonly kind: "output"; readonly name: string; readonly type: TypedValue; readonly value: Expr; readonly ast: Expression; readonly span: Span }
  | TypedLayer;

export interface TypedLayer {
  readonly kind: "layer";
  readonly name: string;
  readonly doc?: string;
  readonly repeat: number;
  readonly params: readonly TypedParam[];
  readonly lets: readonly TypedLet[];
  readonly body: readonly Exclude<TypedStatement, TypedLayer>[];
  readonly span: Span;
}
export interface TypedTrain {
  readonly loss?: Expr;
  readonly program: TrainingProgram;
  readonly span: Span;
}
export interface TypedVariable {
  readonly name: string;
  readonly index?: string;
  readonly shape: Shape;
  readonly rank: number;
}
export interface TypedNetwork {
  readonly name: string;
  readonly doc?: string;
  readonly span: Span;
  readonly preset?: string;
  readonly dims: readonly TypedDim[];
  /** Name of the dim that is the batch axis. */
  readonly batchDim?: string;
  readonly indices: readonly TypedIndex[];
  readonly consts: readonly TypedConst[];
  readonly lets: readonly TypedLet[];
  readonly inputs: readonly TypedInput[];
  readonly targets: readonly TypedInput[];
  /** Of the network itself; a layer has its own. */
  readonly params: readonly TypedParam[];
  readonly variables: readonly TypedVariable[];
  readonly statements: readonly TypedStatement[];
  readonly train?: TypedTrain;
  /** Shows an expanded dim under the name that the spec gives it, if one does. */
  readonly showDim: (dim: Dim) => string;
}
export type { PlainCall };
