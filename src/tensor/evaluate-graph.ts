/** What is a tensor graph worth in float64? The plain interpreter that judges passes, gradients and emitters. */
import { own } from "../runtime/contract.js";
import { type Dim, dimName, dimSubstitute, dimNumber, dimValue } from "../expression/dim.js";
import type { BinaryFunction, Graph, TensorNode, UnaryFunction } from "./graph.js";

/** A value with named axes, row-major over them. */
export interface NamedArray {
  readonly axes: readonly string[];
  readonly sizes: readonly number[];
  readonly data: Float64Array;
}
/** A tensor as on the wire: row-major. */
export interface PlainArray {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}
export interface GraphValues {
  readonly inputs: Readonly<Record<string, PlainArray>>;
  readonly parameters: Readonly<Record<string, PlainArray>>;
  /** Numbers of free sizes, by symbol; those that inputs show need not be given. */
  readonly sizes?: Readonly<Record<string, number>>;
}

/** erf to double precision: the series near zero, the continued fraction of erfc beyond. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let [term, sum] = [a, a];
    for (let i = 1; i < 100; i++) {
      term *= (-a * a) / i;
      sum += term / (2 * i + 1);
      if (Math.abs(term) < 1e-18 * Math.abs(sum)) break;
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let i = 60; i >= 1; i--) fraction = i / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)));
}

const unaryFunctions: { readonly [F in UnaryFunction]: (x: number) => number } = {
  negate: (x) => -x, exp: Math.exp, log: Math.log, sqrt: Math.sqrt, abs: Math.abs, sign: Math.sign,
  relu: (x) => (x < 0 ? 0 : x), gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)), erf,
  sigmoid: (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))),
  tanh: Math.tanh, reciprocal: (x) => 1 / x, square: (x) => x * x, step: (x) => (x > 0 ? 1 : 0),
};
const binaryFunctions: { readonly [F in BinaryFunction]: (a: number, b: number) => number } = {
  add: (a, b) => a + b, subtract: (a, b) => a - b, multiply: (a, b) => a * b, divide: (a, b) => a / b,
  power: (a, b) => a ** b, max: Math.max, min: Math.min, remainder: (a, b) => a - b * Math.floor(a / b),
  equal: (a, b) => Number(a === b), less: (a, b) => Number(a < b), less_equal: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b), greater_equal: (a, b) => Number(a >= b),
};

const count = (sizes: readonly number[]): number => sizes.reduce((p, s) => p * s, 1);

/** For each position of the given axes in row-major order, the place in `v` (0 along axes that v lacks). */
function places(v: NamedArray, axes: readonly string[], sizes: readonly number[]): Int32Array {
  const strideOf = new Map<string, number>();
  for (let i = v.axes.length - 1, s = 1; i >= 0; i--) {
    strideOf.set(v.axes[i] as string, s);
    s *= v.sizes[i] as number;
  }
  let result = Int32Array.of(0);
  axes.forEach((name, i) => {
    const [stride, size] = [strideOf.get(name) ?? 0, sizes[i] as number];
    const next = new Int32Array(result.length * size);
    for (let p = 0, q = 0; p < result.length; p++) for (let j = 0; j < size; j++) next[q++] = (result[p] as number) + j * stride;
    result = next;
  });
  return result;
}
function sizeAlong(v: NamedArray, name: string): number {
  const i = v.axes.indexOf(name);
  if (i < 0) throw new Error(`no axis ${name} among ${v.axes.join(", ")}`);
  return v.sizes[i] as number;
}
/** The same entries in another order of axes, repeated along axes that the value lacks. */
export function arrange(v: NamedArray, axes: readonly string[], sizes: readonly number[] = axes.map((a) => sizeAlong(v, a))): NamedArray {
  if (axes.length === v.axes.length && axes.every((a, i) => a === v.axes[i])) return v;
  return { axes, sizes, data: Float64Array.from(places(v, axes, sizes), (p) => v.data[p] as number) };
}

