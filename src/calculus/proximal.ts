/**
 * The proximal table: prox_{t h}(v) = argmin_x h(x) + ‖x − v‖²/(2t). A row covers one set of functions of the bare variable;
 * factors, shifts `X - V`, scaled arguments `a*X`, added squares and linear terms are transformers around any row.
 * Parikh & Boyd, Proximal Algorithms (2014); the rows name their section.
 */
import { dimAdd, dimNumber, dimSubtract, type Dim } from "../expression/dim.js";
import {
  add, apply, type ApplyExpr, children, colsOf, contains, divide, type Expr, hadamard, indexSum, isScalar, isZero, mapChildren, multiply, negate,
  number, ones, partsOf, power, type Range, reciprocal, renameFreeIndex, rewrite, rowsOf, scalarProduct, scale, slice, type SliceExpr, subtract,
  symbol, termsOf, TooLarge, transpose,
} from "../expression/expr.js";
import { type FunctionName, functionRow } from "../expression/functions.js";
import { expand } from "./expand.js";
import { byVariable, dependsOn, gathered, gradient, type Variable } from "./gradient.js";
import { type KnownNumbers, signOf } from "./known-numbers.js";

/** One term c·f(a·X − V, …): `weight` is c (positive), `extra` the function's further arguments. */
interface AtomicTerm {
  readonly fn: FunctionName | "huber_total" | "negative_log";
  readonly weight: Expr;
  readonly argument: Expr;
  readonly extra: readonly Expr[];
  readonly text: Expr;
}
export interface ProximalRow {
  readonly of: readonly AtomicTerm["fn"][];
  /** v: the point; t: the step; terms in the order of `of`. */
  readonly prox: (v: Expr, t: Expr, terms: readonly AtomicTerm[]) => Expr;
  readonly source: string;
}

const diag = (v: Expr): Expr => apply("diag", [v]);
/** Formed when it is needed: an expression that outlives `resetExpressions` bears the number of some other one. */
const tiny = (): Expr => number(1e-30);
const spreadOver = (s: Expr, like: Expr): Expr => (isScalar(like) ? s : multiply(s, ones(like.shape)));
const soft = (v: Expr, c: Expr): Expr => apply("soft_threshold", [v, c]);
const step = (t: Expr, term: AtomicTerm | undefined): Expr => (term ? multiply(t, term.weight) : t);
const relu = (x: Expr): Expr => apply("relu", [x]);
/** Entries less c, c a scalar. */
const lessBy = (v: Expr, c: Expr): Expr => subtract(v, spreadOver(c, v));
/** (1 − c/‖v‖)₊ v, 0 at v = 0. */
const blockSoft = (v: Expr, c: Expr): Expr => {
  const norm = apply("norm2", [v]);
  return multiply(relu(subtract(norm, c)), reciprocal(apply("max", [norm, tiny()])), v);
};
const columnSoft = (v: Expr, c: Expr): Expr => {
  const norms = apply("colnorm", [v]);
  return multiply(v, diag(hadamard([relu(lessBy(norms, c)), power(apply("max", [norms, tiny()]), number(-1))])));
};
const clip = (v: Expr, lo: Expr, hi: Expr): Expr => apply("min", [apply("max", [v, lo]), hi]);
const ballOf = (v: Expr, r: Expr): Expr => {
  const norms = apply("colnorm", [v]);
  return multiply(v, diag(apply("min", [multiply(r, power(apply("max", [norms, tiny()]), number(-1))), number(1)])));
};
const extra = (term: AtomicTerm | undefined, i = 0): Expr => term?.extra[i] ?? number(0);

