/** Where a line of a derivation comes from: the equation of the table row that was used, or the lemma as the spec states it. */
import { derivativeOf } from "../calculus/derivatives.js";
import type { Derivation, DerivationLine } from "../calculus/derive.js";
import { openTerms, proximalTable } from "../calculus/proximal.js";
import { contains, type Expr } from "../expression/expr.js";
import type { FunctionName } from "../expression/functions.js";
import type { Variable } from "../calculus/gradient.js";

const cookbook = "Petersen & Pedersen 2012, The Matrix Cookbook";
const parikh = "Parikh & Boyd 2014, Proximal Algorithms";

function functionsIn(e: Expr): readonly FunctionName[] {
  const found = new Set<FunctionName>();
  contains(e, (x) => {
    if (x.kind === "apply") found.add(x.fn);
    return false;
  });
  return [...found];
}
function gradientSource(smooth: Expr): string {
  const named = functionsIn(smooth).flatMap((fn) => {
    const row = derivativeOf(fn);
    return "source" in row && row.source !== undefined ? [`${row.source} (${fn})`] : [];
  });
  return named.length > 0 ? `${cookbook}, ${named.join(", ")}` : "the chain rule, entry by entry";
}
function proximalSource(terms: Expr, variable: Variable): string | undefined {
  const names = openTerms(terms, variable).flatMap((t) => functionsIn(t).slice(0, 1));
  const row = proximalTable.find((r) => r.of.length === names.length && names.every((n) => (r.of as readonly string[]).includes(n)))
    ?? proximalTable.find((r) => r.of.length === 1 && (names as readonly string[]).includes(r.of[0] as string));
  if (!row) return undefined;
  return /^\d/.test(row.source) ? `${parikh}, section ${row.source}` : row.source;
}
/** For a line of this derivation; `smooth` and `nonsmooth` are the parts that stand before it. */
export function sourceOf(line: DerivationLine, { step, lines, variable }: Derivation): string {
  const part = (kind: DerivationLine["kind"]): Expr | undefined => lines.find((l) => l.kind === kind)?.expression;
  switch (line.kind) {
    case "objective": return "as the spec states it";
    case "surrogate": return "the step's `as`";
    case "smooth": return "terms with a gradient";
    case "nonsmooth": return "terms of the proximal table";
    case "gradient": return gradientSource(part("smooth") ?? step.surrogate ?? step.objective);
    case "capture": return "the step's `capture`";
    case "lemma": {
      const lemma = step.using.find((u) => u.lemma.name === line.rule)?.lemma;
      return lemma ? [lemma.text.replace(/\s+/g, " ").trim(), ...(lemma.doc ? [lemma.doc] : [])].join(" — ") : "";
    }
    case "update": {
      const nonsmooth = part("nonsmooth");
      if (line.rule === "gradient") return "a gradient step";
      if (line.rule === "exact") return "the normal equations, or the proximal row of what stands beside the quadratic";
      const source = nonsmooth ? proximalSource(nonsmooth, variable) : line.rule === "proximal" ? proximalSource(step.surrogate ?? step.objective, variable) : undefined;
      return source ?? (nonsmooth ? "the proximal table" : "a gradient step");
    }
  }
}
