/** The training loop: one for every engine. */
import { audit, auditHeader, auditLines, unaudited } from "./audit.js";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
// An engine that computes in this thread settles its promises at once: a signal or a timer comes through only where it is given a turn.
import { setImmediate as turn } from "node:timers/promises";
import { checkRows, checkValues, finishSettingAside, hasRows, identityOf, loadCheckpoint, makeFolder, removeUnfinished, rowHeaders, rowsFile, runFiles, saveCheckpoint, setAside, writeAtomically, type Progress } from "./checkpoint.js";
import { type Batch, isNeeded, type ModelDescription, own, type TensorMap, type TrainingEngine } from "./contract.js";
import type { DataSet, Split } from "./data/dataset.js";
import { addBatch, createMetrics } from "./metrics.js";
import { feedStreams, prepare } from "./prepare.js";
import { Random, startingValues } from "./random.js";
import { DataError } from "./safetensors.js";
import { learningRate } from "./schedule.js";
import { constructCommand } from "./source.js";

export interface TrainOptions {
  readonly out: string;
  readonly epochs?: number;
  readonly steps?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly seed?: number;
  readonly resume?: boolean;
  /** Values to start from in place of the initial ones. */
  readonly weights?: TensorMap;
  /** Steps between audits of every network step, written to `audit.csv`. */
  readonly auditEvery?: number;
  /** Seconds between checkpoints within an epoch. */
  readonly checkpointEvery?: number;
}
/** Where the loop speaks. */
export interface Console {
  readonly say: (text: string) => void;
  /** Rewrites the line under the cursor; undefined where there is no terminal. */
  readonly bar?: (text: string) => void;
  /** True once the user has asked to stop. */
  readonly interrupted: () => boolean;
}
export interface Evaluation {
  readonly loss: number | undefined;
  readonly metrics: Readonly<Record<string, number>>;
}
export interface Summary extends Evaluation {
  readonly steps: number;
  readonly epochs: number;
  readonly seconds: number;
  readonly stopped: "finished" | "interrupted";
}
const evaluationSeed = 12345;
const nothing: Evaluation = { loss: undefined, metrics: {} };

/** Loss and metrics over a split; batches need not be of one size. */
export async function evaluate(engine: TrainingEngine, model: ModelDescription, split: Split, batchSize: number, each?: (batch: Batch, outputs: TensorMap) => void): Promise<Evaluation> {
  const metrics = createMetrics(model.training?.metrics ?? []);
  const fed = feedStreams(model, evaluationSeed);
  let [total, count] = [0, 0];
  for (let start = 0; start < split.size; start += batchSize) {
    const indices = Array.from({ length: Math.min(batchSize, split.size - start) }, (_, i) => start + i);
    const batch = prepare(split.batch(indices), model, undefined, fed);
    const { loss, outputs } = await engine.evaluate(batch);
    await turn();
    if (loss !== undefined) { total += loss * indices.length; count += indices.length; }
    addBatch(metrics, batch, outputs);
    each?.(batch, outputs);
  }
  return { loss: count > 0 ? total / count : undefined, metrics: Object.fromEntries(metrics.map((m) => [m.name, m.value()])) };
}

