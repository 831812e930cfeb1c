/** The programs of a generated package: train, evaluate, export. An engine is handed in; the rest is the same for all. */
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { ArgumentFault, HelpWanted, parseArguments, type ProgramOptions } from "./arguments.js";
import { checkValues, type Checkpoint, finishSettingAside, hasCheckpoint, loadBest, loadCheckpoint, writeAtomically } from "./checkpoint.js";
import type { ModelDescription, TrainingEngine } from "./contract.js";
import { loadData } from "./data/load.js";
import type { DataSet } from "./data/dataset.js";
import { fixedValues, Random } from "./random.js";
import { DataError, writeSafetensors } from "./safetensors.js";
import { decode, encode, languageOf, sample } from "./sample.js";
import { modelCommand } from "./source.js";
import { type Console, evaluate, train } from "./train.js";
import { type Held, readWeights, weightNotes } from "./weights.js";

export interface Package {
  readonly model: ModelDescription;
  /** Where relative data paths start: the folder of the spec's data. */
  readonly baseDirectory: string;
  readonly createEngine: (options: ProgramOptions) => Promise<TrainingEngine>;
  /** The file of weights that the package was built with, where it was. */
  readonly weights?: string;
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
/**
 * Readers may go away (`| head`): what is said to them is lost, and the work goes on. Where results cannot be written for another reason, the exit
 * code says so. Gives whether standard output is still read.
 */
function forgivingStreams(): () => boolean {
  let read = true;
  process.stderr.on("error", () => undefined);
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    read = false;
    if (error.code !== "EPIPE") process.exitCode = 1;
  });
  return () => read;
}
/** Data as the network that holds these values sees them: made from its own fixed parameters, in its own characters. */
export async function dataOf(pack: Package, options: ProgramOptions, io: Console, held?: Held): Promise<DataSet> {
  const call = options.data ?? pack.model.training?.data;
  if (!call) throw new DataError("the spec has no data; name some with --data");
  const data = await loadData(call, {
    model: pack.model, baseDirectory: options.data ? process.cwd() : pack.baseDirectory,
    parameters: { ...fixedValues(pack.model), ...held?.values }, ...(held?.vocabulary ? { vocabulary: held.vocabulary } : {}),
  });
  if (held && data.vocabulary && !held.vocabulary) io.say("warning: the weights do not say what their symbols stand for; those of this text are taken, in the order of their code points");
  return data;
}
function fromFile(pack: Package, file: string, io: Console): Held {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch {
    throw new DataError(`cannot read ${file}`);
  }
  return readWeights(pack.model.parameters, bytes, file, io.say);
}
function fromCheckpoint(pack: Package, { parameters, progress: { vocabulary } }: Checkpoint, options: ProgramOptions): Held {
  checkValues(pack.model, parameters, `the checkpoint in ${options.out}`);
  return vocabulary ? { values: parameters, vocabulary } : { values: parameters };
}
/** The weights named; else the best state of a run (the last where there is none); else those that the package was built with. */
export function trained(pack: Package, options: ProgramOptions, io: Console): Held {
  if (options.weights !== undefined) return fromFile(pack, options.weights, io);
  if (pack.weights !== undefined && !hasCheckpoint(options.out)) return fromFile(pack, pack.weights, io);
  return fromCheckpoint(pack, loadBest(options.out, pack.model, io.say), options);
}
async function runTrain(pack: Package, options: ProgramOptions, io: Console): Promise<void> {
  const file = options.weights ?? pack.weights;
  // The loop reads the checkpoint itself, and says what is to be said of it.
  const held = options.resume ? fromCheckpoint(pack, loadCheckpoint(options.out, pack.model, () => undefined), options) : file === undefined ? undefined : fromFile(pack, file, io);
  const data = await dataOf(pack, options, io, held);
  const engine = await pack.createEngine(options);
  const summary = await train(engine, pack.model, data, { ...options, weights: options.resume ? undefined : held?.values } as Parameters<typeof train>[3], stoppable(io));
  engine.dispose();
  process.stdout.write(`${JSON.stringify({ ...summary, checkpoints: options.out })}\n`);
}
async function runEvaluate(pack: Package, options: ProgramOptions, io: Console): Promise<void> {
  const held = trained(pack, options, io);
  const data = await dataOf(pack, options, io, held);
  const engine = await pack.createEngine(options);
  await engine.setParameters(held.values);
  const result = await evaluate(engine, pack.model, data.test, options.batchSize ?? pack.model.training?.batch ?? 32);
  engine.dispose();
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
async function runExport(pack: Package, options: ProgramOptions, io: Console): Promise<void> {
  const file = join(dirname(options.out), "weights.safetensors");
  const { values, vocabulary } = trained(pack, options, io);
  writeAtomically(file, writeSafetensors(values, weightNotes(pack.model.specHash, vocabulary)));
  io.say(`weights in ${file}; ${modelCommand(pack.model, file, relative(process.cwd(), pack.baseDirectory))} makes a model of them`);
  process.stdout.write(`${JSON.stringify({ weights: file })}\n`);
}
/** Text goes to stdout as it is written. */
async function runSample(pack: Package, options: ProgramOptions, io: Console, isRead: () => boolean): Promise<void> {
  const held = trained(pack, options, io);
  const vocabulary = languageOf(pack.model)?.symbols === 256 ? undefined : held.vocabulary ?? (await dataOf(pack, options, io, held)).vocabulary;
  const engine = await pack.createEngine(options);
  await engine.setParameters(held.values);
  const prompt = options.prompt ?? "\n";
  const bytes = new TextDecoder("utf-8");
  process.stdout.write(prompt);
  const wanted = { prompt, length: options.length ?? 300, temperature: options.temperature ?? 0.8, ...(vocabulary ? { known: vocabulary.length } : {}) };
  await sample(engine, pack.model, encode(prompt, vocabulary), wanted, Random.named(options.seed ?? 1, "sample"), (token) => {
    process.stdout.write(vocabulary ? decode([token], vocabulary) : bytes.decode(Uint8Array.of(token), { stream: true }));
    return isRead();
  });
  process.stdout.write("\n");
  engine.dispose();
}
const programs = { train: runTrain, evaluate: runEvaluate, export: runExport, sample: runSample } as const;

/** Runs one program; gives the exit code. */
export async function main(which: keyof typeof programs, pack: Package, argv: readonly string[]): Promise<number> {
  const isRead = forgivingStreams();
  try {
    const options = parseArguments(argv);
    finishSettingAside(options.out);
    await programs[which](pack, options, terminal(), isRead);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof HelpWanted) { process.stdout.write(`${error.message}\n`); return 0; }
    if (error instanceof ArgumentFault) { process.stderr.write(`${error.message}\n`); return 2; }
    if (error instanceof DataError) { process.stderr.write(`error: ${error.message}\n`); return 1; }
    throw error;
  }
}