function contract(a: NamedArray, b: NamedArray, over: readonly string[], axes: readonly string[], sizes: readonly number[]): NamedArray {
  const shared = a.axes.filter((n) => b.axes.includes(n) && !over.includes(n));
  const [freeA, freeB] = [a.axes.filter((n) => !b.axes.includes(n)), b.axes.filter((n) => !a.axes.includes(n))];
  const x = arrange(a, [...shared, ...freeA, ...over]).data;
  const y = arrange(b, [...shared, ...freeB, ...over]).data;
  const [groups, m] = [count(shared.map((n) => sizeAlong(a, n))), count(freeA.map((n) => sizeAlong(a, n)))];
  const [n, inner] = [count(freeB.map((f) => sizeAlong(b, f))), count(over.map((o) => sizeAlong(a, o)))];
  const data = new Float64Array(groups * m * n);
  for (let g = 0, out = 0; g < groups; g++) {
    for (let i = 0; i < m; i++) {
      const left = (g * m + i) * inner;
      for (let j = 0; j < n; j++, out++) {
        const right = (g * n + j) * inner;
        let sum = 0;
        for (let k = 0; k < inner; k++) sum += (x[left + k] as number) * (y[right + k] as number);
        data[out] = sum;
      }
    }
  }
  const order = [...shared, ...freeA, ...freeB];
  const value = { axes: order, sizes: order.map((o) => (a.axes.includes(o) ? sizeAlong(a, o) : sizeAlong(b, o))), data };
  return arrange(value, axes, sizes);
}

/** Applies f to each line of `v` along one axis; f changes the line in place. */
function alongAxis(v: NamedArray, name: string, f: (line: Float64Array) => void): NamedArray {
  const others = v.axes.filter((a) => a !== name);
  const moved = arrange(v, [...others, name]);
  const data = Float64Array.from(moved.data);
  const length = sizeAlong(v, name);
  for (let start = 0; length > 0 && start < data.length; start += length) f(data.subarray(start, start + length));
  return arrange({ ...moved, data }, v.axes);
}
function softmaxLine(line: Float64Array): void {
  const top = line.reduce((m, x) => Math.max(m, x), -Infinity);
  let sum = 0;
  for (let i = 0; i < line.length; i++) sum += line[i] = Math.exp((line[i] as number) - top);
  for (let i = 0; i < line.length; i++) line[i] = (line[i] as number) / sum;
}
function logSoftmaxLine(line: Float64Array): void {
  const top = line.reduce((m, x) => Math.max(m, x), -Infinity);
  const sum = Math.log(line.reduce((s, x) => s + Math.exp(x - top), 0)) + top;
  for (let i = 0; i < line.length; i++) line[i] = (line[i] as number) - sum;
}
function standardizeLine(line: Float64Array, eps: number, centred: boolean): void {
  const mean = centred ? line.reduce((s, x) => s + x, 0) / line.length : 0;
  const variance = line.reduce((s, x) => s + (x - mean) ** 2, 0) / line.length;
  const scale = 1 / Math.sqrt(variance + eps);
  for (let i = 0; i < line.length; i++) line[i] = ((line[i] as number) - mean) * scale;
}

/** A size as a number, given the numbers of its symbols. */
export function sizeValue(size: Dim, sizes: ReadonlyMap<string, number>): number {
  const value = dimValue(size) ?? dimValue(dimSubstitute(size, (s) => {
    const known = sizes.get(s);
    return known === undefined ? undefined : dimNumber(known);
  }));
  if (value === undefined || !Number.isInteger(value) || value < 0) throw new Error(`size ${size.key} is ${value ?? "not known"}`);
  return value;
}