const clock = (seconds: number): string => (seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`);
const showMetrics = (e: Evaluation): string => [e.loss === undefined ? "" : `loss ${e.loss.toFixed(4)}`, ...Object.entries(e.metrics).map(([k, v]) => `${k} ${v.toFixed(4)}`)].filter(Boolean).join(", ");

/** A failing disk in words; what was saved before it stays. */
function onDisk(what: string, write: () => unknown): void {
  try {
    write();
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`cannot write ${what}: ${(error as NodeJS.ErrnoException).code ?? String(error)}; what was saved before is untouched`);
  }
}
/** Begins a file of rows, or keeps those of its whole rows that the last checkpoint knows: what a killed run wrote after it is taken anew. */
function beginRows(file: string, header: string, keep: (cells: readonly string[]) => boolean): void {
  const rows = existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(1, -1) : [];
  writeAtomically(file, Buffer.from([header.trimEnd(), ...rows.filter((r) => keep(r.split(","))), ""].join("\n")));
}
/** Before anything is written or computed: what is missing would be noticed in the midst of the first step, or of the last evaluation. */
export function checkFilled(model: ModelDescription, data: DataSet, audits = false): void {
  const batch = prepare(data.train.batch([0]), model, undefined, feedStreams(model, evaluationSeed));
  const empty = [...model.inputs, ...model.targets].filter((w) => isNeeded(w, false)).map((w) => w.name).filter((name) => !own(batch, name));
  if (empty.length > 0) throw new DataError(`data ${data.name} has nothing for ${empty.join(", ")}: name other data, or draw an input with feed in the train block`);
  const unmeasured = audits ? unaudited(model, batch) : [];
  if (unmeasured.length > 0) throw new DataError(`--audit reads ${unmeasured.join(", ")}, and data ${data.name} has nothing for it: name other data, or train without --audit`);
}
const showNames = (names: readonly string[]): string => `${names.slice(0, 4).join(", ")}${names.length > 4 ? ` and ${names.length - 4} more` : ""}`;
const unfinite = (values: TensorMap): readonly string[] => Object.entries(values).filter(([, t]) => t.data.some((x) => !Number.isFinite(x))).map(([name]) => name);

export async function train(engine: TrainingEngine, model: ModelDescription, data: DataSet, options: TrainOptions, io: Console): Promise<Summary> {
  const program = model.training;
  if (program?.construct) throw new DataError(`network ${model.name} is built from data, not trained: ${constructCommand(model, options.out)}, then evaluate`);
  if (!program?.optimizer) throw new DataError("the network has no training program (no optimizer in its train block)");
  const learned = model.parameters.filter((p) => p.trainable);
  if (learned.length === 0) io.say("warning: the network has no learned parameter; nothing will change");
  const batchSize = options.batchSize ?? program.batch;
  const seed = options.seed ?? model.seed;
  const rate = options.learningRate ?? program.optimizer.rate;
  if (batchSize < 1) throw new DataError(`a batch of ${batchSize} samples is none`);
  const perEpoch = Math.floor(data.train.size / batchSize);
  if (perEpoch === 0) throw new DataError(`a batch of ${batchSize} is larger than the ${data.train.size} samples of ${data.name}`);
  const total = options.steps ?? (options.epochs !== undefined ? options.epochs * perEpoch : program.steps ?? (program.epochs ?? 1) * perEpoch);
  const ascending = createMetrics(program.metrics)[0]?.ascending ?? false;
  checkFilled(model, data, options.auditEvery !== undefined);
  const [log, auditFile] = [rowsFile(options.out, "log"), rowsFile(options.out, "audit")];
  onDisk(log, () => checkRows(options.out, "log"));
  if (options.auditEvery !== undefined) onDisk(auditFile, () => checkRows(options.out, "audit"));
  finishSettingAside(options.out);

  let progress: Progress = {
    step: 0, epoch: 0, position: 0, epochRandom: Random.named(seed, "order").state(), random: Random.named(seed, "augment").state(),
    best: undefined, loss: undefined, evaluated: 0, specHash: model.specHash, network: identityOf(model), seed, batch: batchSize, ...(data.vocabulary ? { vocabulary: data.vocabulary } : {}),
  };
  let advice = "A smaller learning rate, or clip in the optimizer, may help";
  if (options.resume) {
    const found = loadCheckpoint(options.out, model, io.say);
    if (found.progress.batch !== batchSize || found.progress.seed !== seed) throw new DataError(`the run in ${options.out} had batch ${found.progress.batch} and seed ${found.progress.seed}; resume it with the same`);
    // One spec gives networks of several sizes: by presets, by --set.
    checkValues(model, found.parameters, `the checkpoint in ${options.out}`);
    await engine.setParameters(found.parameters);
    await engine.setOptimizerState(found.state);
    progress = { ...found.progress, network: identityOf(model) };
    io.say(`resumed at step ${progress.step}, epoch ${progress.epoch + 1}`);
  } else {
    const initial = { ...startingValues(model, seed), ...options.weights };
    const missing = model.parameters.filter((p) => !Object.hasOwn(initial, p.name)).map((p) => p.name);
    if (missing.length > 0) throw new DataError(`these parameters must come from a file of weights: ${missing.join(", ")}`);
    if (options.weights) checkValues(model, options.weights, "the file of weights", io.say);
    const spoilt = unfinite(initial);
    if (spoilt.length > 0) advice = `The run began with values that are not finite, in ${showNames(spoilt)}: start from other weights`;
    await engine.setParameters(initial);
  }
  onDisk(options.out, () => {
    makeFolder(options.out);
    removeUnfinished(options.out);
    const earlier = options.resume ? undefined : setAside(options.out);
    if (earlier !== undefined) io.say(`the run that stood in ${options.out} is now in ${earlier}`);
  });
  // A row without a learning rate is of an evaluation.
  onDisk(log, () => beginRows(log, [rowHeaders.log, ...createMetrics(program.metrics).map((m) => m.name)].join(","),
    ([step, , , rate]) => options.resume === true && Number(step) <= (rate === "" ? progress.evaluated : progress.step)));
  io.say(`${model.name} on ${engine.description}: ${learned.reduce((n, p) => n + p.shape.reduce((a, b) => a * b, 1), 0).toLocaleString("en-US")} learned parameters, ${data.train.size} samples of ${data.name}, ${total} steps of ${batchSize}`);

  const started = Date.now();
  const firstStep = progress.step;
  const every = (options.checkpointEvery ?? 60) * 1000;
  let lastSave = Date.now();
  let lastWord = 0;
  let result: Evaluation | undefined;
  const save = async (which: "last" | "best"): Promise<string> =>
    saveCheckpoint(options.out, which, { progress, parameters: await engine.parameters(), state: await engine.optimizerState() });

  /** The state before a step that failed, where the engine has kept it. */
  const keepState = async (): Promise<string> => {
    const spoilt = unfinite(await engine.parameters());
    if (spoilt.length === 0 && unfinite(await engine.optimizerState()).length === 0) return `the state before it is in ${await save("last")}`;
    return `${spoilt.length > 0 ? `not finite are ${showNames(spoilt)}; ` : ""}${existsSync(join(options.out, runFiles.last)) ? `the last checkpoint in ${options.out} is the last good state` : "no state was saved before"}`;
  };

  // Always of the same samples, so that the numbers of different steps can be compared.
  const audited = options.auditEvery === undefined ? undefined
    : prepare(data.test.batch(Array.from({ length: Math.min(batchSize, data.test.size) }, (_, i) => Math.floor((i * data.test.size) / Math.min(batchSize, data.test.size)))), model, undefined, feedStreams(model, evaluationSeed));
  onDisk(auditFile, () => (audited || hasRows(options.out, "audit")) && beginRows(auditFile, auditHeader, ([step]) => options.resume === true && progress.step > 0 && Number(step) <= progress.step));
  const writeAudit = async (step: number): Promise<void> => {
    if (!audited) return;
    const lines = auditLines(step, await audit(engine, audited));
    onDisk(auditFile, () => appendFileSync(auditFile, lines));
  };
  if (progress.step === 0) await writeAudit(0);
  // A run of no steps has a state too: where it begins.
  if (total === 0 && !options.resume) await save("last");

  // A run may have been stopped between its last step and the evaluation after it.
  while (progress.step < total || progress.evaluated < progress.step) {
    const orderRandom = Random.from(progress.epochRandom);
    const order = orderRandom.shuffle(Array.from({ length: data.train.size }, (_, i) => i));
    const random = Random.from(progress.random);
    while (progress.position < perEpoch && progress.step < total) {
      const step = progress.step + 1;
      const indices = order.slice(progress.position * batchSize, (progress.position + 1) * batchSize);
      const batch = prepare(data.train.batch(indices, random), model, random, () => random);
      const now = learningRate(program.schedule, rate, step, total, perEpoch);
      const { loss, gradientNorm } = await engine.trainStep(batch, { learningRate: now, step, seed: random.integer(2 ** 31) });
      if (!Number.isFinite(loss) || (gradientNorm !== undefined && !Number.isFinite(gradientNorm))) {
        const where = await engine.locate?.(batch);
        const kept = await keepState();
        throw new DataError(`the ${Number.isFinite(loss) ? "gradient" : "loss"} is not finite at step ${step} (epoch ${progress.epoch + 1}, batch ${progress.position + 1}, samples ${indices.slice(0, 4).join(", ")}…)${where === undefined ? "" : `, first in ${where}`}; ${kept}. ${advice}`);
      }
      const running = progress.loss === undefined ? loss : 0.95 * progress.loss + 0.05 * loss;
      progress = { ...progress, step, position: progress.position + 1, random: random.state(), loss: running };
      const seconds = (Date.now() - started) / 1000;
      const left = (seconds / (step - firstStep)) * (total - step);
      const line = `epoch ${progress.epoch + 1}  step ${step}/${total}  loss ${running.toFixed(4)}  rate ${now.toExponential(2)}  ${clock(left)} left`;
      if (io.bar) {
        const width = 24;
        const filled = Math.round((width * step) / total);
        io.bar(`${"█".repeat(filled)}${"░".repeat(width - filled)}  ${line}`);
      } else if (Date.now() - lastWord > 5000) {
        io.say(line);
        lastWord = Date.now();
      }
      if (progress.position < perEpoch) onDisk(log, () => appendFileSync(log, `${step},${progress.epoch + 1},${loss},${now},${seconds.toFixed(3)}\n`));
      if (options.auditEvery !== undefined && (step % options.auditEvery === 0 || step === total)) await writeAudit(step);
      await turn();
      if (io.interrupted()) {
        const file = await save("last");
        io.say(`interrupted: the state after step ${step} is in ${file}; --resume goes on from it`);
        return { ...(result ?? nothing), steps: step, epochs: progress.epoch, seconds, stopped: "interrupted" };
      }
      if (Date.now() - lastSave > every) {
        await save("last");
        lastSave = Date.now();
      }
    }
    if (progress.position >= perEpoch) progress = { ...progress, epoch: progress.epoch + 1, position: 0, epochRandom: orderRandom.state() };
    const now = await evaluate(engine, model, data.test, batchSize);
    result = now;
    const [first] = Object.values(now.metrics);
    const score = first ?? now.loss;
    const better = score !== undefined && Number.isFinite(score) && (progress.best === undefined || (first !== undefined && ascending ? score > progress.best : score < progress.best));
    progress = { ...progress, evaluated: progress.step, ...(better ? { best: score } : {}) };
    onDisk(log, () => appendFileSync(log, `${progress.step},${progress.epoch},${progress.loss ?? ""},,${((Date.now() - started) / 1000).toFixed(3)},${[now.loss ?? "", ...Object.values(now.metrics)].join(",")}\n`));
    io.bar?.("");
    io.say(`epoch ${progress.epoch}: training loss ${progress.loss?.toFixed(4) ?? "unknown"}; test ${showMetrics(now)}`);
    // The best one first: killed in between, the run is evaluated anew from the state before.
    if (better) await save("best");
    await save("last");
    lastSave = Date.now();
  }
  // Resumed after its end, it says its numbers again.
  result ??= await evaluate(engine, model, data.test, batchSize);
  return { ...result, steps: progress.step, epochs: progress.epoch, seconds: (Date.now() - started) / 1000, stopped: "finished" };
}
