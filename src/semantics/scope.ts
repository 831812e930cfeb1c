/** What names mean at a place, and what an expression may do there. */
import type { Reporter } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import type { Dim } from "../expression/dim.js";
import type { Expr, IndexTerm } from "../expression/expr.js";
import type { Shape } from "../expression/functions.js";
import type { TypedInit, TypedParam } from "./program.js";
import type { FunctionDeclaration } from "../syntax/ast.js";
import type { Dims } from "./dims.js";

export interface ValueBinding {
  readonly kind: "value";
  readonly what: string;
  readonly shape: Shape;
  readonly family?: { readonly index: string; readonly size: Dim };
  /** The value, or a family's member. */
  readonly make: (member?: IndexTerm) => Expr;
  /** Tokens and labels: how many symbols. */
  readonly symbols?: Dim;
}
export interface IndexBinding {
  readonly kind: "index";
  /** Its name in expressions. */
  readonly name: string;
  readonly size: Dim;
}
export type Binding = ValueBinding | IndexBinding;

/** Names, innermost first. */
export class Scope {
  private readonly own = new Map<string, Binding>();
  constructor(readonly parent?: Scope, readonly localDims: ReadonlyMap<string, Dim> = new Map()) {}
  find(name: string): Binding | undefined {
    return this.own.get(name) ?? this.parent?.find(name);
  }
  dim(name: string): Dim | undefined {
    return this.localDims.get(name) ?? this.parent?.dim(name);
  }
  bind(name: string, binding: Binding): void {
    this.own.set(name, binding);
  }
  has(name: string): boolean {
    return this.own.has(name);
  }
  names(): readonly string[] {
    return [...this.own.keys(), ...this.localDims.keys(), ...(this.parent?.names() ?? [])];
  }
}

/** The statement whose network functions make parameters, and where these go. */
export interface Place {
  readonly statement: string;
  /** How many of each kind the statements of this name have made so far, in this scope. */
  readonly counters: Map<string, number>;
  readonly add: (param: TypedParam) => void;
}
export interface NewParameter {
  readonly name: string;
  readonly shape: Shape;
  readonly rank: number;
  readonly init: TypedInit;
  readonly alias?: TypedParam["alias"];
  readonly axisNames: readonly string[];
  readonly fixed?: boolean;
}
/** Where an expression is elaborated. */
export interface Context {
  readonly scope: Scope;
  readonly dims: Dims;
  readonly reporter: Reporter;
  readonly functions: ReadonlyMap<string, FunctionDeclaration>;
  /** Names of fns being spread out, to stop recursion. */
  readonly calls: readonly string[];
  /** Present where network functions may make parameters. */
  readonly place?: Place;
  readonly aliasPieces?: (pattern: string, span: Span) => TypedParam["alias"];
  /** The number of an expression of consts, dims and lets; undefined where it is not known. */
  readonly numberOf?: (e: Expr) => number | undefined;
  /** The indices that run where an expression begins: its family's own, or a lemma's. None unless said. */
  readonly running?: readonly string[];
  /** Inside an expression: indices are checked where it begins. */
  readonly inside?: true;
  /** In a loss: cross_entropy and the like may stand. */
  readonly loss?: boolean;
}
