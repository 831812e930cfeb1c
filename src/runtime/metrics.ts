/** Metrics over a whole evaluation set, on the host. Targets count from 0 here, as on the wire. */
import { type Batch, type HostTensor, own, type PlainCall, type PlainValue, type TensorMap } from "./contract.js";
import { DataError } from "./safetensors.js";

/** Adds batches up and gives one number at the end. */
interface Metric {
  /** Larger is better? */
  readonly ascending: boolean;
  add(output: HostTensor, target: HostTensor): void;
  value(): number;
}
const classesOf = (t: HostTensor): number => t.shape.at(-1) ?? 1;
function squares(finish: (error: number, power: number, count: number) => number, ascending: boolean): Metric {
  let [error, power, count] = [0, 0, 0];
  return {
    ascending,
    add: (output, target) => {
      for (let i = 0; i < output.data.length; i++) {
        const [x, t] = [output.data[i] as number, target.data[i] as number];
        error += (x - t) ** 2;
        power += t * t;
      }
      count += output.data.length;
    },
    value: () => finish(error, power, count),
  };
}
function accuracy(): Metric {
  let [right, count] = [0, 0];
  return {
    ascending: true,
    add: (output, target) => {
      const classes = classesOf(output);
      for (let i = 0; i < target.data.length; i++) {
        let best = 0;
        for (let c = 1; c < classes; c++) if ((output.data[i * classes + c] as number) > (output.data[i * classes + best] as number)) best = c;
        if (best === target.data[i]) right += 1;
        count += 1;
      }
    },
    value: () => right / Math.max(1, count),
  };
}
function perplexity(): Metric {
  let [sum, count] = [0, 0];
  return {
    ascending: false,
    add: (output, target) => {
      const classes = classesOf(output);
      for (let i = 0; i < target.data.length; i++) {
        const row = output.data.subarray(i * classes, (i + 1) * classes);
        let top = Number.NEGATIVE_INFINITY;
        for (const x of row) top = Math.max(top, x);
        let total = 0;
        for (const x of row) total += Math.exp(x - top);
        sum += Math.log(total) + top - (row[target.data[i] as number] as number);
        count += 1;
      }
    },
    value: () => Math.exp(sum / Math.max(1, count)),
  };
}
/** Per class the leading directions of its features; a sample goes to the class of least residual. */
function nearestSubspace(components: number): Metric {
  const rows: { feature: Float64Array; label: number }[] = [];
  return {
    ascending: true,
    add: (output, target) => {
      const d = classesOf(output);
      for (let i = 0; i < target.data.length; i++) rows.push({ feature: Float64Array.from(output.data.subarray(i * d, (i + 1) * d)), label: target.data[i] as number });
    },
    value: () => {
      const bases = new Map<number, Float64Array[]>();
      for (const label of new Set(rows.map((r) => r.label))) bases.set(label, leading(rows.filter((r) => r.label === label).map((r) => r.feature), components));
      const right = rows.filter(({ feature, label }) => {
        let [best, least] = [-1, Number.POSITIVE_INFINITY];
        for (const [candidate, basis] of bases) {
          const kept = basis.reduce((s, u) => s + dot(u, feature) ** 2, 0);
          const residual = dot(feature, feature) - kept;
          if (residual < least) [best, least] = [candidate, residual];
        }
        return best === label;
      });
      return right.length / Math.max(1, rows.length);
    },
  };
}
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((s, x, i) => s + x * (b[i] as number), 0);
/** Leading directions by power iteration with deflation. */
function leading(vectors: readonly Float64Array[], count: number): Float64Array[] {
  const basis: Float64Array[] = [];
  const d = vectors[0]?.length ?? 0;
  for (let k = 0; k < Math.min(count, d); k++) {
    let u = Float64Array.from({ length: d }, (_, i) => 1 + 0.1 * i + k);
    for (let round = 0; round < 200; round++) {
      const next = new Float64Array(d);
      for (const v of vectors) { const s = dot(u, v); for (let i = 0; i < d; i++) next[i] = (next[i] as number) + s * (v[i] as number); }
      for (const b of basis) { const s = dot(b, next); for (let i = 0; i < d; i++) next[i] = (next[i] as number) - s * (b[i] as number); }
      const norm = Math.sqrt(dot(next, next));
      if (norm < 1e-12) break;
      u = next.map((x) => x / norm);
    }
    basis.push(u);
  }
  return basis;
}

export interface NamedMetric extends Metric {
  readonly name: string;
  /** The two values that it compares: outputs, inputs or targets. */
  readonly output: string;
  readonly target: string;
}
const show = (value: PlainValue | undefined): string => (typeof value === "object" ? value.reference : String(value ?? ""));
/** `mse`; where there are several of a kind, as much of their arguments as tells them apart. */
function nameOf(call: PlainCall, calls: readonly PlainCall[]): string {
  const named = (c: PlainCall, count: number): string => [c.name, ...[...c.positional, ...Object.values(c.named)].slice(0, count).map(show)].join("_");
  const most = call.positional.length + Object.keys(call.named).length;
  const alike = (count: number): number => calls.filter((c) => named(c, count) === named(call, count)).length;
  const count = Array.from({ length: most }, (_, i) => i).find((i) => alike(i) === 1) ?? most;
  return named(call, count);
}
export function createMetrics(calls: readonly PlainCall[]): readonly NamedMetric[] {
  return calls.map((call) => {
    const [output, target] = call.positional.map(show);
    const components = Number(call.named["components"] ?? 1);
    const peak = Number(call.named["peak"] ?? 1);
    const rows: Readonly<Record<string, () => Metric>> = {
      accuracy, perplexity,
      mse: () => squares((e, _p, n) => e / Math.max(1, n), false),
      nmse: () => squares((e, p) => e / Math.max(1e-30, p), false),
      psnr: () => squares((e, _p, n) => 10 * Math.log10(peak ** 2 / Math.max(1e-30, e / Math.max(1, n))), true),
      nearest_subspace: () => nearestSubspace(components),
    };
    const make = Object.hasOwn(rows, call.name) ? rows[call.name] : undefined;
    if (!make) throw new DataError(`there is no metric ${call.name}`);
    return { name: nameOf(call, calls), output: output ?? "", target: target ?? "", ...make() };
  });
}
/** Shows a batch and what came of it to every metric; a value that is not there would be measured as nothing, so it is an error. */
export function addBatch(metrics: readonly NamedMetric[], batch: Batch, outputs: TensorMap): void {
  const find = (name: string, metric: string): HostTensor => {
    const found = own(outputs, name) ?? own(batch, name);
    if (!found) throw new DataError(`metric ${metric} needs ${name}, which the data does not give`);
    return found;
  };
  for (const m of metrics) m.add(find(m.output, m.name), find(m.target, m.name));
}
