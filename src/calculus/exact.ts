/** The exact step: argmin of a quadratic, or of a quadratic c‖Z − V‖² with terms of the proximal table (language, section 5). */
import { dimValue, isOne, one, type Dim } from "../expression/dim.js";
import {
  add, apply, colsOf, contains, divide, type Expr, freeIndices, hadamard, identity, indexSum, inverse, isScalar, isZero, mapChildren, multiply, negate, number, ones,
  partsOf, power, reciprocal, renameFreeIndex, rewrite, rowsOf, scalarProduct, substitute, symbol, termsOf, transpose,
} from "../expression/expr.js";
import { expand, flatten, type FlatTerm } from "./expand.js";
import { byVariable, dependsOn, gathered, gradient, type Variable } from "./gradient.js";
import { type KnownNumbers, signOf } from "./known-numbers.js";
import { linearForm } from "./linear-form.js";
import { NotInTable, proximal, variableSymbol } from "./proximal.js";
import { simplify } from "./simplify.js";

export type ExactFault = "not quadratic" | "both sides" | "singular" | "maximised" | "unbounded" | "not separable";
/** Why there is no exact minimiser, in words for a message. */
export class NoExactMinimiser extends Error {
  override name = "NoExactMinimiser";
  constructor(readonly fault: ExactFault, readonly detail: string, readonly term?: Expr) {
    super(detail);
  }
}

interface Linear {
  /** H·X (left) or X·H (right) = B. */
  readonly left: readonly Expr[];
  readonly right: readonly Expr[];
  /** W .* X */
  readonly entries: readonly Expr[];
  readonly scalar: readonly Expr[];
  readonly constant: readonly Expr[];
}

/** Splits ∇g = H X − B: every term holds X once, with factors on one side only. */
function split(G: Expr, X: Expr, variable: Variable): Linear {
  const left: Expr[] = [];
  const right: Expr[] = [];
  const entries: Expr[] = [];
  const scalar: Expr[] = [];
  const constant: Expr[] = [];
  for (const t of termsOf(G)) {
    if (!dependsOn(t, variable)) {
      constant.push(t);
      continue;
    }
    const flat = flatten(t);
    const close = (e: Expr): Expr => flat.bound.reduceRight((inner, b) => indexSum(b.index, b.size, inner), e);
    const front = scalarProduct(flat.coefficient, flat.scalars);
    const weights = flat.factors.length === 1 && !dependsOn(front, variable) ? weightsOf(flat.factors[0] as Expr, X, variable) : undefined;
    if (weights) {
      entries.push(close(multiply(front, weights)));
      continue;
    }
    const paired = pairedWithVector(flat, X, variable);
    if (paired) {
      (isOne(colsOf(X)) ? left : right).push(close(paired));
      continue;
    }
    const at = flat.factors.findIndex((f) => f.id === X.id);
    const others = [...flat.factors.filter((_, i) => i !== at), ...flat.scalars.map((s) => s.base)];
    if (at < 0 || others.some((o) => dependsOn(o, variable))) {
      const asScalar = flat.factors.length === 0 ? flat.scalars.find((s) => s.base.id === X.id && s.exponent === 1) : undefined;
      if (asScalar && !flat.scalars.some((s) => s !== asScalar && dependsOn(s.base, variable))) {
        scalar.push(close(scalarProduct(flat.coefficient, flat.scalars.filter((s) => s !== asScalar))));
        continue;
      }
      throw new NoExactMinimiser("not quadratic", "in a term of its gradient the variable is not multiplied by matrices and numbers alone", t);
    }
    const before = flat.factors.slice(0, at);
    const after = flat.factors.slice(at + 1);
    if (before.length > 0 && after.length > 0) throw new NoExactMinimiser("both sides", "the variable is multiplied from both sides", t);
    if (before.length > 0) left.push(close(multiply(front, ...before)));
    else if (after.length > 0) right.push(close(multiply(front, ...after)));
    else scalar.push(close(front));
  }
  if (left.length > 0 && right.length > 0) throw new NoExactMinimiser("both sides", "one term multiplies the variable from the left, another from the right");
  if (left.length + right.length > 0 && entries.length > 0) throw new NoExactMinimiser("both sides", "one term multiplies the variable by a matrix, another entry by entry");
  return { left, right, entries, scalar, constant };
}
/** (w'*x)*u of a column x is u*w'*x, and u*(x*w) of a row x is x*w*u: the matrix. */
function pairedWithVector(flat: FlatTerm, X: Expr, variable: Variable): Expr | undefined {
  const { own, others } = byVariable(flat.scalars.map((s) => s.base), variable);
  const holder = flat.scalars.find((s) => s.base === own[0]);
  if (isScalar(X) || own.length !== 1 || holder?.exponent !== 1 || flat.factors.length === 0 || flat.factors.some((f) => dependsOn(f, variable))) return undefined;
  const front = scalarProduct(flat.coefficient, flat.scalars.filter((s) => others.includes(s.base)));
  const dot = partsOf(holder.base);
  if ([...dot.scalars.map((s) => s.base), ...dot.factors].filter((e) => dependsOn(e, variable)).length !== 1) return undefined;
  const scale = multiply(front, scalarProduct(dot.coefficient, dot.scalars));
  for (const factors of [dot.factors, [...dot.factors].reverse().map(transpose)]) {
    if (isOne(colsOf(X)) && factors.at(-1)?.id === X.id) return multiply(scale, ...flat.factors, ...factors.slice(0, -1));
    if (isOne(rowsOf(X)) && factors[0]?.id === X.id) return multiply(scale, ...factors.slice(1), ...flat.factors);
  }
  return undefined;
}
/** W of W .* X. */
function weightsOf(e: Expr, X: Expr, variable: Variable): Expr | undefined {
  if (e.kind !== "apply" || e.fn !== "hadamard") return undefined;
  const { own, others } = byVariable(e.args, variable);
  return own.length === 1 && own[0]?.id === X.id ? hadamard(others) : undefined;
}

