/** Symbolic sizes: polynomials in dims with rational coefficients, in a normal form in which equal sizes have equal keys. */
import { spend } from "./effort.js";

/** One monomial: numerator/denominator times powers of dim symbols, sorted by name. Exponents may be negative (`H/P`). */
export interface DimTerm {
  readonly numerator: number;
  readonly denominator: number;
  readonly powers: readonly (readonly [symbol: string, exponent: number])[];
}
export interface Dim {
  readonly terms: readonly DimTerm[];
  /** Equal keys, equal sizes. Also what is shown to people. */
  readonly key: string;
}

const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

function term(numerator: number, denominator: number, powers: DimTerm["powers"]): DimTerm {
  const divisor = gcd(numerator, denominator) || 1;
  const sign = denominator < 0 ? -1 : 1;
  return { numerator: (sign * numerator) / divisor, denominator: (sign * denominator) / divisor, powers };
}

/** A name from another scope (`lemma.p`) is shown without its scope. */
const shown = (symbol: string): string => symbol.slice(symbol.lastIndexOf(".") + 1);

function showTerm(t: DimTerm, name: (symbol: string) => string): string {
  const over = t.powers.filter(([, e]) => e > 0).map(([s, e]) => (e === 1 ? name(s) : `${name(s)}^${e}`));
  const under = t.powers.filter(([, e]) => e < 0).map(([s, e]) => (e === -1 ? name(s) : `${name(s)}^${-e}`));
  const size = Math.abs(t.numerator);
  if (size !== 1 || over.length === 0) over.unshift(String(size));
  if (t.denominator !== 1) under.unshift(String(t.denominator));
  return over.join("*") + under.map((u) => `/${u}`).join("");
}

function show(terms: readonly DimTerm[], name: (symbol: string) => string): string {
  if (terms.length === 0) return "0";
  return terms.map((t, i) => {
    const text = showTerm(t, name);
    if (i === 0) return t.numerator < 0 ? `-${text}` : text;
    return t.numerator < 0 ? ` - ${text}` : ` + ${text}`;
  }).join("");
}

const monomialKey = (t: DimTerm): string => t.powers.map(([s, e]) => `${s}^${e}`).join("*");

function normal(terms: readonly DimTerm[]): Dim {
  spend(terms.length);
  const merged = new Map<string, DimTerm>();
  for (const t of terms) {
    const key = monomialKey(t);
    const before = merged.get(key);
    merged.set(key, before
      ? term(before.numerator * t.denominator + t.numerator * before.denominator, before.denominator * t.denominator, t.powers)
      : t);
  }
  const degree = (t: DimTerm): number => t.powers.reduce((sum, [, e]) => sum + e, 0);
  const kept = [...merged.entries()].filter(([, t]) => t.numerator !== 0)
    .sort(([ka, a], [kb, b]) => degree(b) - degree(a) || (ka < kb ? -1 : 1)).map(([, t]) => t);
  return { terms: kept, key: show(kept, (s) => s) };
}

export function dimNumber(value: number): Dim {
  return normal([term(value, 1, [])]);
}
export function dimSymbol(name: string): Dim {
  return normal([term(1, 1, [[name, 1]])]);
}
export const one: Dim = dimNumber(1);

export function dimAdd(a: Dim, b: Dim): Dim {
  return normal([...a.terms, ...b.terms]);
}
export function dimNegate(a: Dim): Dim {
  return normal(a.terms.map((t) => term(-t.numerator, t.denominator, t.powers)));
}
export function dimSubtract(a: Dim, b: Dim): Dim {
  return dimAdd(a, dimNegate(b));
}

