/** Is what a spec claims to be equal, equal? Identities of lemmas and `expect` clauses, tried on random values in float64. */
import { at, type Reporter } from "../diagnostics/declare.js";
import { expectFails, identityFails, identityUntried } from "../calculus/diagnostics.js";
import { type Derivation, dropStops } from "../calculus/derive.js";
import { type Expr, freeIndices } from "../expression/expr.js";
import { showExpr } from "../expression/print.js";
import { type Environment, evaluate } from "../numeric/evaluate.js";
import { relativeError, type Value } from "../numeric/matrix.js";
import { createGenerator } from "../numeric/sample.js";
import type { TypedLemma, TypedNetwork } from "../semantics/program.js";
import { environmentsOf, smallDims, spreads, testPoint } from "./test-points.js";

/** Rounding stays below this on the small sizes that are drawn, unless a matrix is nearly singular. */
const tolerance = 1e-7;

/** Do two values say whether their expressions are equal? One side is defined everywhere, and some entry is finite. */
export function evidence(x: Value, y: Value): boolean {
  const defined = [x, y].some((side) => !side.data.some(Number.isNaN));
  return defined && y.data.some((v, i) => Number.isFinite(v) || Number.isFinite(x.data[i]));
}
/** Both values at the first point at which they say something. */
export function firstEvidence<P extends Environment>(a: Expr, b: Expr, points: Iterable<P>): { readonly x: Value; readonly y: Value; readonly point: P } | undefined {
  for (const point of points) {
    const [x, y] = [evaluate(a, point), evaluate(b, point)];
    if (evidence(x, y)) return { x, y, point };
  }
  return undefined;
}
/** The largest relative difference of two expressions, each trial at its first point that says something; undefined where none does: both sides undefined or infinite. */
export function largestDifference(a: Expr, b: Expr, pointsOf: (seed: number) => Iterable<Environment>, trials = 8): number | undefined {
  const differences = Array.from({ length: trials }, (_, i) => firstEvidence(a, b, pointsOf(i + 1))).flatMap((found) => {
    if (!found) return [];
    const difference = relativeError(found.x, found.y);
    return [Number.isFinite(difference) ? difference : Number.POSITIVE_INFINITY];
  });
  return differences.length === 0 ? undefined : Math.max(...differences);
}

/** What trying an identity said; `dims`: the sizes last drawn. Untried: no sizes fit its shapes, or no value says anything. */
export type Tried = { readonly difference: number; readonly dims: string } | { readonly untried: string };

export function lemmaDifference(lemma: TypedLemma, trials = 8): Tried {
  const sides = [lemma.left, lemma.right];
  // An index that no sum binds stands for any member: their values are drawn, so the first is as good as another.
  const indices = new Map(sides.flatMap((side) => [...freeIndices(side)].map((name) => [name, 1] as const)));
  let dims: string | undefined;
  const difference = largestDifference(lemma.left, lemma.right, function* (seed) {
    for (const spread of spreads) {
      const generator = createGenerator(seed * 7919);
      const sizes = smallDims(sides, generator);
      if (!sizes) return;
      dims = [...sizes].map(([name, n]) => `${name.slice(name.lastIndexOf(".") + 1)}=${n}`).join(", ");
      yield { ...testPoint(sides, { dims: sizes, generator, spread }), indices };
    }
  }, trials);
  if (difference !== undefined) return { difference, dims: dims ?? "" };
  return { untried: dims === undefined ? "no small sizes fit its shapes" : "neither side is finite at any point that was tried" };
}

/** Reports each identity that fails. */
export function checkIdentities(lemmas: readonly TypedLemma[], reporter: Reporter): void {
  for (const lemma of lemmas) {
    if (lemma.relation !== "identity") continue;
    const found = lemmaDifference(lemma);
    if ("untried" in found) reporter.report(identityUntried({ lemma: lemma.name, why: found.untried }, at(lemma.span)));
    else if (found.difference > tolerance) {
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
    const difference = sameShape ? largestDifference(d.update, wanted, (seed) => environmentsOf(network, [d.update, wanted], seed * 104729)) : undefined;
    if (difference !== undefined && difference <= tolerance) continue;
    const size = difference === undefined ? "" : `; on random values they differ by ${difference.toPrecision(2)} of the larger`;
    reporter.report(expectFails({ update: showExpr(d.update), size }, at(d.step.ast.expect?.span ?? d.step.span)));
  }
}