const weightSign = (t: FlatTerm, known: KnownNumbers): number | undefined => signOf(scalarProduct(t.coefficient, t.scalars), known);
/** A matrix of ones is a column of them times a row. */
const thinFactors = (t: FlatTerm): readonly Expr[] =>
  t.factors.flatMap((f) => (f.kind === "ones" && !isOne(rowsOf(f)) && !isOne(colsOf(f)) ? [ones([rowsOf(f), one]), ones([one, colsOf(f)])] : [f]));
/** Is c·M'*M (or c·M*M') seen in a term, or a diagonal matrix of squares, and with which sign? */
function gramSign(t: Expr, known: KnownNumbers): number | undefined {
  const diagonal = diagonalOf(t);
  if (diagonal) return squareSign(diagonal, known);
  const flat = flatten(t);
  const factors = thinFactors(flat);
  const half = factors.length / 2;
  if (factors.length % 2 === 0) {
    const [front, back] = [multiply(...factors.slice(0, half)), multiply(...factors.slice(half))];
    if (transpose(front).id === back.id) return weightSign(flat, known);
  }
  return undefined;
}
/** The sign of weights that are squares, as a mask's are. */
function squareSign(t: Expr, known: KnownNumbers): number | undefined {
  const flat = flatten(t);
  const isSquare = (e: Expr): boolean => e.kind === "apply" &&
    (e.fn === "power" ? e.args[1]?.kind === "number" && e.args[1].value % 2 === 0 : e.fn === "hadamard" && e.args.every(isSquare));
  return flat.factors.every(isSquare) ? weightSign(flat, known) : undefined;
}
/** The entries of a product of diagonal matrices, as a column. */
function diagonalOf(t: Expr): Expr | undefined {
  const { coefficient, scalars, bound, factors } = flatten(t);
  const entries = factors.map((f) => (f.kind === "apply" && f.fn === "diag" ? f.args[0] : undefined));
  if (entries.length === 0 || !entries.every((v) => v !== undefined)) return undefined;
  return bound.reduceRight((inner, b) => indexSum(b.index, b.size, inner), multiply(scalarProduct(coefficient, scalars), hadamard(entries)));
}
/** An upper bound of a term's rank, where the sizes are numbers. */
function rankBound(t: Expr, value: (d: Dim) => number | undefined): number | undefined {
  const flat = flatten(t);
  const sizes = thinFactors(flat).flatMap((f) => [value(rowsOf(f)), value(colsOf(f))]);
  if (sizes.some((s) => s === undefined)) return undefined;
  const members = flat.bound.reduce<number | undefined>((n, b) => {
    const size = value(b.size);
    return n === undefined || size === undefined ? undefined : n * size;
  }, 1);
  return members === undefined ? undefined : members * Math.min(...(sizes as number[]));
}

