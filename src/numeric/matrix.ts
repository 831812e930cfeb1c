/** Dense float64 matrices and arrays, and what is done to them entry by entry. Values are shared: nobody writes into one after it is made. */

/** Row-major. Two sizes are a matrix (a scalar is 1×1, a column n×1); three and more an array. */
export interface Value {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export const rows = (a: Value): number => a.shape[0] ?? 1;
export const cols = (a: Value): number => a.shape[1] ?? 1;
export const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
export const isScalarValue = (a: Value): boolean => a.data.length === 1;

export function value(shape: readonly number[], data: Float64Array | readonly number[]): Value {
  if (data.length !== count(shape)) throw new RangeError(`${data.length} entries for the shape ${shape.join("×")}`);
  return { shape, data: data instanceof Float64Array ? data : Float64Array.from(data) };
}
export function scalarValue(x: number): Value {
  return { shape: [1, 1], data: Float64Array.of(x) };
}
export function filled(shape: readonly number[], x: number): Value {
  const data = new Float64Array(count(shape));
  return { shape, data: x === 0 ? data : data.fill(x) };
}
export function identityValue(n: number): Value {
  const data = new Float64Array(n * n);
  for (let i = 0; i < n; i++) data[i * n + i] = 1;
  return { shape: [n, n], data };
}
/** A matrix from its rows, for tests and tables. */
export function matrix(entries: readonly (readonly number[])[]): Value {
  return value([entries.length, entries[0]?.length ?? 0], entries.flat());
}
/** The one entry of a scalar; the first of anything else. */
export const toNumber = (a: Value): number => a.data[0] ?? Number.NaN;

export function mapEntries(a: Value, f: (x: number) => number): Value {
  const data = new Float64Array(a.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(a.data[i]!);
  return { shape: a.shape, data };
}
/** Entry by entry; a scalar beside a matrix is spread. Throws where the shapes differ. */
export function zipEntries(a: Value, b: Value, f: (x: number, y: number) => number): Value {
  if (a.shape.length === b.shape.length && a.shape.every((size, i) => size === b.shape[i])) {
    const data = new Float64Array(a.data.length);
    for (let i = 0; i < data.length; i++) data[i] = f(a.data[i]!, b.data[i]!);
    return { shape: a.shape, data };
  }
  if (isScalarValue(b)) {
    const y = toNumber(b);
    return mapEntries(a, (x) => f(x, y));
  }
  if (isScalarValue(a)) {
    const x = toNumber(a);
    return mapEntries(b, (y) => f(x, y));
  }
  throw new RangeError(`entry by entry: ${a.shape.join("×")} beside ${b.shape.join("×")}`);
}
export function scaleValue(a: Value, factor: number): Value {
  return factor === 1 ? a : mapEntries(a, (x) => factor * x);
}
export function addValues(a: Value, b: Value): Value {
  return zipEntries(a, b, (x, y) => x + y);
}
export function subtractValues(a: Value, b: Value): Value {
  return zipEntries(a, b, (x, y) => x - y);
}

export function transposeValue(a: Value): Value {
  const [n, m] = [rows(a), cols(a)];
  if (n === 1 || m === 1) return { shape: [m, n], data: a.data };
  const data = new Float64Array(a.data.length);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) data[j * n + i] = a.data[i * m + j]!;
  return { shape: [m, n], data };
}

export function sumEntries(a: Value): number {
  let sum = 0;
  for (const x of a.data) sum += x;
  return sum;
}
export function sumSquares(a: Value): number {
  let sum = 0;
  for (const x of a.data) sum += x * x;
  return sum;
}
export const frobenius = (a: Value): number => Math.sqrt(sumSquares(a));

/** ‖a − b‖∞ / ‖b‖∞, the error measure of the fixtures; absolute where b is zero. NaN where either holds one. */
export function relativeError(a: Value, b: Value): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.data.length; i++) {
    const gap = a.data[i] === b.data[i] ? 0 : Math.abs(a.data[i]! - b.data[i]!);
    if (Number.isNaN(gap)) return Number.NaN;
    difference = Math.max(difference, gap);
    if (Number.isFinite(b.data[i])) size = Math.max(size, Math.abs(b.data[i]!));
  }
  return size === 0 ? difference : difference / size;
}

/** Rows from…, columns from… (counted from 0, the ends excluded). */
export function sliceValue(a: Value, rowFrom: number, rowTo: number, colFrom: number, colTo: number): Value {
  const [height, width, m] = [rowTo - rowFrom, colTo - colFrom, cols(a)];
  if (rowFrom < 0 || colFrom < 0 || height < 0 || width < 0 || rowTo > rows(a) || colTo > m) {
    throw new RangeError(`slice [${rowFrom + 1}..${rowTo}, ${colFrom + 1}..${colTo}] of ${a.shape.join("×")}`);
  }
  const data = new Float64Array(height * width);
  for (let i = 0; i < height; i++) {
    const start = (rowFrom + i) * m + colFrom;
    data.set(a.data.subarray(start, start + width), i * width);
  }
  return { shape: [height, width], data };
}
