/** Whole runs on ONNX Runtime: they learn, stop, fail and go on as promised. */
import { appendFileSync, existsSync, linkSync, readdirSync, readFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadCheckpoint } from "../../src/runtime/checkpoint.js";
import type { TensorMap } from "../../src/runtime/contract.js";
import { evaluate, train, type Console } from "../../src/runtime/train.js";
import { example } from "../support/build.js";
import { initialise } from "../../src/runtime/random.js";
import { quiet, smallSpec, type Training, trainingOf } from "../support/training.js";
import { expectDataError, temporaryFolder } from "./model.js";

const run = (t: Training, out: string, options: Partial<Parameters<typeof train>[3]> = {}, io: Console = quiet()) => train(t.engine, t.model, t.data, { out, ...options }, io);
/** Stops after this many steps in all. */
const stopAfter = (steps: number, t: Training): Console => {
  let done = 0;
  const step = t.engine.trainStep.bind(t.engine);
  t.engine.trainStep = async (...args) => { done += 1; return step(...args); };
  return quiet(() => done >= steps);
};
/** The states to the byte, the rows but for the seconds. */
function expectSameRun(out: string, whole: string): void {
  expect(readdirSync(out).sort()).toEqual(readdirSync(whole).sort());
  for (const name of readdirSync(whole)) {
    const [found, wanted] = [out, whole].map((folder) => readFileSync(join(folder, name))) as [Buffer, Buffer];
    const rows = (bytes: Buffer): string[] => String(bytes).split("\n").map((l) => l.split(",").filter((_, i) => name !== "log.csv" || i !== 4).join());
    if (name.endsWith(".csv")) expect(rows(found), name).toEqual(rows(wanted));
    else expect(found.equals(wanted), name).toBe(true);
  }
}
const everything = async (t: Training): Promise<TensorMap> => ({ ...(await t.engine.parameters()), ...(await t.engine.optimizerState()) });

