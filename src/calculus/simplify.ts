/** Rewrites that turn what a mechanical derivation gives into what a person writes; each a row, all exact. */
import {
  add, apply, colsOf, type Expr, hadamard, isScalar, multiply, negate, number, ones, partsOf, power, rewrite, rowsOf,
  scalarProduct, splitCoefficient, transpose,
} from "../expression/expr.js";
import { isOne } from "../expression/dim.js";

interface Simplification {
  readonly name: string;
  /** As mathematics, for people. */
  readonly rule: string;
  readonly run: (e: Expr) => Expr | undefined;
}

const isColumn = (e: Expr): boolean => isOne(colsOf(e)) && !isOne(rowsOf(e));
const isRow = (e: Expr): boolean => isOne(rowsOf(e)) && !isOne(colsOf(e));
const diag = (v: Expr): Expr => apply("diag", [v]);
const isDiag = (e: Expr): e is Expr & { kind: "apply"; args: readonly [Expr] } => e.kind === "apply" && e.fn === "diag";

/** The neighbours in a product that `pair` merges, merged. */
function mergeNeighbours(e: Expr, pair: (a: Expr, b: Expr) => Expr | undefined): Expr | undefined {
  if (e.kind !== "product") return undefined;
  for (let i = 0; i + 1 < e.factors.length; i++) {
    const merged = pair(e.factors[i] as Expr, e.factors[i + 1] as Expr);
    if (merged) {
      const front = scalarProduct(e.coefficient, e.scalars);
      return multiply(front, ...e.factors.slice(0, i), merged, ...e.factors.slice(i + 2));
    }
  }
  return undefined;
}

const outerProduct: Simplification = {
  name: "outer-product",
  rule: "X .* (u*v') = diag(u)*X*diag(v)",
  run: (e) => {
    if (e.kind !== "apply" || e.fn !== "hadamard") return undefined;
    const split = e.args.map((a) => {
      const f = partsOf(a).factors;
      const cut = f.findIndex((x, i) => i + 1 < f.length && isOne(colsOf(x)) && isRow(f[i + 1] as Expr));
      return cut < 0 ? undefined : { front: partsOf(a), u: multiply(...f.slice(0, cut + 1)), v: transpose(multiply(...f.slice(cut + 1))) };
    });
    const outers = split.flatMap((s) => (s ? [s] : []));
    const rest = e.args.filter((_, i) => !split[i]);
    if (outers.length === 0 || rest.length === 0) return undefined;
    const scalars = outers.map((o) => scalarProduct(o.front.coefficient, o.front.scalars));
    const side = (v: Expr): Expr[] => (v.kind === "ones" ? [] : [diag(v)]);
    return multiply(...scalars, ...outers.flatMap((o) => side(o.u)), hadamard(rest), ...outers.flatMap((o) => side(o.v)));
  },
};

const diagonalProducts: Simplification = {
  name: "diagonal-products",
  rule: "diag(u)*diag(v) = diag(u .* v), diag(u)*ones = u",
  run: (e) => mergeNeighbours(e, (a, b) => {
    if (isDiag(a) && isDiag(b)) return diag(hadamard([a.args[0], b.args[0]]));
    if (isDiag(a) && b.kind === "ones" && isColumn(b)) return a.args[0];
    if (isDiag(b) && a.kind === "ones" && isRow(a)) return transpose(b.args[0]);
    if (isDiag(a) && isColumn(b)) return hadamard([a.args[0], b]);
    if (isDiag(b) && isRow(a)) return transpose(hadamard([b.args[0], transpose(a)]));
    return undefined;
  }),
};

const diagonalOfDiagonal: Simplification = {
  name: "diagonal-of-diagonal",
  rule: "diagonal(diag(v)) = v",
  run: (e) => (e.kind === "apply" && e.fn === "diagonal" && e.args[0] && isDiag(e.args[0]) ? e.args[0].args[0] : undefined),
};

/** Bridle 1990; also keeps the exponentials from overflowing. */
const softmaxOfColumns: Simplification = {
  name: "softmax",
  rule: "exp(X)*diag(colsum(exp(X)).^-1) = softmax(X)",
  run: (e) => mergeNeighbours(e, (a, b) => {
    if (a.kind !== "apply" || a.fn !== "exp" || !isDiag(b)) return undefined;
    const X = a.args[0] as Expr;
    return b.args[0].id === power(apply("colsum", [a]), number(-1)).id ? apply("softmax", [X]) : undefined;
  }),
};
const softmaxOfRows: Simplification = {
  name: "softmax-rows",
  rule: "diag(rowsum(exp(X)).^-1)*exp(X) = softmax(X, over: rows)",
  run: (e) => mergeNeighbours(e, (a, b) => {
    if (b.kind !== "apply" || b.fn !== "exp" || !isDiag(a)) return undefined;
    const X = b.args[0] as Expr;
    return a.args[0].id === power(apply("rowsum", [b]), number(-1)).id ? apply("softmax", [X], { over: "rows" }) : undefined;
  }),
};

