/** Does an expression treat the samples of a batch one by one? Only such updates run on single samples after construction. */
import { type Dim, dimSymbols } from "../expression/dim.js";
import { children, colsOf, type Expr, rowsOf } from "../expression/expr.js";

/** The first part that mixes samples, where `batch` is the dim that runs over them. */
export function mixesSamples(e: Expr, batch: string): Expr | undefined {
  const seen = new Set<number>();
  const has = (d: Dim | undefined): boolean => d !== undefined && dimSymbols(d).has(batch);
  const isDiag = (x: Expr): boolean => x.kind === "apply" && x.fn === "diag";
  const visit = (x: Expr): Expr | undefined => {
    if (seen.has(x.id)) return undefined;
    seen.add(x.id);
    if (x.kind === "symbol" && x.role === "dim" && x.name === batch) return x;
    if (x.kind === "product") {
      // A diagonal factor weighs the samples, each by itself.
      if (x.factors.filter((f) => !isDiag(f)).slice(0, -1).some((f) => has(colsOf(f)))) return x;
    } else if (x.kind === "inverse" && has(rowsOf(x))) return x;
    else if (x.kind === "apply" && x.args.some((a) => a.shape.some(has))) {
      const kept = x.shape.some(has);
      const rows = x.options["over"] === "rows";
      const along = (x.fn === "softmax" || x.fn === "normalize" || x.fn === "standardize") && x.args.some((a) => has(rows ? colsOf(a) : rowsOf(a)));
      if (!kept || along || x.fn === "cumsum" || x.fn === "causal") return x;
    } else if (x.kind === "slice" && (has(colsOf(x.arg)) && x.cols || has(rowsOf(x.arg)) && x.rows)) return x;
    for (const c of children(x)) {
      const found = visit(c);
      if (found) return found;
    }
    return undefined;
  };
  return visit(e);
}
