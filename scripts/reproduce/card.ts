/** A card: what a paper claims, what it measured, what we measure, and whether that is the same. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { nodeHost } from "../../src/cli/host.js";
import { type CompiledNetwork, compile } from "../../src/compile.js";
import { describe } from "../../src/network/describe.js";
import type { ModelDescription, TensorMap, TrainingEngine } from "../../src/runtime/contract.js";
import type { DataSet } from "../../src/runtime/data/dataset.js";
import { loadData } from "../../src/runtime/data/load.js";
import { createOrtEngine, type Ort } from "../../src/runtime/ort/engine.js";
import { fixedValues, startingValues } from "../../src/runtime/random.js";
import { readSafetensors, writeSafetensors } from "../../src/runtime/safetensors.js";
import { type Evaluation, evaluate, train } from "../../src/runtime/train.js";
import { trainingModelsOf } from "../../src/targets.js";

export interface Picture {
  readonly id: string;
  readonly caption: string;
  readonly svg: string;
}
export interface Finding {
  readonly ours: string;
  /** Undefined: it is reported, and nothing is judged. */
  readonly holds?: boolean;
  readonly remark?: string;
  readonly pictures?: readonly Picture[];
}
export interface Card {
  readonly id: string;
  readonly claim: string;
  /** Paper, figure or table. */
  readonly where: string;
  readonly paper: string;
  readonly tolerance: string;
  /** Needs minutes of training. */
  readonly trains?: boolean;
  readonly run: (context: Context) => Promise<Finding> | Finding;
}
export interface Context {
  readonly say: (text: string) => void;
  /** A folder for checkpoints. */
  readonly work: string;
  /** Training runs are cut to this many epochs. */
  readonly epochs: number | undefined;
}

export const example = (name: string): string => readFileSync(`examples/${name}.srr`, "utf8");
export function compileText(text: string, settings: Readonly<Record<string, number>> = {}, preset?: string): CompiledNetwork {
  const done = compile(text, { file: "card.srr", settings: new Map(Object.entries(settings)), ...(preset === undefined ? {} : { preset }) }, nodeHost("-"));
  const [network] = done.networks;
  if (!network) throw new Error(done.diagnostics.map((d) => `${d.code} ${d.message}`).join("; ") || "no network");
  return network;
}
/** A change of a spec's text that must find its place. */
export function changed(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`the spec no longer has "${from}"`);
  return text.replace(from, to);
}
export const describeNetwork = (network: CompiledNetwork, seed: number): ModelDescription => describe(network.unrolled, { compiler: "reproduce", specHash: "0".repeat(64), seed });
export const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / Math.max(1, xs.length);
/** Least squares through logarithms. */
export function slope(xs: readonly number[], ys: readonly number[]): number {
  const [x, y] = [xs.map(Math.log), ys.map(Math.log)];
  const [mx, my] = [mean(x), mean(y)];
  return x.reduce((s, v, i) => s + (v - mx) * ((y[i] as number) - my), 0) / x.reduce((s, v) => s + (v - mx) ** 2, 0);
}

export interface TrainedRun {
  readonly network: CompiledNetwork;
  readonly description: ModelDescription;
  readonly data: DataSet;
  readonly engine: TrainingEngine;
  /** Values by name of the moment: `start`, `epoch 1`, … */
  readonly snapshots: ReadonlyMap<string, TensorMap>;
  readonly result: Evaluation;
  readonly epochs: number;
}
/** Weights at the moments that cards look at, kept beside the run's checkpoints as long as spec and epochs are the same. */
function keptSnapshots(out: string, key: string): { found: ReadonlyMap<string, TensorMap> | undefined; keep: (s: ReadonlyMap<string, TensorMap>) => void } {
  const index = join(out, "snapshots.json");
  const file = (i: number): string => join(out, `snapshot-${i}.safetensors`);
  const read = (): ReadonlyMap<string, TensorMap> | undefined => {
    if (!existsSync(index)) return undefined;
    const known = JSON.parse(readFileSync(index, "utf8")) as { key: string; names: readonly string[] };
    return known.key === key ? new Map(known.names.map((name, i) => [name, readSafetensors(readFileSync(file(i)), file(i))])) : undefined;
  };
  return {
    found: read(),
    keep: (snapshots) => {
      [...snapshots.values()].forEach((weights, i) => writeFileSync(file(i), writeSafetensors(weights)));
      writeFileSync(index, JSON.stringify({ key, names: [...snapshots.keys()] }));
    },
  };
}
const runs = new Map<string, Promise<TrainedRun>>();
/** Trains a spec on the digits with ONNX Runtime; asked for twice, it is done once. `epochs` counts unless the whole report was asked to be shorter. */
export function trainedRun(key: string, text: string, preset: string, epochs: number, context: Context): Promise<TrainedRun> {
  const known = runs.get(key);
  if (known) return known;
  const run = trainOnce(key, text, preset, Math.min(epochs, context.epochs ?? epochs), context);
  runs.set(key, run);
  return run;
}
async function trainOnce(key: string, text: string, preset: string, epochs: number, context: Context): Promise<TrainedRun> {
  const network = compileText(text, {}, preset);
  const program = network.unrolled.training;
  if (!program) throw new Error(`${key} has no train block`);
  const description = describeNetwork(network, program.seed);
  const inner = await createOrtEngine(ort as unknown as Ort, description, trainingModelsOf(network, { description, metadata: {}, version: "reproduce", level: 2 }));
  const fixed = fixedValues(description);
  const data = await loadData(program.data, { model: description, baseDirectory: "examples", parameters: fixed });
  const perEpoch = Math.floor(data.train.size / program.batch);
  const moments = new Map([[perEpoch, "epoch 1"], [perEpoch * Math.max(1, Math.round(epochs / 2)), `epoch ${Math.max(1, Math.round(epochs / 2))}`], [perEpoch * epochs, `epoch ${epochs}`]]);
  const snapshots = new Map<string, TensorMap>([["start", { ...startingValues(description, description.seed) }]]);
  const engine: TrainingEngine = {
    ...inner,
    trainStep: async (batch, options) => {
      const result = await inner.trainStep(batch, options);
      const name = moments.get(options.step);
      if (name) snapshots.set(name, { ...fixed, ...(await inner.parameters()) });
      return result;
    },
  };
  const out = join(context.work, key);
  mkdirSync(out, { recursive: true });
  const kept = keptSnapshots(out, createHash("sha256").update(JSON.stringify([text, preset, epochs])).digest("hex"));
  if (kept.found) {
    context.say(`${key}: weights of the run before, in ${out}`);
    for (const [name, weights] of kept.found) snapshots.set(name, weights);
  } else {
    context.say(`training ${key} for ${epochs} epochs`);
    await train(engine, description, data, { out, epochs }, { say: context.say, interrupted: () => false });
    kept.keep(snapshots);
  }
  await inner.setParameters(snapshots.get(`epoch ${epochs}`) ?? {});
  return { network, description, data, engine: inner, snapshots, result: await evaluate(inner, description, data.test, program.batch), epochs };
}
