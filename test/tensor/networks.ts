/** Small unrolled networks made by hand, and the comparison of their graphs with the float64 evaluator, sample by sample. */
import { expect } from "vitest";
import { type Dim, dimNumber, dimSymbol, dimValue, one } from "../../src/expression/dim.js";
import { type Expr, type IndexTerm, symbol, type SymbolRole } from "../../src/expression/expr.js";
import type { Shape } from "../../src/expression/functions.js";
import type { NetworkParameter, UnrolledNetwork, UnrolledStatement, ValueType } from "../../src/network/network.js";
import { evaluateDim, evaluator } from "../../src/numeric/evaluate.js";
import type { Value } from "../../src/numeric/matrix.js";
import { checkGraph } from "../../src/tensor/check-graph.js";
import { evaluateGraph, type PlainArray } from "../../src/tensor/evaluate-graph.js";
import { lowerNetwork } from "../../src/tensor/lower.js";

export const D = dimSymbol;
export const N = dimNumber;
export const at = (name: string): IndexTerm => ({ kind: "variable", name });
export const member = (value: number): IndexTerm => ({ kind: "number", value });
export const sym = (name: string, shape: Shape, role: SymbolRole = "var", index?: IndexTerm): Expr => symbol(name, role, shape, index);
export const real = (shape: Shape, rank: number): ValueType => ({ kind: "real", shape, rank });

export function parameter(name: string, shape: Shape, rank: number, family?: { index: string; size: number }, positive = false): NetworkParameter {
  return {
    name, shape, rank, trainable: true, positive, captured: false, init: { kind: "file" }, axisNames: shape.map((d) => d.key),
    ...(family ? { family } : {}),
  };
}
export function statement(target: string, value: Expr, extra: Partial<UnrolledStatement> = {}): UnrolledStatement {
  return { target, value, path: target.replace(/\.(?=[^.]*$)/, "/"), names: new Map(), numbers: new Map(), ...extra };
}
export function network(given: Partial<UnrolledNetwork>): UnrolledNetwork {
  return {
    name: "Test", dims: new Map(), freeDims: [], indices: new Map(), definitions: new Map(), inputs: [], targets: [], parameters: [],
    statements: [], outputs: [], lossNames: new Map(), ...given,
  };
}
/** Numbers between −1 and 1, the same on each run. */
export function noise(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 2 - 1;
  };
}
const count = (shape: readonly number[]): number => shape.reduce((p, s) => p * s, 1);
export function randomArray(shape: readonly number[], random: () => number): PlainArray {
  return { shape, data: Float64Array.from({ length: count(shape) }, random) };
}

export interface Trial {
  readonly network: UnrolledNetwork;
  /** Numbers of free dims, and of the batch. */
  readonly free?: Readonly<Record<string, number>>;
  readonly batch?: number;
  readonly seed?: number;
  /** Entries of real inputs and parameters; −1…1 otherwise. */
  readonly entry?: (x: number) => number;
}
export interface Values {
  readonly inputs: Record<string, PlainArray>;
  readonly parameters: Record<string, PlainArray>;
}
/** Random values on the wire. */
export function randomValues({ network: net, free = {}, batch = 3, seed = 1, entry = (x) => x }: Trial): Values {
  const random = noise(seed);
  const size = (d: Dim): number => evaluateDim(d, (s) => net.dims.get(s) ?? free[s] ?? (s === net.batchDim ? batch : Number.NaN));
  const inputs: Record<string, PlainArray> = {};
  for (const { name, type } of [...net.inputs, ...net.targets]) {
    const sizes = type.shape.map(size);
    const own = type.rank > 2 ? sizes : type.rank === 2 ? [sizes[1] ?? 1, sizes[0] ?? 1] : sizes.slice(0, type.rank);
    const shape = net.batchDim !== undefined && type.rank > 0 ? own : [batch, ...own];
    const draw = type.kind === "real" ? () => entry(random()) : () => Math.floor(((random() + 1) / 2) * (dimValue(type.symbols ?? one) ?? size(type.symbols ?? one)));
    inputs[name] = randomArray(shape, draw);
  }
  const parameters: Record<string, PlainArray> = {};
  for (const p of net.parameters) {
    const shape = [...(p.family ? [p.family.size] : []), ...p.shape.slice(0, p.rank).map(size)];
    parameters[p.name] = randomArray(shape, () => (p.positive ? Math.abs(entry(random())) + 0.1 : entry(random())));
  }
  return { inputs, parameters };
}

