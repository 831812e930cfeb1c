/** Building a network forward from data, in float64, layer by layer: what `construct` in a train block asks for. */
import { basename, dirname, join, resolve } from "node:path";
import { describe } from "../../network/describe.js";
import { storedShape } from "../../network/weights.js";
import type { HostTensor, TensorMap } from "../../runtime/contract.js";
import { saveCheckpoint, writeAtomically } from "../../runtime/checkpoint.js";
import { loadData, parseDataOption } from "../../runtime/data/load.js";
import { createMetrics } from "../../runtime/metrics.js";
import { initialise, Random } from "../../runtime/random.js";
import { writeSafetensors } from "../../runtime/safetensors.js";
import { evaluateGraph } from "../../tensor/evaluate-graph.js";
import { graphOf } from "../../targets.js";
import { UserFault } from "../faults.js";
import { packageVersion } from "../root.js";
import { chooseNetwork, compileFile, result, say, type SpecOptions } from "../session.js";
import { specHash } from "./build.js";

export interface ConstructOptions extends SpecOptions {
  readonly data?: string;
  readonly out: string;
  readonly samples?: number;
  readonly seed?: number;
}
const wide = (t: HostTensor): HostTensor => ({ shape: t.shape, data: Float64Array.from(t.data) });
const all = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

export async function construct(file: string, options: ConstructOptions): Promise<void> {
  const { compilation } = compileFile(file, options);
  const network = chooseNetwork(compilation, options.network);
  const { unrolled } = network;
  const captured = unrolled.parameters.filter((p) => p.captured);
  if (captured.length === 0) throw new UserFault(`network ${unrolled.name} has no capture, so there is nothing to construct; train it instead`);
  const seed = options.seed ?? unrolled.training?.seed ?? 1;
  const hash = specHash(compilation.sources);
  const description = describe(unrolled, { compiler: packageVersion(), specHash: hash, seed, ...(options.preset === undefined ? {} : { preset: options.preset }) });
  const names = new Set(captured.map((p) => p.name));
  const others = initialise(description.parameters.filter((p) => !names.has(p.name)), seed);
  const call = options.data === undefined ? unrolled.training?.data : parseDataOption(options.data);
  if (!call) throw new UserFault("the spec has no data; name some with --data");
  const data = await loadData(call, { model: description, baseDirectory: options.data === undefined && file !== "-" ? dirname(resolve(file)) : process.cwd(), parameters: others });
  const count = Math.min(options.samples ?? data.train.size, data.train.size);
  // Those asked for are drawn evenly: sources keep their classes together.
  const chosen = count === data.train.size ? all(count) : Random.named(seed, "construct").shuffle(all(data.train.size)).slice(0, count);
  const started = Date.now();
  const inputs = (batch: TensorMap): Record<string, HostTensor> => Object.fromEntries(Object.entries(batch).map(([k, v]) => [k, wide(v)]));
  const parameters = Object.fromEntries(Object.entries(others).map(([k, v]) => [k, wide(v)]));
  const built = evaluateGraph(graphOf(network, { construct: true }), { inputs: inputs(data.train.batch(chosen)), parameters });
  const weights: Record<string, HostTensor> = Object.assign(Object.create(null), parameters);
  for (const p of captured) {
    const found = built.get(p.name);
    if (!found) throw new Error(`construction gave no ${p.name}`);
    if (found.data.some((x) => !Number.isFinite(x))) throw new UserFault(`${p.name} is not finite: the construction diverged there. A smaller step size, or more samples of each class, may help`);
    weights[p.name] = { shape: storedShape(p), data: Float64Array.from(found.data) };
  }
  const metrics = createMetrics(description.training?.metrics ?? []);
  const score = (batch: TensorMap, outputs: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float64Array }>): Record<string, number> =>
    Object.fromEntries(metrics.flatMap(({ name, output, target }, i) => {
      const [o, t] = [outputs.get(output), batch[target]];
      const metric = createMetrics(description.training?.metrics ?? [])[i];
      if (!o || !t || !metric) return [];
      metric.add({ shape: o.shape, data: Float64Array.from(o.data) }, t);
      return [[name, metric.value()] as const];
    }));
  const test = data.test.batch(all(data.test.size));
  const onTest = evaluateGraph(graphOf(network, {}), { inputs: inputs(test), parameters: weights });
  const scores = { train: score(data.train.batch(chosen), built), test: score(test, onTest) };
  const seconds = (Date.now() - started) / 1000;
  const weightsFile = join(options.out, "weights.safetensors");
  writeAtomically(weightsFile, writeSafetensors(weights, { specHash: hash }));
  const progress = { step: 0, epoch: 0, position: 0, epochRandom: [1, 2, 3, 1], random: [1, 2, 3, 1], best: undefined, specHash: hash, seed, batch: count };
  saveCheckpoint(options.out, "last", { progress, parameters: weights, state: {} });
  const show = (m: Readonly<Record<string, number>>): string => Object.entries(m).map(([k, v]) => `${k} ${v.toFixed(4)}`).join(", ") || "no metric";
  say(`${unrolled.name}: ${captured.length} parameters built from ${count} samples of ${data.name} in ${seconds.toFixed(1)} s; train ${show(scores.train)}; held out ${show(scores.test)}`);
  say(`${weightsFile}; crate-compile build ${basename(file)} --target onnx --weights … makes a model of them`);
  if (options.json) result(`${JSON.stringify({ weights: weightsFile, samples: count, seconds, ...scores }, null, 2)}\n`);
}
