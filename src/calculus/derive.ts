/**
 * From a step of the spec to its update: gradient or proximal step, captures, lemmas, in that order (language, section 13).
 * What was done is recorded line by line; explain, verify and audit read that record.
 */
import type { Dim } from "../expression/dim.js";
import {
  add, type Expr, isZero, multiply, negate, number, renameFreeIndex, rewrite, subtract, symbol,
} from "../expression/expr.js";
import type { LemmaUseTyped, TypedStep, TypedVariable } from "../semantics/program.js";
import { equalExpanded } from "./expand.js";
import { minimiser } from "./exact.js";
import { dependsOn, gradient, type Variable } from "./gradient.js";
import type { KnownNumbers } from "./known-numbers.js";
import { type Application, applyRule, type RewriteRule } from "./lemmas.js";
import { nonsmoothFunction, openTerms, proximal, variableSymbol } from "./proximal.js";

export type LineKind =
  /** What the step claims to lower. */
  | "objective" | "surrogate"
  /** Parts of the calculation that are not yet the update. */
  | "smooth" | "nonsmooth" | "gradient"
  /** The update: exact, after each capture, after each lemma. */
  | "update" | "capture" | "lemma";
export interface DerivationLine {
  readonly kind: LineKind;
  /** The rule's name: `gradient`, `proximal_gradient`, a lemma's name, a capture's. */
  readonly rule: string;
  /** The expression after this line. */
  readonly expression: Expr;
  /** Where a lemma or capture matched. */
  readonly applications: readonly Application[];
  readonly relation?: "approximation" | "identity";
  /** The lemma had to see the update multiplied out. */
  readonly expanded?: boolean;
}
export interface Derivation {
  readonly step: TypedStep;
  /** What is optimised: the network's variable, or the inner one of `over`. */
  readonly variable: Variable;
  /** For minimisation: the expression that the step lowers (surrogate or ± objective). */
  readonly minimised: Expr;
  readonly lines: readonly DerivationLine[];
  /** The exact update of one iteration, at the variable's symbol. */
  readonly exact: Expr;
  /** The update as built: after captures and lemmas. */
  readonly update: Expr;
  readonly captures: readonly { readonly name: string; readonly index?: string; readonly value: Expr }[];
  /** Did `expect` hold symbolically? Undefined: there is none; false: numbers decide (audit). */
  readonly expected?: boolean;
}

/** What could not be derived; `part` says which clause is at fault. */
export class DerivationFault extends Error {
  override name = "DerivationFault";
  constructor(
    readonly reason:
      | { readonly kind: "nonsmooth"; readonly term: Expr; readonly fn: string }
      | { readonly kind: "no match"; readonly lemma: LemmaUseTyped; readonly update: Expr; readonly shapes: boolean }
      | { readonly kind: "capture"; readonly name: string; readonly at: number; readonly update: Expr }
      | { readonly kind: "independent"; readonly variable: string }
      | { readonly kind: "rate missing" },
  ) {
    super(reason.kind);
  }
}

/** `stop(X)` is X once the gradient has been taken. */
export function dropStops(e: Expr): Expr {
  return rewrite(e, (x) => (x.kind === "apply" && x.fn === "stop" && x.args[0] ? x.args[0] : x));
}

function variableOf(step: TypedStep, variables: readonly TypedVariable[]): Variable {
  const own = step.over ?? variables.find((v) => v.name === step.variable);
  if (!own) throw new Error(`step ${step.name} has no variable`);
  return own.index === undefined ? { name: own.name, shape: own.shape } : { name: own.name, shape: own.shape, index: own.index };
}

/** Terms of the function to minimise that have the variable in them, sorted into smooth and proximal ones. */
function sortTerms(f: Expr, variable: Variable): { smooth: Expr[]; nonsmooth: Expr[] } {
  const smooth: Expr[] = [];
  const nonsmooth: Expr[] = [];
  for (const term of openTerms(f, variable)) {
    if (!dependsOn(term, variable)) continue;
    (nonsmoothFunction(term) ? nonsmooth : smooth).push(term);
  }
  return { smooth, nonsmooth };
}

/**
 * Derives a step. Throws DerivationFault, NotDifferentiable, NotInTable, NoExactMinimiser or TooLarge where the spec asks
 * for something that does not exist; the caller turns them into diagnostics.
 */