function multiplyPowers(a: DimTerm["powers"], b: DimTerm["powers"]): DimTerm["powers"] {
  const sum = new Map<string, number>(a);
  for (const [s, e] of b) sum.set(s, (sum.get(s) ?? 0) + e);
  return [...sum.entries()].filter(([, e]) => e !== 0).sort(([x], [y]) => (x < y ? -1 : 1));
}
export function dimMultiply(a: Dim, b: Dim): Dim {
  spend(a.terms.length * b.terms.length);
  return normal(a.terms.flatMap((s) => b.terms.map((t) =>
    term(s.numerator * t.numerator, s.denominator * t.denominator, multiplyPowers(s.powers, t.powers)))));
}
/** Quotient, where the divisor is a single term; otherwise undefined (the caller keeps the quotient opaque or reports it). */
export function dimDivide(a: Dim, b: Dim): Dim | undefined {
  const [divisor] = b.terms;
  if (a.key === b.key && divisor) return one;
  if (b.terms.length !== 1 || !divisor) return undefined;
  const inverse = normal([term(divisor.denominator, divisor.numerator, divisor.powers.map(([s, e]) => [s, -e] as const))]);
  return dimMultiply(a, inverse);
}
/** A whole power; negative ones only of single terms. */
export function dimPower(a: Dim, exponent: number): Dim | undefined {
  if (!Number.isInteger(exponent) || Math.abs(exponent) > 16) return undefined;
  let result = one;
  for (let i = 0; i < Math.abs(exponent); i++) result = dimMultiply(result, a);
  return exponent < 0 ? dimDivide(one, result) : result;
}

export function dimEquals(a: Dim, b: Dim): boolean {
  return a.key === b.key;
}
/** The number, where no symbol is left. */
export function dimValue(a: Dim): number | undefined {
  const [first] = a.terms;
  if (!first) return 0;
  return a.terms.length === 1 && first.powers.length === 0 ? first.numerator / first.denominator : undefined;
}
/** The symbol, where a size is one and nothing else. */
export function dimName(a: Dim): string | undefined {
  const [only, ...rest] = a.terms;
  const [power] = only?.powers ?? [];
  const bare = only?.numerator === 1 && only.denominator === 1 && only.powers.length === 1 && power?.[1] === 1;
  return bare && rest.length === 0 ? power[0] : undefined;
}
export const isOne = (a: Dim): boolean => a.key === "1";

export function dimSymbols(a: Dim): ReadonlySet<string> {
  return new Set(a.terms.flatMap((t) => t.powers.map(([s]) => s)));
}
/** Each symbol that `replace` knows becomes what it gives. */
export function dimSubstitute(a: Dim, replace: (symbol: string) => Dim | undefined): Dim {
  if (![...dimSymbols(a)].some((s) => replace(s))) return a;
  return a.terms.reduce((sum, t) => {
    const product = t.powers.reduce((p, [s, e]) => {
      const base = replace(s) ?? dimSymbol(s);
      const power = dimPower(base, e);
      return power ? dimMultiply(p, power) : dimMultiply(p, normal([term(1, 1, [[`(${base.key})`, e]])]));
    }, normal([term(t.numerator, t.denominator, [])]));
    return dimAdd(sum, product);
  }, normal([]));
}
/** As people read it: `(H/P)^2 + 1` is shown as `H^2/P^2 + 1`. */
export function showDim(a: Dim): string {
  return show(a.terms, shown);
}

/** If `a = b` fixes the symbol (it stands in one of them once, linearly, with a coefficient that divides), its value. */
export function solveDim(a: Dim, b: Dim, symbol: string): Dim | undefined {
  const difference = dimSubtract(a, b);
  const withSymbol = difference.terms.filter((t) => t.powers.some(([s]) => s === symbol));
  const [only] = withSymbol;
  if (withSymbol.length !== 1 || !only) return undefined;
  if (only.powers.find(([s]) => s === symbol)?.[1] !== 1) return undefined;
  const coefficient = normal([{ ...only, powers: only.powers.filter(([s]) => s !== symbol) }]);
  const rest = normal(difference.terms.filter((t) => t !== only));
  return dimDivide(dimNegate(rest), coefficient);
}
