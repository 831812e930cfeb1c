/** The value of each function of an expression, as a table under the functions' names. */
import type { FunctionName } from "../expression/functions.js";
import {
  cumulativeRows, euclidean, logSumExp, mean, normalizeColumns, overRows, perColumn, perRow, projectSimplexColumns,
  rmsStandardizeColumns, softmaxColumns, standardizeColumns, sum,
} from "./column-wise.js";
import { insideBall, insideBox, insideNonnegative, isOrthonormal, onSimplex, onSphere } from "./indicators.js";
import { logDeterminant } from "./linalg.js";
import {
  cols, count, filled, frobenius, mapEntries, rows, scalarValue, sumEntries, sumSquares, toNumber, transposeValue, type Value, zipEntries,
} from "./matrix.js";
import { patchesValue, unpatchValue } from "./patches.js";
import { erf, gelu, sigmoid } from "./special.js";
import { leadingSingular, nuclearNorm, polarFactor, singularSoftThreshold, spectralNorm } from "./spectral.js";

/** The options of an application, its dims already numbers, and where a training run draws from. */
export interface RuleContext {
  readonly number: (option: string, otherwise: number) => number;
  readonly text: (option: string) => string | undefined;
  readonly flag: (option: string) => boolean;
  /** Uniform on [0, 1); absent where the network is not trained. */
  readonly random: (() => number) | undefined;
}
export type Rule = (args: readonly Value[], context: RuleContext) => Value;

const argument = (args: readonly Value[], i: number): Value => {
  const a = args[i];
  if (!a) throw new RangeError(`argument ${i + 1} is missing`);
  return a;
};
const unary = (f: (a: Value, context: RuleContext) => Value): Rule => (args, context) => f(argument(args, 0), context);
const binary = (f: (a: Value, b: Value, context: RuleContext) => Value): Rule =>
  (args, context) => f(argument(args, 0), argument(args, 1), context);
const entries = (f: (x: number) => number): Rule => unary((a) => mapEntries(a, f));
const pairs = (f: (x: number, y: number) => number): Rule => binary((a, b) => zipEntries(a, b, f));
const reduction = (f: (a: Value) => number): Rule => unary((a) => scalarValue(f(a)));
const columnsOrRows = (f: (a: Value, context: RuleContext) => Value): Rule =>
  unary((a, context) => (context.text("over") === "rows" ? overRows((x) => f(x, context))(a) : f(a, context)));
const same = unary((a) => a);

const absolute = (a: Value, f: (largest: number, x: number) => number): number => a.data.reduce((s, x) => f(s, Math.abs(x)), 0);

