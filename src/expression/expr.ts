/**
 * Matrix expressions in the paper's orientation (tokens are columns), kept in a light normal form by their constructors:
 * products and sums are flat, numbers and scalars stand in front, transposes stand at the leaves, like terms are added.
 * Two expressions with equal `id` are equal; order in sums, in entrywise products and among scalars does not count.
 */
import { spend, TooLarge } from "./effort.js";
import { type Dim, dimAdd, dimNumber, dimSubtract, dimSymbols, dimValue, isOne, one } from "./dim.js";
import { type FunctionName, functionRow, type Options, type Shape } from "./functions.js";

/** What a name stands for. */
export type SymbolRole =
  | "dim" | "const" | "let" | "param" | "capture" | "var" | "input" | "target" | "index" | "layer" | "hole";

/** Which member of a family: an index that runs, or a number (from 1). */
export type IndexTerm =
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "number"; readonly value: number };

export interface Power {
  readonly base: Expr;
  readonly exponent: number;
}
export interface Range {
  readonly from: Dim;
  readonly to: Dim;
}
interface Base {
  readonly id: number;
  readonly shape: Shape;
}
export interface NumberExpr extends Base { readonly kind: "number"; readonly value: number }
export interface SymbolExpr extends Base {
  readonly kind: "symbol";
  readonly name: string;
  readonly role: SymbolRole;
  readonly member?: IndexTerm;
}
export interface ConstantExpr extends Base { readonly kind: "identity" | "zero" | "ones" }
export interface SumExpr extends Base { readonly kind: "sum"; readonly terms: readonly Expr[] }
/** coefficient · Π scalars · factors (none for a plain scalar product). A factor is never a product or a bare number. */
export interface ProductExpr extends Base {
  readonly kind: "product";
  readonly coefficient: number;
  readonly scalars: readonly Power[];
  readonly factors: readonly Expr[];
}
/** Only around what cannot take the transpose inside. */
export interface TransposeExpr extends Base { readonly kind: "transpose"; readonly arg: Expr }
export interface InverseExpr extends Base { readonly kind: "inverse"; readonly arg: Expr; readonly iterations?: number }
export interface ApplyExpr extends Base {
  readonly kind: "apply";
  readonly fn: FunctionName;
  readonly args: readonly Expr[];
  readonly options: Options;
  /** softmax_family only: the index that its argument is a family by, that index's size, and the member meant. */
  readonly family?: { readonly index: string; readonly size: Dim; readonly at: IndexTerm };
}
/** `sum(k) body`; `size` is the count of the index's values, from 1. */
export interface IndexSumExpr extends Base {
  readonly kind: "indexSum";
  readonly index: string;
  readonly size: Dim;
  readonly body: Expr;
}
export interface SliceExpr extends Base {
  readonly kind: "slice";
  readonly arg: Expr;
  readonly rows?: Range;
  readonly cols?: Range;
}
export type Expr =
  | NumberExpr | SymbolExpr | ConstantExpr | SumExpr | ProductExpr | TransposeExpr | InverseExpr | ApplyExpr
  | IndexSumExpr | SliceExpr;

export { TooLarge };
const largest = 4096;

// ---------------------------------------------------------------- identity
let ids = new Map<string, number>();

/** Forgets all expressions; those made before must not be compared with those made after. */
export function resetExpressions(): void {
  ids = new Map();
}
function identify(key: string): number {
  spend(1 + key.length / 64);
  const known = ids.get(key);
  if (known !== undefined) return known;
  const id = ids.size + 1;
  ids.set(key, id);
  return id;
}
const sortedIds = (exprs: readonly Expr[]): string => exprs.map((e) => e.id).sort((a, b) => a - b).join(",");
const shapeKey = (shape: Shape): string => shape.map((d) => d.key).join("×");
export const indexTermKey = (t: IndexTerm): string => (t.kind === "variable" ? t.name : `#${t.value}`);

// ---------------------------------------------------------------- shapes
export const scalarShape: Shape = [one, one];
export function isScalar(e: Expr): boolean {
  return e.shape.length === 2 && e.shape.every(isOne);
}
export const rowsOf = (e: Expr): Dim => e.shape[0] ?? one;
export const colsOf = (e: Expr): Dim => e.shape[1] ?? one;
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d.key === b[i]?.key);
}

