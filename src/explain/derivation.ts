/** A derivation as lines that text, LaTeX, HTML and JSON share: what was done, to what, by which rule. */
import type { Derivation, DerivationLine } from "../calculus/derive.js";
import { contains, type Expr, isScalar, symbolsOf } from "../expression/expr.js";
import { showExpr } from "../expression/print.js";
import { latexExpr } from "./latex-expr.js";
import type { TypedLayer, TypedLet, TypedNetwork, TypedStep } from "../semantics/program.js";
import { abbreviations, type Definition } from "./abbreviate.js";

/** What the left side of a line says. */
export type LineSubject = "function" | "gradient" | "update" | "smooth" | "nonsmooth";
export interface ExplainedLine {
  readonly subject: LineSubject;
  readonly rule: string;
  /** `=`: exact; `~`: an approximation. */
  readonly relation: "=" | "~";
  readonly expression: Expr;
  /** What a lemma replaced, and by what. */
  readonly replaced: readonly { readonly before: Expr; readonly after: Expr; readonly when?: Expr }[];
  readonly note?: string;
}
export interface ExplainedStep {
  readonly network: string;
  /** `block.compress`. */
  readonly name: string;
  readonly doc?: string;
  readonly variable: string;
  readonly clause: string;
  readonly lines: readonly ExplainedLine[];
  /** How normalisation, `then` and momentum enter, in words. */
  readonly remarks: readonly string[];
  readonly step: TypedStep;
  readonly derivation: Derivation;
  /** The derived update, under the names of the spec's lets. */
  readonly update: Expr;
  /** What those names stand for. */
  readonly where: readonly Definition[];
  /** An expression as text, sizes under the names that the spec gives them. */
  readonly show: (e: Expr) => string;
  readonly latex: (e: Expr) => string;
}

const subjects: Readonly<Record<DerivationLine["kind"], LineSubject>> = {
  objective: "function", surrogate: "function", smooth: "smooth", nonsmooth: "nonsmooth", gradient: "gradient",
  update: "update", capture: "update", lemma: "update",
};
function note(line: DerivationLine, step: TypedStep): string {
  switch (line.kind) {
    case "objective": return step.surrogate ? `${line.rule}, through a surrogate` : line.rule;
    case "surrogate": return "minimised in its place";
    case "smooth": return "smooth part";
    case "nonsmooth": return "proximal part";
    case "gradient": return "gradient";
    case "update": return `exact step: ${line.rule}`;
    case "capture": return `capture ${line.rule}`;
    case "lemma": return line.relation === "identity" ? `identity ${line.rule}` : `lemma ${line.rule}`;
  }
}
/** test/tensor/spectral.test.ts measures it. An inverse of constants and fixed parameters is formed once, in float64. */
const inverseRemark = "the inverse is formed by Newton–Schulz iterations: in float32 it is accurate up to a condition number of about 1e3, to about 5e-6";
function invertsWhatChanges(update: Expr, network: TypedNetwork): boolean {
  const params = [...network.params, ...network.statements.flatMap((s) => (s.kind === "layer" ? s.params : []))];
  const fixed = new Set(params.filter((p) => p.fixed).map((p) => p.name));
  const changes = (e: Expr): boolean => symbolsOf(e).some((s) => s.role === "var" || s.role === "input" || (s.role === "param" && !fixed.has(s.name)));
  return contains(update, (e) => e.kind === "inverse" && !isScalar(e) && changes(e.arg));
}
export function explainStep(network: TypedNetwork, layer: string | undefined, step: TypedStep, derivation: Derivation, lets: readonly TypedLet[] = network.lets): ExplainedStep {
  const { fold, used } = abbreviations(lets);
  const lines = derivation.lines.map((line): ExplainedLine => ({
    subject: subjects[line.kind], rule: note(line, step), expression: fold(line.expression),
    relation: line.kind === "lemma" && line.relation === "approximation" ? "~" : "=",
    replaced: line.applications.map((a) => ({ before: fold(a.before), after: fold(a.after), ...(a.when ? { when: fold(a.when) } : {}) })),
    ...(line.expanded ? { note: "multiplied out first" } : {}),
  }));
  const remarks: string[] = [];
  const { prenorm, method, over, then } = step;
  if (prenorm) remarks.push(prenorm.mode === "increment"
    ? `with the update written ${step.variable} + Δ(${step.variable}), the network computes ${step.variable} + Δ(F(${step.variable})), F a normalisation`
    : `the whole update is taken at F(${step.variable}), F a normalisation`);
  if (method.iterations > 1) remarks.push(`${method.iterations} iterations`);
  if (method.momentum.kind !== "none") remarks.push(`with ${method.momentum.kind === "scalar" ? "constant" : method.momentum.kind} momentum`);
  if (over) remarks.push(`the inner variable ${over.name} is optimised`);
  if (then) remarks.push(`then ${step.variable} takes the value that the step's \`then\` says`);
  if (invertsWhatChanges(derivation.update, network)) remarks.push(inverseRemark);
  const name = layer === undefined ? step.name : `${layer}.${step.name}`;
  return {
    network: network.name, name, variable: derivation.variable.index === undefined ? derivation.variable.name : `${derivation.variable.name}[${derivation.variable.index}]`,
    clause: `${step.sense} by ${method.name}`, lines, remarks, step, derivation, update: fold(derivation.update),
    where: used([fold(derivation.update), ...lines.flatMap((l) => [l.expression, ...l.replaced.flatMap((r) => [r.before, r.after, ...(r.when ? [r.when] : [])])])]), show: (e) => showExpr(e, undefined, network.showDim),
    latex: (e) => latexExpr(e, undefined, network.showDim),
    ...(step.doc === undefined ? {} : { doc: step.doc }),
  };
}
/** Every step of a network, in order. */
export function explainNetwork(network: TypedNetwork, derivations: ReadonlyMap<TypedStep, Derivation>): readonly ExplainedStep[] {
  const one = (step: TypedStep, layer?: TypedLayer): ExplainedStep[] => {
    const derivation = derivations.get(step);
    return derivation ? [explainStep(network, layer?.name, step, derivation, [...network.lets, ...(layer?.lets ?? [])])] : [];
  };
  return network.statements.flatMap((s) => {
    if (s.kind === "step") return one(s);
    if (s.kind === "layer") return s.body.flatMap((x) => (x.kind === "step" ? one(x, s) : []));
    return [];
  });
}
