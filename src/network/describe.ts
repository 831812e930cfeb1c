/** The model description that emitters and packages carry: wire shapes, parameters, initial values, training program. */
import { type Dim, dimSubstitute, dimSymbol, dimValue } from "../expression/dim.js";
import { type Expr, symbolsOf } from "../expression/expr.js";
import { evaluate } from "../numeric/evaluate.js";
import { value } from "../numeric/matrix.js";
import type { HostTensor, Init, ModelDescription, ParameterDescription, SpecSource, WireAxis, WireTensor } from "../runtime/contract.js";
import { initialise, problemSeed } from "../runtime/random.js";
import { dependencies, namesIn } from "./dependencies.js";
import type { NetworkParameter, UnrolledNetwork, ValueType } from "./network.js";
import { sampleAxis, sizeName } from "./size-names.js";
import { stored, storedShape } from "./weights.js";


/** Wire shape: batch first; a matrix real[d, n] is [batch, n, d]. */
export function wireTensor(name: string, type: ValueType, network: UnrolledNetwork): WireTensor {
  const axis = (d: Dim): WireAxis => dimValue(d) ?? dimSubstitute(d, (s) => dimSymbol(sizeName(s, network))).key;
  const declared = type.shape.length > 2 ? type.shape : type.shape.slice(0, type.rank).reverse();
  const own = declared.filter((d) => d.key !== network.batchDim).map(axis);
  const base = { name, kind: type.kind, shape: [sampleAxis, ...own] };
  return type.symbols ? { ...base, classes: dimValue(type.symbols) ?? 0 } : base;
}

/** Sine and cosine positions (Pai et al. 2024; language, section 13): the column in the first half of the features, the row in the second. */
export function sincos2d(d: number, n: number, classToken: boolean): Float64Array {
  const tokens = classToken ? n - 1 : n;
  const side = Math.round(Math.sqrt(tokens));
  const quarter = d / 4;
  const table = new Float64Array(d * n);
  for (let t = 0; t < tokens; t++) {
    const place = [t % side, Math.floor(t / side)];
    const column = classToken ? t + 1 : t;
    for (let half = 0; half < 2; half++) {
      for (let i = 0; i < quarter; i++) {
        const angle = (place[half] as number) * 10000 ** (-i / quarter);
        table[(half * 2 * quarter + i) * n + column] = Math.sin(angle);
        table[(half * 2 * quarter + quarter + i) * n + column] = Math.cos(angle);
      }
    }
  }
  return table;
}

/** Sine and cosine positions of a sequence (Vaswani et al. 2017, section 3.5): sines in the first half of the features, cosines in the second, of t·base^(−i/(d/2)), t from 0. */
export function sincos(d: number, n: number, base: number): Float64Array {
  const half = d / 2;
  return Float64Array.from({ length: d * n }, (_, at) => {
    const [feature, t] = [Math.floor(at / n), at % n];
    return feature < half ? Math.sin(t * base ** (-feature / half)) : Math.cos(t * base ** (-(feature - half) / half));
  });
}

/** Parameters that a `from(…)` needs; their random values are drawn while compiling, so that both agree. */
function referenced(network: UnrolledNetwork): ReadonlySet<string> {
  return new Set(network.parameters.flatMap((p) => (p.init.kind === "from" ? symbolsOf(p.init.value).map((s) => s.name) : [])));
}

function plainInit(p: NetworkParameter): Init {
  const { init } = p;
  switch (init.kind) {
    case "sincos2d": {
      const [d, n] = storedShape(p);
      return { kind: "value", data: [...sincos2d(d ?? 0, n ?? 0, init.classToken)] };
    }
    case "sincos": {
      const [d, n] = storedShape(p);
      return { kind: "value", data: [...sincos(d ?? 0, n ?? 0, init.base)] };
    }
    case "from": return { kind: "file" };
    case "constant": case "normal": case "uniform": case "orthonormal": case "identity": case "file": return init;
  }
}