export function derive(
  step: TypedStep, variables: readonly TypedVariable[], indexSizes: ReadonlyMap<string, Dim>, known: KnownNumbers,
): Derivation {
  const variable = variableOf(step, variables);
  const Z = variableSymbol(variable);
  const lines: DerivationLine[] = [{ kind: "objective", rule: step.sense, expression: step.objective, applications: [] }];
  const minimised = step.surrogate ?? (step.sense === "minimize" ? step.objective : negate(step.objective));
  if (step.surrogate) lines.push({ kind: "surrogate", rule: "as", expression: step.surrogate, applications: [] });
  if (!dependsOn(minimised, variable)) throw new DerivationFault({ kind: "independent", variable: variable.name });
  const exact = dropStops(exactUpdate(step, minimised, variable, Z, known, lines));
  lines.push({ kind: "update", rule: step.method.name, expression: exact, applications: [] });

  let update = exact;
  const captures: { name: string; index?: string; value: Expr }[] = [];
  step.captures.forEach((capture, at) => {
    const own = capture.index;
    const left = own ? substituteIndex(capture.value, own, `capture.${own}`) : capture.value;
    const shape = capture.value.shape;
    const right = own
      ? symbol(capture.name, "capture", shape, { kind: "variable", name: `capture.${own}` })
      : symbol(capture.name, "capture", shape);
    const rewritten = applyRule(update, { name: capture.name, holes: [], left, right, given: new Map() }, indexSizes);
    if (!rewritten) throw new DerivationFault({ kind: "capture", name: capture.name, at, update });
    update = rewritten.result;
    captures.push(own ? { name: capture.name, index: own, value: capture.value } : { name: capture.name, value: capture.value });
    lines.push({ kind: "capture", rule: capture.name, expression: update, applications: rewritten.applications, expanded: rewritten.expanded });
  });
  for (const use of step.using) {
    const rewritten = applyRule(update, ruleOf(use), indexSizes, Z);
    if (!rewritten) throw new DerivationFault({ kind: "no match", lemma: use, update, shapes: true });
    update = rewritten.result;
    lines.push({
      kind: "lemma", rule: use.lemma.name, expression: update, applications: rewritten.applications,
      relation: use.lemma.relation, expanded: rewritten.expanded,
    });
  }
  const base = { step, variable, minimised, lines, exact, update, captures };
  return step.expect ? { ...base, expected: equalExpanded(update, dropStops(step.expect)) } : base;
}

export function ruleOf(use: LemmaUseTyped): RewriteRule {
  const { lemma, given } = use;
  const base = { name: lemma.name, holes: lemma.holes, left: lemma.left, right: lemma.right, given };
  return lemma.when ? { ...base, when: lemma.when } : base;
}

function exactUpdate(
  step: TypedStep, f: Expr, variable: Variable, Z: Expr, known: KnownNumbers, lines: DerivationLine[],
): Expr {
  const { method } = step;
  const { smooth, nonsmooth } = sortTerms(f, variable);
  const line = (kind: LineKind, rule: string, expression: Expr): void => {
    lines.push({ kind, rule, expression, applications: [] });
  };
  const rate = (): Expr => {
    if (!method.rate) throw new DerivationFault({ kind: "rate missing" });
    return method.rate;
  };
  const gradientStep = (t: Expr): Expr => {
    if (smooth.length === 0) return Z;
    const slope = gradient(add(smooth), variable);
    line("gradient", "gradient", slope);
    return isZero(slope) ? Z : subtract(Z, multiply(t, slope));
  };
  switch (method.name) {
    case "gradient": {
      const [term] = nonsmooth;
      if (term) throw new DerivationFault({ kind: "nonsmooth", term, fn: nonsmoothFunction(term) ?? "" });
      return gradientStep(rate());
    }
    case "proximal_gradient": {
      if (smooth.length > 0) line("smooth", "smooth part", add(smooth));
      if (nonsmooth.length > 0) line("nonsmooth", "proximal part", add(nonsmooth));
      return proximal(nonsmooth, variable, gradientStep(rate()), rate(), known);
    }
    case "proximal":
      return proximal([...smooth, ...nonsmooth], variable, Z, rate(), known);
    case "exact":
      return minimiser(smooth.length > 0 ? add(smooth) : number(0), nonsmooth, variable, known);
  }
}

function substituteIndex(e: Expr, from: string, to: string): Expr {
  return renameFreeIndex(e, from, { kind: "variable", name: to });
}