/** The derivative of log(1 + exp(X)); as a quotient it overflows where X is large. */
const logistic: Simplification = {
  name: "sigmoid",
  rule: "exp(X) ./ (1 + exp(X)) = sigmoid(X)",
  run: (e) => {
    const onTop = (x: Expr): Expr | undefined => (x.kind === "apply" && x.fn === "exp" ? x : undefined);
    const below = (top: Expr): number => add([ones(top.shape), top]).id;
    const sigmoid = (top: Expr): Expr => apply("sigmoid", [(top as Extract<Expr, { kind: "apply" }>).args[0] as Expr]);
    if (e.kind === "apply" && e.fn === "hadamard") {
      for (const top of e.args) {
        const under = onTop(top) && e.args.find((a) => a.id === power(add([ones(top.shape), top]), number(-1)).id);
        if (under) return hadamard([sigmoid(top), ...e.args.filter((a) => a !== top && a !== under)]);
      }
    }
    if (e.kind !== "product") return undefined;
    for (const { base: top, exponent } of e.scalars) {
      const under = exponent === 1 && onTop(top) ? e.scalars.find((s) => s.exponent === -1 && s.base.id === below(top)) : undefined;
      if (under) return multiply(sigmoid(top), scalarProduct(e.coefficient, e.scalars.filter((s) => s.base !== top && s !== under)), ...e.factors);
    }
    return undefined;
  },
};

/** −A'*(y − A*x) is A'*(A*x − y): a minus moves into a bracket that starts with a positive constant. */
const signs: Simplification = {
  name: "signs",
  rule: "-A*(B - C) = A*(C - B)",
  run: (e) => {
    if (e.kind !== "product" || e.coefficient >= 0) return undefined;
    const at = e.factors.findIndex((f) => f.kind === "sum" && f.terms.some((t) => splitCoefficient(t).coefficient < 0));
    const bracket = e.factors[at];
    if (bracket?.kind !== "sum") return undefined;
    const turned = bracket.terms.map(negate);
    const ordered = [...turned.filter((t) => splitCoefficient(t).coefficient > 0), ...turned.filter((t) => splitCoefficient(t).coefficient <= 0)];
    const front = scalarProduct(-e.coefficient, e.scalars);
    return multiply(front, ...e.factors.map((f, i) => (i === at ? add(ordered) : f)));
  },
};

/** Weighted totals are products: what a scalar's exact step and gradients by scales give. */
const dotProduct: Simplification = {
  name: "dot-product",
  rule: "total(u .* v) = u'*v, total(diag(u)*X*diag(v)) = u'*X*v",
  run: (e) => {
    if (e.kind !== "apply" || e.fn !== "total") return undefined;
    const [arg] = e.args;
    const ends = arg?.kind === "product" ? [arg.factors[0], arg.factors.at(-1)] : [];
    const [u0, v0] = ends.map((f) => (f && isDiag(f) ? f.args[0] : undefined));
    if (arg?.kind === "product" && arg.factors.length > 2 && u0 && v0) return multiply(scalarProduct(arg.coefficient, arg.scalars), transpose(u0), ...arg.factors.slice(1, -1), v0);
    if (arg?.kind !== "apply" || arg.fn !== "hadamard" || !isColumn(arg) || arg.args.length !== 2) return undefined;
    const [u, v] = arg.args;
    return u && v && !isScalar(u) ? multiply(transpose(u), v) : undefined;
  },
};

export const simplifications: readonly Simplification[] =
  [outerProduct, diagonalProducts, diagonalOfDiagonal, softmaxOfColumns, softmaxOfRows, logistic, dotProduct, signs];

/** All rows, everywhere, until none fires. */
export function simplify(e: Expr): Expr {
  const once = (x: Expr): Expr => {
    let now = x;
    for (let round = 0; round < 32; round++) {
      const next = simplifications.reduce<Expr | undefined>((found, row) => found ?? row.run(now), undefined);
      if (!next || next.id === now.id) return now;
      now = next;
    }
    return now;
  };
  let now = e;
  for (let round = 0; round < 8; round++) {
    const next = rewrite(now, once);
    if (next.id === now.id) return next;
    now = next;
  }
  return now;
}