describe("a training run", () => {
  it("learns, logs every step and keeps its last and best state", async () => {
    const [t, out] = [await trainingOf(smallSpec()), temporaryFolder()];
    await run(t, out, { epochs: 1 });
    const before = await evaluate(t.engine, t.model, t.data.test, 16);
    const summary = await run(t, out);
    expect([summary.steps, summary.epochs, summary.stopped]).toEqual([24, 4, "finished"]);
    expect(summary.loss).toBeLessThan(before.loss ?? 0);
    expect(summary.metrics["nmse"]).toBeLessThan(1);
    expect(readdirSync(out).sort()).toEqual(["best.safetensors", "earlier", "last.safetensors", "log.csv"]);
    const steps = readFileSync(join(out, "log.csv"), "utf8").trim().split("\n").slice(1).map((l) => Number(l.split(",")[0]));
    expect(steps).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
  });
  it("gives the same weights, to the bit, whenever it is run", async () => {
    const [a, b] = [await trainingOf(smallSpec()), await trainingOf(smallSpec())];
    await run(a, temporaryFolder());
    await run(b, temporaryFolder());
    expect(await everything(a)).toEqual(await everything(b));
    const c = await trainingOf(smallSpec());
    await run(c, temporaryFolder(), { seed: 4 });
    expect(await everything(c)).not.toEqual(await everything(a));
    // What a package is built with is where its runs start; the problem stays the spec's.
    const built = await trainingOf(smallSpec());
    await run({ ...built, model: { ...built.model, seed: 4 } }, temporaryFolder());
    expect(await everything(built)).toEqual(await everything(c));
    expect((await built.engine.parameters())["A"]).toEqual((await a.engine.parameters())["A"]);
  });
  it.each([["adamw(rate: 1e-2, weight_decay: 0.01)", 1], ["adamw(rate: 1e-2)", 9], ["lion(rate: 1e-3)", 6], ["sgd(rate: 0.1, momentum: 0.9)", 13], ["adam(rate: 1e-2, clip: 1)", 23]])(
    "with %s, interrupted after step %i and resumed, ends with the weights of one that was not", async (optimizer, steps) => {
      const whole = await trainingOf(smallSpec(optimizer));
      const wholeOut = temporaryFolder();
      await run(whole, wholeOut);
      const out = temporaryFolder();
      const first = await trainingOf(smallSpec(optimizer));
      const io = stopAfter(steps, first) as ReturnType<typeof quiet>;
      const stopped = await run(first, out, {}, io);
      expect([stopped.stopped, stopped.steps]).toEqual(["interrupted", steps]);
      expect(io.said.join("\n")).toContain(join(out, "last.safetensors"));
      const second = await trainingOf(smallSpec(optimizer));
      await run(second, out, { resume: true });
      expect(await everything(second)).toEqual(await everything(whole));
      expectSameRun(out, wholeOut);
    });
  it.each([[[6]], [[12, 13]], [[24]]])("interrupted after steps %j, the last of an epoch or of the run among them, ends with the files of one that was not", async (stops) => {
    const [wholeOut, out] = [temporaryFolder(), temporaryFolder()];
    const options = { auditEvery: 3 };
    await run(await trainingOf(smallSpec()), wholeOut, options);
    for (const [i, steps] of stops.entries()) {
      const t = await trainingOf(smallSpec());
      expect((await run(t, out, { ...options, resume: i > 0 }, stopAfter(steps - (stops[i - 1] ?? 0), t))).stopped).toBe("interrupted");
    }
    const summary = await run(await trainingOf(smallSpec()), out, { ...options, resume: true });
    expect(summary.metrics["nmse"]).toBeGreaterThan(0);
    expectSameRun(out, wholeOut);
  });
  it("killed, with rows in its files that its last checkpoint does not know, ends with the files of one that was not", async () => {
    const [wholeOut, out] = [temporaryFolder(), temporaryFolder()];
    const options = { auditEvery: 2 };
    await run(await trainingOf(smallSpec()), wholeOut, options);
    const first = await trainingOf(smallSpec());
    await run(first, out, options, stopAfter(9, first));
    const saved = readFileSync(join(out, "last.safetensors"));
    const second = await trainingOf(smallSpec());
    await run(second, out, { ...options, resume: true }, stopAfter(6, second));
    writeFileSync(join(out, "last.safetensors"), saved);
    // The kill fell into a row.
    for (const name of ["log.csv", "audit.csv"]) appendFileSync(join(out, name), "1");
    await run(await trainingOf(smallSpec()), out, { ...options, resume: true });
    expectSameRun(out, wholeOut);
  });
  it("leaves a file of the user's where it writes its own only when it audits", async () => {
    const out = temporaryFolder();
    const own = "ours,is,this\n1,2,3";
    writeFileSync(join(out, "audit.csv"), own);
    await run(await trainingOf(smallSpec()), out, { steps: 2 });
    await run(await trainingOf(smallSpec()), out, { steps: 4, resume: true });
    expect(readFileSync(join(out, "audit.csv"), "utf8")).toBe(own);
    const before = readdirSync(out).map((name) => readFileSync(join(out, name)));
    await expectDataError(async () => run(await trainingOf(smallSpec()), out, { auditEvery: 1 }), join(out, "audit.csv"), "--out");
    expect(readdirSync(out).map((name) => readFileSync(join(out, name)))).toEqual(before);
  });
  it("refuses a folder whose log is of another hand, before anything is written", async () => {
    const out = temporaryFolder();
    writeFileSync(join(out, "log.csv"), "time,what\n1,2\n");
    await expectDataError(async () => run(await trainingOf(smallSpec()), out, { steps: 2 }), join(out, "log.csv"), "--out");
    expect([readdirSync(out), readFileSync(join(out, "log.csv"), "utf8")]).toEqual([["log.csv"], "time,what\n1,2\n"]);
  });
  it("of no steps keeps the state that it begins with", async () => {
    const [t, out] = [await trainingOf(smallSpec()), temporaryFolder()];
    await run(t, out, { steps: 2 });
    expect((await run(t, out, { steps: 0 })).steps).toBe(0);
    expect(loadCheckpoint(join(out, "earlier"), t.model, () => undefined).progress.step).toBe(2);
    expect(loadCheckpoint(out, t.model, () => undefined).parameters).toEqual(await t.engine.parameters());
    expect((await run(await trainingOf(smallSpec()), out, { steps: 3, resume: true })).steps).toBe(3);
  });
  it("replaces its log whole when it is resumed, so that a kill there leaves the old one", async () => {
    const out = temporaryFolder();
    await run(await trainingOf(smallSpec()), out, { steps: 2 });
    // A second name of the old file's bytes: what is written in place changes it, what is put in its place does not.
    linkSync(join(out, "log.csv"), join(out, "old"));
    const before = readFileSync(join(out, "old"), "utf8");
    writeFileSync(join(out, "log.csv.17.tmp"), "step,ep");
    await run(await trainingOf(smallSpec()), out, { steps: 4, resume: true });
    expect(readFileSync(join(out, "old"), "utf8")).toBe(before);
    expect(readFileSync(join(out, "log.csv"), "utf8").length).toBeGreaterThan(before.length);
    expect(existsSync(join(out, "log.csv.17.tmp"))).toBe(false);
  });
  it("killed in its last evaluation, or after its row was written, is evaluated when it is resumed", async () => {
    const wholeOut = temporaryFolder();
    await run(await trainingOf(smallSpec()), wholeOut, { steps: 8 });
    const killed = async (out: string, spoil: (t: Training) => void): Promise<void> => {
      const t = await trainingOf(smallSpec());
      spoil(t);
      await expect(run(t, out, { steps: 8, checkpointEvery: -1 })).rejects.toThrow("killed");
      await run(await trainingOf(smallSpec()), out, { steps: 8, resume: true });
      expectSameRun(out, wholeOut);
    };
    const last = (t: Training): (() => boolean) => {
      let step = 0;
      const trainStep = t.engine.trainStep.bind(t.engine);
      t.engine.trainStep = async (batch, o) => { step = o.step; return trainStep(batch, o); };
      return () => step === 8;
    };
    await killed(temporaryFolder(), (t) => {
      const [at, evaluateBatch] = [last(t), t.engine.evaluate.bind(t.engine)];
      t.engine.evaluate = async (batch) => { if (at()) throw new Error("killed"); return evaluateBatch(batch); };
    });
    await killed(temporaryFolder(), (t) => {
      const [at, parameters] = [last(t), t.engine.parameters.bind(t.engine)];
      let saves = 0;
      t.engine.parameters = async () => { if (at() && ++saves > 1) throw new Error("killed"); return parameters(); };
    });
  });
  it("resumed after its end says its numbers again and changes nothing", async () => {
    const out = temporaryFolder();
    const summary = await run(await trainingOf(smallSpec()), out);
    const before = readFileSync(join(out, "log.csv"), "utf8");
    expect(await run(await trainingOf(smallSpec()), out, { resume: true })).toMatchObject({ loss: summary.loss, metrics: summary.metrics, steps: 24, stopped: "finished" });
    expect(readFileSync(join(out, "log.csv"), "utf8")).toBe(before);
  });
  it("hears a signal though its engine computes in the same thread, and lets one through in evaluation", async () => {
    // What the engine gives has nothing to be measured.
    const t = await trainingOf(smallSpec().replace("metric nmse(estimate, code)", ""));
    t.engine.trainStep = async () => ({ loss: 1 });
    t.engine.evaluate = async () => ({ loss: 1, outputs: {} });
    let asked = false;
    setTimeout(() => { asked = true; }, 0);
    expect((await run(t, temporaryFolder(), { steps: 24 }, quiet(() => asked))).stopped).toBe("interrupted");
    let turns = 0;
    setImmediate(() => { turns += 1; });
    await evaluate(t.engine, t.model, t.data.test, 1);
    expect(turns).toBe(1);
  });
  it("on digits with CRATE, interrupted and resumed, goes on to the bit", async () => {
    const settings = { d: 16, K: 2, p: 8, L: 2, C: 10, H: 28, P: 7, channels: 1 };
    const whole = await trainingOf(example("crate"), settings);
    const options = { steps: 8, batchSize: 8 };
    // Evaluation is not what is tested here: a test split of 16 samples.
    const short = (t: Training): Training => ({ ...t, data: { ...t.data, test: { size: 16, batch: (i) => t.data.test.batch(i) } } });
    await run(short(whole), temporaryFolder(), options);
    const out = temporaryFolder();
    const first = await trainingOf(example("crate"), settings);
    await run(short(first), out, options, stopAfter(3, first));
    const second = await trainingOf(example("crate"), settings);
    await run(short(second), out, { ...options, resume: true });
    expect(await everything(second)).toEqual(await everything(whole));
  });
});

