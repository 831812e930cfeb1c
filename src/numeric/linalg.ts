/** Products, solutions of linear systems, inverses and determinants of dense float64 matrices. */
import { cols, filled, identityValue, rows, type Value } from "./matrix.js";

/** A·B. Row by row, four rows of B at a time, which keeps the inner loop on contiguous memory. */
export function matmul(a: Value, b: Value): Value {
  const [n, inner, m] = [rows(a), cols(a), cols(b)];
  if (inner !== rows(b)) throw new RangeError(`product of ${a.shape.join("×")} and ${b.shape.join("×")}`);
  const data = new Float64Array(n * m);
  if (m === 1) return { shape: [n, 1], data: matrixTimesColumn(a, b, data) };
  const [A, B] = [a.data, b.data];
  // A panel of B of this many rows stays in the cache while the rows of A pass by.
  const panel = Math.max(4, 4 * Math.floor(32_768 / m / 4));
  for (let from = 0; from < inner; from += panel) {
    const to = Math.min(from + panel, inner);
    for (let i = 0; i < n; i++) {
      const out = data.subarray(i * m, (i + 1) * m);
      let k = from;
      for (; k + 3 < to; k += 4) {
        const at = i * inner + k;
        const x0 = A[at]!;
        const x1 = A[at + 1]!;
        const x2 = A[at + 2]!;
        const x3 = A[at + 3]!;
        const row = k * m;
        for (let j = 0; j < m; j++) {
          out[j] = out[j]! + (x0 * B[row + j]! + x1 * B[row + m + j]!) + (x2 * B[row + 2 * m + j]! + x3 * B[row + 3 * m + j]!);
        }
      }
      for (; k < to; k++) {
        const x = A[i * inner + k]!;
        for (let j = 0; j < m; j++) out[j] = out[j]! + x * B[k * m + j]!;
      }
    }
  }
  return { shape: [n, m], data };
}
function matrixTimesColumn(a: Value, b: Value, data: Float64Array): Float64Array {
  const [n, inner] = [rows(a), cols(a)];
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += a.data[i * inner + k]! * b.data[k]!;
    data[i] = sum;
  }
  return data;
}

/** The product of a chain, bracketed so that it takes the fewest multiplications. */
export function matmulChain(chain: readonly Value[]): Value {
  const [first] = chain;
  if (!first) throw new RangeError("empty product");
  if (chain.length <= 2) return chain[1] ? matmul(first, chain[1]) : first;
  const sizes = [rows(first), ...chain.map(cols)];
  const count = chain.length;
  const cost = Array.from({ length: count }, () => new Float64Array(count));
  const split = Array.from({ length: count }, () => new Int32Array(count));
  for (let length = 1; length < count; length++) {
    for (let i = 0; i + length < count; i++) {
      const j = i + length;
      cost[i]![j] = Number.POSITIVE_INFINITY;
      for (let s = i; s < j; s++) {
        const c = cost[i]![s]! + cost[s + 1]![j]! + sizes[i]! * sizes[s + 1]! * sizes[j + 1]!;
        if (c < cost[i]![j]!) {
          cost[i]![j] = c;
          split[i]![j] = s;
        }
      }
    }
  }
  const product = (i: number, j: number): Value =>
    i === j ? chain[i]! : matmul(product(i, split[i]![j]!), product(split[i]![j]! + 1, j));
  return product(0, count - 1);
}

export interface LuFactors {
  readonly size: number;
  /** L below the diagonal (its own is 1), U on and above it. */
  readonly factors: Float64Array;
  /** Row i of the factors is row `order[i]` of the matrix. */
  readonly order: Int32Array;
  readonly sign: 1 | -1;
  readonly singular: boolean;
}