export const proximalTable: readonly ProximalRow[] = [
  { of: ["norm1"], prox: (v, t, [f]) => soft(v, step(t, f)), source: "6.5.2" },
  { of: ["norm0"], prox: (v, t, [f]) => apply("hard_threshold", [v, apply("sqrt", [scale(2, step(t, f))])]), source: "Blumensath & Davies 2008" },
  { of: ["norm2"], prox: (v, t, [f]) => blockSoft(v, step(t, f)), source: "6.5.1" },
  { of: ["norm21"], prox: (v, t, [f]) => columnSoft(v, step(t, f)), source: "6.5.4" },
  { of: ["norm_nuc"], prox: (v, t, [f]) => apply("singular_soft_threshold", [v, step(t, f)]), source: "6.7.3" },
  { of: ["nonnegative"], prox: relu, source: "6.2.1" },
  { of: ["box"], prox: (v, _, [f]) => clip(v, extra(f), extra(f, 1)), source: "6.2.4" },
  { of: ["ball"], prox: (v, _, [f]) => ballOf(v, extra(f)), source: "6.5.1" },
  { of: ["sphere"], prox: (v, _, [f]) => multiply(extra(f), apply("normalize", [v])), source: "projection on the sphere" },
  { of: ["simplex"], prox: (v) => apply("project_simplex", [v]), source: "6.2.5" },
  { of: ["orthonormal"], prox: (v) => apply("polar", [v]), source: "Higham 1989: the nearest matrix with orthonormal columns" },
  { of: ["huber_total"], prox: (v, t, [f]) => {
    const s = step(t, f);
    const d = multiply(s, extra(f));
    return subtract(v, clip(multiply(s, reciprocal(add([number(1), s])), v), negate(d), d));
  }, source: "Beck 2017, table 6.1" },
  { of: ["negative_log"], prox: (v, t, [f]) =>
    scale(0.5, add([v, apply("sqrt", [add([power(v, number(2)), spreadOver(scale(4, step(t, f)), v)])])])), source: "6.1.3" },
  { of: ["norm1", "nonnegative"], prox: (v, t, [f]) => relu(lessBy(v, step(t, f))), source: "Yu et al. 2023, eq. 17" },
  { of: ["norm0", "nonnegative"], prox: (v, t, [f]) => apply("hard_threshold", [relu(v), apply("sqrt", [scale(2, step(t, f))])]), source: "per entry, from the two rows" },
  { of: ["norm1", "box"], prox: (v, t, [f, g]) => clip(soft(v, step(t, f)), extra(g), extra(g, 1)), source: "per entry: projection after shrinkage" },
  { of: ["norm1", "norm2"], prox: (v, t, [f, g]) => blockSoft(soft(v, step(t, f)), step(t, g)), source: "Simon et al. 2013, sparse group lasso" },
  { of: ["norm1", "norm21"], prox: (v, t, [f, g]) => columnSoft(soft(v, step(t, f)), step(t, g)), source: "Simon et al. 2013, per column" },
  { of: ["norm2", "nonnegative"], prox: (v, t, [f]) => blockSoft(relu(v), step(t, f)), source: "Yu 2013: the cone, then the norm" },
  { of: ["norm21", "nonnegative"], prox: (v, t, [f]) => columnSoft(relu(v), step(t, f)), source: "Yu 2013: the cone, then the norm" },
  { of: ["ball", "nonnegative"], prox: (v, _, [f]) => ballOf(relu(v), extra(f)), source: "the cone, then the ball" },
];

/** Why a term has no proximal operator where it is maximised. */
export const negativeFactor = "its factor is negative, so the step would have no minimiser";
/** A term, or a set of terms, that the table does not have. */
export class NotInTable extends Error {
  override name = "NotInTable";
  constructor(readonly terms: readonly Expr[], readonly why: string) {
    super(why);
  }
}

// ---------------------------------------------------------------- terms
/** Is the outermost function of a term nonsmooth? (Language, section 13: whatever its argument.) */
export function nonsmoothFunction(term: Expr): FunctionName | undefined {
  if (term.kind === "indexSum") return nonsmoothFunction(term.body);
  if (term.kind === "apply") return functionRow(term.fn).nonsmooth ? term.fn : undefined;
  if (term.kind !== "product") return undefined;
  // A power of it is another function, such as norm2(X)^2.
  for (const f of [...term.scalars.filter((s) => s.exponent === 1).map((s) => s.base), ...term.factors]) {
    const found = f.kind === "apply" || f.kind === "indexSum" ? nonsmoothFunction(f) : undefined;
    if (found) return found;
  }
  return undefined;
}

