/** Runs an unrolled network statement by statement in float64, one sample at a time: the judge of every emitted model. */
import { type Dim, dimName, dimValue } from "../expression/dim.js";
import { dependsOnIndex as dependsOn, type Expr } from "../expression/expr.js";
import { type Environment, evaluate } from "../numeric/evaluate.js";
import { scalarValue, value, type Value } from "../numeric/matrix.js";
import type { HostTensor, TensorMap } from "../runtime/contract.js";
import { own as ownOf } from "../runtime/contract.js";
import type { UnrolledNetwork, UnrolledStatement } from "../network/network.js";

/** Values by name: of statements, inputs, targets, parameters. A family has its members in order. */
export type RunValues = ReadonlyMap<string, readonly Value[]>;

export interface NetworkRun {
  readonly values: RunValues;
  /** The value of an expression where a statement stands; `at` gives other values to some local names. */
  readonly evaluateAt: (e: Expr, statement: UnrolledStatement, at?: ReadonlyMap<string, readonly Value[]>, indices?: ReadonlyMap<string, number>) => Value;
}

/** A free size that no input has told. */
export class UnknownSize extends Error {
  override name = "UnknownSize";
}
/** A matrix real[d, n] travels as [n, d]; in expressions it is d×n. Labels and tokens are counted from 1. */
export function fromWire(type: { readonly kind: string; readonly rank: number }, shape: readonly number[], data: ArrayLike<number>): Value {
  const numbers = Float64Array.from(data, (x) => (type.kind === "real" ? x : x + 1));
  if (shape.length > 2) return value(shape, numbers);
  if (type.rank < 2) return value([numbers.length, 1], numbers);
  const [n = 1, d = 1] = shape;
  const turned = new Float64Array(numbers.length);
  for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) turned[j * n + i] = numbers[i * d + j] as number;
  return value([d, n], turned);
}
/** The sample's part of a batch on the wire. */
export function sampleOf(t: HostTensor, sample: number): { shape: readonly number[]; data: ArrayLike<number> } {
  const [, ...shape] = t.shape;
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Array.prototype.slice.call(t.data, sample * size, (sample + 1) * size) as number[] };
}

/**
 * Runs one sample (or, where the spec has a batch axis of its own, the whole batch). `construct`: captures are computed and
 * used from then on; otherwise they are parameters. Free dims are read off the inputs' sizes.
 */
export function runNetwork(network: UnrolledNetwork, weights: TensorMap, batch: TensorMap, sample: number, construct = false): NetworkRun {
  const values = new Map<string, readonly Value[]>();
  const sizes = new Map(network.dims);
  const learn = (d: Dim | undefined, n: number | undefined): void => {
    const name = d && dimName(d);
    if (name !== undefined && n !== undefined && !sizes.has(name)) sizes.set(name, n);
  };
  for (const { name, type } of [...network.inputs, ...network.targets]) {
    const given = ownOf(batch, name);
    if (!given) continue;
    const whole = network.batchDim !== undefined;
    const part = whole ? { shape: given.shape, data: given.data } : sampleOf(given, sample);
    const v = whole && type.rank === 0 ? value([given.data.length, 1], Float64Array.from(given.data, (x) => (type.kind === "real" ? x : x + 1))) : fromWire(type, part.shape, part.data);
    type.shape.forEach((d, i) => learn(d, v.shape[i]));
    if (network.batchDim !== undefined && !sizes.has(network.batchDim)) sizes.set(network.batchDim, given.shape[0] ?? 1);
    values.set(name, [v]);
  }
  for (const p of network.parameters) {
    const t = ownOf(weights, p.name);
    if (!t) continue;
    const own = p.shape.map((d) => dimValue(d) ?? 1);
    const size = own.reduce((a, b) => a * b, 1);
    const members = p.family?.size ?? 1;
    values.set(p.name, Array.from({ length: members }, (_, k) => value(own, Float64Array.from(t.data.slice(k * size, (k + 1) * size)))));
  }
  const dims = (s: string): number => {
    const n = sizes.get(s);
    if (n === undefined) throw new UnknownSize(`the size ${s} is not known`);
    return n;
  };
  const environment = (statement: UnrolledStatement, at: ReadonlyMap<string, readonly Value[]> | undefined, indices: ReadonlyMap<string, number> | undefined): Environment => {
    const env: Environment = {
      dims, ...(indices ? { indices } : {}),
      lookup: (name, member) => {
        const number = statement.numbers.get(name);
        if (number !== undefined) return scalarValue(number);
        const moved = at?.get(name);
        if (moved) return moved[(member ?? 1) - 1];
        const definition = network.definitions.get(name);
        if (definition && !statement.names.has(name)) {
          const family = familyIndex(name);
          return evaluate(definition, member === undefined || family === undefined ? env : { ...env, indices: new Map([[family, member]]) });
        }
        return values.get(statement.names.get(name) ?? name)?.[(member ?? 1) - 1];
      },
    };
    return env;
  };
  const familyIndex = (name: string): string | undefined => {
    const definition = network.definitions.get(name);
    return definition && [...network.indices.keys()].find((index) => dependsOn(definition, index));
  };
  const evaluateAt: NetworkRun["evaluateAt"] = (e, statement, at, indices) => evaluate(e, environment(statement, at, indices));
  for (const s of network.statements) {
    if (s.capture !== undefined && !construct) continue;
    const members = s.family ? Array.from({ length: s.family.size }, (_, k) => new Map([[s.family?.index ?? "", k + 1]])) : [undefined];
    const result = members.map((indices) => evaluateAt(s.value, s, undefined, indices));
    values.set(s.target, result);
    if (s.capture !== undefined) values.set(s.capture, result);
  }
  return { values, evaluateAt };
}
