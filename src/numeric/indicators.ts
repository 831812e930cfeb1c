/** Indicator functions: 0 inside a set, infinite outside. What misses by rounding counts as inside. */
import { columnOf, euclidean, sum } from "./column-wise.js";
import { matmul } from "./linalg.js";
import { cols, rows, scalarValue, toNumber, transposeValue, type Value, zipEntries } from "./matrix.js";

const tolerance = 1e-9;
const indicator = (inside: boolean): Value => scalarValue(inside ? 0 : Number.POSITIVE_INFINITY);
const close = (x: number, y: number): boolean => Math.abs(x - y) <= tolerance * Math.max(1, Math.abs(y));
const columnsOf = (a: Value): Float64Array[] => Array.from({ length: cols(a) }, (_, j) => columnOf(a, j));

export function insideNonnegative(a: Value): Value {
  return indicator(a.data.every((x) => x >= -tolerance));
}
/** Bounds are scalars or of X's shape. */
export function insideBox(a: Value, lower: Value, upper: Value): Value {
  const misses = [zipEntries(lower, a, (l, x) => l - x), zipEntries(a, upper, (x, u) => x - u)];
  return indicator(misses.every((m) => m.data.every((x) => x <= tolerance)));
}
/** Each column's norm is at most the radius. */
export function insideBall(a: Value, radius: Value): Value {
  const r = toNumber(radius);
  return indicator(columnsOf(a).every((v) => euclidean(v) <= r + tolerance * Math.max(1, r)));
}
/** Each column's norm is the radius. */
export function onSphere(a: Value, radius: Value): Value {
  return indicator(columnsOf(a).every((v) => close(euclidean(v), toNumber(radius))));
}
/** Each column is a probability vector. */
export function onSimplex(a: Value): Value {
  return indicator(columnsOf(a).every((v) => v.every((x) => x >= -tolerance) && close(sum(v), 1)));
}
/** X'X = I, or XX' = I of a wide matrix. */
export function isOrthonormal(a: Value): Value {
  const turned = transposeValue(a);
  const gram = rows(a) >= cols(a) ? matmul(turned, a) : matmul(a, turned);
  return indicator(gram.data.every((x, e) => close(x, e % (rows(gram) + 1) === 0 ? 1 : 0)));
}
