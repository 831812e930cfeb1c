/** The programs of a generated package: train, evaluate, export. An engine is handed in; the rest is the same for all. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ArgumentFault, parseArguments, type ProgramOptions } from "./arguments.js";
import { checkValues, loadBest, loadCheckpoint, writeAtomically } from "./checkpoint.js";
import type { ModelDescription, TensorMap, TrainingEngine } from "./contract.js";
import { loadData } from "./data/load.js";
import type { DataSet } from "./data/dataset.js";
import { initialise, Random } from "./random.js";
import { DataError, readSafetensors, writeSafetensors } from "./safetensors.js";
import { decode, encode, sample } from "./sample.js";
import { type Console, evaluate, train } from "./train.js";

export interface Package {
  readonly model: ModelDescription;
  /** Where relative data paths start: the folder of the spec's data. */
  readonly baseDirectory: string;
  readonly createEngine: (options: ProgramOptions) => Promise<TrainingEngine>;
}
/** A terminal gets a bar. */
export function terminal(): Console {
  const say = (text: string): void => { process.stderr.write(`${text}\n`); };
  const base = { say, interrupted: () => false };
  return process.stderr.isTTY ? { ...base, bar: (text) => { process.stderr.write(`\r\u001b[K${text}`); } } : base;
}
/** SIGINT asks a training run to stop after its step, a second one ends it at once; a program that has nothing to save ends at the first. */
function stoppable(io: Console): Console {
  let stop = false;
  process.on("SIGINT", () => {
    if (stop) process.exit(130);
    stop = true;
  });
  return { ...io, interrupted: () => stop };
}
export async function dataOf(pack: Package, options: ProgramOptions): Promise<DataSet> {
  const call = options.data ?? pack.model.training?.data;
  if (!call) throw new DataError("the spec has no data; name some with --data");
  const fixed = initialise(pack.model.parameters.filter((p) => !p.trainable), pack.model.seed);
  return loadData(call, { model: pack.model, baseDirectory: options.data ? process.cwd() : pack.baseDirectory, parameters: fixed });
}
function weightsOf(file: string | undefined): TensorMap | undefined {
  if (file === undefined) return undefined;
  try {
    return readSafetensors(readFileSync(file), file);
  } catch (error) {
    throw error instanceof DataError ? error : new DataError(`cannot read ${file}`);
  }
}
/** The best state of a run (the last where there is none), or the weights named. */
export async function loadWeights(pack: Package, options: ProgramOptions, io: Console): Promise<TensorMap> {
  const given = weightsOf(options.weights);
  const values = given ?? (loadBest(options.out, pack.model) ?? loadCheckpoint(options.out, pack.model, io.say)).parameters;
  checkValues(pack.model, values, given ? String(options.weights) : `the checkpoint in ${options.out}`, io.say);
  return values;
}
async function runTrain(pack: Package, options: ProgramOptions, io: Console): Promise<void> {
  const data = await dataOf(pack, options);
  const engine = await pack.createEngine(options);
  const weights = weightsOf(options.weights);
  const summary = await train(engine, pack.model, data, { ...options, ...(weights ? { weights } : {}) } as Parameters<typeof train>[3], stoppable(io));
  engine.dispose();
  process.stdout.write(`${JSON.stringify({ ...summary, checkpoints: options.out })}\n`);
}
async function runEvaluate(pack: Package, options: ProgramOptions, io: Console): Promise<void> {
  const data = await dataOf(pack, options);
  const engine = await pack.createEngine(options);
  await engine.setParameters(await loadWeights(pack, options, io));
  const result = await evaluate(engine, pack.model, data.test, options.batchSize ?? pack.model.training?.batch ?? 32);
  engine.dispose();
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
async function runExport(pack: Package, options: ProgramOptions, io: Console): Promise<void> {
  const file = join(dirname(options.out), "weights.safetensors");
  const weights = await loadWeights(pack, options, io);
  writeAtomically(file, writeSafetensors(weights, { specHash: pack.model.specHash }));
  io.say(`weights in ${file}; crate-compile build --target onnx --weights ${file} makes a model of them`);
  process.stdout.write(`${JSON.stringify({ weights: file })}\n`);
}
/** Text goes to stdout as it is written. */
async function runSample(pack: Package, options: ProgramOptions, io: Console): Promise<void> {
  const { vocabulary } = await dataOf(pack, options);
  const engine = await pack.createEngine(options);
  await engine.setParameters(await loadWeights(pack, options, io));
  const prompt = options.prompt ?? "\n";
  const bytes = new TextDecoder("utf-8");
  process.stdout.write(prompt);
  await sample(engine, pack.model, encode(prompt, vocabulary), { prompt, length: options.length ?? 300, temperature: options.temperature ?? 0.8 }, Random.named(options.seed ?? 1, "sample"),
    (token) => process.stdout.write(vocabulary ? decode([token], vocabulary) : bytes.decode(Uint8Array.of(token), { stream: true })));
  process.stdout.write("\n");
  engine.dispose();
}
const programs = { train: runTrain, evaluate: runEvaluate, export: runExport, sample: runSample } as const;

/** Runs one program; gives the exit code. */
export async function main(which: keyof typeof programs, pack: Package, argv: readonly string[]): Promise<number> {
  try {
    await programs[which](pack, parseArguments(argv), terminal());
    return 0;
  } catch (error) {
    if (error instanceof ArgumentFault) { process.stderr.write(`${error.message}\n`); return 2; }
    if (error instanceof DataError) { process.stderr.write(`error: ${error.message}\n`); return 1; }
    throw error;
  }
}