/** One node's value from its operands' values. Inputs and parameters are the caller's. */
export function evaluateNode(node: TensorNode, operand: (id: number) => NamedArray, free: ReadonlyMap<string, number>): NamedArray {
  const axes = node.axes.map((a) => a.name);
  const sizes = node.axes.map((a) => sizeValue(a.size, free));
  const of = (data: Float64Array): NamedArray => ({ axes, sizes, data });
  const spread = (id: number): ((i: number) => number) => {
    const v = operand(id);
    const at = places(v, axes, sizes);
    return (i) => v.data[at[i] as number] as number;
  };
  const entries = (f: (i: number) => number): NamedArray => of(Float64Array.from({ length: count(sizes) }, (_, i) => f(i)));
  switch (node.op) {
    case "input": case "parameter": throw new Error(`no value for ${node.name}`);
    case "constant": return of(node.data);
    case "fill": return of(new Float64Array(count(sizes)).fill(node.value));
    case "iota": return entries((i) => i);
    case "size": return of(Float64Array.of(sizeValue(node.of, free)));
    case "unary": return of(operand(node.x).data.map(unaryFunctions[node.fn]));
    case "binary": {
      const [f, a, b] = [binaryFunctions[node.fn], spread(node.a), spread(node.b)];
      return entries((i) => f(a(i), b(i)));
    }
    case "select": {
      const [c, a, b] = [spread(node.condition), spread(node.a), spread(node.b)];
      return entries((i) => (c(i) !== 0 ? a(i) : b(i)));
    }
    case "contract": return contract(operand(node.a), operand(node.b), node.over, axes, sizes);
    case "reduce": {
      const v = operand(node.x);
      const inner = node.over.map((n) => sizeAlong(v, n));
      const moved = arrange(v, [...axes, ...node.over], [...sizes, ...inner]).data;
      const length = count(inner);
      return entries((i) => {
        const line = moved.subarray(i * length, (i + 1) * length);
        if (node.fn === "max") return line.reduce((m, x) => Math.max(m, x), -Infinity);
        const sum = line.reduce((s, x) => s + x, 0);
        return node.fn === "mean" ? sum / length : sum;
      });
    }
    case "softmax": return alongAxis(operand(node.x), node.over, softmaxLine);
    case "log_softmax": return alongAxis(operand(node.x), node.over, logSoftmaxLine);
    case "standardize": return alongAxis(operand(node.x), node.over, (line) => standardizeLine(line, node.eps, node.centred));
    case "rename": return of(operand(node.x).data);
    case "stop": case "dropout": return of(operand(node.x).data);
    case "cast": return node.to === "int" ? of(operand(node.x).data.map(Math.trunc)) : of(operand(node.x).data);
    case "slice": {
      const v = operand(node.x);
      const full = places(v, axes, sizes);
      const i = v.axes.indexOf(node.axis);
      const offset = sizeValue(node.from, free) * count(v.sizes.slice(i + 1));
      return entries((p) => v.data[(full[p] as number) + offset] as number);
    }
    case "concat": {
      const others = axes.filter((a) => a !== node.axis);
      const parts = node.parts.map((id) => {
        const v = operand(id);
        return { length: sizeAlong(v, node.axis), data: arrange(v, [...others, node.axis]).data };
      });
      const total = parts.reduce((s, p) => s + p.length, 0);
      const lines = count(others.map((o) => sizes[axes.indexOf(o)] as number));
      const data = new Float64Array(lines * total);
      let start = 0;
      for (const part of parts) {
        for (let l = 0; l < lines; l++) data.set(part.data.subarray(l * part.length, (l + 1) * part.length), l * total + start);
        start += part.length;
      }
      const order = [...others, node.axis];
      return arrange({ axes: order, sizes: order.map((o) => sizes[axes.indexOf(o)] as number), data }, axes);
    }
    case "pad": {
      const v = operand(node.x);
      const [before, length] = [sizeValue(node.before, free), sizeAlong(v, node.axis)];
      const inner = count(sizes.slice(axes.indexOf(node.axis) + 1));
      const size = sizes[axes.indexOf(node.axis)] as number;
      const x = arrange(v, axes).data;
      return entries((i) => {
        const [line, position] = [Math.floor(i / inner / size), Math.floor(i / inner) % size - before];
        return position < 0 || position >= length ? 0 : x[(line * length + position) * inner + (i % inner)] as number;
      });
    }
    case "split": {
      const v = operand(node.x);
      return of(arrange(v, v.axes).data);
    }
    case "merge": {
      const v = operand(node.x);
      const order = axes.flatMap((a) => (a === node.into.name ? node.from : [a]));
      return of(arrange(v, order).data);
    }
    case "gather": {
      const [table, indices] = [operand(node.table), operand(node.indices)];
      const length = sizeAlong(table, node.axis);
      const stride = count(table.sizes.slice(table.axes.indexOf(node.axis) + 1));
      const [at, base] = [places(indices, axes, sizes), places(table, axes, sizes)];
      return entries((i) => {
        const index = indices.data[at[i] as number] as number;
        if (index < 0 || index >= length) throw new Error(`index ${index} outside 0..${length - 1}`);
        return table.data[(base[i] as number) + index * stride] as number;
      });
    }
    case "scatter_add": {
      const [x, indices] = [operand(node.x), operand(node.indices)];
      const rest = x.axes.filter((a) => !indices.axes.includes(a));
      const moved = arrange(x, [...indices.axes, ...rest]).data;
      const inner = count(rest.map((r) => sizeAlong(x, r)));
      const order = [node.axis.name, ...rest];
      const orderSizes = order.map((o) => sizes[axes.indexOf(o)] as number);
      const data = new Float64Array(count(orderSizes));
      indices.data.forEach((index, i) => {
        for (let j = 0; j < inner; j++) {
          const place = index * inner + j;
          data[place] = (data[place] as number) + (moved[i * inner + j] as number);
        }
      });
      return arrange({ axes: order, sizes: orderSizes, data }, axes);
    }
    case "cumsum": return alongAxis(operand(node.x), node.axis, (line) => {
      if (node.reverse) line.reverse();
      for (let i = 1; i < line.length; i++) line[i] = (line[i] as number) + (line[i - 1] as number);
      if (node.reverse) line.reverse();
    });
    case "diagonal": {
      const v = operand(node.x);
      const others = axes.filter((a) => a !== node.a);
      const moved = arrange(v, [...others, node.a, node.b]).data;
      const length = sizeAlong(v, node.a);
      const order = [...others, node.a];
      const data = Float64Array.from({ length: count(sizes) }, (_, i) => moved[i * length + (i % length)] as number);
      return arrange({ axes: order, sizes: order.map((o) => sizes[axes.indexOf(o)] as number), data }, axes);
    }
  }
}