// ---------------------------------------------------------------- leaves
export function number(value: number): NumberExpr {
  const clean = Object.is(value, -0) ? 0 : value;
  return { kind: "number", value: clean, shape: scalarShape, id: identify(`n${clean}`) };
}
export function symbol(name: string, role: SymbolRole, shape: Shape, member?: IndexTerm): SymbolExpr {
  const id = identify(`v${name}[${member ? indexTermKey(member) : ""}]${role === "dim" || role === "index" ? role : ""}:${shapeKey(shape)}`);
  return member ? { kind: "symbol", name, role, shape, member, id } : { kind: "symbol", name, role, shape, id };
}
export function identity(n: Dim): Expr {
  return isOne(n) ? number(1) : { kind: "identity", shape: [n, n], id: identify(`I${n.key}`) };
}
export function zero(shape: Shape): Expr {
  return shape.length === 2 && shape.every(isOne) ? number(0) : { kind: "zero", shape, id: identify(`0${shapeKey(shape)}`) };
}
export function ones(shape: Shape): Expr {
  return shape.length === 2 && shape.every(isOne) ? number(1) : { kind: "ones", shape, id: identify(`1${shapeKey(shape)}`) };
}
/** A dim as a number in an expression: a polynomial of dim symbols. */
export function dimExpr(dim: Dim): Expr {
  return add(dim.terms.map((t) => scalarProduct(
    t.numerator / t.denominator,
    t.powers.map(([name, exponent]) => ({ base: symbol(name, "dim", scalarShape), exponent })),
  )));
}
export const isZero = (e: Expr): boolean => e.kind === "zero" || (e.kind === "number" && e.value === 0);

// ---------------------------------------------------------------- products
interface Parts {
  coefficient: number;
  scalars: readonly Power[];
  factors: readonly Expr[];
}
/** Any expression as coefficient · scalars · factors. */
export function partsOf(e: Expr): Parts {
  if (e.kind === "product") return e;
  if (e.kind === "number") return { coefficient: e.value, scalars: [], factors: [] };
  if (isScalar(e)) return { coefficient: 1, scalars: [scalarPower(e)], factors: [] };
  return { coefficient: 1, scalars: [], factors: [e] };
}
/** `power(x, 3)` of a scalar is x to the third, so that powers of one base add up. */
function scalarPower(e: Expr): Power {
  if (e.kind === "apply" && e.fn === "power" && isScalar(e)) {
    const [base, exponent] = e.args;
    if (base && exponent?.kind === "number" && Number.isInteger(exponent.value)) return { base, exponent: exponent.value };
  }
  return { base: e, exponent: 1 };
}

function mergePowers(all: readonly Power[]): { coefficient: number; scalars: Power[] } {
  const merged = new Map<number, Power>();
  let coefficient = 1;
  for (const p of all) {
    const before = merged.get(p.base.id);
    merged.set(p.base.id, before ? { base: p.base, exponent: before.exponent + p.exponent } : p);
  }
  const scalars: Power[] = [];
  let opened = false;
  for (const p of merged.values()) {
    if (p.exponent === 0) continue;
    // √x to an even power is a whole power of x.
    if (p.base.kind === "apply" && p.base.fn === "sqrt" && p.exponent % 2 === 0 && p.base.args[0]) {
      const inner = partsOf(p.base.args[0]);
      const half = p.exponent / 2;
      coefficient *= inner.coefficient ** half;
      scalars.push(...inner.scalars.map((q) => ({ base: q.base, exponent: q.exponent * half })));
      if (inner.factors.length > 0) scalars.push({ base: makeProduct(1, [], inner.factors), exponent: half });
      opened = true;
    } else scalars.push(p);
  }
  if (!opened) return { coefficient, scalars };
  // What came out may meet powers of its own base.
  const again = mergePowers(scalars);
  return { coefficient: coefficient * again.coefficient, scalars: again.scalars };
}

/** Neighbouring identities vanish, `inv(A)*A` cancels, runs of factors that are 1×1 become scalars. */
function reduceFactors(given: readonly Expr[]): { scalars: Power[]; coefficient: number; factors: Expr[] } {
  let coefficient = 1;
  const scalars: Power[] = [];
  const factors: Expr[] = [];
  for (const f of given) {
    if (f.kind === "identity" && (factors.length > 0 || given.length > 1)) continue;
    const last = factors.at(-1);
    if (last && ((last.kind === "inverse" && last.arg.id === f.id) || (f.kind === "inverse" && f.arg.id === last.id))) {
      factors.pop();
      continue;
    }
    if (last?.kind === "ones" && f.kind === "ones") {
      factors.pop();
      const inner = colsOf(last);
      const value = dimValue(inner);
      if (value === undefined) {
        const size = partsOf(dimExpr(inner));
        coefficient *= size.coefficient;
        scalars.push(...size.scalars);
      } else coefficient *= value;
      const merged = ones([rowsOf(last), colsOf(f)]);
      if (merged.kind !== "number") factors.push(merged);
      continue;
    }
    factors.push(f);
    if (isOne(colsOf(f))) {
      // The run that ends here is 1×1 from the nearest factor that has one row.
      let start = factors.length - 1;
      while (start >= 0 && !isOne(rowsOf(factors[start] as Expr))) start -= 1;
      if (start >= 0 && (start > 0 || factors.length < given.length)) {
        const run = factors.splice(start);
        const dot = plainRun(run);
        const parts = partsOf(dot);
        coefficient *= parts.coefficient;
        scalars.push(...(parts.factors.length > 0 ? [{ base: dot, exponent: 1 }] : parts.scalars));
      }
    }
  }
  return { scalars, coefficient, factors };
}