describe("a run that cannot go on", () => {
  it("with other batches, another seed, sizes or spec is refused, nothing changed", async () => {
    const out = temporaryFolder();
    await run(await trainingOf(smallSpec()), out, { steps: 3 });
    const before = readFileSync(join(out, "last.safetensors"));
    await expectDataError(async () => run(await trainingOf(smallSpec()), out, { resume: true, batchSize: 8 }), "batch 16");
    await expectDataError(async () => run(await trainingOf(smallSpec()), out, { resume: true, seed: 9 }), "seed 3");
    await expectDataError(async () => run(await trainingOf(smallSpec(), { L: 3 }), out, { resume: true }), "L is 2 there and 3 here");
    await expectDataError(async () => run(await trainingOf(smallSpec(), { q: 10 }), out, { resume: true }), "q is 12 there and 10 here");
    await expectDataError(async () => run(await trainingOf(smallSpec(), {}, "b".repeat(64)), out, { resume: true }), "another spec");
    const typo = join(temporaryFolder(), "typo");
    await expectDataError(async () => run(await trainingOf(smallSpec()), typo, { resume: true }), "no checkpoint");
    expect(existsSync(typo)).toBe(false);
    expect(readFileSync(join(out, "last.safetensors"))).toEqual(before);
  });
  it("with another constant than the network that was trained is refused", async () => {
    const spec = smallSpec().replace("dim m = 8", "const eta = 0.2\n  dim m = 8").replace("rate: 0.2", "rate: eta");
    const out = temporaryFolder();
    await run(await trainingOf(spec), out, { steps: 3 });
    await expectDataError(async () => run(await trainingOf(spec, { eta: 0.1 }), out, { resume: true }), "another network of this spec: eta is 0.2 there and 0.1 here");
    expect((await run(await trainingOf(spec, { eta: 0.2 }), out, { resume: true, steps: 4 })).steps).toBe(4);
  });
  it("without data for all inputs is refused before anything is written", async () => {
    const spec = smallSpec().replace("target code", "input extra: real[m]\n  target code").replace("y - B*x", "y + extra - B*x");
    const [t, out] = [await trainingOf(spec), join(temporaryFolder(), "run")];
    await expectDataError(() => run(t, out), "data sparse_codes has nothing for extra");
    expect(existsSync(out)).toBe(false);
    await expectDataError(() => evaluate(t.engine, t.model, t.data.test, 16), "no extra");
  });
  it("needs no data for a target that nothing reads", async () => {
    const idle = (spec: string): string => spec.replace("target code", "target label: class[3]\n  target code");
    const t = await trainingOf(idle(smallSpec()));
    expect(t.model.targets.map((w) => [w.name, w.unread])).toEqual([["label", "always"], ["code", undefined]]);
    expect((await run(t, temporaryFolder(), { steps: 7 })).loss).toBeGreaterThan(0);
    // A let, a value on the way and a metric are ways to read it.
    for (const reading of [smallSpec().replace("mse(estimate, code)", "mse(estimate, code) + 0.001*total(w)").replace("output", "let w = label^2\n  output"), smallSpec(undefined, "metric accuracy(scores, label)").replace("output", "output scores: real[3] = x[1..3]\n  output")]) {
      await expectDataError(async () => run(await trainingOf(idle(reading)), temporaryFolder()), "data sparse_codes has nothing for label");
    }
  });
  it("audits what reads a target only where data have it: without, it is refused before anything is written", async () => {
    const spec = (rate: string): string => smallSpec(`sgd(rate: ${rate})`).replace("target code", "target level: class[3]\n  target code").replace("sq_norm(y - B*x)", "sq_norm(y - B*x) + level");
    const [t, out] = [await trainingOf(spec("0.1")), join(temporaryFolder(), "run")];
    expect(t.model.targets.map((w) => [w.name, w.unread])).toEqual([["level", "but in audits"], ["code", undefined]]);
    await expectDataError(() => run(t, out, { auditEvery: 1 }), "--audit reads level, and data sparse_codes has nothing for it");
    expect(existsSync(out)).toBe(false);
    expect((await run(t, out, { steps: 3 })).loss).toBeGreaterThan(0);
    // Nor does what looks for the first value that is not finite need it.
    await expectDataError(async () => run(await trainingOf(spec("1e30")), temporaryFolder()), "not finite at step");
  });
  it("with a value that is not positive where it must be is refused before anything is written", async () => {
    const [t, out] = [await trainingOf(smallSpec()), join(temporaryFolder(), "run")];
    const weights = { ...initialise(t.model.parameters, 1), ...(await t.engine.parameters()), "ista.2.threshold": { shape: [], data: Float32Array.of(-0.5) } };
    await expectDataError(() => t.engine.setParameters(weights), "ista.2.threshold must be positive, and has -0.5");
    await expectDataError(() => run(t, out, { weights }), "ista.2.threshold must be positive");
    expect(existsSync(out)).toBe(false);
  });
  it("with weights that do not fit is refused before it begins", async () => {
    const t = await trainingOf(smallSpec());
    const weights = { "ista.1.B": { shape: [3], data: new Float32Array(3) } };
    await expectDataError(() => run(t, temporaryFolder(), { weights }), "ista.1.B is [3], wanted [8, 12]", "ista.2.B is missing");
  });
  it("with batches larger than its data, or empty, is refused", async () => {
    const t = await trainingOf(smallSpec());
    await expectDataError(() => run(t, temporaryFolder(), { batchSize: 97 }), "97", "96 samples");
    await expectDataError(() => run(t, temporaryFolder(), { batchSize: 0 }), "batch of 0");
  });
  it("into a place that cannot be written is refused with a word", async () => {
    const t = await trainingOf(smallSpec());
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    await expectDataError(() => run(t, join(file, "run")), "cannot write", join(file, "run"));
    const out = temporaryFolder();
    mkdirSync(join(out, "log.csv"));
    await expectDataError(() => run(t, out), "log.csv", "EISDIR");
  });
});

