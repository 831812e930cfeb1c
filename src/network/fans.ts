/** Fan in and fan out of a parameter, read off the first product in which it is contracted (language, section 13). */
import { type Dim, one } from "../expression/dim.js";
import { children, colsOf, dependsOnIndex, type Expr, rowsOf } from "../expression/expr.js";

export interface Fans {
  readonly in: Dim;
  readonly out: Dim;
  /** True: the family's members are summed by that product, so they count in the fan in. */
  readonly familySummed: boolean;
}

/** The innermost, then leftmost, use of `name` as a factor; undefined where it is never contracted. */
export function fansOf(name: string, expressions: readonly Expr[]): Fans | undefined {
  for (const e of expressions) {
    const found = search(name, e, undefined, new Set());
    if (found) return found;
  }
  return undefined;
}

function search(name: string, e: Expr, summed: string | undefined, seen: Set<number>): Fans | undefined {
  if (seen.has(e.id)) return undefined;
  seen.add(e.id);
  if (e.kind === "indexSum") return search(name, e.body, e.index, seen);
  const through = e.kind === "sum" || e.kind === "transpose" ? summed : undefined;
  for (const child of children(e)) {
    const inner = search(name, child, through, seen);
    if (inner) return inner;
  }
  if (e.kind !== "product") return undefined;
  for (let i = e.factors.length - 1; i >= 0; i--) {
    const factor = e.factors[i] as Expr;
    const symbol = factor.kind === "transpose" ? factor.arg : factor;
    if (symbol.kind !== "symbol" || symbol.name !== name || e.factors.length < 2) continue;
    const toRight = i + 1 < e.factors.length;
    const member = symbol.member?.kind === "variable" ? symbol.member.name : undefined;
    const leftmost = !e.factors.slice(0, i).some((f) => member !== undefined && dependsOnIndex(f, member));
    return {
      in: toRight ? colsOf(factor) : rowsOf(factor),
      out: toRight ? rowsOf(factor) : colsOf(factor),
      familySummed: member !== undefined && member === summed && leftmost,
    };
  }
  return undefined;
}
export const unknownFans = (shape: readonly Dim[]): Fans => ({ in: shape[1] ?? one, out: shape[0] ?? one, familySummed: false });
