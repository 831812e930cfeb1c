/** What a parsed `.srr` file is: plain, readonly nodes, each with its span. Nothing is resolved yet. */
import type { Span } from "../diagnostics/span.js";

export interface Node {
  readonly span: Span;
}
export interface Name extends Node {
  readonly name: string;
}

// ---------------------------------------------------------------- expressions
export type BinaryOperator =
  | "*" | "/" | ".*" | "./" | "%" | "+" | "-" | "^" | ".^" | "==" | "<" | "<=" | ">" | ">=" | "|>";

export type Expression =
  | ({ readonly kind: "number"; readonly value: number; readonly text: string } & Node)
  | ({ readonly kind: "string"; readonly value: string } & Node)
  | ({ readonly kind: "name"; readonly name: string } & Node)
  /** `f(a, over: rows)`. A call of a bare name stays a `name`. */
  | ({ readonly kind: "call"; readonly callee: Name; readonly args: readonly Argument[] } & Node)
  /** `U[k]`, `Z[:, 1]`, `Z[:, 2..n]`. */
  | ({ readonly kind: "index"; readonly object: Expression; readonly indices: readonly IndexArgument[] } & Node)
  | ({ readonly kind: "negate"; readonly operand: Expression } & Node)
  | ({ readonly kind: "transpose"; readonly operand: Expression } & Node)
  | ({ readonly kind: "binary"; readonly op: BinaryOperator; readonly opSpan: Span; readonly left: Expression; readonly right: Expression } & Node)
  /** `sum(k) E`. */
  | ({ readonly kind: "sum"; readonly index: Name; readonly body: Expression } & Node)
  /** Parentheses that the user wrote; the formatter keeps them, later stages look through them. */
  | ({ readonly kind: "group"; readonly inner: Expression } & Node)
  /** `100 steps`: a number with a unit, only in the train block. */
  | ({ readonly kind: "quantity"; readonly value: number; readonly text: string; readonly unit: string } & Node)
  /** Stands where recovery put nothing; already reported, fits everything. */
  | ({ readonly kind: "missing" } & Node);

export interface Argument extends Node {
  readonly name?: Name;
  readonly value: Expression;
}
export type IndexArgument =
  | ({ readonly kind: "all" } & Node)
  | ({ readonly kind: "at"; readonly value: Expression } & Node)
  | ({ readonly kind: "range"; readonly from: Expression; readonly to: Expression } & Node);

// ---------------------------------------------------------------- types
/** `real`, `real[d, n]`, `class[C]`, `token[V, n]`. For `class` and `token` the first dim is the count of symbols. */
export interface TypeExpression extends Node {
  readonly base: "real" | "class" | "token";
  readonly dims: readonly Expression[];
}

// ---------------------------------------------------------------- files
export interface SourceFile extends Node {
  readonly declarations: readonly Declaration[];
  /** All comments that are not documentation, in order; the formatter puts them back. */
  readonly comments: readonly Comment[];
}
export interface Comment extends Node {
  readonly text: string;
}
/** `///` lines above a declaration, without the slashes, joined by newlines. */
interface Documented {
  readonly doc?: string;
}

export type Declaration = ImportDeclaration | FunctionDeclaration | LemmaDeclaration | NetworkDeclaration;
export interface ImportDeclaration extends Node {
  readonly kind: "import";
  readonly path: string;
  readonly pathSpan: Span;
}
/** `U[k]: real[d, p]` in a signature: a parameter of a fn or lemma. */
export interface Hole extends Node {
  readonly name: Name;
  readonly index?: Name;
  readonly type: TypeExpression;
}
export interface FunctionDeclaration extends Node, Documented {
  readonly kind: "fn";
  readonly name: Name;
  readonly holes: readonly Hole[];
  readonly body: Expression;
}
export interface LemmaDeclaration extends Node, Documented {
  readonly kind: "lemma";
  readonly name: Name;
  readonly holes: readonly Hole[];
  readonly left: Expression;
  readonly relation: "approximation" | "identity"; // `~` or `=`
  readonly right: Expression;
  readonly when?: Expression;
}
export interface NetworkDeclaration extends Node, Documented {
  readonly kind: "network";
  readonly name: Name;
  readonly members: readonly Member[];
}

// ---------------------------------------------------------------- members of networks and layers
export type Member =
  | DimDeclaration | IndexDeclaration | PresetDeclaration | ConstDeclaration | LetDeclaration | InputDeclaration
  | ParamDeclaration | VarDeclaration | ObjectiveDeclaration | LayerDeclaration | StepDeclaration | Assignment
  | OutputDeclaration | TrainDeclaration;

