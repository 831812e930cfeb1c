/** An expression told in the names of another network, and built anew so that both stand in one table of expressions. */
import { type Dim, dimSubstitute, dimSymbol } from "../expression/dim.js";
import {
  add, apply, type Expr, identity, type IndexTerm, indexSum, inverse, multiply, number, ones, type Range, scalarProduct, slice, softmaxFamily, symbol,
  transpose, zero,
} from "../expression/expr.js";
import type { Options, Shape } from "../expression/functions.js";

export interface Names {
  readonly dims: ReadonlyMap<string, string>;
  readonly indices: ReadonlyMap<string, string>;
  /** Everything else that has a name. */
  readonly values: ReadonlyMap<string, string>;
  /** A size as it is to be seen, before it is renamed: solved dims under their own names. */
  readonly fold?: (d: Dim) => Dim;
}
export const sameNames: Names = { dims: new Map(), indices: new Map(), values: new Map() };

export function translate(e: Expr, names: Names): Expr {
  const dim = (d: Dim): Dim => dimSubstitute(names.fold?.(d) ?? d, (s) => { const to = names.dims.get(s); return to === undefined ? undefined : dimSymbol(to); });
  const shape = (s: Shape): Shape => s.map(dim);
  const index = (name: string): string => names.indices.get(name) ?? name;
  const term = (t: IndexTerm): IndexTerm => (t.kind === "variable" ? { kind: "variable", name: index(t.name) } : t);
  const range = (r: Range | undefined): Range | undefined => r && { from: dim(r.from), to: dim(r.to) };
  const options = (o: Options): Options => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, typeof v === "object" ? dim(v) : v]));
  const visit = (x: Expr): Expr => {
    switch (x.kind) {
      case "number": return number(x.value);
      case "symbol": {
        const name = x.role === "dim" ? (names.dims.get(x.name) ?? x.name) : x.role === "index" ? index(x.name) : (names.values.get(x.name) ?? x.name);
        return symbol(name, x.role, shape(x.shape), x.member && term(x.member));
      }
      case "identity": return identity(dim(x.shape[0] as Dim));
      case "zero": return zero(shape(x.shape));
      case "ones": return ones(shape(x.shape));
      case "sum": return add(x.terms.map(visit));
      case "product": return multiply(scalarProduct(x.coefficient, x.scalars.map((s) => ({ base: visit(s.base), exponent: s.exponent }))), ...x.factors.map(visit));
      case "transpose": return transpose(visit(x.arg));
      case "inverse": return inverse(visit(x.arg), x.iterations);
      case "slice": return slice(visit(x.arg), range(x.rows), range(x.cols));
      case "indexSum": return indexSum(index(x.index), dim(x.size), visit(x.body));
      case "apply": {
        const [only] = x.args;
        return x.family && only ? softmaxFamily(visit(only), index(x.family.index), dim(x.family.size), term(x.family.at)) : apply(x.fn, x.args.map(visit), options(x.options));
      }
    }
  };
  return visit(e);
}