/** A term without the mark that moved it to the proximal part: what stood in `prox(…)` may be a sum, and have factors and signs of its own. */
function unmarked(term: Expr): Expr {
  switch (term.kind) {
    case "apply": return term.fn === "prox" && term.args[0] ? unmarked(term.args[0]) : term;
    case "sum": return add(term.terms.map(unmarked));
    case "indexSum": return indexSum(term.index, term.size, unmarked(term.body));
    case "product":
      return multiply(number(term.coefficient), ...term.scalars.map((s) => (s.exponent === 1 ? unmarked(s.base) : scalarProduct(1, [s]))), ...term.factors);
    default: return term;
  }
}

/**
 * Brackets that hold the variable opened, so that every term stands alone: `lambda*(norm1(Z) + nonnegative(Z))`. Others are factors, whose sign is
 * that of the whole: `(1 - a)*norm1(Z)`. Arguments of functions stay as written.
 */
export function openTerms(f: Expr, variable: Variable): readonly Expr[] {
  if (!dependsOn(f, variable)) return [f];
  switch (f.kind) {
    case "sum": return f.terms.flatMap((t) => openTerms(t, variable));
    case "indexSum": return openTerms(f.body, variable).map((t) => indexSum(f.index, f.size, t));
    case "product": {
      if (f.factors.length > 0) return [f];
      const factors = f.scalars.map((s) => (s.exponent === 1 ? openTerms(s.base, variable) : [scalarProduct(1, [s])]));
      return factors.reduce<readonly Expr[]>((terms, parts) => terms.flatMap((t) => parts.map((p) => multiply(t, p))), [number(f.coefficient)]);
    }
    default: return [f];
  }
}
function expandOnce(t: Expr): Expr {
  try {
    return expand(t);
  } catch (error) {
    if (error instanceof TooLarge) return t;
    throw error;
  }
}

/** c·f(argument, …) with the variable only in f's first argument. */
function readTerm(term: Expr, variable: Variable, known: KnownNumbers): AtomicTerm {
  const parts = partsOf(term);
  const holders = parts.scalars.filter((s) => dependsOn(s.base, variable));
  const [holder] = holders;
  if (holders.length !== 1 || !holder || holder.exponent !== 1 || parts.factors.length > 0 || holder.base.kind !== "apply") {
    throw new NotInTable([term], "it is not a number times one function of the variable");
  }
  const base: ApplyExpr = holder.base;
  const weight = scalarProduct(parts.coefficient, parts.scalars.filter((s) => s !== holder));
  const [argument, ...rest] = base.args;
  if (!argument) throw new NotInTable([term], "it has no argument");
  if (base.fn === "total" && argument.kind === "apply" && argument.fn === "huber" && argument.args[0]) {
    return positive({ fn: "huber_total", weight, argument: argument.args[0], extra: argument.args.slice(1), text: term }, variable, known);
  }
  if (base.fn === "total" && argument.kind === "apply" && argument.fn === "log" && argument.args[0]) {
    return positive({ fn: "negative_log", weight: negate(weight), argument: argument.args[0], extra: [], text: term }, variable, known);
  }
  if (base.fn === "total" && argument.kind === "apply" && argument.fn === "abs" && argument.args[0]) {
    return positive({ fn: "norm1", weight, argument: argument.args[0], extra: [], text: term }, variable, known);
  }
  return positive({ fn: base.fn, weight, argument, extra: rest, text: term }, variable, known);
}
function positive(term: AtomicTerm, variable: Variable, known: KnownNumbers): AtomicTerm {
  if (signOf(term.weight, known) === -1) throw new NotInTable([term.text], negativeFactor);
  if (term.extra.some((e) => dependsOn(e, variable))) throw new NotInTable([term.text], "the variable stands in more than the function's first argument");
  return term;
}