function leaf(node: TensorNode & { readonly name: string }, given: PlainArray | undefined, free: Map<string, number>): NamedArray {
  if (!given) throw new Error(`no value for ${node.op} ${node.name}`);
  if (given.shape.length !== node.axes.length) throw new Error(`${node.name}: ${given.shape.length} axes given, ${node.axes.length} expected`);
  node.axes.forEach((a, i) => {
    const symbol = dimName(a.size);
    if (symbol !== undefined && !free.has(symbol)) free.set(symbol, given.shape[i] as number);
    const expected = sizeValue(a.size, free);
    if (expected !== given.shape[i]) throw new Error(`${node.name}: axis ${a.name} has ${given.shape[i]}, expected ${expected}`);
  });
  return { axes: node.axes.map((a) => a.name), sizes: given.shape, data: Float64Array.from(given.data) };
}

/** The values of all nodes, by id. */
export function evaluateNodes(graph: Graph, values: GraphValues): readonly NamedArray[] {
  const free = new Map(Object.entries(values.sizes ?? {}));
  const results: NamedArray[] = [];
  const operand = (id: number): NamedArray => {
    const value = results[id];
    if (!value) throw new Error(`node ${id} is used before it is computed`);
    return value;
  };
  // Leaves first: they tell the free sizes.
  for (const node of graph.nodes) {
    if (node.op === "input") results[node.id] = leaf(node, own(values.inputs, node.name), free);
    if (node.op === "parameter") results[node.id] = leaf(node, own(values.parameters, node.name), free);
  }
  for (const node of graph.nodes) {
    if (node.op !== "input" && node.op !== "parameter") results[node.id] = evaluateNode(node, operand, free);
  }
  return results;
}
/** The outputs by name, in their order on the wire. Dropout passes its operand on. */
export function evaluateGraph(graph: Graph, values: GraphValues): ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float64Array }> {
  const results = evaluateNodes(graph, values);
  return new Map(graph.outputs.map((o) => {
    const value = arrange(results[o.node] as NamedArray, o.wire);
    return [o.name, { shape: value.sizes, data: value.data }];
  }));
}
