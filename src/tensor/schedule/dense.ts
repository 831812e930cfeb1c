/** Row-major float64 arrays and what the plan's kernels do to them: slow, plain, the judge of every backend. */
import { Defect } from "../../diagnostics/declare.js";
import type { BinaryFunction, ReduceFunction, UnaryFunction } from "../graph.js";
import { erf, gelu, sigmoid } from "../../numeric/special.js";

export interface Dense {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export const unaryFunctions: { readonly [F in UnaryFunction]: (x: number) => number } = {
  negate: (x) => -x, exp: Math.exp, log: Math.log, sqrt: Math.sqrt, abs: Math.abs, sign: Math.sign,
  relu: (x) => Math.max(0, x), gelu, erf, sigmoid, tanh: Math.tanh,
  reciprocal: (x) => 1 / x, square: (x) => x * x, step: (x) => (x > 0 ? 1 : 0),
};
export const binaryFunctions: { readonly [F in BinaryFunction]: (a: number, b: number) => number } = {
  add: (a, b) => a + b, subtract: (a, b) => a - b, multiply: (a, b) => a * b, divide: (a, b) => a / b,
  power: (a, b) => a ** b, max: Math.max, min: Math.min, remainder: (a, b) => a - b * Math.floor(a / b),
  equal: (a, b) => Number(a === b), less: (a, b) => Number(a < b), less_equal: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b), greater_equal: (a, b) => Number(a >= b),
};