/** A 1×1 run, oriented so that it and its transpose are one expression. */
function plainRun(run: readonly Expr[]): Expr {
  if (run.length === 1) return run[0] as Expr;
  const turned = [...run].reverse().map(transpose);
  const [a, b] = [run.map((e) => e.id), turned.map((e) => e.id)];
  const forward = a.length < b.length || (a.length === b.length && lexicographic(a, b) <= 0);
  const factors = forward || turned.some((t) => t.kind === "product" || t.kind === "sum") ? run : turned;
  return makeProduct(1, [], factors);
}
function lexicographic(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function makeProduct(coefficient: number, scalars: readonly Power[], factors: readonly Expr[]): Expr {
  if (factors.length + scalars.length > largest) throw new TooLarge("product");
  const shape: Shape = factors.length === 0 ? scalarShape
    : factors.length === 1 ? (factors[0] as Expr).shape : [rowsOf(factors[0] as Expr), colsOf(factors.at(-1) as Expr)];
  if (coefficient === 0) return zero(shape);
  const [only] = factors;
  if (factors.length === 1 && scalars.length === 0 && coefficient === 1 && only) return only;
  if (factors.length === 0 && scalars.length === 0) return number(coefficient);
  const [scalarOnly] = scalars;
  if (factors.length === 0 && scalars.length === 1 && coefficient === 1 && scalarOnly?.exponent === 1) return scalarOnly.base;
  const key = `p${coefficient}|${scalars.map((s) => `${s.base.id}^${s.exponent}`).sort().join(",")}|${factors.map((f) => f.id).join(",")}`;
  return { kind: "product", coefficient, scalars, factors, shape, id: identify(key) };
}

/** coefficient · Π base^exponent, all scalars. */
export function scalarProduct(coefficient: number, powers: readonly Power[]): Expr {
  let c = coefficient;
  const flat: Power[] = [];
  for (const { base, exponent } of powers) {
    const parts = partsOf(base);
    if (parts.factors.length > 0 || (parts.scalars.length !== 1 && !Number.isInteger(exponent))) flat.push({ base, exponent });
    else if (!Number.isInteger(exponent) && parts.coefficient !== 1) flat.push({ base, exponent });
    else {
      c *= parts.coefficient ** exponent;
      for (const s of parts.scalars) flat.push({ base: s.base, exponent: s.exponent * exponent });
    }
  }
  const merged = mergePowers(flat);
  return makeProduct(c * merged.coefficient, merged.scalars, []);
}

/**
 * The product of matrices and scalars in the order given; the caller has checked the shapes.
 * A scalar may stand anywhere.
 */
export function multiply(...given: readonly Expr[]): Expr {
  let coefficient = 1;
  const scalars: Power[] = [];
  let chain: Expr[] = [];
  for (const e of given) {
    const parts = partsOf(e);
    coefficient *= parts.coefficient;
    if (isScalar(e) && parts.factors.length > 0) {
      scalars.push(...parts.scalars, { base: makeProduct(1, [], parts.factors), exponent: 1 });
    } else {
      scalars.push(...parts.scalars);
      chain = chain.concat(parts.factors);
    }
  }
  if (chain.length > largest) throw new TooLarge("product");
  const zeroFactor = chain.some((f) => f.kind === "zero");
  if (zeroFactor || coefficient === 0) {
    return zero(chain.length === 0 ? scalarShape : chain.length === 1 ? (chain[0] as Expr).shape : [rowsOf(chain[0] as Expr), colsOf(chain.at(-1) as Expr)]);
  }
  const reduced = reduceFactors(chain);
  const merged = mergePowers([...scalars, ...reduced.scalars]);
  let factors = reduced.factors;
  if (factors.length > 1) {
    const open = factors.filter((f) => f.kind !== "identity");
    factors = open.length > 0 ? open : factors.slice(0, 1);
  }
  if (factors.length === 0 && chain.length > 0) {
    // Everything cancelled: what is left is an identity, unless it was a scalar all along.
    const n = rowsOf(chain[0] as Expr);
    if (!isOne(n) && isSquareChain(chain)) factors = [identity(n)];
  }
  const total = coefficient * merged.coefficient * reduced.coefficient;
  const [only] = factors;
  // A number times a bracket of sums of scalars stays; a bare scalar factor joins the scalars.
  if (factors.length === 1 && only && isScalar(only) && only.kind !== "product") {
    const again = mergePowers([...merged.scalars, scalarPower(only)]);
    return makeProduct(total * again.coefficient, again.scalars, []);
  }
  // A bare minus goes into a bracket: -(a - b) is b - a.
  if (total === -1 && merged.scalars.length === 0 && factors.length === 1 && only?.kind === "sum") return add(only.terms.map(negate));
  return makeProduct(total, merged.scalars, factors);
}
function isSquareChain(chain: readonly Expr[]): boolean {
  return rowsOf(chain[0] as Expr).key === colsOf(chain.at(-1) as Expr).key;
}
export function scale(factor: number, e: Expr): Expr {
  return factor === 1 ? e : multiply(number(factor), e);
}
export function negate(e: Expr): Expr {
  return scale(-1, e);
}
/** e / by, where `by` is a scalar. */
export function divide(e: Expr, by: Expr): Expr {
  return multiply(e, reciprocal(by));
}
/** 1 / e of a scalar. */
export function reciprocal(e: Expr): Expr {
  if (e.kind === "number") return number(1 / e.value);
  const parts = partsOf(e);
  if (parts.factors.length > 0) {
    const bare = makeProduct(1, [], parts.factors);
    return makeProduct(1 / parts.coefficient, [...parts.scalars.map((s) => ({ base: s.base, exponent: -s.exponent })), { base: bare, exponent: -1 }], []);
  }
  return scalarProduct(1 / parts.coefficient, parts.scalars.map((s) => ({ base: s.base, exponent: -s.exponent })));
}

// ---------------------------------------------------------------- sums
/** The sum of matrices of one shape; like terms are added, zeros vanish, nested sums are flat. */
export function add(given: readonly Expr[]): Expr {
  const shape = given.find((e) => !isScalar(e))?.shape ?? scalarShape;
  const merged = new Map<number, { coefficient: number; bare: Expr }>();
  const take = (e: Expr): void => {
    if (e.kind === "sum") return e.terms.forEach(take);
    if (isZero(e)) return;
    const { coefficient, bare } = splitCoefficient(e);
    const before = merged.get(bare.id);
    merged.set(bare.id, { coefficient: (before?.coefficient ?? 0) + coefficient, bare: before?.bare ?? bare });
  };
  given.forEach(take);
  if (merged.size > largest) throw new TooLarge("sum");
  const terms = [...merged.values()].filter((t) => t.coefficient !== 0).map((t) => scale(t.coefficient, t.bare));
  const [only] = terms;
  if (!only) return zero(shape);
  if (terms.length === 1) return only;
  return { kind: "sum", terms, shape, id: identify(`s${sortedIds(terms)}`) };
}
/** e = coefficient · bare, the number taken out. */
export function splitCoefficient(e: Expr): { coefficient: number; bare: Expr } {
  if (e.kind === "number") return { coefficient: e.value, bare: number(1) };
  if (e.kind !== "product") return { coefficient: 1, bare: e };
  return { coefficient: e.coefficient, bare: e.coefficient === 1 ? e : makeProduct(1, e.scalars, e.factors) };
}
export function subtract(a: Expr, b: Expr): Expr {
  return add([a, negate(b)]);
}
export const termsOf = (e: Expr): readonly Expr[] => (e.kind === "sum" ? e.terms : [e]);

// ---------------------------------------------------------------- transpose, inverse
export function transpose(e: Expr): Expr {
  if (isScalar(e)) return e;
  switch (e.kind) {
    case "number": case "identity": return e;
    case "zero": return zero([colsOf(e), rowsOf(e)]);
    case "ones": return ones([colsOf(e), rowsOf(e)]);
    case "transpose": return e.arg;
    case "sum": return add(e.terms.map(transpose));
    case "product": return multiply(makeProduct(e.coefficient, e.scalars, []), ...[...e.factors].reverse().map(transpose));
    case "inverse": {
      const turned = transpose(e.arg);
      return turned.id === e.arg.id ? e : inverse(turned, e.iterations);
    }
    case "indexSum": return indexSum(e.index, e.size, transpose(e.body));
    case "apply": if (e.fn === "diag") return e; break;
    case "symbol": case "slice": break;
  }
  return { kind: "transpose", arg: e, shape: [colsOf(e), rowsOf(e)], id: identify(`t${e.id}`) };
}
export function isSymmetric(e: Expr): boolean {
  return rowsOf(e).key === colsOf(e).key && transpose(e).id === e.id;
}
export function inverse(e: Expr, iterations?: number): Expr {
  if (isScalar(e)) return reciprocal(e);
  if (e.kind === "identity") return e;
  if (e.kind === "inverse") return e.arg;
  const parts = partsOf(e);
  const [only] = parts.factors;
  if (parts.factors.length === 1 && only && (parts.coefficient !== 1 || parts.scalars.length > 0)) {
    return multiply(reciprocal(makeProduct(parts.coefficient, parts.scalars, [])), inverse(only, iterations));
  }
  const node = { kind: "inverse", arg: e, shape: e.shape, id: identify(`i${e.id}:${iterations ?? ""}`) } as const;
  return iterations === undefined ? node : { ...node, iterations };
}

// ---------------------------------------------------------------- functions
export function sortedOptions(options: Options): string {
  return Object.keys(options).sort().map((k) => {
    const v = options[k];
    return `${k}=${typeof v === "object" ? v.key : String(v)}`;
  }).join(";");
}
const commutative: ReadonlySet<FunctionName> = new Set(["hadamard", "max", "min", "equal"]);

/** The application as it stands; `apply` is the one that simplifies. The shape is the function's own. */
function makeApply(fn: FunctionName, args: readonly Expr[], options: Options, family?: ApplyExpr["family"]): ApplyExpr {
  const shape = functionRow(fn).shape(args.map((a) => a.shape), options);
  if (!shape) throw new Error(`${fn} of ${args.map((a) => shapeKey(a.shape)).join(", ")}`);
  // The name of a family's own index does not count, as that of a sum does not: the key speaks of its place.
  const keyed = family ? args.map((a) => renameFreeIndex(a, family.index, { kind: "variable", name: `∘${familyDepth(a)}` })) : args;
  const of = commutative.has(fn) ? sortedIds(keyed) : keyed.map((a) => a.id).join(",");
  const id = identify(`a${fn}(${of};${sortedOptions(options)}${family ? `;${family.size.key}@${indexTermKey(family.at)}` : ""})`);
  return family ? { kind: "apply", fn, args, options, shape, family, id } : { kind: "apply", fn, args, options, shape, id };
}

export function apply(fn: FunctionName, args: readonly Expr[], options: Options = {}): Expr {
  const [a, b] = args;
  if (a && isScalar(a) && args.every(isScalar)) {
    const folded = foldNumbers(fn, args);
    if (folded !== undefined) return number(folded);
  }
  switch (fn) {
    case "hadamard": return hadamard(args);
    case "power": if (a && b) return power(a, b); break;
    case "total": if (a) return totalOf(a); break;
    case "trace": if (a) return traceOf(a); break;
    case "sq_norm": if (a && isZero(a)) return number(0); if (a?.kind === "transpose") return apply(fn, [a.arg]); break;
    case "diag": if (a?.kind === "ones") return identity(rowsOf(a)); break;
    case "stop": if (a?.kind === "number" || a?.kind === "identity" || a?.kind === "zero" || a?.kind === "ones") return a; break;
    case "relu": case "abs": case "sign": case "tanh": case "erf": case "gelu":
      if (a && isZero(a)) return a; break;
    case "soft_threshold": case "hard_threshold": if (a && isZero(a)) return a; break;
    case "columns": if (args.length === 1 && a) return a; break;
    default: break;
  }
  if (a?.kind === "transpose" && args.length === 1 && functionRow(fn).class === "elementwise") {
    return transpose(makeApply(fn, [a.arg], options));
  }
  return makeApply(fn, args, options);
}
export function softmaxFamily(arg: Expr, index: string, size: Dim, at: IndexTerm): Expr {
  return makeApply("softmax_family", [arg], {}, { index, size, at });
}

function foldNumbers(fn: FunctionName, args: readonly Expr[]): number | undefined {
  const values = args.map((e) => (e.kind === "number" ? e.value : undefined));
  if (values.some((v) => v === undefined)) return undefined;
  const [x, y] = values as number[];
  if (x === undefined) return undefined;
  switch (fn) {
    case "sqrt": return Math.sqrt(x);
    case "exp": return Math.exp(x);
    case "log": return Math.log(x);
    case "abs": return Math.abs(x);
    case "sign": return Math.sign(x);
    case "relu": return Math.max(x, 0);
    case "max": return y === undefined ? undefined : Math.max(x, y);
    case "min": return y === undefined ? undefined : Math.min(x, y);
    case "power": return y === undefined ? undefined : x ** y;
    case "remainder": return y === undefined ? undefined : x - y * Math.floor(x / y);
    case "equal": return y === undefined ? undefined : Number(x === y);
    case "less": return y === undefined ? undefined : Number(x < y);
    case "less_equal": return y === undefined ? undefined : Number(x <= y);
    case "greater": return y === undefined ? undefined : Number(x > y);
    case "greater_equal": return y === undefined ? undefined : Number(x >= y);
    case "trace": case "total": case "mean": return x;
    default: return undefined;
  }
}

/** Entrywise product; scalars come out, equal factors become powers, ones vanish. */
export function hadamard(given: readonly Expr[]): Expr {
  if (given.every(isScalar)) return multiply(...given);
  const outside: Expr[] = [];
  const powers = new Map<number, { base: Expr; exponent: number }>();
  let shape: Shape = scalarShape;
  const take = (e: Expr): void => {
    if (isScalar(e)) {
      outside.push(e);
      return;
    }
    shape = e.shape;
    if (e.kind === "ones") return;
    if (e.kind === "product" && (e.coefficient !== 1 || e.scalars.length > 0)) {
      outside.push(makeProduct(e.coefficient, e.scalars, []));
      take(makeProduct(1, [], e.factors));
      return;
    }
    if (e.kind === "apply" && e.fn === "hadamard") return e.args.forEach(take);
    const [base, exponent] = e.kind === "apply" && e.fn === "power" ? e.args : [];
    const [b, n] = base && exponent?.kind === "number" ? [base, exponent.value] : [e, 1];
    const before = powers.get(b.id);
    powers.set(b.id, { base: b, exponent: (before?.exponent ?? 0) + n });
  };
  given.forEach(take);
  if (given.some(isZero)) return zero(shape);
  const args = [...powers.values()].filter((p) => p.exponent !== 0).map((p) => power(p.base, number(p.exponent)));
  const [only] = args;
  const matrix = !only ? ones(shape) : args.length === 1 ? only
    : args.every((a) => a.kind === "transpose") ? transpose(hadamard(args.map(transpose))) : makeApply("hadamard", args, {});
  return multiply(...outside, matrix);
}

/** Entry by entry. Whole powers of a scalar join the scalar factors of products. */
export function power(base: Expr, exponent: Expr): Expr {
  if (exponent.kind === "number") {
    const e = exponent.value;
    if (e === 0) return ones(base.shape);
    if (e === 1) return base;
    if (base.kind === "number") return number(base.value ** e);
    if (isScalar(base)) {
      if (Number.isInteger(e)) {
        const parts = partsOf(base);
        if (parts.factors.length === 0) return scalarProduct(parts.coefficient ** e, parts.scalars.map((s) => ({ base: s.base, exponent: s.exponent * e })));
        return makeProduct(parts.coefficient ** e, [...parts.scalars.map((s) => ({ base: s.base, exponent: s.exponent * e })), { base: makeProduct(1, [], parts.factors), exponent: e }], []);
      }
      return e === 0.5 ? apply("sqrt", [base]) : makeApply("power", [base, exponent], {});
    }
    if (base.kind === "ones" || base.kind === "zero" || base.kind === "identity") return e > 0 ? base : makeApply("power", [base, exponent], {});
    if (base.kind === "transpose") return transpose(power(base.arg, exponent));
    if (base.kind === "apply" && base.fn === "power" && base.args[0] && base.args[1]?.kind === "number" &&
      Number.isInteger(e) && Number.isInteger(base.args[1].value)) return power(base.args[0], number(base.args[1].value * e));
    if (base.kind === "apply" && base.fn === "hadamard" && Number.isInteger(e)) return hadamard(base.args.map((a) => power(a, exponent)));
    const parts = partsOf(base);
    if (Number.isInteger(e) && (parts.coefficient !== 1 || parts.scalars.length > 0)) {
      return multiply(power(makeProduct(parts.coefficient, parts.scalars, []), exponent), power(makeProduct(1, [], parts.factors), exponent));
    }
  }
  return makeApply("power", [base, exponent], {});
}

function totalOf(a: Expr): Expr {
  if (isScalar(a)) return a;
  if (a.kind === "zero") return number(0);
  if (a.kind === "transpose") return apply("total", [a.arg]);
  if (a.kind === "ones") return multiply(...a.shape.map(dimExpr));
  if (a.kind === "identity") return dimExpr(rowsOf(a));
  return pullScalars(a, "total");
}
function traceOf(a: Expr): Expr {
  if (isScalar(a)) return a;
  if (a.kind === "zero") return number(0);
  if (a.kind === "identity") return dimExpr(rowsOf(a));
  if (a.kind === "transpose") return apply("trace", [a.arg]);
  return pullScalars(a, "trace");
}
function pullScalars(a: Expr, fn: "total" | "trace"): Expr {
  const parts = partsOf(a);
  if (parts.factors.length === 0 || (parts.coefficient === 1 && parts.scalars.length === 0)) return makeApply(fn, [a], {});
  return multiply(makeProduct(parts.coefficient, parts.scalars, []), apply(fn, [makeProduct(1, [], parts.factors)]));
}

// ---------------------------------------------------------------- sums over an index
export function indexSum(index: string, size: Dim, body: Expr): Expr {
  if (isZero(body)) return body;
  if (!dependsOnIndex(body, index)) return multiply(dimExpr(size), body);
  const parts = partsOf(body);
  const free = parts.scalars.filter((s) => !dependsOnIndex(s.base, index));
  if (parts.coefficient !== 1 || free.length > 0) {
    const bound = parts.scalars.filter((s) => !free.includes(s));
    return multiply(makeProduct(parts.coefficient, free, []), indexSum(index, size, makeProduct(1, bound, parts.factors)));
  }
  // Bound names do not count: the key speaks of a place, not of a name.
  const canonical = renameFreeIndex(body, index, { kind: "variable", name: "·" + depthOf(body) });
  return { kind: "indexSum", index, size, body, shape: body.shape, id: identify(`k${size.key}|${canonical.id}`) };
}
/** How deeply sums nest in an expression: bound places of different depth have different names. */
function depthOf(e: Expr): number {
  const known = sumDepths.get(e);
  if (known !== undefined) return known;
  const depth = e.kind === "indexSum" ? 1 + depthOf(e.body) : Math.max(0, ...children(e).map(depthOf));
  sumDepths.set(e, depth);
  return depth;
}
const sumDepths = new WeakMap<Expr, number>();

/** The same for families inside families. */
function familyDepth(e: Expr): number {
  const known = familyDepths.get(e);
  if (known !== undefined) return known;
  const inside = Math.max(0, ...children(e).map(familyDepth));
  const depth = e.kind === "apply" && e.family ? 1 + inside : inside;
  familyDepths.set(e, depth);
  return depth;
}
const familyDepths = new WeakMap<Expr, number>();

const freeIndexCache = new WeakMap<Expr, ReadonlySet<string>>();
/** The index names that stand free in an expression. */
export function freeIndices(e: Expr): ReadonlySet<string> {
  const known = freeIndexCache.get(e);
  if (known) return known;
  const found = new Set<string>();
  const note = (t: IndexTerm | undefined): void => { if (t?.kind === "variable") found.add(t.name); };
  if (e.kind === "symbol") {
    note(e.member);
    if (e.role === "index") found.add(e.name);
  } else {
    for (const child of children(e)) for (const name of freeIndices(child)) found.add(name);
    if (e.kind === "indexSum") found.delete(e.index);
    if (e.kind === "apply" && e.family) {
      found.delete(e.family.index);
      note(e.family.at);
    }
  }
  freeIndexCache.set(e, found);
  return found;
}
export function dependsOnIndex(e: Expr, index: string): boolean {
  return freeIndices(e).has(index);
}
/** Names of symbols, indices and sizes that stand in an expression. */
export function namesOf(e: Expr): ReadonlySet<string> {
  const names = new Set(freeIndices(e));
  contains(e, (x) => {
    for (const d of x.shape) for (const name of dimSymbols(d)) names.add(name);
    if (x.kind === "symbol") names.add(x.name);
    if (x.kind === "indexSum") names.add(x.index);
    if (x.kind === "apply" && x.family) names.add(x.family.index);
    return false;
  });
  return names;
}
/** `k2`, `k3`, …: the first name for an index in the place of `k` that is not taken. */
export function freshIndex(index: string, taken: (name: string) => boolean): string {
  const stem = index.replace(/\d+$/, "");
  let number = 2;
  while (taken(`${stem}${number}`)) number += 1;
  return `${stem}${number}`;
}
/** A name for the index that `e` binds, where another of its name comes in. */
function outOfTheWay(e: Expr, index: string): string {
  const names = namesOf(e);
  return freshIndex(index, (name) => names.has(name));
}
/** Free occurrences of an index become another term; bound ones of the new name give way. */
export function renameFreeIndex(e: Expr, from: string, to: IndexTerm): Expr {
  if (!dependsOnIndex(e, from) || (to.kind === "variable" && to.name === from)) return e;
  const rename = (t: IndexTerm): IndexTerm => (t.kind === "variable" && t.name === from ? to : t);
  switch (e.kind) {
    case "symbol":
      if (e.role === "index") return to.kind === "number" ? number(to.value) : symbol(to.name, "index", e.shape);
      return symbol(e.name, e.role, e.shape, e.member && rename(e.member));
    case "indexSum": {
      if (to.kind === "variable" && e.index === to.name) {
        const other = outOfTheWay(e, e.index);
        return indexSum(other, e.size, renameFreeIndex(renameFreeIndex(e.body, e.index, { kind: "variable", name: other }), from, to));
      }
      return indexSum(e.index, e.size, renameFreeIndex(e.body, from, to));
    }
    case "apply":
      if (e.family && e.args[0]) {
        const { index, size, at } = e.family;
        if (from === index) return softmaxFamily(e.args[0], index, size, rename(at));
        if (to.kind === "variable" && to.name === index) {
          const other = outOfTheWay(e, index);
          const inner = renameFreeIndex(e.args[0], index, { kind: "variable", name: other });
          return softmaxFamily(renameFreeIndex(inner, from, to), other, size, rename(at));
        }
        return softmaxFamily(renameFreeIndex(e.args[0], from, to), index, size, rename(at));
      }
      break;
    default: break;
  }
  return mapChildren(e, (child) => renameFreeIndex(child, from, to));
}

// ---------------------------------------------------------------- slices
/** Rows and columns from…to, counted from 1, both included. */
export function slice(arg: Expr, rows: Range | undefined, cols: Range | undefined): Expr {
  const length = (r: Range): Dim => dimAdd(dimSubtract(r.to, r.from), dimNumber(1));
  const whole = (r: Range | undefined, full: Dim): boolean => !r || (r.from.key === "1" && r.to.key === full.key);
  const [noRows, noCols] = [whole(rows, rowsOf(arg)), whole(cols, colsOf(arg))];
  if (noRows && noCols) return arg;
  const shape: Shape = [rows && !noRows ? length(rows) : rowsOf(arg), cols && !noCols ? length(cols) : colsOf(arg)];
  if (arg.kind === "zero") return zero(shape);
  if (arg.kind === "ones") return ones(shape);
  const show = (r: Range | undefined): string => (r ? `${r.from.key}..${r.to.key}` : ":");
  const id = identify(`l${arg.id}[${noRows ? ":" : show(rows)},${noCols ? ":" : show(cols)}]`);
  return { kind: "slice", arg, shape, id, ...(rows && !noRows ? { rows } : {}), ...(cols && !noCols ? { cols } : {}) };
}

// ---------------------------------------------------------------- walking
export function children(e: Expr): readonly Expr[] {
  switch (e.kind) {
    case "number": case "symbol": case "identity": case "zero": case "ones": return [];
    case "sum": return e.terms;
    case "product": return [...e.scalars.map((s) => s.base), ...e.factors];
    case "transpose": case "inverse": case "slice": return [e.arg];
    case "apply": return e.args;
    case "indexSum": return [e.body];
  }
}
/** The same expression over changed children, rebuilt by the constructors; unchanged children give the node itself. */
export function mapChildren(e: Expr, f: (child: Expr) => Expr): Expr {
  const before = children(e);
  const after = before.map(f);
  if (after.every((c, i) => c === before[i])) return e;
  switch (e.kind) {
    case "number": case "symbol": case "identity": case "zero": case "ones": return e;
    case "sum": return add(after);
    case "product": {
      const count = e.scalars.length;
      const scalars = scalarProduct(e.coefficient, e.scalars.map((s, i) => ({ base: after[i] as Expr, exponent: s.exponent })));
      return multiply(scalars, ...after.slice(count));
    }
    case "transpose": return transpose(after[0] as Expr);
    case "inverse": return inverse(after[0] as Expr, e.iterations);
    case "slice": return slice(after[0] as Expr, e.rows, e.cols);
    case "apply": return e.family ? softmaxFamily(after[0] as Expr, e.family.index, e.family.size, e.family.at) : apply(e.fn, after, e.options);
    case "indexSum": return indexSum(e.index, e.size, after[0] as Expr);
  }
}
/** Bottom-up rewriting with memory: each distinct subexpression is visited once. */
export function rewrite(e: Expr, f: (e: Expr) => Expr): Expr {
  const memory = new Map<number, Expr>();
  const visit = (x: Expr): Expr => {
    const known = memory.get(x.id);
    if (known) return known;
    const result = f(mapChildren(x, visit));
    memory.set(x.id, result);
    return result;
  };
  return visit(e);
}
/** Does any subexpression satisfy the predicate? */
export function contains(e: Expr, predicate: (e: Expr) => boolean): boolean {
  const seen = new Set<number>();
  const visit = (x: Expr): boolean => {
    if (seen.has(x.id)) return false;
    seen.add(x.id);
    return predicate(x) || children(x).some(visit);
  };
  return visit(e);
}
/** All distinct symbols, in the order in which they are met. */
export function symbolsOf(e: Expr): readonly SymbolExpr[] {
  const found = new Map<number, SymbolExpr>();
  contains(e, (x) => {
    if (x.kind === "symbol") found.set(x.id, x);
    return false;
  });
  return [...found.values()];
}
/** Symbols become what `replace` gives; undefined keeps them. Members of families ask with their own index term. */
export function substitute(e: Expr, replace: (s: SymbolExpr) => Expr | undefined): Expr {
  return rewrite(e, (x) => (x.kind === "symbol" ? (replace(x) ?? x) : x));
}