describe("a new run where another stands", () => {
  it("sets that one aside, whole, and says so; what fails before it begins leaves it where it is", async () => {
    const out = temporaryFolder();
    await run(await trainingOf(smallSpec()), out, { steps: 3, auditEvery: 1 });
    const files = readdirSync(out);
    const before = files.map((name) => readFileSync(join(out, name)));
    await expectDataError(async () => run(await trainingOf(smallSpec()), out, { batchSize: 97 }), "97");
    expect(readdirSync(out)).toEqual(files);
    const t = await trainingOf(smallSpec());
    t.engine.trainStep = async () => {
      await t.engine.setParameters({ "ista.1.B": { shape: [8, 12], data: new Float32Array(96).fill(Number.NaN) } });
      return { loss: Number.NaN };
    };
    const io = quiet();
    // The state that stood there is not this run's.
    await expectDataError(() => run(t, out, {}, io), "no state was saved before");
    expect(io.said).toContain(`the run that stood in ${out} is now in ${join(out, "earlier")}`);
    expect(files.map((name) => readFileSync(join(out, "earlier", name)))).toEqual(before);
    expect(readdirSync(out)).toEqual(["earlier", "log.csv"]);
  });
});

describe("numbers that are not finite", () => {
  const spoilt = (name: string, value: number): ((values: TensorMap) => TensorMap) => (values) => {
    const t = values[name];
    if (!t) throw new Error(`no ${name}`);
    return { ...values, [name]: { shape: t.shape, data: Float32Array.from(t.data, () => value) } };
  };
  it("stop the run; layer, step, epoch and batch are named, and the state before is kept", async () => {
    const [t, out] = [await trainingOf(smallSpec()), temporaryFolder()];
    await run(t, out, { steps: 3 });
    const trained = await t.engine.parameters();
    await expectDataError(() => run(t, temporaryFolder(), { weights: spoilt("ista.1.B", Number.POSITIVE_INFINITY)(trained) }), "first in ista.1.fit", "ista.1.B", "no state was saved", "The run began with values that are not finite, in ista.1.B: start from other weights");
    const other = temporaryFolder();
    const weights = spoilt("ista.2.B", 3e38)(trained);
    await expectDataError(() => run(t, other, { weights }), "loss is not finite at step 1 (epoch 1, batch 1", "first in ista.2.fit", join(other, "last.safetensors"), "A smaller learning rate");
    expect(loadCheckpoint(other, t.model, () => undefined).progress.step).toBe(0);
  });
  it("in the gradient alone name the parameter where they begin, and keep the state before", async () => {
    // sqrt has no gradient at 0: x is 0 before the first copy, so the loss is finite and the gradient is not.
    const spec = smallSpec("sgd(rate: 0.1)").replace("loss mse(estimate, code)", "loss total(sqrt(abs(estimate))) + mse(estimate, code)").replace("init constant(0.05)", "init constant(50)");
    const [t, out] = [await trainingOf(spec), temporaryFolder()];
    await expectDataError(() => run(t, out), "gradient is not finite at step 1", "the gradient of ista.2", join(out, "last.safetensors"));
  });
  it("that an engine has taken over are named, and the last checkpoint stays", async () => {
    const [t, out] = [await trainingOf(smallSpec()), temporaryFolder()];
    await run(t, out, { steps: 6 });
    const before = readFileSync(join(out, "last.safetensors"));
    const step = t.engine.trainStep.bind(t.engine);
    t.engine.trainStep = async (batch, o) => {
      if (o.step < 9) return step(batch, o);
      await t.engine.setParameters(spoilt("ista.2.B", Number.NaN)(await t.engine.parameters()));
      return { loss: Number.NaN };
    };
    await expectDataError(() => run(t, out, { resume: true }), "step 9 (epoch 2, batch 3", "ista.2.B", "last good state");
    expect(readFileSync(join(out, "last.safetensors"))).toEqual(before);
  });
});
