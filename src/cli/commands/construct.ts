/** Building a network forward from data, in float64, layer by layer: what `construct` in a train block asks for. */
import { join } from "node:path";
import { describe } from "../../network/describe.js";
import { storedShape } from "../../network/weights.js";
import type { HostTensor, TensorMap } from "../../runtime/contract.js";
import { identityOf, saveCheckpoint, writeAtomically } from "../../runtime/checkpoint.js";
import { addBatch, createMetrics } from "../../runtime/metrics.js";
import { feedStreams, prepare } from "../../runtime/prepare.js";
import { Random, startingValues } from "../../runtime/random.js";
import { writeSafetensors } from "../../runtime/safetensors.js";
import { modelCommand } from "../../runtime/source.js";
import { checkFilled } from "../../runtime/train.js";
import { weightNotes } from "../../runtime/weights.js";
import { evaluateGraph } from "../../tensor/evaluate-graph.js";
import { graphOf } from "../../targets.js";
import { chooseSamples, specData } from "../audit-data.js";
import { refusing, UserFault } from "../faults.js";
import { checkFolder } from "../files.js";
import { packageVersion } from "../root.js";
import { result, say } from "../report.js";
import { chooseNetwork, compileFile, sourceOf, type SpecOptions } from "../session.js";
import { specHash } from "./build.js";

export interface ConstructOptions extends SpecOptions {
  readonly data?: string;
  readonly out: string;
  readonly samples?: number;
  readonly seed?: number;
}

export async function construct(file: string, options: ConstructOptions): Promise<void> {
  checkFolder(options.out);
  const { compilation } = compileFile(file, options);
  const network = chooseNetwork(compilation, file, options.network);
  const { unrolled } = network;
  const captured = unrolled.parameters.filter((p) => p.captured);
  if (captured.length === 0) throw new UserFault(`network ${unrolled.name} has no capture, so there is nothing to construct; train it instead`);
  const seed = options.seed ?? unrolled.training?.seed ?? 1;
  const hash = specHash(compilation.sources);
  const description = describe(unrolled, { compiler: packageVersion(), specHash: hash, source: sourceOf(file, compilation, options), seed, ...(options.preset === undefined ? {} : { preset: options.preset }) });
  const names = new Set(captured.map((p) => p.name));
  const others = startingValues({ ...description, parameters: description.parameters.filter((p) => !names.has(p.name)) }, seed);
  const data = await specData(description, { specFile: file, held: { values: others }, ...(options.data === undefined ? {} : { data: options.data }) });
  checkFilled(description, data);
  const count = Math.min(options.samples ?? data.train.size, data.train.size);
  // As the built network will see them: normalised where the spec says so, drawn inputs drawn.
  const batchOf = (split: typeof data.train, samples: number): TensorMap =>
    prepare(split.batch(chooseSamples(split.size, samples, Random.named(seed, "construct"))), description, undefined, feedStreams(description, seed));
  const [train, test] = [batchOf(data.train, count), batchOf(data.test, data.test.size)];
  const started = Date.now();
  const parameters = Object.fromEntries(Object.entries(others).map(([k, { shape, data: numbers }]): [string, HostTensor] => [k, { shape, data: Float64Array.from(numbers) }]));
  const [building, forward] = await refusing(compilation.sources, () => [graphOf(network, { construct: true }), graphOf(network, {})] as const);
  const built = evaluateGraph(building, { inputs: train, parameters });
  const weights: Record<string, HostTensor> = Object.assign(Object.create(null), parameters);
  for (const p of captured) {
    const found = built.get(p.name);
    if (!found) throw new Error(`construction gave no ${p.name}`);
    if (found.data.some((x) => !Number.isFinite(x))) throw new UserFault(`${p.name} is not finite: the construction diverged there. A smaller step size, or more samples of each class, may help`);
    weights[p.name] = { shape: storedShape(p), data: Float64Array.from(found.data) };
  }
  // A metric adds up what it is shown, so each split has its own.
  const score = (batch: TensorMap, outputs: ReadonlyMap<string, HostTensor>): Record<string, number> => {
    const metrics = createMetrics(description.training?.metrics ?? []);
    addBatch(metrics, batch, Object.fromEntries(outputs));
    return Object.fromEntries(metrics.map((m) => [m.name, m.value()]));
  };
  const seconds = (Date.now() - started) / 1000;
  const weightsFile = join(options.out, "weights.safetensors");
  writeAtomically(weightsFile, writeSafetensors(weights, weightNotes(hash, data.vocabulary)));
  const progress = { step: 0, epoch: 0, position: 0, epochRandom: [1, 2, 3, 1], random: [1, 2, 3, 1], best: undefined, loss: undefined, evaluated: 0, specHash: hash, network: identityOf(description), seed, batch: count, ...(data.vocabulary ? { vocabulary: data.vocabulary } : {}) };
  saveCheckpoint(options.out, "last", { progress, parameters: weights, state: {} });
  // What was built is kept, whatever becomes of its scores.
  const scores = { train: score(train, built), test: score(test, evaluateGraph(forward, { inputs: test, parameters: weights })) };
  const show = (m: Readonly<Record<string, number>>): string => Object.entries(m).map(([k, v]) => `${k} ${v.toFixed(4)}`).join(", ") || "no metric";
  say(`${unrolled.name}: ${captured.length} parameters built from ${count} samples of ${data.name} in ${seconds.toFixed(1)} s; train ${show(scores.train)}; held out ${show(scores.test)}`);
  say(`${weightsFile}; ${modelCommand(description, weightsFile)} makes a model of them`);
  if (options.json) result(`${JSON.stringify({ weights: weightsFile, samples: count, seconds, ...scores }, null, 2)}\n`);
}