/** argument = a·X − V with a scalar a: what makes f(a·X − V) a row's f. */
interface Affine {
  readonly a: Expr;
  readonly V: Expr;
}
function readAffine(argument: Expr, X: Expr, variable: Variable, term: Expr): Affine {
  // As it is written, and only then with brackets opened: `2*(X - 1)`.
  const found = affineTerms(argument, X, variable) ?? affineTerms(expandOnce(argument), X, variable);
  if (!found) throw new NotInTable([term], "its argument is not a number times the variable, less a constant");
  return found;
}
function affineTerms(argument: Expr, X: Expr, variable: Variable): Affine | undefined {
  const { own, others } = byVariable(termsOf(argument), variable);
  const factors = own.map((t) => {
    const parts = partsOf(t);
    const bare = parts.factors.length === 0 ? parts.scalars.find((s) => s.base.id === X.id && s.exponent === 1)?.base : parts.factors.length === 1 ? parts.factors[0] : undefined;
    const scalars = parts.scalars.filter((s) => s.base.id !== X.id);
    return bare?.id === X.id && !scalars.some((s) => dependsOn(s.base, variable)) ? scalarProduct(parts.coefficient, scalars) : undefined;
  });
  if (!factors.every((f) => f !== undefined)) return undefined;
  return { a: add(factors), V: others.length === 0 ? number(0) : negate(add(others)) };
}

// ---------------------------------------------------------------- the operator
/**
 * prox_{t h}(v) for the sum of the terms. Throws NotInTable with the terms that do not fit.
 * Terms of slices of the variable's columns, and of members of a family, are taken apart where they are disjoint.
 */
export function proximal(marked: readonly Expr[], variable: Variable, v: Expr, t: Expr, known: KnownNumbers): Expr {
  const opened = marked.flatMap((term) => openTerms(unmarked(term), variable)).filter((term) => dependsOn(term, variable));
  // A member of a family, or of its slice, has its own terms.
  const terms = gathered(opened, variable).map((term) => upright(separable(term, variable), variableSymbol(variable)));
  return proximalOf(terms, variable, v, t, known, true);
}
/** `mayTurn`: the variable is as the step has it, not its transpose. */
function proximalOf(terms: readonly Expr[], variable: Variable, v: Expr, t: Expr, known: KnownNumbers, mayTurn: boolean): Expr {
  if (terms.length === 0) return v;
  const X = variableSymbol(variable);
  if (mayTurn && terms.some((term) => contains(term, (e) => e.kind === "transpose" && e.arg.id === X.id || isRowSlice(e, X)))) {
    const turned: Variable = { ...variable, shape: [colsOf(X), rowsOf(X)] };
    try {
      return transpose(proximalOf(terms.map((term) => turn(term, X, variableSymbol(turned))), turned, transpose(v), t, known, false));
    } catch (error) {
      // Terms as they are written, not as they were turned.
      throw error instanceof NotInTable ? new NotInTable(terms, error.why) : error;
    }
  }
  const perSlice = splitSlices(terms, variable, X);
  if (perSlice) return overSlices(perSlice, variable, X, v, t, known);
  const linear: Expr[] = [];
  const squares: { weight: Expr; affine: Affine }[] = [];
  const atoms: { term: AtomicTerm; affine: Affine }[] = [];
  for (const inner of terms) {
    if (!nonsmoothFunction(inner)) {
      const slope = constantSlope(inner, variable);
      if (slope) { linear.push(slope); continue; }
    }
    const term = readTerm(inner, variable, known);
    const affine = readAffine(term.argument, X, variable, term.text);
    if (term.fn === "sq_norm") squares.push({ weight: term.weight, affine });
    else atoms.push({ term, affine });
  }
  // Linear terms move the point; squares move it and shorten the step (Parikh & Boyd, 2.2).
  let point = linear.length > 0 ? subtract(v, multiply(t, add(linear))) : v;
  let length = t;
  for (const { weight, affine: { a, V } } of squares) {
    const curvature = scale(2, multiply(length, weight, a, a));
    const shrink = reciprocal(add([number(1), curvature]));
    const toward = isZero(V) ? point : add([point, multiply(number(2), length, weight, a, shapeLike(V, X))]);
    point = multiply(shrink, toward);
    length = multiply(length, shrink);
  }
  if (atoms.length === 0) return point;
  return rowFor(atoms, X, point, length);
}
export function variableSymbol(variable: Variable): Expr {
  return variable.index
    ? symbol(variable.name, "var", variable.shape, { kind: "variable", name: variable.index })
    : symbol(variable.name, "var", variable.shape);
}
const shapeLike = (V: Expr, X: Expr): Expr => (isScalar(V) && !isScalar(X) ? multiply(V, ones(X.shape)) : V);