export function parameterDescriptions(network: UnrolledNetwork, seed: number): readonly ParameterDescription[] {
  const needed = referenced(network);
  const described = network.parameters.map((p): ParameterDescription => ({
    ...stored(p), trainable: p.trainable, positive: p.positive, init: plainInit(p),
  }));
  const byName = new Map(network.parameters.map((p) => [p.name, p]));
  const drawn = new Map(Object.entries(initialise(described.filter((p) => needed.has(p.name) && p.init.kind !== "file"), seed, problemSeed(network))));
  return described.map((p, i) => {
    const init = network.parameters[i]?.init;
    // What starts from a file's values is in the file itself.
    if (init?.kind === "from" && !symbolsOf(init.value).some((s) => byName.has(s.name) && !drawn.has(s.name))) {
      const data = evaluateFrom(init.value, network, byName, drawn, network.parameters[i]?.family);
      const shaped: HostTensor = { shape: p.shape, data };
      drawn.set(p.name, shaped);
      return { ...p, init: { kind: "value", data: [...data] } };
    }
    const value = drawn.get(p.name);
    return value && needed.has(p.name) ? { ...p, init: { kind: "value", data: [...value.data] } } : p;
  });
}
/** A family's members one behind the other, as they are stored. */
function evaluateFrom(
  e: Expr, network: UnrolledNetwork, byName: ReadonlyMap<string, NetworkParameter>, drawn: ReadonlyMap<string, HostTensor>, family: NetworkParameter["family"],
): Float64Array {
  const lookup = (name: string, member: number | undefined) => {
    const definition = network.definitions.get(name);
    if (definition) return evaluate(definition, { dims, lookup });
    const [p, tensor] = [byName.get(name), drawn.get(name)];
    if (!p || !tensor) return undefined;
    const own = p.shape.map((d) => dimValue(d) ?? 1);
    const size = own.reduce((a, b) => a * b, 1);
    const start = member === undefined ? 0 : (member - 1) * size;
    return value(own, Float64Array.from(tensor.data.slice(start, start + size)));
  };
  const dims = (s: string): number => network.dims.get(s) ?? Number.NaN;
  const members = family ? Array.from({ length: family.size }, (_, i) => new Map([[family.index, i + 1]])) : [new Map<string, number>()];
  return Float64Array.from(members.flatMap((indices) => [...evaluate(e, { dims, lookup, indices }).data]));
}

/** The names that a run reads: for the loss, for metrics, for what is captured. */
function readInRuns(network: UnrolledNetwork): ReadonlySet<string> {
  const given = (name: string): string => network.outputs.find((o) => o.name === name)?.value ?? name;
  const metrics = (network.training?.metrics ?? []).flatMap((m) => [...m.positional, ...Object.values(m.named)].flatMap((v) => (typeof v === "object" ? [v.reference] : [])));
  return dependencies(network, [
    ...metrics.map(given), ...(network.loss ? [...namesIn(network.loss, network.lossNames, network.definitions)].map(given) : []),
    ...network.statements.flatMap((s) => (s.capture === undefined ? [] : [s.target])),
  ]);
}

export interface DescribeOptions {
  readonly compiler: string;
  readonly specHash: string;
  readonly source?: SpecSource;
  readonly preset?: string;
  readonly seed: number;
}
export function describe(network: UnrolledNetwork, options: DescribeOptions): ModelDescription {
  const wire = (t: { name: string; type: ValueType }): WireTensor => wireTensor(t.name, t.type, network);
  const read = readInRuns(network);
  return {
    format: 1, name: network.name, compiler: options.compiler, specHash: options.specHash,
    ...(options.source ? { source: options.source } : {}),
    ...(options.preset === undefined ? {} : { preset: options.preset }),
    constants: Object.fromEntries([...network.dims, ...[...network.definitions].flatMap(([name, e]) => (e.kind === "number" ? [[name, e.value] as const] : []))]),
    seed: options.seed,
    inputs: network.inputs.map(wire), targets: network.targets.map((t) => ({ ...wire(t), ...(read.has(t.name) ? {} : { unread: "always" as const }) })), outputs: network.outputs.map(wire),
    parameters: parameterDescriptions(network, options.seed),
    ...(network.training ? { training: network.training } : {}),
  };
}
/** How many numbers are learned. */
export function trainableCount(network: UnrolledNetwork): number {
  return network.parameters.filter((p) => p.trainable).reduce((sum, p) => sum + storedShape(p).reduce((a, b) => a * b, 1), 0);
}