/** What stands in `stop` as symbols of their own: constants to the minimiser, put back in what it gives. */
function holding(give: (hold: (e: Expr) => Expr) => Expr): Expr {
  const held = new Map<number, { readonly stopped: Expr; readonly name: string }>();
  const hold = (e: Expr): Expr => {
    if (!(e.kind === "apply" && e.fn === "stop")) return mapChildren(e, hold);
    const known = held.get(e.id) ?? { stopped: e, name: `·stop${held.size + 1}` };
    held.set(e.id, known);
    const [index] = freeIndices(e);
    return index === undefined ? symbol(known.name, "const", e.shape) : symbol(known.name, "const", e.shape, { kind: "variable", name: index });
  };
  const result = give(hold);
  const back = new Map([...held.values()].map(({ stopped, name }) => [name, stopped]));
  return back.size === 0 ? result : substitute(result, (s) => {
    const stopped = back.get(s.name);
    const [index] = stopped ? freeIndices(stopped) : [];
    return stopped && index !== undefined && s.member ? renameFreeIndex(stopped, index, s.member) : stopped;
  });
}
export function minimiser(smooth: Expr, nonsmooth: readonly Expr[], variable: Variable, known: KnownNumbers): Expr {
  return holding((hold) => {
    const [g, h] = [hold(smooth), nonsmooth.map(hold)];
    try {
      return heldMinimiser(g, h, variable, known);
    } catch (fault) {
      if (!(fault instanceof NoExactMinimiser) || fault.fault !== "not quadratic") throw fault;
      // Huber's function and the barrier have gradients, and rows of the proximal table as well.
      const quadratic = termsOf(g).filter((t) => isQuadratic(t, variable));
      const others = termsOf(g).filter((t) => !quadratic.includes(t));
      if (quadratic.length === 0) throw fault;
      try {
        return heldMinimiser(add(quadratic), [...h, ...others], variable, known);
      } catch (again) {
        // The second try is told of where the spec has such terms.
        const guessed = again instanceof NotInTable || (h.length === 0 && again instanceof NoExactMinimiser && again.fault === "not separable");
        throw guessed ? fault : again;
      }
    }
  });
}
const slopeOf = (smooth: Expr, variable: Variable): Expr => expand(linearForm(gradient(smooth, variable), variableSymbol(variable), variable));
function isQuadratic(term: Expr, variable: Variable): boolean {
  try {
    split(slopeOf(term, variable), variableSymbol(variable), variable);
    return true;
  } catch (fault) {
    if (fault instanceof NoExactMinimiser) return fault.fault !== "not quadratic";
    throw fault;
  }
}
/**
 * argmin over the variable of `smooth` + `nonsmooth` (sums; both for minimisation), as an expression.
 * `known`: sizes, for the test of singular Hessians, and signs of penalties.
 */
