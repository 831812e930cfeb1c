/** Eigenvalues and singular values of dense float64 matrices, by Jacobi rotations, and what is made of them. */
import { matmul } from "./linalg.js";
import { cols, rows, transposeValue, type Value } from "./matrix.js";

export interface Eigen {
  /** Largest first. */
  readonly values: Float64Array;
  /** Column i belongs to `values[i]`. */
  readonly vectors: Value;
}
const mostSweeps = 60;

/** A = V·diag(values)·V' of a symmetric matrix, by cyclic Jacobi (Golub & Van Loan 2013, section 8.5). */
export function symmetricEigen(a: Value): Eigen {
  const n = rows(a);
  const s = Float64Array.from(a.data);
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  for (let sweep = 0; sweep < mostSweeps; sweep++) {
    let rotated = false;
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        const off = s[p * n + q]!;
        const [spp, sqq] = [s[p * n + p]!, s[q * n + q]!];
        if (Math.abs(off) <= 1e-17 * (Math.abs(spp) + Math.abs(sqq)) || off === 0) continue;
        rotated = true;
        const [c, sn] = rotation(off, spp, sqq);
        for (let k = 0; k < n; k++) rotate(s, k * n + p, k * n + q, c, sn);
        for (let k = 0; k < n; k++) rotate(s, p * n + k, q * n + k, c, sn);
        for (let k = 0; k < n; k++) rotate(v, k * n + p, k * n + q, c, sn);
        s[p * n + q] = 0;
        s[q * n + p] = 0;
      }
    }
    if (!rotated) break;
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => s[j * n + j]! - s[i * n + i]!);
  return {
    values: Float64Array.from(order, (i) => s[i * n + i]!),
    vectors: { shape: [n, n], data: Float64Array.from({ length: n * n }, (_, e) => v[Math.floor(e / n) * n + order[e % n]!]!) },
  };
}
/** Cosine and sine that make the off-diagonal entry between two diagonal ones vanish. */
function rotation(off: number, first: number, second: number): readonly [number, number] {
  const tau = (second - first) / (2 * off);
  const t = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.hypot(1, tau));
  const c = 1 / Math.hypot(1, t);
  return [c, t * c];
}
function rotate(data: Float64Array, p: number, q: number, c: number, s: number): void {
  const [x, y] = [data[p]!, data[q]!];
  data[p] = c * x - s * y;
  data[q] = s * x + c * y;
}

/** A = U·diag(values)·V', thin: U is rows×r, V columns×r with r the smaller size. Columns of U of vanishing values are zero. */
export interface Svd {
  readonly U: Value;
  /** Largest first. */
  readonly values: Float64Array;
  readonly V: Value;
}

/** One-sided Jacobi (Hestenes 1958): accurate for small singular values too. */
export function svd(a: Value): Svd {
  if (rows(a) < cols(a)) {
    const { U, values, V } = svd(transposeValue(a));
    return { U: V, values, V: U };
  }
  const [m, n] = [rows(a), cols(a)];
  // Columns are turned against each other, so each is kept as a row.
  const w = Float64Array.from(transposeValue(a).data);
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  for (let sweep = 0; sweep < mostSweeps; sweep++) {
    let rotated = false;
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        const [pp, qq, pq] = [dot(w, p * m, p * m, m), dot(w, q * m, q * m, m), dot(w, p * m, q * m, m)];
        if (!(Math.abs(pq) > 1e-15 * Math.sqrt(pp * qq))) continue;
        rotated = true;
        const [c, s] = rotation(pq, pp, qq);
        for (let k = 0; k < m; k++) rotate(w, p * m + k, q * m + k, c, s);
        for (let k = 0; k < n; k++) rotate(v, p * n + k, q * n + k, c, s);
      }
    }
    if (!rotated) break;
  }
  const norms = Float64Array.from({ length: n }, (_, i) => Math.sqrt(dot(w, i * m, i * m, m)));
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => norms[j]! - norms[i]!);
  const values = Float64Array.from(order, (i) => norms[i]!);
  const least = (values[0] ?? 0) * Number.EPSILON * Math.max(m, n);
  const U = new Float64Array(m * n);
  const V = new Float64Array(n * n);
  order.forEach((from, to) => {
    const size = norms[from]!;
    if (size > least) for (let k = 0; k < m; k++) U[k * n + to] = w[from * m + k]! / size;
    for (let k = 0; k < n; k++) V[k * n + to] = v[from * n + k]!;
  });
  return { U: { shape: [m, n], data: U }, values, V: { shape: [n, n], data: V } };
}
function dot(w: Float64Array, p: number, q: number, length: number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += w[p + k]! * w[q + k]!;
  return sum;
}

