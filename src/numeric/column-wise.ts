/** What is done to each column (or row) of a matrix: norms, softmax, normalisation, projections. */
import { cols, rows, transposeValue, type Value } from "./matrix.js";

/** The same for each row: `f` of the transpose, turned back. */
export function overRows(f: (a: Value) => Value): (a: Value) => Value {
  return (a) => transposeValue(f(transposeValue(a)));
}

/** f of each column, as a column vector with a number per column. */
export function perColumn(a: Value, f: (column: Float64Array) => number): Value {
  const m = cols(a);
  return { shape: [m, 1], data: Float64Array.from({ length: m }, (_, j) => f(columnOf(a, j))) };
}
export function perRow(a: Value, f: (row: Float64Array) => number): Value {
  const [n, m] = [rows(a), cols(a)];
  return { shape: [n, 1], data: Float64Array.from({ length: n }, (_, i) => f(a.data.subarray(i * m, (i + 1) * m))) };
}
export function columnOf(a: Value, j: number): Float64Array {
  const [n, m] = [rows(a), cols(a)];
  const column = new Float64Array(n);
  for (let i = 0; i < n; i++) column[i] = a.data[i * m + j]!;
  return column;
}
/** Each column becomes what `f` makes of it, of the same length. `f` may write into its argument. */
export function mapColumns(a: Value, f: (column: Float64Array) => Float64Array): Value {
  const [n, m] = [rows(a), cols(a)];
  const data = new Float64Array(n * m);
  for (let j = 0; j < m; j++) {
    const column = f(columnOf(a, j));
    for (let i = 0; i < n; i++) data[i * m + j] = column[i]!;
  }
  return { shape: [n, m], data };
}

export const sum = (v: Float64Array): number => v.reduce((s, x) => s + x, 0);
export const mean = (v: Float64Array): number => sum(v) / v.length;
export const euclidean = (v: Float64Array): number => Math.sqrt(v.reduce((s, x) => s + x * x, 0));

/** log Σ exp, without overflow; −∞ of a column of −∞. */
export function logSumExp(v: Float64Array): number {
  const top = v.reduce((m, x) => Math.max(m, x), Number.NEGATIVE_INFINITY);
  if (!Number.isFinite(top)) return top;
  return top + Math.log(v.reduce((s, x) => s + Math.exp(x - top), 0));
}
export function softmaxColumns(a: Value): Value {
  return mapColumns(a, (v) => {
    const top = v.reduce((m, x) => Math.max(m, x), Number.NEGATIVE_INFINITY);
    const powers = v.map((x) => Math.exp(x - top));
    const total = sum(powers);
    return powers.map((x) => x / total);
  });
}

const leastNorm = 1e-12;
export function normalizeColumns(a: Value): Value {
  return mapColumns(a, (v) => {
    const size = Math.max(euclidean(v), leastNorm);
    return v.map((x) => x / size);
  });
}
/** Less the mean, divided by √(biased variance + eps). */
export function standardizeColumns(a: Value, eps: number): Value {
  return mapColumns(a, (v) => {
    const centre = mean(v);
    const centred = v.map((x) => x - centre);
    const spread = Math.sqrt(mean(centred.map((x) => x * x)) + eps);
    return centred.map((x) => x / spread);
  });
}
/** Divided by √(mean square + eps). */
export function rmsStandardizeColumns(a: Value, eps: number): Value {
  return mapColumns(a, (v) => {
    const spread = Math.sqrt(mean(v.map((x) => x * x)) + eps);
    return v.map((x) => x / spread);
  });
}

/** The nearest point of the unit simplex, per column (Held, Wolfe & Crowder 1974). */
export function projectSimplexColumns(a: Value): Value {
  return mapColumns(a, (v) => {
    const sorted = Float64Array.from(v).sort().reverse();
    let total = 0;
    let shift = 0;
    for (let i = 0; i < sorted.length; i++) {
      total += sorted[i]!;
      const candidate = (total - 1) / (i + 1);
      if (sorted[i]! > candidate) shift = candidate;
    }
    return v.map((x) => Math.max(x - shift, 0));
  });
}

/** Running sums of each row, from the first column on; in reverse, from the last. */
export function cumulativeRows(a: Value, reverse: boolean): Value {
  const [n, m] = [rows(a), cols(a)];
  const data = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    let running = 0;
    for (let step = 0; step < m; step++) {
      const j = reverse ? m - 1 - step : step;
      running += a.data[i * m + j]!;
      data[i * m + j] = running;
    }
  }
  return { shape: [n, m], data };
}
