/**
 * Linear functions of a variable as products, so that a gradient shows its Hessian: what is summed, sliced, padded or weighed entry by entry is
 * multiplied by a matrix of ones, of rows of I, or by a diagonal one. Simplification writes the shorter forms, in which the variable stands in no product.
 */
import { type Dim, dimAdd, dimNumber, isOne, one } from "../expression/dim.js";
import {
  add, apply, type ApplyExpr, colsOf, dimExpr, divide, type Expr, hadamard, identity, isScalar, multiply, ones, partsOf, type Range, rewrite, rowsOf, scalarProduct,
  slice, termsOf, transpose,
} from "../expression/expr.js";
import type { FunctionName } from "../expression/functions.js";
import { expand } from "./expand.js";
import { byVariable, dependsOn, type Variable } from "./gradient.js";

/** Of a column or a row. */
const summed = (x: Expr): Expr | undefined =>
  isOne(colsOf(x)) ? multiply(ones([one, rowsOf(x)]), x) : isOne(rowsOf(x)) ? multiply(x, ones([colsOf(x), one])) : undefined;
/** Functions that are products with matrices, by their argument. */
const asProduct: Partial<Record<FunctionName, (x: Expr, e: ApplyExpr) => Expr | undefined>> = {
  colsum: (x) => multiply(transpose(x), ones([rowsOf(x), one])),
  rowsum: (x) => multiply(x, ones([colsOf(x), one])),
  colmean: (x) => multiply(transpose(divide(x, dimExpr(rowsOf(x)))), ones([rowsOf(x), one])),
  rowmean: (x) => multiply(divide(x, dimExpr(colsOf(x))), ones([colsOf(x), one])),
  total: summed,
  mean: (x) => summed(divide(x, dimExpr(isOne(colsOf(x)) ? rowsOf(x) : colsOf(x)))),
  pad: (x, { options }) => {
    const amount = (side: string): Dim => (typeof options[side] === "object" ? (options[side] as Dim) : dimNumber(0));
    const part = (full: Dim, before: Dim, length: Dim): { readonly whole: Expr; readonly range: Range } =>
      ({ whole: identity(full), range: { from: dimAdd(before, one), to: dimAdd(before, length) } });
    const rows = part(dimAdd(rowsOf(x), dimAdd(amount("above"), amount("below"))), amount("above"), rowsOf(x));
    const cols = part(dimAdd(colsOf(x), dimAdd(amount("before"), amount("after"))), amount("before"), colsOf(x));
    return multiply(slice(rows.whole, undefined, rows.range), x, slice(cols.whole, cols.range, undefined));
  },
};
/** Functions that a sum, and a scalar in front, can be taken out of. */
const linear: ReadonlySet<FunctionName> = new Set(["total", "trace", "mean", "colsum", "rowsum", "colmean", "rowmean", "diag", "diagonal", "cumsum", "upper_triangle", "pad"]);

function spreadOver(e: ApplyExpr, x: Expr): Expr {
  return add(termsOf(expand(x)).map((t) => {
    const { coefficient, scalars, factors } = partsOf(t);
    return multiply(scalarProduct(coefficient, scalars), apply(e.fn, [multiply(...factors)], e.options));
  }));
}
/** u .* x is diag(u)*x of a column; a matrix has its weights entry by entry. */
function spreadEntries(e: ApplyExpr, variable: Variable): Expr {
  const { own, others } = byVariable(e.args, variable);
  const [inner] = own;
  if (!inner || own.length > 1 || others.length === 0) return e;
  const diag = (columns: readonly Expr[]): Expr => apply("diag", [hadamard(columns)]);
  return add(termsOf(expand(inner)).map((t) => {
    if (!dependsOn(t, variable)) return hadamard([...others, t]);
    if (isOne(colsOf(e))) return multiply(diag(others), t);
    return isOne(rowsOf(e)) ? multiply(t, diag(others.map(transpose))) : hadamard([...others, t]);
  }));
}

/** The same expression; X is the variable's symbol. What is not linear stays as it is. */
export function linearForm(G: Expr, X: Expr, variable: Variable): Expr {
  return rewrite(G, (e) => {
    if (!dependsOn(e, variable)) return e;
    if (e.kind === "slice") {
      const rows = slice(identity(rowsOf(e.arg)), e.rows, undefined);
      return multiply(rows, e.arg, slice(identity(colsOf(e.arg)), undefined, e.cols));
    }
    if (e.kind !== "apply") return e;
    if (e.fn === "hadamard") return spreadEntries(e, variable);
    const [x] = e.args;
    if (!x) return e;
    if (isScalar(X)) return linear.has(e.fn) ? spreadOver(e, x) : e;
    return asProduct[e.fn]?.(x, e) ?? e;
  });
}
