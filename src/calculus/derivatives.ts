/**
 * How a scalar changes with a matrix: reverse-mode rules on matrix expressions, one row for each function.
 * A row takes the arguments and G, the derivative of the objective by the function's value, and gives the derivative
 * by each argument, of that argument's shape. `none`: nothing flows. Petersen & Pedersen, The Matrix Cookbook (2012).
 */
import { dimAdd as addDim, dimNumber, one } from "../expression/dim.js";
import {
  add, apply, colsOf, dimExpr, divide, type Expr, hadamard, identity, inverse, isScalar, multiply, number, ones,
  power, reciprocal, rowsOf, scale, slice, subtract, transpose, type ApplyExpr,
} from "../expression/expr.js";
import type { FunctionName } from "../expression/functions.js";

export interface DerivativeRow {
  /** One entry for each argument; undefined where nothing flows to it. */
  readonly adjoint: (node: ApplyExpr, G: Expr) => readonly (Expr | undefined)[];
  readonly source?: string;
}
/** No derivative: why, and what to do instead (both end up in a message). */
export interface NoDerivative {
  readonly none: string;
}

/** Σ of the entries of A .* B. */
export function inner(A: Expr, B: Expr): Expr {
  if (isScalar(A) && isScalar(B)) return multiply(A, B);
  return apply("total", [hadamard([A, B])]);
}
const argument = (node: ApplyExpr, i = 0): Expr => {
  const found = node.args[i];
  if (!found) throw new Error(`${node.fn} lacks argument ${i + 1}`);
  return found;
};
/** Entry by entry: G .* slope(x); a scalar argument that was spread collects the sum. */
const entrywise = (slope: (x: Expr, node: ApplyExpr) => Expr): DerivativeRow => ({
  adjoint: (node, G) => [hadamard([G, slope(argument(node), node)])],
});
const flat: DerivativeRow = { adjoint: (node) => node.args.map(() => undefined) };
/** What flows to an argument that may be a scalar spread beside a matrix. */
function collect(arg: Expr, flow: Expr): Expr {
  return isScalar(arg) && !isScalar(flow) ? apply("total", [flow]) : flow;
}
const both = (slopes: (a: Expr, b: Expr) => readonly [Expr, Expr]): DerivativeRow => ({
  adjoint: (node, G) => {
    const [a, b] = [argument(node), argument(node, 1)];
    const [da, db] = slopes(a, b);
    return [collect(a, hadamard([G, da])), collect(b, hadamard([G, db]))];
  },
});
const reductionTo = (gradient: (X: Expr) => Expr): DerivativeRow =>
  ({ adjoint: (node, G) => [multiply(G, gradient(argument(node)))] });
const onesLike = (X: Expr): Expr => ones(X.shape);
const columnOf = (X: Expr): Expr => ones([rowsOf(X), one]);
const rowOfOnes = (X: Expr): Expr => ones([one, colsOf(X)]);
const count = (X: Expr): Expr => multiply(dimExpr(rowsOf(X)), dimExpr(colsOf(X)));
/** Formed when it is needed: an expression that outlives `resetExpressions` bears the number of some other one. */
const floor = (): Expr => number(1e-12);
const within = (v: Expr, c: Expr): Expr => apply("greater", [apply("abs", [v]), c]);
const diag = (v: Expr): Expr => apply("diag", [v]);
/** Norm floored so that a zero column gives 0 (language, section 13). */
const floored = (norm: Expr): Expr => apply("max", [norm, floor()]);
const beyondTable = (name: string): NoDerivative => ({ none: `${name} has no derivative that the calculus knows` });
const indicator: NoDerivative = {
  none: "it is 0 inside its set and infinite outside, so it has no gradient; use proximal_gradient, proximal or a surrogate (as)",
};

/** Per column: Y = normalised X, s = 1 over the scale; adjoint (G − Y diag(mean or sum of Y .* G)) diag(s). */
function alongColumns(G: Expr, Y: Expr, weight: Expr, s: Expr): Expr {
  return multiply(subtract(G, multiply(Y, diag(weight))), diag(s));
}

