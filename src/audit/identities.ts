/** Is what a spec claims to be equal, equal? Identities of lemmas and `expect` clauses, tried on random values in float64. */
import { at, type Reporter } from "../diagnostics/declare.js";
import { expectFails, identityFails } from "../calculus/diagnostics.js";
import { type Derivation, dropStops } from "../calculus/derive.js";
import type { Expr } from "../expression/expr.js";
import { showExpr } from "../expression/print.js";
import { evaluate } from "../numeric/evaluate.js";
import { relativeError } from "../numeric/matrix.js";
import { createGenerator } from "../numeric/sample.js";
import type { TypedLemma, TypedNetwork } from "../semantics/program.js";
import { networkPoint, smallDims, testPoint } from "./test-points.js";

/** Rounding stays below this on the small sizes that are drawn, unless a matrix is nearly singular. */
const tolerance = 1e-7;

/** The largest relative difference of two expressions over random points; undefined where no point could be evaluated. */
export function largestDifference(a: Expr, b: Expr, draw: (seed: number) => ReturnType<typeof testPoint> | undefined, trials = 8): number | undefined {
  let worst: number | undefined;
  for (let seed = 1; seed <= trials; seed++) {
    const environment = draw(seed);
    if (!environment) continue;
    const [x, y] = [evaluate(a, environment), evaluate(b, environment)];
    const usable = [...x.data].every(Number.isFinite) || [...y.data].every(Number.isFinite);
    if (!usable) continue;
    const difference = relativeError(x, y);
    worst = Math.max(worst ?? 0, Number.isFinite(difference) ? difference : Number.POSITIVE_INFINITY);
  }
  return worst;
}

export function lemmaDifference(lemma: TypedLemma, trials = 8): { difference: number; dims: string } | undefined {
  let dims = "";
  const draw = (seed: number, positive: boolean) => {
    const generator = createGenerator(seed * 7919);
    const sizes = smallDims([lemma.left, lemma.right], generator);
    if (!sizes) return undefined;
    dims = [...sizes].map(([name, n]) => `${name.slice(name.lastIndexOf(".") + 1)}=${n}`).join(", ");
    return testPoint([lemma.left, lemma.right], { dims: sizes, generator, ...(positive ? { positive: () => true } : {}) });
  };
  const difference = largestDifference(lemma.left, lemma.right, (seed) => draw(seed, false), trials)
    ?? largestDifference(lemma.left, lemma.right, (seed) => draw(seed, true), trials);
  return difference === undefined ? undefined : { difference, dims };
}

/** Reports each identity that fails. */
export function checkIdentities(lemmas: readonly TypedLemma[], reporter: Reporter): void {
  for (const lemma of lemmas) {
    if (lemma.relation !== "identity") continue;
    const found = lemmaDifference(lemma);
    if (found && found.difference > tolerance) {
      const shapes = found.dims ? ` (${found.dims})` : "";
      reporter.report(identityFails({ lemma: lemma.name, size: found.difference.toPrecision(2), shapes }, at(lemma.span)));
    }
  }
}
/** Reports each `expect` that is neither symbolically nor numerically the update. */
export function checkExpectations(network: TypedNetwork, derivations: Iterable<Derivation>, reporter: Reporter): void {
  for (const d of derivations) {
    if (!d.step.expect || d.expected) continue;
    const wanted = dropStops(d.step.expect);
    const sameShape = wanted.shape.every((x, i) => x.key === d.update.shape[i]?.key);
    const difference = sameShape ? largestDifference(d.update, wanted, (seed) => networkPoint(network, [d.update, wanted], seed * 104729)) : undefined;
    if (difference !== undefined && difference <= tolerance) continue;
    const size = difference === undefined ? "" : `; on random values they differ by ${difference.toPrecision(2)} of the larger`;
    reporter.report(expectFails({ update: showExpr(d.update), size }, at(d.step.ast.expect?.span ?? d.step.span)));
  }
}