/** `sum(g) f(x[g])` over the family that is the variable: each member has its own f. */
function separable(term: Expr, variable: Variable): Expr {
  const index = variable.index;
  if (!index) return term;
  const parts = partsOf(term);
  const holder = parts.scalars.find((s) => s.base.kind === "indexSum" && dependsOn(s.base, variable));
  if (holder?.base.kind !== "indexSum" || holder.exponent !== 1) throw new NotInTable([term], `it is not a sum over ${index} of functions of one member each`);
  const body = renameIndex(holder.base.body, holder.base.index, index);
  return multiply(scalarProduct(parts.coefficient, parts.scalars.filter((s) => s !== holder)), body);
}

function constantSlope(term: Expr, variable: Variable): Expr | undefined {
  try {
    const slope = gradient(term, variable);
    return dependsOn(slope, variable) ? undefined : slope;
  } catch {
    return undefined;
  }
}

function rowFor(atoms: readonly { term: AtomicTerm; affine: Affine }[], X: Expr, v: Expr, t: Expr): Expr {
  const names = atoms.map((a) => a.term.fn);
  const row = proximalTable.find((r) => r.of.length === names.length && r.of.every((f) => names.includes(f)) && new Set(names).size === names.length);
  if (!row) throw new NotInTable(atoms.map((a) => a.term.text), names.length > 1 ? "the table has no row for these terms together" : "the table has no row for this function");
  // The argument of a function that cannot be rescaled is the row's variable.
  const { a, V } = (atoms.find((x) => !rescaled[x.term.fn]) ?? (atoms[0] as (typeof atoms)[number])).affine;
  const shift = shapeLike(V, X);
  const inner = isZero(V) ? multiply(a, v) : subtract(multiply(a, v), shift);
  const ordered = row.of.flatMap((f) => atoms.filter((x) => x.term.fn === f)).map(({ term, affine }) => {
    const ratio = divide(affine.a, a);
    const seen = ratio.kind === "number" && ratio.value === 1 ? term : rescaled[term.fn]?.(term, apply("abs", [ratio]));
    if (!seen || !isZero(expandOnce(subtract(affine.V, multiply(ratio, V))))) throw new NotInTable(atoms.map((x) => x.term.text), "the terms have different arguments");
    return seen;
  });
  const y = row.prox(inner, multiply(t, a, a), ordered);
  return divide(isZero(V) ? y : add([y, shift]), a);
}
/** f(a·y) as a function of y, by |a|: to these the sign of a says nothing. */
const rescaled: Partial<Record<AtomicTerm["fn"], (term: AtomicTerm, size: Expr) => AtomicTerm>> = {
  norm0: (f) => f,
  norm1: (f, size) => ({ ...f, weight: multiply(size, f.weight) }),
  norm2: (f, size) => ({ ...f, weight: multiply(size, f.weight) }),
  norm21: (f, size) => ({ ...f, weight: multiply(size, f.weight) }),
  ball: (f, size) => ({ ...f, extra: f.extra.map((r) => divide(r, size)) }),
};

// ---------------------------------------------------------------- the variable's transpose
const isRowSlice = (e: Expr, X: Expr): e is SliceExpr => e.kind === "slice" && e.arg.id === X.id && e.rows !== undefined && e.cols === undefined;
/** Functions of all entries alike, or of singular values: f(X') is f(X). */
const symmetric: ReadonlySet<FunctionName> = new Set(["sq_norm", "norm0", "norm1", "norm2", "norm_inf", "norm_nuc", "norm_spec", "nonnegative", "total"]);
const isTransposeOf = (e: Expr, X: Expr): boolean => e.kind === "transpose" && (e.arg.id === X.id || e.arg.kind === "slice" && e.arg.arg.id === X.id);
/** f(X') as f(X), where it does not matter. */
const upright = (term: Expr, X: Expr): Expr => rewrite(term, (e) => {
  const [argument, ...rest] = e.kind === "apply" && symmetric.has(e.fn) ? e.args : [];
  return e.kind === "apply" && argument && contains(argument, (x) => isTransposeOf(x, X)) ? apply(e.fn, [transpose(argument), ...rest], e.options) : e;
});
/** The term as one of W = X': rows of X are columns of W. */
function turn(term: Expr, X: Expr, W: Expr): Expr {
  const replaced = (e: Expr): Expr => (e.id === X.id ? transpose(W) : isRowSlice(e, X) ? transpose(slice(W, undefined, e.rows)) : mapChildren(e, replaced));
  return upright(replaced(term), W);
}

