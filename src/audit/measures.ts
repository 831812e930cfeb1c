/** What the papers plot of a layer: coding rates of projected tokens, share of non-zeros, coherence of subspaces. */
import {
  colsOf, contains, type Expr, multiply, partsOf, rowsOf, termsOf, transpose,
} from "../expression/expr.js";
import { columnOf } from "../numeric/column-wise.js";
import { logDeterminant, matmul } from "../numeric/linalg.js";
import { addValues, cols, identityValue, rows, scaleValue, transposeValue, value, type Value } from "../numeric/matrix.js";
import { spectralNorm } from "../numeric/spectral.js";

/** The precision of the authors' measure; it stands in it as it is, not squared (CRATE, vis_utils/coding_rate.py). */
export const measurePrecision = 0.01;

/** Each column divided by its norm, with no epsilon, as the authors have it; a zero column stays zero instead of NaN. */
function unitColumns(a: Value): Value {
  const [n, m] = [rows(a), cols(a)];
  const norms = Array.from({ length: m }, (_, j) => Math.sqrt(columnOf(a, j).reduce((s, x) => s + x * x, 0)) || 1);
  return value([n, m], a.data.map((x, i) => x / (norms[i % m] as number)));
}
/** ½ log det(I + p/(n·ε) X Xᵀ) of n tokens (columns) of p features, each of unit norm, in the smaller of its two forms. */
export function measuredRate(tokens: Value, precision = measurePrecision): number {
  const X = unitColumns(tokens);
  const [p, n] = [rows(X), cols(X)];
  const gram = p <= n ? matmul(X, transposeValue(X)) : matmul(transposeValue(X), X);
  return 0.5 * logDeterminant(addValues(identityValue(Math.min(p, n)), scaleValue(gram, p / (n * precision))));
}
export function nonZeroShare(values: readonly Value[]): number {
  let [nonZero, all] = [0, 0];
  for (const v of values) for (const x of v.data) { all += 1; if (x !== 0) nonZero += 1; }
  return all === 0 ? 0 : nonZero / all;
}
/** Hurley and Rickard 2009: 0 where all entries are equally large, towards 1 where few carry everything. */
export function gini(values: readonly Value[]): number {
  const sizes = Float64Array.from(values.flatMap((v) => [...v.data]), Math.abs).sort();
  const total = sizes.reduce((a, b) => a + b, 0);
  if (total === 0) return 0;
  const n = sizes.length;
  return 1 - 2 * sizes.reduce((s, x, i) => s + (x / total) * ((n - (i + 1) + 0.5) / n), 0);
}

/** Tokens whose rate an expression takes: the A of `logdet(I + c*A'*A)`, its columns along the variable's columns. */
export function ratedTokens(e: Expr, tokenAxis: string): readonly Expr[] {
  const found = new Map<number, Expr>();
  contains(e, (x) => {
    const [argument] = x.kind === "apply" && x.fn === "logdet" ? x.args : [];
    for (const term of argument ? termsOf(argument) : []) {
      const tokens = halfOf(term, tokenAxis);
      if (tokens) found.set(tokens.id, tokens);
    }
    return false;
  });
  return [...found.values()];
}
function halfOf(term: Expr, tokenAxis: string): Expr | undefined {
  const { factors } = partsOf(term);
  if (factors.length === 0 || factors.length % 2 !== 0) return undefined;
  const [left, right] = [multiply(...factors.slice(0, factors.length / 2)), multiply(...factors.slice(factors.length / 2))];
  if (transpose(right).id !== left.id) return undefined;
  return colsOf(right).key === tokenAxis ? right : rowsOf(right).key === tokenAxis ? left : undefined;
}

/** Mean absolute cosine and largest spectral norm between the columns of different members: 0 where the subspaces are orthogonal. */
export function coherence(members: readonly Value[]): { readonly mean: number; readonly largest: number; readonly gram: Value } {
  const units = members.map(unitColumns);
  const [d, p, count] = [rows(units[0] as Value), cols(units[0] as Value), units.length];
  const all = new Float64Array(d * p * count);
  units.forEach((u, k) => { for (let i = 0; i < d; i++) for (let j = 0; j < p; j++) all[i * p * count + k * p + j] = u.data[i * p + j] as number; });
  const joined = value([d, p * count], all);
  const gram = matmul(transposeValue(joined), joined);
  let [sum, entries] = [0, 0];
  for (let i = 0; i < p * count; i++) for (let j = 0; j < p * count; j++) {
    if (Math.floor(i / p) === Math.floor(j / p)) continue;
    sum += Math.abs(gram.data[i * p * count + j] as number);
    entries += 1;
  }
  let largest = 0;
  units.forEach((a, i) => units.forEach((b, j) => { if (i < j) largest = Math.max(largest, spectralNorm(matmul(transposeValue(a), b))); }));
  return { mean: entries === 0 ? 0 : sum / entries, largest, gram };
}
