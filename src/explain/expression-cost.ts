/** What an expression costs, as formulas in the spec's own sizes: each product bracketed as is cheapest, what is shared computed once. */
import { type Dim, isOne } from "../expression/dim.js";
import { type Expr, freeIndices, transpose } from "../expression/expr.js";
import { evaluateDim } from "../numeric/evaluate.js";

/** A sum of products: coefficient and factors, the factors by the names under which they are shown. */
export interface CostTerm {
  readonly coefficient: number;
  readonly factors: readonly string[];
  readonly value: number;
}
export type CostFormula = ReadonlyMap<string, CostTerm>;
export interface ExpressionCost {
  readonly flops: CostFormula;
  /** Entries of everything that is computed on the way, the result included. */
  readonly entries: CostFormula;
}
export interface CostContext {
  readonly show: (d: Dim) => string;
  readonly dims: (name: string) => number;
  readonly indices: ReadonlyMap<string, Dim>;
}
const dear: ReadonlySet<string> = new Set(["exp", "log", "sqrt", "gelu", "sigmoid", "tanh", "power", "softmax", "softmax_family"]);

export function expressionCost(e: Expr, context: CostContext): ExpressionCost {
  const flops = new Map<string, CostTerm>();
  const entries = new Map<string, CostTerm>();
  const seen = new Set<string>();
  const note = (into: Map<string, CostTerm>, coefficient: number, dims: readonly Dim[]): void => {
    const used = dims.filter((d) => !isOne(d));
    const factors = used.map(context.show).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
    const value = coefficient * used.reduce((n, d) => n * evaluateDim(d, context.dims), 1);
    const key = factors.join("·");
    const before = into.get(key);
    into.set(key, { coefficient: (before?.coefficient ?? 0) + coefficient, factors, value: (before?.value ?? 0) + value });
  };
  const copies = (free: Iterable<string>): readonly Dim[] => [...free].flatMap((name) => { const d = context.indices.get(name); return d ? [d] : []; });
  const produce = (x: Expr, factor: number): void => {
    const dims = [...copies(freeIndices(x)), ...x.shape];
    note(flops, factor, dims);
    note(entries, 1, dims);
  };
  const size = (d: Dim): number => evaluateDim(d, context.dims);
  const chain = (factors: readonly Expr[]): void => {
    const cuts = cheapest(factors, size);
    const multiply = (from: number, to: number): void => {
      if (from === to) return;
      const cut = cuts[from]?.[to] ?? from;
      multiply(from, cut);
      multiply(cut + 1, to);
      const run = factors.slice(from, to + 1);
      // A'B and B'A are one product, stored once.
      const [key = ""] = [run.map((f) => f.id), [...run].reverse().map((f) => transpose(f).id)].map((ids) => ids.join("*")).sort();
      if (seen.has(key)) return;
      seen.add(key);
      const free = new Set(run.flatMap((f) => [...freeIndices(f)]));
      const [rows, inner, cols] = [factors[from]?.shape[0], factors[cut]?.shape[1], factors[to]?.shape[1]] as [Dim, Dim, Dim];
      note(flops, 2, [...copies(free), rows, inner, cols]);
      note(entries, 1, [...copies(free), rows, cols]);
    };
    multiply(0, factors.length - 1);
  };
  const visit = (x: Expr): void => {
    if (seen.has(`#${x.id}`)) return;
    seen.add(`#${x.id}`);
    switch (x.kind) {
      case "number": case "symbol": case "identity": case "zero": case "ones": return;
      case "transpose": case "slice": visit(x.arg); return;
      case "sum": x.terms.forEach(visit); produce(x, x.terms.length - 1); return;
      case "product":
        x.scalars.forEach((s) => visit(s.base));
        x.factors.forEach(visit);
        if (x.factors.length > 1) chain(x.factors);
        return;
      case "inverse": {
        visit(x.arg);
        const n = x.shape[0] as Dim;
        // Newton–Schulz: two products in each iteration.
        note(flops, 4 * (x.iterations ?? 20), [...copies(freeIndices(x)), n, n, n]);
        note(entries, 1, [...copies(freeIndices(x)), n, n]);
        return;
      }
      case "indexSum": visit(x.body); note(flops, 1, [x.size, ...copies(freeIndices(x)), ...x.shape]); return;
      case "apply": x.args.forEach(visit); produce(x, dear.has(x.fn) ? 10 : 1); return;
    }
  };
  visit(e);
  return { flops, entries };
}
/** Where to cut each run of factors, by the numbers that the sizes have. */
function cheapest(factors: readonly Expr[], size: (d: Dim) => number): readonly (readonly number[])[] {
  const count = factors.length;
  const sizes = [size(factors[0]?.shape[0] as Dim), ...factors.map((f) => size(f.shape[1] as Dim))];
  const cost = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  const cut = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  for (let length = 1; length < count; length++) for (let i = 0; i + length < count; i++) {
    const j = i + length;
    let best = Number.POSITIVE_INFINITY;
    for (let s = i; s < j; s++) {
      const c = (cost[i]?.[s] ?? 0) + (cost[s + 1]?.[j] ?? 0) + (sizes[i] as number) * (sizes[s + 1] as number) * (sizes[j + 1] as number);
      if (c < best) { best = c; (cut[i] as number[])[j] = s; }
    }
    (cost[i] as number[])[j] = best;
  }
  return cut;
}
/** `4·K·d·n·p + 13·K·n²`, the dearest first. */
export function showCost(formula: CostFormula): string {
  const terms = [...formula.values()].filter((t) => t.coefficient !== 0).sort((a, b) => b.value - a.value);
  return terms.map((t) => [...(t.coefficient === 1 && t.factors.length > 0 ? [] : [String(t.coefficient)]), ...powers(t.factors)].join("·")).join(" + ") || "0";
}
function powers(factors: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const f of factors) counts.set(f, (counts.get(f) ?? 0) + 1);
  const bare = (f: string): string => (/^[\p{L}_][\p{L}\p{N}_]*$|^\d+$/u.test(f) ? f : `(${f})`);
  return [...counts].map(([f, n]) => (n === 1 ? bare(f) : `${bare(f)}${[..."⁰¹²³⁴⁵⁶⁷⁸⁹"][n] ?? `^${n}`}`));
}
export const costNumber = (formula: CostFormula): number => [...formula.values()].reduce((s, t) => s + t.value, 0);