export const rules = {
  exp: entries(Math.exp), log: entries(Math.log), sqrt: entries(Math.sqrt), abs: entries(Math.abs), sign: entries(Math.sign),
  relu: entries((x) => Math.max(x, 0)), gelu: entries(gelu), sigmoid: entries(sigmoid), tanh: entries(Math.tanh), erf: entries(erf),
  max: pairs(Math.max), min: pairs(Math.min),
  equal: pairs((x, y) => Number(x === y)), less: pairs((x, y) => Number(x < y)), less_equal: pairs((x, y) => Number(x <= y)),
  greater: pairs((x, y) => Number(x > y)), greater_equal: pairs((x, y) => Number(x >= y)),
  remainder: pairs((x, y) => x - y * Math.floor(x / y)),
  hadamard: (args) => args.reduce((a, b) => zipEntries(a, b, (x, y) => x * y)),
  power: binary((a, e) => (e.data.length === 1 ? mapEntries(a, powerOf(toNumber(e))) : zipEntries(a, e, Math.pow))),
  soft_threshold: pairs((x, c) => Math.sign(x) * Math.max(Math.abs(x) - c, 0)),
  hard_threshold: pairs((x, c) => (Math.abs(x) > c ? x : 0)),
  huber: pairs((x, d) => (Math.abs(x) <= d ? (x * x) / 2 : d * (Math.abs(x) - d / 2))),

  trace: reduction((a) => sumEntries(diagonalOf(a))),
  logdet: reduction(logDeterminant),
  total: reduction(sumEntries), mean: reduction((a) => sumEntries(a) / a.data.length), sq_norm: reduction(sumSquares),
  norm0: reduction((a) => absolute(a, (s, x) => s + (x === 0 ? 0 : 1))),
  norm1: reduction((a) => absolute(a, (s, x) => s + x)),
  norm2: reduction(frobenius),
  norm21: reduction((a) => sumEntries(perColumn(a, euclidean))),
  norm_nuc: reduction(nuclearNorm), norm_spec: reduction(spectralNorm),
  norm_inf: reduction((a) => absolute(a, Math.max)),
  nonnegative: unary(insideNonnegative), ball: binary(insideBall), sphere: binary(onSphere), simplex: unary(onSimplex),
  orthonormal: unary(isOrthonormal),
  box: (args) => insideBox(argument(args, 0), argument(args, 1), argument(args, 2)),

  colsum: unary((a) => perColumn(a, sum)), colmean: unary((a) => perColumn(a, mean)), colnorm: unary((a) => perColumn(a, euclidean)),
  rowsum: unary((a) => perRow(a, sum)), rowmean: unary((a) => perRow(a, mean)), rownorm: unary((a) => perRow(a, euclidean)),

  diag: unary(diagonalMatrix), diagonal: unary(diagonalOf),
  causal: unary((a) => belowDiagonal(a, Number.NEGATIVE_INFINITY)), upper_triangle: unary((a) => belowDiagonal(a, 0)),
  softmax: columnsOrRows(softmaxColumns),
  /** Of the member meant, beside all members of the family. */
  softmax_family: ([at, ...family]) => familySoftmax(argument(at ? [at] : [], 0), family),
  normalize: columnsOrRows(normalizeColumns),
  /** `over: "rows"`, the default, sums along each row; `over: "columns"` down each column. */
  cumsum: unary((a, context) => {
    const running = (x: Value): Value => cumulativeRows(x, context.flag("reverse"));
    return context.text("over") === "columns" ? overRows(running)(a) : running(a);
  }),
  stop: same, prox: same,

  project_simplex: unary(projectSimplexColumns),
  singular_soft_threshold: binary((a, t) => singularSoftThreshold(a, toNumber(t))),
  polar: unary(polarFactor), leading_singular: unary(leadingSingular), peak_sign: unary(peakSign),

  standardize: unary((a, context) => standardizeColumns(a, context.number("eps", 1e-5))),
  rms_standardize: unary((a, context) => rmsStandardizeColumns(a, context.number("eps", 1e-5))),
  columns: sideBySide,
  pad: unary(padded),
  dropout: unary((a, { number, random }) => {
    const rate = number("rate", 0);
    return random ? mapEntries(a, (x) => (random() < rate ? 0 : x / (1 - rate))) : a;
  }),
  embedding: binary(embedded),
  patches: unary((a, { number, text }) => patchesValue(a, number("size", 1), text("order"))),
  unpatch: unary((a, { number, text }) =>
    unpatchValue(a, number("size", 1), [number("channels", 1), number("height", 1), number("width", 1)], text("order"))),
  cross_entropy: crossEntropy,
} satisfies Record<FunctionName, Rule>;