export const derivatives = {
  exp: entrywise((_, node) => node),
  log: entrywise((x) => power(x, number(-1))),
  sqrt: entrywise((_, node) => scale(0.5, power(node, number(-1)))),
  abs: entrywise((x) => apply("sign", [x])),
  sign: flat, equal: flat, less: flat, less_equal: flat, greater: flat, greater_equal: flat,
  // a − b⌊a/b⌋, whose whole part stands still.
  remainder: {
    adjoint: (node, G) => {
      const [a, b] = [argument(node), argument(node, 1)];
      const whole = subtract(node, isScalar(a) ? multiply(a, onesLike(node)) : a);
      const slope = isScalar(b) ? divide(whole, b) : hadamard([whole, power(b, number(-1))]);
      return [collect(a, G), collect(b, hadamard([G, slope]))];
    },
  },
  relu: entrywise((x) => apply("greater", [x, number(0)])),
  erf: entrywise((x) => scale(2 / Math.sqrt(Math.PI), apply("exp", [scale(-1, power(x, number(2)))]))),
  gelu: entrywise((x) => add([
    scale(0.5, add([onesLike(x), apply("erf", [scale(Math.SQRT1_2, x)])])),
    hadamard([x, scale(1 / Math.sqrt(2 * Math.PI), apply("exp", [scale(-0.5, power(x, number(2)))]))]),
  ])),
  sigmoid: entrywise((x, node) => hadamard([node, subtract(onesLike(x), node)])),
  tanh: entrywise((x, node) => subtract(onesLike(x), power(node, number(2)))),
  max: both((a, b) => [apply("greater_equal", [a, b]), apply("less", [a, b])]),
  min: both((a, b) => [apply("less_equal", [a, b]), apply("greater", [a, b])]),
  hadamard: {
    adjoint: (node, G) => node.args.map((a, i) => collect(a, hadamard([G, ...node.args.filter((_, j) => j !== i)]))),
  },
  power: {
    adjoint: (node, G) => {
      const [x, e] = [argument(node), argument(node, 1)];
      const toBase = hadamard([G, multiply(isScalar(e) ? e : number(1), power(x, isScalar(e) ? subtract(e, number(1)) : subtract(e, onesLike(e))))]);
      const base = isScalar(e) ? toBase : hadamard([toBase, e]);
      if (e.kind === "number") return [collect(x, base), undefined];
      return [collect(x, base), collect(e, hadamard([G, node, apply("log", [x])]))];
    },
  },
  soft_threshold: both((v, c) => [within(v, c), scale(-1, hadamard([apply("sign", [v]), within(v, c)]))]),
  hard_threshold: { adjoint: (node, G) => [hadamard([G, within(argument(node), argument(node, 1))]), undefined] },
  huber: both((x, d) => [
    apply("max", [apply("min", [x, d]), scale(-1, d)]),
    apply("relu", [subtract(apply("abs", [x]), isScalar(d) && !isScalar(x) ? multiply(d, onesLike(x)) : d)]),
  ]),

  trace: reductionTo((X) => identity(rowsOf(X))),
  logdet: { adjoint: (node, G) => [multiply(G, inverse(transpose(argument(node))))], source: "eq. 57" },
  total: reductionTo(onesLike),
  mean: reductionTo((X) => divide(onesLike(X), count(X))),
  sq_norm: { ...reductionTo((X) => scale(2, X)), source: "eq. 131" },
  norm1: reductionTo((X) => apply("sign", [X])),
  norm2: { adjoint: (node, G) => [multiply(G, reciprocal(floored(node)), argument(node))], source: "eq. 129" },
  norm21: reductionTo((X) => apply("normalize", [X])),
  norm_nuc: reductionTo((X) => apply("polar", [X])),
  norm_spec: reductionTo((X) => apply("leading_singular", [X])),
  norm_inf: reductionTo((X) => apply("peak_sign", [X])),
  norm0: { none: "it counts entries, so its gradient is 0 or does not exist; use a surrogate (as), proximal or proximal_gradient" },
  nonnegative: indicator, box: indicator, ball: indicator, sphere: indicator, simplex: indicator, orthonormal: indicator,

  colsum: { adjoint: (node, G) => [multiply(columnOf(argument(node)), transpose(G))] },
  colmean: { adjoint: (node, G) => [divide(multiply(columnOf(argument(node)), transpose(G)), dimExpr(rowsOf(argument(node))))] },
  colnorm: { adjoint: (node, G) => [multiply(apply("normalize", [argument(node)]), diag(G))] },
  rowsum: { adjoint: (node, G) => [multiply(G, rowOfOnes(argument(node)))] },
  rowmean: { adjoint: (node, G) => [divide(multiply(G, rowOfOnes(argument(node))), dimExpr(colsOf(argument(node))))] },
  rownorm: { adjoint: (node, G) => [multiply(diag(G), apply("normalize", [argument(node)], { over: "rows" }))] },

  diag: { adjoint: (_, G) => [apply("diagonal", [G])] },
  diagonal: { adjoint: (_, G) => [diag(G)] },
  causal: { adjoint: (_, G) => [apply("upper_triangle", [G])] },
  upper_triangle: { adjoint: (_, G) => [apply("upper_triangle", [G])] },
  softmax: {
    adjoint: (node, G) => {
      const weighted = hadamard([G, node]);
      const mean = node.options["over"] === "rows"
        ? multiply(apply("rowsum", [weighted]), rowOfOnes(node))
        : multiply(columnOf(node), transpose(apply("colsum", [weighted])));
      return [hadamard([node, subtract(G, mean)])];
    },
  },
  /** Its index runs, so the rule lives with the sums over indices (gradient.ts). */
  softmax_family: beyondTable("softmax over a family, here"),
  normalize: {
    adjoint: (node, G) => {
      const rows = node.options["over"] === "rows";
      const [X, Y, H] = rows ? [argument(node), node, G].map(transpose) as [Expr, Expr, Expr] : [argument(node), node as Expr, G];
      const columns = rows ? apply("normalize", [X]) : Y;
      const s = power(floored(apply("colnorm", [X])), number(-1));
      const flow = alongColumns(H, columns, apply("colsum", [hadamard([columns, H])]), s);
      return [rows ? transpose(flow) : flow];
    },
  },
  cumsum: {
    adjoint: (node, G) => {
      const { reverse, ...along } = node.options;
      return [apply("cumsum", [G], reverse === true ? along : { ...along, reverse: true })];
    },
  },
  stop: flat,
  prox: { adjoint: (_, G) => [G] },
  project_simplex: beyondTable("the projection on the simplex"),
  singular_soft_threshold: beyondTable("singular value thresholding"),
  polar: beyondTable("the polar factor"),
  leading_singular: beyondTable("the leading singular pair"),
  peak_sign: flat,
  standardize: {
    adjoint: (node, G) => {
      const X = argument(node);
      const centred = subtract(X, multiply(columnOf(X), transpose(apply("colmean", [X]))));
      const eps = Number(node.options["eps"] ?? 1e-5);
      const variance = add([apply("colmean", [power(centred, number(2))]), scale(eps, ones([colsOf(X), one]))]);
      const H = subtract(G, multiply(columnOf(X), transpose(apply("colmean", [G]))));
      return [alongColumns(H, node, apply("colmean", [hadamard([node, G])]), power(variance, number(-0.5)))];
    },
  },
  rms_standardize: {
    adjoint: (node, G) => {
      const X = argument(node);
      const eps = Number(node.options["eps"] ?? 1e-5);
      const mean = add([apply("colmean", [power(X, number(2))]), scale(eps, ones([colsOf(X), one]))]);
      return [alongColumns(G, node, apply("colmean", [hadamard([node, G])]), power(mean, number(-0.5)))];
    },
  },
  columns: {
    adjoint: (node, G) => {
      let before = dimNumber(0);
      return node.args.map((a) => {
        const to = addDim(before, colsOf(a));
        const part = slice(G, undefined, { from: addDim(before, one), to });
        before = to;
        return part;
      });
    },
  },
  pad: {
    adjoint: (node, G) => {
      const X = argument(node);
      const amount = (name: string) => (typeof node.options[name] === "object" ? node.options[name] : dimNumber(0));
      const range = (skip: typeof one, length: typeof one) => ({ from: addDim(skip, one), to: addDim(skip, length) });
      return [slice(G, range(amount("above"), rowsOf(X)), range(amount("before"), colsOf(X)))];
    },
  },
  dropout: beyondTable("dropout inside an objective"),
  embedding: beyondTable("an embedding inside an objective"),
  patches: {
    adjoint: (node, G) => {
      const [channels, height, width] = argument(node).shape;
      return [channels && height && width ? apply("unpatch", [G], { ...node.options, channels, height, width }) : undefined];
    },
  },
  unpatch: { adjoint: (node, G) => [apply("patches", [G], { size: node.options["size"] ?? one, order: node.options["order"] ?? "p1 p2 c" })] },
  cross_entropy: beyondTable("cross_entropy inside an objective"),
} satisfies Record<FunctionName, DerivativeRow | NoDerivative>;


export function derivativeOf(fn: FunctionName): DerivativeRow | NoDerivative {
  return derivatives[fn];
}