/** U·diag(f(values))·V'. */
function withValues({ U, values, V }: Svd, f: (s: number, i: number) => number): Value {
  const r = values.length;
  const scaled = { shape: U.shape, data: U.data.map((u, e) => u * f(values[e % r]!, e % r)) };
  return matmul(scaled, transposeValue(V));
}
/**
 * The largest singular value alone: of the smaller Gram matrix, made tridiagonal by Householder reflections (Golub & Van Loan 2013,
 * algorithm 8.3.1), the largest eigenvalue by bisection on Sturm's count. A fiftieth of the work of the whole decomposition.
 */
export function spectralNorm(a: Value): number {
  const size = a.data.reduce((m, x) => (Math.abs(x) > m || Number.isNaN(x) ? Math.abs(x) : m), 0);
  if (size === 0 || !Number.isFinite(size)) return size;
  const scaled = { shape: a.shape, data: a.data.map((x) => x / size) };
  const gram = rows(a) < cols(a) ? matmul(scaled, transposeValue(scaled)) : matmul(transposeValue(scaled), scaled);
  const { diagonal, off } = tridiagonal(gram);
  return size * Math.sqrt(Math.max(0, largestEigenvalue(diagonal, off)));
}
function tridiagonal(a: Value): { readonly diagonal: Float64Array; readonly off: Float64Array } {
  const n = rows(a);
  const s = Float64Array.from(a.data);
  const off = new Float64Array(Math.max(0, n - 1));
  for (let k = 0; k < n - 1; k++) {
    const v = Float64Array.from({ length: n - k - 1 }, (_, i) => s[(k + 1 + i) * n + k]!);
    const norm = Math.sqrt(v.reduce((t, x) => t + x * x, 0));
    const first = v[0] ?? 0;
    const alpha = first > 0 ? -norm : norm;
    off[k] = alpha;
    v[0] = first - alpha;
    const square = v.reduce((t, x) => t + x * x, 0);
    if (square === 0) continue;
    // With w = p − (p'v/v'v)·v, p = 2Av/v'v: A − vw' − wv' is the reflected block.
    const p = Float64Array.from(v, (_, i) => (2 * v.reduce((t, x, j) => t + s[(k + 1 + i) * n + k + 1 + j]! * x, 0)) / square);
    const share = p.reduce((t, x, i) => t + x * v[i]!, 0) / square;
    const w = p.map((x, i) => x - share * v[i]!);
    for (let i = 0; i < v.length; i++) {
      const row = (k + 1 + i) * n + k + 1;
      for (let j = 0; j < v.length; j++) s[row + j] = s[row + j]! - v[i]! * w[j]! - w[i]! * v[j]!;
    }
  }
  return { diagonal: Float64Array.from({ length: n }, (_, i) => s[i * n + i]!), off };
}
function largestEigenvalue(diagonal: Float64Array, off: Float64Array): number {
  const radius = (i: number): number => Math.abs(off[i - 1] ?? 0) + Math.abs(off[i] ?? 0);
  let [low, high] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  diagonal.forEach((x, i) => { low = Math.max(low, x); high = Math.max(high, x + radius(i)); });
  const noneAbove = (t: number): boolean => {
    let q = diagonal[0]! - t;
    if (q > 0) return false;
    for (let i = 1; i < diagonal.length; i++) {
      q = diagonal[i]! - t - off[i - 1]! ** 2 / (q === 0 ? -Number.MIN_VALUE * 2 ** 60 : q);
      if (q > 0) return false;
    }
    return true;
  };
  for (let round = 0; round < 100 && high - low > Number.EPSILON * Math.abs(high); round++) {
    const middle = low + (high - low) / 2;
    if (middle === low || middle === high) break;
    if (noneAbove(middle)) high = middle;
    else low = middle;
  }
  return (low + high) / 2;
}
export function nuclearNorm(a: Value): number {
  return svd(a).values.reduce((sum, s) => sum + s, 0);
}
/** U·V' over the singular values that do not vanish: the nearest (partial) isometry. */
export function polarFactor(a: Value): Value {
  return withValues(svd(a), () => 1);
}
/** u₁·v₁' of the largest singular value; zero for a zero matrix. */
export function leadingSingular(a: Value): Value {
  return withValues(svd(a), (_, i) => (i === 0 ? 1 : 0));
}
/** Singular values less `threshold`, not below zero. */
export function singularSoftThreshold(a: Value, threshold: number): Value {
  return withValues(svd(a), (s) => Math.max(s - threshold, 0));
}
