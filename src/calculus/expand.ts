/** The full normal form: products spread over sums, everywhere. In it equal polynomials of matrices are one expression. */
import type { Dim } from "../expression/dim.js";
import {
  add, type Expr, freeIndices, freshIndex, indexSum, multiply, namesOf, number, partsOf, type Power, renameFreeIndex,
  rewrite, scalarProduct, TooLarge,
} from "../expression/expr.js";

export interface BoundIndex {
  readonly index: string;
  readonly size: Dim;
}
/** Σ over `bound` of coefficient · scalars · factors: one product, as lemmas see it. No factor is a sum over an index. */
export interface FlatTerm {
  readonly coefficient: number;
  readonly scalars: readonly Power[];
  readonly bound: readonly BoundIndex[];
  readonly factors: readonly Expr[];
}

/**
 * Takes sums over an index out of a product. Where two bear one name the later gets a name that stands neither in the product nor
 * among the `reserved`. Sums of several terms stay factors.
 */
export function flatten(e: Expr, reserved: ReadonlySet<string> = new Set()): FlatTerm {
  const parts = partsOf(e);
  const bound: BoundIndex[] = [];
  let coefficient = parts.coefficient;
  const scalars: Power[] = [];
  const taken = new Set<string>(freeIndices(e));
  let names: ReadonlySet<string> | undefined;
  const open = (inner: Extract<Expr, { kind: "indexSum" }>): FlatTerm | undefined => {
    if (inner.body.kind === "sum") return undefined;
    let index = inner.index;
    let body: Expr = inner.body;
    if (taken.has(index)) {
      names ??= namesOf(e);
      const other = freshIndex(index, (name) => taken.has(name) || reserved.has(name) || names?.has(name) === true);
      body = renameFreeIndex(body, index, { kind: "variable", name: other });
      index = other;
    }
    taken.add(index);
    bound.push({ index, size: inner.size });
    const flat = flattenInto(body);
    return flat;
  };
  const flattenInto = (body: Expr): FlatTerm => {
    const inside = partsOf(body);
    const result: { coefficient: number; scalars: Power[]; factors: Expr[] } = { coefficient: inside.coefficient, scalars: [], factors: [] };
    for (const s of inside.scalars) {
      const flat = s.exponent === 1 && s.base.kind === "indexSum" ? open(s.base) : undefined;
      if (!flat) result.scalars.push(s);
      else {
        result.coefficient *= flat.coefficient;
        result.scalars.push(...flat.scalars);
        if (flat.factors.length > 0) result.scalars.push({ base: multiply(...flat.factors), exponent: 1 });
      }
    }
    for (const f of inside.factors) {
      const flat = f.kind === "indexSum" ? open(f) : undefined;
      if (!flat) result.factors.push(f);
      else {
        result.coefficient *= flat.coefficient;
        result.scalars.push(...flat.scalars);
        result.factors.push(...flat.factors);
      }
    }
    return { ...result, bound: [] };
  };
  const flat = flattenInto(e);
  coefficient = flat.coefficient;
  scalars.push(...flat.scalars);
  return { coefficient, scalars, bound, factors: flat.factors };
}

export function rebuild(term: FlatTerm): Expr {
  const body = multiply(scalarProduct(term.coefficient, term.scalars), ...term.factors);
  return term.bound.reduceRight((inner, { index, size }) => indexSum(index, size, inner), body);
}

const mostTerms = 600;

/** One level: the terms of e with all products of sums multiplied out; arguments of functions stay as they are. */
function spread(e: Expr): readonly Expr[] {
  if (e.kind === "sum") return e.terms.flatMap(spread);
  if (e.kind === "indexSum") return spread(e.body).map((t) => indexSum(e.index, e.size, t));
  if (e.kind !== "product") return [e];
  let partial: Expr[] = [number(e.coefficient)];
  const times = (next: readonly Expr[]): void => {
    if (partial.length * next.length > mostTerms) throw new TooLarge("expansion");
    partial = partial.flatMap((p) => next.map((n) => multiply(p, n)));
  };
  for (const { base, exponent } of e.scalars) {
    const terms = exponent > 0 && Number.isInteger(exponent) && exponent <= 4 ? spread(base) : [base];
    if (terms.length > 1) for (let i = 0; i < exponent; i++) times(terms);
    else times([scalarProduct(1, [{ base, exponent }])]);
  }
  let tail: readonly (readonly Expr[])[] = e.factors.map(spread);
  if (tail.every((t) => t.length === 1)) {
    const whole = multiply(...tail.map((t) => t[0] as Expr));
    return partial.map((p) => multiply(p, whole));
  }
  // Matrices keep their order, so the factors are multiplied out among themselves first.
  let chains: Expr[][] = [[]];
  for (const terms of tail) {
    if (chains.length * terms.length * partial.length > mostTerms) throw new TooLarge("expansion");
    chains = chains.flatMap((c) => terms.map((t) => [...c, t]));
  }
  tail = chains;
  return partial.flatMap((p) => chains.map((c) => multiply(p, ...c)));
}

/** The whole expression multiplied out, arguments of functions and inverses included. Throws TooLarge. */
export function expand(e: Expr): Expr {
  return rewrite(e, (x) => {
    if (x.kind !== "product" && x.kind !== "indexSum" && x.kind !== "sum") return x;
    let terms = spread(x);
    // A product can make new brackets (a scalar that multiplied a sum): once more until none is left.
    for (let round = 0; round < 4; round++) {
      const next = terms.flatMap(spread);
      if (next.length === terms.length) break;
      terms = next;
    }
    return add(terms);
  });
}

/** Equal as polynomials of matrices? (Never a false yes; a no may need numbers to decide.) */
export function equalExpanded(a: Expr, b: Expr): boolean {
  if (a.id === b.id) return true;
  try {
    return expand(a).id === expand(b).id;
  } catch (error) {
    if (error instanceof TooLarge) return false;
    throw error;
  }
}