/** Small whole powers by multiplication: several times faster than `Math.pow`, and exact where it need not be. */
function powerOf(e: number): (x: number) => number {
  if (e === 2) return (x) => x * x;
  if (e === -1) return (x) => 1 / x;
  if (e === 0.5) return Math.sqrt;
  return (x) => x ** e;
}
function diagonalMatrix(v: Value): Value {
  const n = v.data.length;
  const data = new Float64Array(n * n);
  for (let i = 0; i < n; i++) data[i * n + i] = v.data[i]!;
  return { shape: [n, n], data };
}
function diagonalOf(a: Value): Value {
  const n = rows(a);
  return { shape: [n, 1], data: Float64Array.from({ length: n }, (_, i) => a.data[i * n + i]!) };
}
function belowDiagonal(a: Value, fill: number): Value {
  const m = cols(a);
  return { shape: a.shape, data: a.data.map((x, e) => (Math.floor(e / m) > e % m ? fill : x)) };
}
function familySoftmax(at: Value, family: readonly Value[]): Value {
  const top = family.reduce((a, b) => zipEntries(a, b, Math.max));
  const exponential = (x: Value): Value => zipEntries(x, top, (v, t) => Math.exp(v - t));
  const total = family.map(exponential).reduce((a, b) => zipEntries(a, b, (x, y) => x + y));
  return zipEntries(exponential(at), total, (x, y) => x / y);
}
function peakSign(a: Value): Value {
  let peak = 0;
  for (let e = 1; e < a.data.length; e++) if (Math.abs(a.data[e]!) > Math.abs(a.data[peak]!)) peak = e;
  const data = new Float64Array(a.data.length);
  data[peak] = Math.sign(a.data[peak]!);
  return { shape: a.shape, data };
}
function sideBySide(parts: readonly Value[]): Value {
  const n = rows(argument(parts, 0));
  const m = parts.reduce((s, a) => s + cols(a), 0);
  const data = new Float64Array(n * m);
  let start = 0;
  for (const a of parts) {
    const width = cols(a);
    for (let i = 0; i < n; i++) data.set(a.data.subarray(i * width, (i + 1) * width), i * m + start);
    start += width;
  }
  return { shape: [n, m], data };
}
function padded(a: Value, { number }: RuleContext): Value {
  const [above, below, before, after] = [number("above", 0), number("below", 0), number("before", 0), number("after", 0)];
  const [n, m] = [rows(a), cols(a)];
  const shape = [n + above + below, m + before + after];
  const data = new Float64Array(count(shape));
  for (let i = 0; i < n; i++) data.set(a.data.subarray(i * m, (i + 1) * m), (i + above) * shape[1]! + before);
  return { shape, data };
}
/** Columns of the table (features × symbols) for tokens counted from 1. */
function embedded(tokens: Value, table: Value): Value {
  const [d, vocabulary, n] = [rows(table), cols(table), tokens.data.length];
  const data = new Float64Array(d * n);
  tokens.data.forEach((token, j) => {
    for (let i = 0; i < d; i++) data[i * n + j] = table.data[i * vocabulary + label(token, vocabulary)]!;
  });
  return { shape: [d, n], data };
}
/** A label 1…C as a place from 0. */
function label(x: number, size: number): number {
  if (!Number.isInteger(x) || x < 1 || x > size) throw new RangeError(`label ${x} is not one of 1…${size}`);
  return x - 1;
}
/** −Σ q·log softmax(logits), averaged over columns; q = (1 − s)·onehot + s/C. */
function crossEntropy(args: readonly Value[], { number }: RuleContext): Value {
  const [logits, target, weights] = [argument(args, 0), argument(args, 1), args[2]];
  const smoothing = number("smoothing", 0);
  const [classes, n] = [rows(logits), cols(logits)];
  const turned = transposeValue(logits);
  const losses = filled([n, 1], 0);
  for (let j = 0; j < n; j++) {
    const column = turned.data.subarray(j * classes, (j + 1) * classes);
    const right = column[label(target.data[j]!, classes)]!;
    losses.data[j] = logSumExp(column) - (1 - smoothing) * right - smoothing * mean(column);
  }
  if (!weights) return scalarValue(sumEntries(losses) / n);
  return scalarValue(sumEntries(zipEntries(losses, weights, (x, w) => x * w)) / sumEntries(weights));
}