/** The matrix of one sample from the wire: [n, d] is d×n in expressions. */
function sampleOf(array: PlainArray, type: ValueType, sample: number | undefined): Value {
  const shape = sample === undefined ? array.shape : array.shape.slice(1);
  const length = count(shape);
  const data = Float64Array.from({ length }, (_, i) => (array.data[(sample ?? 0) * length + i] ?? 0) + (type.kind === "real" ? 0 : 1));
  if (shape.length > 2) return { shape, data };
  if (shape.length < 2) return { shape: [shape[0] ?? 1, 1], data };
  const [columns = 1, rows = 1] = shape;
  return { shape: [rows, columns], data: Float64Array.from({ length }, (_, i) => data[(i % columns) * rows + Math.floor(i / columns)] ?? 0) };
}
/** What the statements give by the float64 evaluator of expressions, for one sample (or all, with a batch dim). */
export function judge(trial: Trial, values: Values, sample: number | undefined): Map<string, Value> {
  const { network: net, free = {}, batch = 3 } = trial;
  const known = new Map<string, Value>();
  const types = new Map([...net.inputs, ...net.targets].map((i) => [i.name, i.type]));
  const lookupIn = (names: ReadonlyMap<string, string>, numbers: ReadonlyMap<string, number>) => (name: string, index: number | undefined): Value | undefined => {
    const number = numbers.get(name);
    if (number !== undefined) return { shape: [1, 1], data: Float64Array.of(number) };
    const full = names.get(name) ?? name;
    const type = types.get(full);
    if (type) return sampleOf(values.inputs[full] as PlainArray, type, sample);
    const p = net.parameters.find((q) => q.name === full);
    if (p) {
      const array = values.parameters[full] as PlainArray;
      const shape = p.family ? array.shape.slice(1) : array.shape;
      const length = count(shape);
      const start = p.family ? ((index ?? 1) - 1) * length : 0;
      return { shape: [shape[0] ?? 1, shape[1] ?? 1], data: Float64Array.from({ length }, (_, i) => array.data[start + i] ?? 0) };
    }
    const definition = net.definitions.get(name);
    if (definition) return evaluator({ ...env(names, numbers), indices: new Map(index === undefined ? [] : [...net.indices.keys()].map((k) => [k, index])) })(definition);
    return known.get(index === undefined ? full : `${full}#${index}`);
  };
  const dims = (s: string): number => net.dims.get(s) ?? free[s] ?? (s === net.batchDim ? batch : Number.NaN);
  const env = (names: ReadonlyMap<string, string>, numbers: ReadonlyMap<string, number>) => ({ dims, lookup: lookupIn(names, numbers) });
  for (const s of net.statements) {
    if (s.capture !== undefined) continue;
    const members = s.family ? Array.from({ length: s.family.size }, (_, i) => i + 1) : [undefined];
    for (const i of members) {
      const value = evaluator({ ...env(s.names, s.numbers), indices: new Map(s.family && i !== undefined ? [[s.family.index, i]] : []) })(s.value);
      known.set(i === undefined ? s.target : `${s.target}#${i}`, value);
    }
  }
  if (net.loss) known.set("loss", evaluator(env(net.lossNames, new Map()))(net.loss));
  return known;
}
/** A judged value on the wire. */
function onWire(v: Value, type: ValueType): Float64Array {
  const [rows = 1, columns = 1] = v.shape;
  if (v.shape.length > 2 || type.rank < 2) return v.data;
  return Float64Array.from({ length: v.data.length }, (_, i) => v.data[(i % rows) * columns + Math.floor(i / rows)] ?? 0);
}
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-10): void {
  expect(actual.length).toBe(expected.length);
  const size = Math.max(1e-3, ...Array.from(expected, (x) => (Number.isFinite(x) ? Math.abs(x) : 0)));
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i] as number, expected[i] as number];
    if (!(Object.is(a, e) || Math.abs(a - e) <= tolerance * size)) throw new Error(`entry ${i}: ${a}, expected ${e} (largest ${size})`);
  }
}
/** Lowers, checks the graph, and compares all outputs with the judge. */
export function expectAgrees(trial: Trial, tolerance = 1e-10): void {
  const values = randomValues(trial);
  const graph = checkGraph(lowerNetwork(trial.network, { loss: true }));
  const results = evaluateGraph(graph, { ...values, sizes: { ...trial.free, batch: trial.batch ?? 3 } });
  const whole = trial.network.batchDim !== undefined;
  const samples = whole ? [undefined] : Array.from({ length: trial.batch ?? 3 }, (_, i) => i);
  const judged = samples.map((s) => judge(trial, values, s));
  expect(trial.network.outputs.length).toBeGreaterThan(0);
  for (const o of trial.network.outputs) {
    const actual = results.get(o.name);
    if (!actual) throw new Error(`no output ${o.name}`);
    expectClose(actual.data, judged.flatMap((j) => [...onWire(j.get(o.value) as Value, o.type)]), tolerance);
  }
  if (trial.network.loss) {
    const losses = judged.map((j) => j.get("loss")?.data[0] ?? Number.NaN);
    expectClose(results.get("loss")?.data ?? [], [losses.reduce((s, x) => s + x, 0) / losses.length], tolerance);
  }
}
/** One expression of inputs and parameters as a network with the output "out". */
export function single(value: Expr, given: Partial<UnrolledNetwork> & { readonly rank?: number }): UnrolledNetwork {
  const { rank, ...rest } = given;
  const shape = value.shape;
  const inferred = shape.length > 2 ? shape.length : shape[1]?.key === "1" ? (shape[0]?.key === "1" ? 0 : 1) : 2;
  return network({ ...rest, statements: [statement("block.1.out", value)], outputs: [{ name: "out", type: real(shape, rank ?? inferred), value: "block.1.out" }] });
}