export interface Declarator extends Node {
  readonly name: Name;
  readonly index?: Name; // of a family: `let member[k] = …`
  readonly value?: Expression;
}
export interface DimDeclaration extends Node, Documented {
  readonly kind: "dim";
  readonly declarators: readonly Declarator[];
}
export interface IndexDeclaration extends Node, Documented {
  readonly kind: "index";
  readonly name: Name;
  readonly from: Expression;
  readonly to: Expression;
}
export interface PresetDeclaration extends Node, Documented {
  readonly kind: "preset";
  readonly name: Name;
  readonly settings: readonly Declarator[];
}
export interface ConstDeclaration extends Node, Documented {
  readonly kind: "const";
  readonly declarators: readonly Declarator[];
}
export interface LetDeclaration extends Node, Documented {
  readonly kind: "let";
  readonly declarators: readonly Declarator[];
}
export interface InputDeclaration extends Node, Documented {
  readonly kind: "input" | "target";
  readonly name: Name;
  readonly type: TypeExpression;
}
export interface ParamDeclaration extends Node, Documented {
  readonly kind: "param";
  readonly name: Name;
  readonly index?: Name;
  readonly type: TypeExpression;
  readonly fixed: boolean;
  readonly shared: boolean;
  readonly positive: boolean;
  readonly init?: Expression; // a name or a call
  readonly alias?: Alias;
}
export interface Alias extends Node {
  readonly pattern: string;
  readonly patternSpan: Span;
  readonly axes?: string;
  readonly axesSpan?: Span;
}
export interface VarDeclaration extends Node, Documented {
  readonly kind: "var";
  readonly name: Name;
  readonly index?: Name;
  readonly type: TypeExpression;
  readonly init: Expression;
}
export interface ObjectiveDeclaration extends Node, Documented {
  readonly kind: "objective";
  readonly name: Name;
  readonly sense: "minimize" | "maximize";
  readonly value: Expression;
}
export interface LayerDeclaration extends Node, Documented {
  readonly kind: "layer";
  readonly name: Name;
  readonly repeat?: Expression;
  readonly members: readonly Member[];
}
export interface Assignment extends Node, Documented {
  readonly kind: "assign";
  readonly name: Name;
  readonly index?: Name;
  readonly value: Expression;
}
export interface OutputDeclaration extends Node, Documented {
  readonly kind: "output";
  readonly name: Name;
  readonly type: TypeExpression;
  readonly value: Expression;
}
/** Clauses stand in any order in the text; each at most once, `capture` excepted (a second one is a syntax error). */
export interface StepDeclaration extends Node, Documented {
  readonly kind: "step";
  readonly name: Name;
  readonly when?: Expression;
  readonly sense: "minimize" | "maximize";
  readonly objective: Expression;
  readonly wrt?: Name;
  readonly over?: { readonly name: Name; readonly index?: Name; readonly type: TypeExpression; readonly from: Expression };
  readonly surrogate?: Expression; // `as`
  readonly method: MethodCall;
  readonly captures: readonly Capture[];
  readonly using: readonly LemmaUse[];
  readonly prenorm?: { readonly mode: "increment" | "input"; readonly call: Expression } & Node;
  readonly then?: Expression;
  readonly expect?: Expression;
}
export interface MethodCall extends Node {
  readonly name: Name;
  readonly args: readonly Argument[];
}
export interface Capture extends Node {
  readonly name: Name;
  readonly index?: Name;
  readonly value: Expression;
}
export interface LemmaUse extends Node {
  readonly name: Name;
  readonly args: readonly Argument[];
}

// ---------------------------------------------------------------- training
export interface TrainDeclaration extends Node, Documented {
  readonly kind: "train";
  readonly clauses: readonly TrainClause[];
}
/**
 * `keyword` is data, augment, loss, optimizer, rate, batch, epochs, steps, seed, feed, metric or construct.
 * `data synthetic gaussians(…)`: words ["synthetic"], values [call]. `feed mask random(ratio: 0.75)`: words ["mask"], values [call].
 * `rate warmup(5) then cosine`: values [call warmup, name cosine]. `augment a, b`: values [a, b]. `construct`: no values.
 */
export interface TrainClause extends Node {
  readonly keyword: Name;
  readonly words: readonly Name[];
  readonly values: readonly Expression[];
}
