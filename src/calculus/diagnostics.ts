/** What can be wrong with a derivation, in the user's words. */
import { at, declare, type Diagnostic } from "../diagnostics/declare.js";
import { cover, type Span } from "../diagnostics/span.js";
import { type Expr, TooLarge } from "../expression/expr.js";
import { showExpr } from "../expression/print.js";
import type { TypedStep } from "../semantics/program.js";
import { firstCall } from "../syntax/names.js";
import { DerivationFault } from "./derive.js";
import { NoExactMinimiser } from "./exact.js";
import { NotDifferentiable } from "./gradient.js";
import { nearestRows, negativeFactor, NotInTable } from "./proximal.js";

export const lemmaMatchesNothing = declare<{ lemma: string; left: string; update: string }>({
  code: "SRR3001", severity: "error",
  message: (p) => `lemma ${p.lemma} matches nothing: the update is now ${p.update}`,
  hint: (p) => `its left side is ${p.left}; take it out of the using clause, move it, or change what it is given`,
});
export const noGradient = declare<{ term: string; why: string }>({
  code: "SRR3002", severity: "error",
  message: (p) => `no gradient of ${p.term}: ${p.why}`,
  hint: () => "give a surrogate with `as`, or let the term be nonsmooth in `proximal_gradient` or `proximal`",
});
export const nonsmoothInGradient = declare<{ term: string; fn: string }>({
  code: "SRR3003", severity: "error",
  message: (p) => `a gradient step cannot be taken on ${p.term}: ${p.fn} is not smooth`,
  hint: () => "use `by proximal_gradient(rate: …)`, which takes the proximal step on it, or a smooth surrogate with `as`",
});
export const notInTable = declare<{ terms: string; why: string; nearest: string }>({
  code: "SRR3004", severity: "error",
  message: (p) => `no proximal operator is known for ${p.terms}: ${p.why}`,
  hint: (p) => `the nearest entries of the table are ${p.nearest}, with factors, \`X - V\` shifts and \`a*X\``,
});
export const noMinimiser = declare<{ why: string; term?: string }>({
  code: "SRR3005", severity: "error",
  message: (p) => `no exact minimiser: ${p.why}${p.term ? ` (${p.term})` : ""}`,
  hint: () => "`exact` takes a quadratic of the variable, or c*sq_norm(a*Z - V) plus a term of the proximal table; else take `by gradient` or `proximal_gradient`",
});
export const maximisedOrSingular = declare<{ why: string }>({
  code: "SRR3006", severity: "error",
  message: (p) => `the exact step has no answer: ${p.why}`,
  hint: () => "add a term such as 0.5*rho*sq_norm(Z - V) that curves upwards in every direction, or take `by gradient`",
});
export const captureMatchesNothing = declare<{ name: string; update: string }>({
  code: "SRR3007", severity: "error",
  message: (p) => `capture ${p.name} is not found in the update, which is ${p.update}`,
  hint: () => "a capture names a part of the update as the calculus writes it",
});
export const objectiveWithoutVariable = declare<{ variable: string; step: string }>({
  code: "SRR3008", severity: "error",
  message: (p) => `the objective of step ${p.step} does not depend on ${p.variable}`,
  hint: () => "name the variable with `wrt`, or write an objective in which it stands",
});
export const expectFails = declare<{ update: string; size: string }>({
  code: "SRR3009", severity: "error",
  message: (p) => `the update is not what \`expect\` says: it is ${p.update}${p.size}`,
});
export const identityFails = declare<{ lemma: string; size: string; shapes: string }>({
  code: "SRR3010", severity: "error",
  message: (p) => `lemma ${p.lemma} is not an identity: on random values${p.shapes} the sides differ by ${p.size} of the larger`,
  hint: () => "write `~` if it is an approximation",
});
export const identityUntried = declare<{ lemma: string; why: string }>({
  code: "SRR3014", severity: "warning",
  message: (p) => `lemma ${p.lemma} is believed, not tested: ${p.why}`,
});
export const derivationTooLarge = declare<{ step: string }>({
  code: "SRR3011", severity: "error",
  message: (p) => `the derivation of step ${p.step} outgrows what can be compiled`,
  hint: () => "name parts of the objective with `let`, or split the step",
});
export const rateMissing = declare<{ method: string }>({
  code: "SRR3012", severity: "error",
  message: (p) => `${p.method} needs a step size`,
  hint: (p) => `by ${p.method}(rate: 0.1)`,
});
export const maximisedPenalty = declare<{ term: string }>({
  code: "SRR3013", severity: "error",
  message: (p) => `the proximal step on ${p.term} has no minimiser: its factor is negative`,
  hint: () => "a penalty is minimised: change its sign, or `maximize` into `minimize`",
});

/** The clause that says what is minimised. */
function objectivePlace(step: TypedStep, fn?: string): Span {
  const e = step.ast.surrogate ?? step.ast.objective;
  return (fn ? firstCall(e, fn) : undefined) ?? e.span;
}
const short = (e: Expr): string => {
  const text = showExpr(e);
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
};

/** The diagnostic for what a derivation threw; undefined for anything else (a defect of ours). */
export function derivationDiagnostic(error: unknown, step: TypedStep): Diagnostic | undefined {
  if (error instanceof TooLarge) return derivationTooLarge({ step: step.name }, at(step.ast.name.span));
  if (error instanceof NotDifferentiable) return noGradient({ term: short(error.term), why: error.why }, at(objectivePlace(step, error.fn)));
  if (error instanceof NotInTable) {
    const [first] = error.terms;
    const fn = first ? outermost(first) : undefined;
    const terms = error.terms.map(short).join(" + ");
    if (error.why === negativeFactor) return maximisedPenalty({ term: terms }, at(objectivePlace(step, fn)));
    return notInTable({ terms, why: error.why, nearest: nearestRows(error.terms).join(", ") }, at(objectivePlace(step, fn)));
  }
  if (error instanceof NoExactMinimiser) {
    const place = at(step.method.span);
    if (error.fault === "singular" || error.fault === "maximised" || error.fault === "unbounded") return maximisedOrSingular({ why: error.detail }, at(objectivePlace(step)));
    return noMinimiser(error.term ? { why: error.detail, term: short(error.term) } : { why: error.detail }, place);
  }
  if (!(error instanceof DerivationFault)) return undefined;
  const { reason } = error;
  switch (reason.kind) {
    case "nonsmooth": return nonsmoothInGradient({ term: short(reason.term), fn: reason.fn }, at(objectivePlace(step, reason.fn)));
    case "no match": return lemmaMatchesNothing({ lemma: reason.lemma.lemma.name, left: short(reason.lemma.lemma.left), update: short(reason.update) }, at(reason.lemma.span));
    case "capture": {
      const span = step.captures[reason.at]?.span ?? step.span;
      return captureMatchesNothing({ name: reason.name, update: short(reason.update) }, at(span));
    }
    case "independent": return objectiveWithoutVariable({ variable: reason.variable, step: step.name }, at(objectivePlace(step)));
    case "rate missing": return rateMissing({ method: step.method.name }, at(step.method.span));
  }
}
function outermost(e: Expr): string | undefined {
  if (e.kind === "apply") return e.fn;
  if (e.kind === "indexSum") return outermost(e.body);
  if (e.kind === "product") {
    for (const s of e.scalars) {
      const fn = s.base.kind === "apply" || s.base.kind === "indexSum" ? outermost(s.base) : undefined;
      if (fn) return fn;
    }
  }
  return undefined;
}
export function wholeStep(step: TypedStep): Span {
  return cover(step.ast.name.span, step.ast.span);
}