/** PA = LU with partial pivoting. */
export function luFactors(a: Value): LuFactors {
  const n = rows(a);
  if (n !== cols(a)) throw new RangeError(`a square matrix is needed, not ${a.shape.join("×")}`);
  const lu = Float64Array.from(a.data);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  let sign: 1 | -1 = 1;
  let singular = false;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(lu[i * n + k]!) > Math.abs(lu[pivot * n + k]!)) pivot = i;
    if (pivot !== k) {
      const row = lu.slice(k * n, (k + 1) * n);
      lu.copyWithin(k * n, pivot * n, (pivot + 1) * n);
      lu.set(row, pivot * n);
      [order[k], order[pivot]] = [order[pivot]!, order[k]!];
      sign = sign === 1 ? -1 : 1;
    }
    const diagonal = lu[k * n + k]!;
    if (diagonal === 0) {
      singular = true;
      continue;
    }
    for (let i = k + 1; i < n; i++) {
      const factor = lu[i * n + k]! / diagonal;
      lu[i * n + k] = factor;
      if (factor === 0) continue;
      for (let j = k + 1; j < n; j++) lu[i * n + j] = lu[i * n + j]! - factor * lu[k * n + j]!;
    }
  }
  return { size: n, factors: lu, order, sign, singular };
}

/** X with A·X = B; all NaN where A is singular. */
export function solve(a: Value, b: Value): Value {
  const { size: n, factors: lu, order, singular } = luFactors(a);
  const m = cols(b);
  if (rows(b) !== n) throw new RangeError(`system of ${a.shape.join("×")} with ${b.shape.join("×")}`);
  if (singular) return filled([n, m], Number.NaN);
  const x = new Float64Array(n * m);
  for (let i = 0; i < n; i++) x.set(b.data.subarray(order[i]! * m, (order[i]! + 1) * m), i * m);
  const eliminate = (i: number, k: number): void => {
    const factor = lu[i * n + k]!;
    if (factor === 0) return;
    for (let j = 0; j < m; j++) x[i * m + j] = x[i * m + j]! - factor * x[k * m + j]!;
  };
  for (let i = 0; i < n; i++) for (let k = 0; k < i; k++) eliminate(i, k);
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) eliminate(i, k);
    const diagonal = lu[i * n + i]!;
    for (let j = 0; j < m; j++) x[i * m + j] = x[i * m + j]! / diagonal;
  }
  return { shape: [n, m], data: x };
}
/** A⁻¹ with one refinement by Newton's step, which takes back what the elimination lost. All NaN where A is singular. */
export function inverseValue(a: Value): Value {
  const n = rows(a);
  const x = solve(a, identityValue(n));
  const residual = matmul(a, x);
  for (let i = 0; i < residual.data.length; i++) residual.data[i] = (i % (n + 1) === 0 ? 1 : 0) - residual.data[i]!;
  const correction = matmul(x, residual);
  const data = Float64Array.from(x.data, (v, i) => v + correction.data[i]!);
  return { shape: x.shape, data: data.every(Number.isFinite) ? data : x.data };
}

/** The lower factor of A = L·L' of a symmetric matrix; undefined where A is not positive definite. */
export function choleskyFactor(a: Value): Float64Array | undefined {
  const n = rows(a);
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a.data[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      if (i !== j) l[i * n + j] = sum / l[j * n + j]!;
      else if (sum > 0) l[i * n + i] = Math.sqrt(sum);
      else return undefined;
    }
  }
  return l;
}
function isSymmetricValue(a: Value): boolean {
  const n = rows(a);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const [x, y] = [a.data[i * n + j]!, a.data[j * n + i]!];
      if (Math.abs(x - y) > 1e-12 * (Math.abs(x) + Math.abs(y))) return false;
    }
  }
  return true;
}
/** log det A: by Cholesky where A is symmetric and positive definite, else by LU. −∞ where A is singular, NaN where det A < 0. */
export function logDeterminant(a: Value): number {
  const n = rows(a);
  if (n !== cols(a)) throw new RangeError(`logdet of ${a.shape.join("×")}`);
  const l = isSymmetricValue(a) ? choleskyFactor(a) : undefined;
  let sum = 0;
  if (l) {
    for (let i = 0; i < n; i++) sum += 2 * Math.log(l[i * n + i]!);
    return sum;
  }
  const { factors, sign } = luFactors(a);
  let negative = sign < 0;
  for (let i = 0; i < n; i++) {
    const diagonal = factors[i * n + i]!;
    if (diagonal < 0) negative = !negative;
    sum += Math.log(Math.abs(diagonal));
  }
  return negative && sum !== Number.NEGATIVE_INFINITY ? Number.NaN : sum;
}