// ---------------------------------------------------------------- disjoint columns
interface SlicePart {
  readonly range: Range;
  readonly terms: readonly Expr[];
}
/** Terms that see the variable only through one range of its columns, grouped by range; undefined if any sees more. */
function splitSlices(terms: readonly Expr[], variable: Variable, X: Expr): readonly SlicePart[] | undefined {
  const groups = new Map<string, { range: Range; terms: Expr[] }>();
  for (const term of terms) {
    const range = onlySlice(term, variable, X);
    if (!range) return undefined;
    const key = `${range.from.key}..${range.to.key}`;
    const group = groups.get(key) ?? { range, terms: [] };
    group.terms.push(term);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => compareDims(a.range.from, b.range.from));
}
function compareDims(a: Dim, b: Dim): number {
  const difference = dimSubtract(a, b);
  return difference.terms[0] ? Math.sign(difference.terms[0].numerator) : 0;
}
function onlySlice(term: Expr, variable: Variable, X: Expr): Range | undefined {
  let range: Range | undefined;
  let whole = false;
  const visit = (e: Expr): void => {
    if (e.kind === "slice" && e.arg.id === X.id && e.cols && !e.rows) {
      const same = !range || (range.from.key === e.cols.from.key && range.to.key === e.cols.to.key);
      if (!same) whole = true;
      range = e.cols;
    } else if (e.kind === "symbol" && e.name === variable.name) whole = true;
    else for (const c of children(e)) visit(c);
  };
  visit(term);
  return whole ? undefined : range;
}
function overSlices(parts: readonly SlicePart[], variable: Variable, X: Expr, v: Expr, t: Expr, known: KnownNumbers): Expr {
  const pieces: Expr[] = [];
  let next: Dim = dimNumber(1);
  for (const { range, terms } of parts) {
    if (range.from.key !== next.key) {
      if (compareDims(range.from, next) < 0) throw new NotInTable(terms, "the ranges of columns overlap");
      pieces.push(slice(v, undefined, { from: next, to: dimSubtract(range.from, dimNumber(1)) }));
    }
    const part = slice(v, undefined, range);
    const inner: Variable = { name: variable.name, shape: [rowsOf(X), colsOf(part)] };
    const seen = slice(X, undefined, range);
    const local = terms.map((term) => replace(term, seen, variableSymbol(inner)));
    pieces.push(proximal(local, inner, part, t, known));
    next = dimAdd(range.to, dimNumber(1));
  }
  const end = colsOf(X);
  if (compareDims(next, dimAdd(end, dimNumber(1))) < 0) pieces.push(slice(v, undefined, { from: next, to: end }));
  return apply("columns", pieces);
}
function replace(e: Expr, from: Expr, to: Expr): Expr {
  return e.id === from.id ? to : mapChildren(e, (c) => replace(c, from, to));
}

/** Rows of the table in words, nearest to the given functions first. */
export function nearestRows(terms: readonly Expr[]): readonly string[] {
  const wanted = new Set(terms.map((t) => nonsmoothFunction(t)));
  const score = (row: ProximalRow): number => row.of.filter((f) => wanted.has(f as FunctionName)).length - row.of.length / 10;
  return [...proximalTable].sort((a, b) => score(b) - score(a)).slice(0, 4)
    .map((r) => r.of.map((f) => (f === "huber_total" ? "total(huber(X, delta))" : f === "negative_log" ? "-total(log(X))" : `${f}(X)`)).join(" + "));
}
function renameIndex(e: Expr, from: string, to: string): Expr {
  return renameFreeIndex(e, from, { kind: "variable", name: to });
}
