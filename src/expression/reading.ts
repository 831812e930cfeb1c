/** How a person arranges the parts of an expression: signs in front, fractions with a numerator and a denominator. */
import type { Expr, NumberExpr, Power, ProductExpr, SumExpr } from "./expr.js";
import { isScalar, partsOf, sameShape } from "./expr.js";

/** ± coefficient · Π over / (divisor · Π under) · factors. All exponents are positive. */
export interface ProductLayout {
  readonly negative: boolean;
  readonly coefficient: number;
  readonly divisor: number;
  readonly over: readonly Power[];
  readonly under: readonly Power[];
  readonly factors: readonly Expr[];
}

const longestDecimal = 8;
const largestDivisor = 64;

/** `0.333…` as 1/3, where the decimals would be long and the fraction gives back the very same number. */
export function fractionOf(value: number): { readonly over: number; readonly under: number } {
  if (Number.isFinite(value) && String(value).length > longestDecimal) {
    for (let under = 3; under <= largestDivisor; under++) {
      const over = Math.round(value * under);
      if (over !== 0 && over < 1e4 && over * (1 / under) === value && over / under === value) return { over, under };
    }
  }
  return { over: value, under: 1 };
}

export function productLayout(e: ProductExpr | NumberExpr): ProductLayout {
  const { coefficient, scalars, factors } = partsOf(e);
  const { over, under } = fractionOf(Math.abs(coefficient));
  return {
    negative: coefficient < 0,
    coefficient: over,
    divisor: under,
    over: scalars.filter((s) => s.exponent > 0),
    under: scalars.filter((s) => s.exponent < 0).map((s) => ({ base: s.base, exponent: -s.exponent })),
    factors,
  };
}

export interface SignedTerm {
  readonly negative: boolean;
  readonly term: Expr;
  /** The term is a scalar that is added to every entry; its matrix of ones is not written. */
  readonly spread: boolean;
}

const isNegative = (e: Expr): boolean => (e.kind === "number" ? e.value < 0 : e.kind === "product" && e.coefficient < 0);

/** The terms of a sum, the first positive one in front (`1 - x` rather than `-x + 1`). */
export function readingOrder(sum: SumExpr): readonly SignedTerm[] {
  const isFullOnes = (e: Expr): boolean => {
    const [only, ...others] = partsOf(e).factors;
    return only?.kind === "ones" && others.length === 0 && sameShape(only.shape, sum.shape);
  };
  // Some other term has to show the shape: `I + 1` would not.
  const mixed = sum.terms.some((t) => !isFullOnes(t) && partsOf(t).factors.some((f) => f.kind !== "identity"));
  const terms = sum.terms.map((term) => ({ term, negative: isNegative(term), spread: mixed && isFullOnes(term) }));
  const firstPositive = terms.findIndex((t) => !t.negative);
  if (firstPositive <= 0) return terms;
  return [...terms.splice(firstPositive, 1), ...terms];
}

/**
 * The shortest decimal that reads back as the same number; very small and large ones with an exponent. Where 15 digits say it
 * much shorter, the rest is the rounding of a reckoning (1 - 0.6 is 0.4, not 0.40000000000000002): those are shown.
 */
export function numberText(exact: number): string {
  if (!Number.isFinite(exact)) return Number.isNaN(exact) ? "(0/0)" : exact > 0 ? "(1/0)" : "(-1/0)";
  const rounded = Number(exact.toPrecision(15));
  const value = String(rounded).length + 3 < String(exact).length ? rounded : exact;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e15)) return value.toExponential().replace("e+", "e");
  return String(value);
}

/** A name from another scope (`lemma.p`) is shown without its scope. */
export function shownName(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** A matrix to a negative power, entry by entry: what `./` divides by. */
export interface Divisor {
  readonly base: Expr;
  readonly exponent: number;
}
export function divisorOf(e: Expr): Divisor | undefined {
  if (e.kind !== "apply" || e.fn !== "power" || isScalar(e)) return undefined;
  const [base, exponent] = e.args;
  return base && exponent?.kind === "number" && exponent.value < 0 ? { base, exponent: -exponent.value } : undefined;
}
/** Written `… ./ X`, with nothing but scalars above. */
export function isDivision(e: Expr): boolean {
  return divisorOf(e) !== undefined || (e.kind === "apply" && e.fn === "hadamard" && e.args.every(divisorOf));
}
/** `A .* B ./ C`: what stands above, and what is divided by. */
export function entrywiseLayout(args: readonly Expr[]): { readonly over: readonly Expr[]; readonly under: readonly Divisor[] } {
  const flat = args.flatMap((a) => (a.kind === "apply" && a.fn === "hadamard" ? a.args : [a]));
  return { over: flat.filter((a) => !divisorOf(a)), under: flat.flatMap((a) => divisorOf(a) ?? []) };
}