export const count = (shape: readonly number[]): number => shape.reduce((p, s) => p * s, 1);
export const dense = (shape: readonly number[], data: Float64Array): Dense => ({ shape, data });
function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = (strides[i + 1] as number) * (shape[i + 1] as number);
  return strides;
}
/** The place in memory of each position of `shape`, row-major, for given strides. */
function places(shape: readonly number[], strides: readonly number[], offset = 0): Int32Array {
  let found = Int32Array.of(offset);
  shape.forEach((size, axis) => {
    const next = new Int32Array(found.length * size);
    for (let p = 0, q = 0; p < found.length; p++) {
      for (let j = 0; j < size; j++) next[q++] = (found[p] as number) + j * (strides[axis] as number);
    }
    found = next;
  });
  return found;
}
function spreadPlaces(x: Dense, shape: readonly number[]): Int32Array {
  const missing = shape.length - x.shape.length;
  if (missing < 0) throw new Defect(`[${x.shape.join(", ")}] does not spread to [${shape.join(", ")}]`);
  const strides = stridesOf(x.shape);
  return places(shape, shape.map((size, i) => {
    const own = x.shape[i - missing] ?? 1;
    if (own !== 1 && own !== size) throw new Defect(`[${x.shape.join(", ")}] does not spread to [${shape.join(", ")}]`);
    return own === 1 ? 0 : (strides[i - missing] as number);
  }));
}
/** The shape to which both spread. */
export function spreadShape(a: readonly number[], b: readonly number[]): readonly number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    return x === 1 ? y : x;
  });
}
export function broadcast(x: Dense, shape: readonly number[]): Dense {
  return dense(shape, Float64Array.from(spreadPlaces(x, shape), (p) => x.data[p] as number));
}
/** f of the operands, entry by entry, each spread to the common shape. */
export function zip(operands: readonly Dense[], f: (...xs: number[]) => number): Dense {
  const shape = operands.map((x) => x.shape).reduce(spreadShape, []);
  const at = operands.map((x) => spreadPlaces(x, shape));
  return dense(shape, Float64Array.from({ length: count(shape) }, (_, i) =>
    f(...operands.map((x, o) => x.data[at[o]?.[i] as number] as number))));
}
export function transpose(x: Dense, order: readonly number[]): Dense {
  const strides = stridesOf(x.shape);
  const shape = order.map((axis) => x.shape[axis] as number);
  return dense(shape, Float64Array.from(places(shape, order.map((axis) => strides[axis] as number)), (p) => x.data[p] as number));
}
function turnLastTwo(x: Dense): Dense {
  const rank = x.shape.length;
  return transpose(x, [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2]);
}
export function matmul(a: Dense, b: Dense, transposeA: boolean, transposeB: boolean): Dense {
  const [left, right] = [transposeA ? turnLastTwo(a) : a, transposeB ? b : turnLastTwo(b)];
  const [m, inner] = left.shape.slice(-2) as [number, number];
  const [n, other] = right.shape.slice(-2) as [number, number];
  if (inner !== other) throw new Defect(`matmul of [${a.shape.join(", ")}] and [${b.shape.join(", ")}]`);
  const groups = spreadShape(left.shape.slice(0, -2), right.shape.slice(0, -2));
  const x = broadcast(left, [...groups, m, inner]).data;
  const y = broadcast(right, [...groups, n, inner]).data;
  const data = new Float64Array(count(groups) * m * n);
  for (let out = 0; out < data.length; out++) {
    const group = Math.floor(out / (m * n));
    const from = (group * m + (Math.floor(out / n) % m)) * inner;
    const to = (group * n + (out % n)) * inner;
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += (x[from + k] as number) * (y[to + k] as number);
    data[out] = sum;
  }
  return dense([...groups, m, n], data);
}
export function reduce(fn: ReduceFunction, x: Dense, axes: readonly number[], keep: boolean): Dense {
  const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const moved = transpose(x, [...kept, ...axes]).data;
  const length = count(axes.map((i) => x.shape[i] as number));
  const shape = x.shape.flatMap((size, i) => (axes.includes(i) ? (keep ? [1] : []) : [size]));
  return dense(shape, Float64Array.from({ length: count(shape) }, (_, i) => {
    const line = moved.subarray(i * length, (i + 1) * length);
    if (fn === "max") return line.reduce((m, v) => Math.max(m, v), Number.NEGATIVE_INFINITY);
    const sum = line.reduce((s, v) => s + v, 0);
    return fn === "mean" ? sum / length : sum;
  }));
}
/** f changes each line along the axis in place. */
export function alongAxis(x: Dense, axis: number, f: (line: Float64Array) => void): Dense {
  const order = [...x.shape.keys()].filter((i) => i !== axis).concat(axis);
  const moved = transpose(x, order);
  const length = x.shape[axis] as number;
  for (let start = 0; start < moved.data.length; start += length) f(moved.data.subarray(start, start + length));
  return transpose(moved, order.map((_, i) => order.indexOf(i)));
}
export function softmaxLine(line: Float64Array): void {
  const top = line.reduce((m, x) => Math.max(m, x), Number.NEGATIVE_INFINITY);
  line.forEach((x, i) => { line[i] = Math.exp(x - top); });
  const sum = line.reduce((s, x) => s + x, 0);
  line.forEach((x, i) => { line[i] = x / sum; });
}
export function logSoftmaxLine(line: Float64Array): void {
  const top = line.reduce((m, x) => Math.max(m, x), Number.NEGATIVE_INFINITY);
  const logSum = top + Math.log(line.reduce((s, x) => s + Math.exp(x - top), 0));
  line.forEach((x, i) => { line[i] = x - logSum; });
}
export function standardizeLine(line: Float64Array, eps: number, centred: boolean): void {
  const mean = centred ? line.reduce((s, x) => s + x, 0) / line.length : 0;
  const deviation = Math.sqrt(line.reduce((s, x) => s + (x - mean) ** 2, 0) / line.length + eps);
  line.forEach((x, i) => { line[i] = (x - mean) / deviation; });
}
export function cumulateLine(line: Float64Array, reverse: boolean): void {
  if (reverse) line.reverse();
  line.forEach((x, i) => { line[i] = i === 0 ? x : x + (line[i - 1] as number); });
  if (reverse) line.reverse();
}
export function slice(x: Dense, axis: number, from: number, to: number): Dense {
  const shape = x.shape.with(axis, to - from);
  const strides = stridesOf(x.shape);
  return dense(shape, Float64Array.from(places(shape, strides, from * (strides[axis] as number)), (p) => x.data[p] as number));
}
export function pad(x: Dense, axis: number, before: number, after: number): Dense {
  const shape = x.shape.with(axis, (x.shape[axis] as number) + before + after);
  const strides = stridesOf(shape);
  const data = new Float64Array(count(shape));
  places(x.shape, strides, before * (strides[axis] as number)).forEach((p, i) => { data[p] = x.data[i] as number; });
  return dense(shape, data);
}
export function concat(parts: readonly Dense[], axis: number): Dense {
  const [first] = parts;
  if (!first) throw new Defect("concat of nothing");
  const total = parts.reduce((s, p) => s + (p.shape[axis] as number), 0);
  const shape = first.shape.with(axis, total);
  const strides = stridesOf(shape);
  const data = new Float64Array(count(shape));
  let start = 0;
  for (const part of parts) {
    places(part.shape, strides, start * (strides[axis] as number)).forEach((p, i) => { data[p] = part.data[i] as number; });
    start += part.shape[axis] as number;
  }
  return dense(shape, data);
}
export function gather(table: Dense, indices: Dense): Dense {
  const [rows, ...rest] = table.shape as [number, ...number[]];
  const width = count(rest);
  const data = new Float64Array(indices.data.length * width);
  indices.data.forEach((index, i) => {
    if (!(index >= 0 && index < rows)) throw new Defect(`index ${index} outside 0..${rows - 1}`);
    data.set(table.data.subarray(index * width, (index + 1) * width), i * width);
  });
  return dense([...indices.shape, ...rest], data);
}
/** Rows of x added into zeros of the shape, where the indices say. */
export function scatterAdd(x: Dense, indices: Dense, shape: readonly number[]): Dense {
  const width = count(shape.slice(1));
  const data = new Float64Array(count(shape));
  indices.data.forEach((index, i) => {
    if (!(index >= 0 && index < (shape[0] as number))) throw new Defect(`index ${index} outside 0..${(shape[0] as number) - 1}`);
    for (let j = 0; j < width; j++) data[index * width + j] = (data[index * width + j] as number) + (x.data[i * width + j] as number);
  });
  return dense(shape, data);
}