function heldMinimiser(smooth: Expr, nonsmooth: readonly Expr[], variable: Variable, known: KnownNumbers): Expr {
  const X = variableSymbol(variable);
  const G = isZero(smooth) ? smooth : slopeOf(smooth, variable);
  const { left, right, entries, scalar, constant } = split(G, X, variable);
  const B = constant.length > 0 ? add(constant.map(negate)) : undefined;
  const curvature = add(scalar);
  const signsOf = (terms: readonly Expr[], sign: (t: Expr, k: KnownNumbers) => number | undefined) => gathered(terms, variable).map((t) => sign(t, known));
  const signs = [...signsOf(scalar, signOf), ...signsOf([...left, ...right], gramSign), ...signsOf(entries, squareSign)];
  if (signs.every((s) => s === 0)) {
    throw new NoExactMinimiser("unbounded", nonsmooth.length > 0 ? "there is no quadratic term of the variable" : "it has no quadratic term, so it has no minimum");
  }
  if (signs.every((s) => s !== undefined && s <= 0)) throw new NoExactMinimiser("maximised", "it curves downwards, so it has no minimum");
  const origin = multiply(number(0), X);
  if (left.length + right.length + entries.length === 0) {
    const [below, above] = B ? withoutCommonFactor(curvature, B) : [curvature, origin];
    const centre = B ? simplify(expand(divide(above, below))) : origin;
    return nonsmooth.length === 0 ? centre : proximal(nonsmooth, variable, centre, reciprocal(curvature), known);
  }
  if (nonsmooth.length > 0) {
    throw new NoExactMinimiser("not separable", "beside a term of the proximal table the quadratic terms must be c*sq_norm(a*Z - V)");
  }
  /** The Hessian of these terms and of what is scalar, which stands before `unit`. */
  const hessian = (terms: readonly Expr[], unit: Expr): Expr => add([...terms, ...(scalar.length > 0 ? [multiply(curvature, unit)] : [])]);
  if (entries.length > 0) {
    if (!B) return origin;
    const [h, b] = withoutCommonFactor(hessian(entries, ones(X.shape)), B);
    return hadamard([b, power(h, number(-1))]);
  }
  const n = left.length > 0 ? rowsOf(X) : colsOf(X);
  const size = dimValue(n) ?? known.size(n);
  if (scalar.length === 0 && size !== undefined) {
    const ranks = [...left, ...right].map((t) => rankBound(t, known.size));
    const total = ranks.reduce<number | undefined>((sum, r) => (sum === undefined || r === undefined ? undefined : sum + r), 0);
    if (total !== undefined && total < size) {
      throw new NoExactMinimiser("singular", `its Hessian is ${size} by ${size} and has at most rank ${total}`);
    }
  }
  if (!B) return origin;
  const diagonal = [...left, ...right].map(diagonalOf);
  if (diagonal.every((v) => v !== undefined)) {
    const [h, b] = withoutCommonFactor(hessian(diagonal, ones([n, one])), B);
    const inverted = apply("diag", [power(h, number(-1))]);
    return simplify(left.length > 0 ? multiply(inverted, b) : multiply(b, inverted));
  }
  const H = hessian([...left, ...right], identity(n));
  if (isScalar(H)) return divide(B, H);
  const [h, b] = withoutCommonFactor(H, B);
  return left.length > 0 ? multiply(inverse(h), b) : multiply(b, inverse(h));
}
/** A common number in front of both sides cancels. */
function withoutCommonFactor(H: Expr, B: Expr): readonly [Expr, Expr] {
  const sizes = new Set([...termsOf(H), ...termsOf(B)].map((t) => Math.abs(partsOf(t).coefficient)));
  const [only] = sizes;
  const common = sizes.size === 1 && only ? only : 1;
  const divided = (e: Expr): Expr => add(termsOf(e).map((t) => multiply(number(1 / common), t)));
  return [divided(H), divided(B)];
}
export function mentions(e: Expr, name: string): boolean {
  return contains(e, (x) => x.kind === "symbol" && x.name === name);
}
