/** What can be asked of an example: that it learns, that it is built from data, that it converges. */
import * as ort from "onnxruntime-node";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { emitOnnx } from "../../src/emit/onnx/emit.js";
import { loadData } from "../../src/runtime/data/load.js";
import { loadBest } from "../../src/runtime/checkpoint.js";
import { createOrtEngine, type Ort } from "../../src/runtime/ort/engine.js";
import { fixedValues, initialise, Random, startingValues } from "../../src/runtime/random.js";
import type { TensorMap } from "../../src/runtime/contract.js";
import { type Evaluation, evaluate, train } from "../../src/runtime/train.js";
import { evaluateGraph } from "../../src/tensor/evaluate-graph.js";
import { schedule } from "../../src/tensor/schedule.js";
import { graphOf, trainingModelsOf } from "../../src/targets.js";
import { compileExample, type Curve, type Result, type Session, type Trained } from "./run.js";

export type Kind = (session: Session) => Promise<Result>;

async function engineOf(session: Session): Promise<Trained> {
  const { network, description } = session;
  const engine = await createOrtEngine(ort as unknown as Ort, description, trainingModelsOf(network, { description, metadata: {}, version: "examples", level: 0 }), { name: "ONNX Runtime" });
  const fixed = fixedValues(description);
  const call = description.training?.data;
  if (!call) throw new Error("the spec has no data");
  return { ...session, engine, data: await loadData(call, { model: description, baseDirectory: "examples", parameters: fixed }) };
}
/** The training log as curves: the loss of batches, and that of the test split after each epoch. */
function curvesOf(file: string): Curve {
  const [, ...lines] = readFileSync(file, "utf8").trim().split("\n").map((l) => l.split(","));
  const number = (text: string | undefined): number => (text === undefined || text === "" ? Number.NaN : Number(text));
  const points = (column: number): readonly (readonly [number, number])[] =>
    lines.map((l) => [number(l[0]), number(l[column])] as const).filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  return { title: "Training", x: "step", y: "loss", series: [{ name: "batch", points: points(2) }, { name: "test", points: points(5) }] };
}
export interface Judgement {
  readonly full: boolean;
  readonly before: Evaluation;
  readonly after: Evaluation;
  readonly session: Trained;
}
export interface TrainedOptions {
  readonly smallSteps: number;
  /** What it reached in words, and a fault where that is not enough. */
  readonly judge: (j: Judgement) => { readonly reached: string; readonly fault?: string };
  readonly picture?: (session: Trained) => Promise<string>;
}
export const trained = (options: TrainedOptions): Kind => async (base) => {
  const session = await engineOf(base);
  const { engine, description, data, full, out } = session;
  const batch = full ? description.training?.batch ?? 32 : 32;
  await engine.setParameters(startingValues(description, description.seed));
  const before = await evaluate(engine, description, data.test, batch);
  await train(engine, description, data, full ? { out } : { out, steps: options.smallSteps, batchSize: batch }, { say: base.say, interrupted: () => false });
  await engine.setParameters(loadBest(out, description, base.say).parameters);
  const after = await evaluate(engine, description, data.test, batch);
  const verdict = options.judge({ full, before, after, session });
  const picture = options.picture && full ? { picture: await options.picture(session) } : {};
  engine.dispose();
  return { ...verdict, ...picture, curve: curvesOf(join(out, "log.csv")) };
};

const all = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Built forward from data in float64; the figure shows the network's own objective over the layers. */
export const constructed = (): Kind => async (session) => {
  const { network, description, say } = session;
  const call = description.training?.data;
  if (!call) throw new Error("the spec has no data");
  const data = await loadData(call, { model: description, baseDirectory: "examples", parameters: {} });
  const batch = data.train.batch(all(data.train.size));
  const built = evaluateGraph(graphOf(network, { construct: true, probe: true }), { inputs: batch, parameters: {} });
  const weights = Object.fromEntries(description.parameters.map((p) => [p.name, { shape: p.shape, data: built.get(p.name)?.data ?? new Float64Array() }]));
  const test = data.test.batch(all(data.test.size));
  const held = evaluateGraph(graphOf(network, {}), { inputs: test, parameters: weights });
  const features = held.get("features");
  if (!features) throw new Error("the network has no features");
  // How far samples of different classes are from orthogonal, and those of one class from alike, in the held-out set.
  const labels = Object.values(test).find((t) => t.data instanceof Int32Array)?.data as Int32Array;
  const d = features.shape[1] ?? 1;
  const cosine = (i: number, j: number): number => {
    const [a, b] = [i, j].map((k) => features.data.subarray(k * d, (k + 1) * d)) as [Float64Array, Float64Array];
    return Math.abs(a.reduce((s, x, e) => s + x * (b[e] as number), 0)) / (Math.hypot(...a) * Math.hypot(...b));
  };
  const [within, between]: [number[], number[]] = [[], []];
  for (let i = 0; i < labels.length; i++) for (let j = 0; j < i; j++) (labels[i] === labels[j] ? within : between).push(cosine(i, j));
  const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / Math.max(1, x.length);
  say(`held out: ${mean(within).toFixed(4)} within classes, ${mean(between).toFixed(4)} between`);
  return {
    reached: `absolute cosine of held-out samples ${mean(within).toFixed(3)} within a class, ${mean(between).toFixed(3)} between classes`,
    ...(mean(within) > mean(between) ? {} : { fault: "classes are no more alike within than between" }),
  };
};

/** A network of which nothing is learned alone: its model in ONNX Runtime beside float64, on random inputs and parameters. */
export const agreeing = (free: Readonly<Record<string, number>>): Kind => async ({ network, description }) => {
  const weights = initialise(description.parameters, 1);
  const random = Random.named(1, "agreeing");
  const feeds = Object.fromEntries(description.inputs.map((w) => {
    const shape = [1, ...w.shape.slice(1).map((s) => (typeof s === "number" ? s : (free[s] ?? 4)))];
    return [w.name, { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()) }];
  }));
  const graph = graphOf(network, {}, 2);
  const { files } = emitOnnx(schedule(graph), { description, weights, metadata: {}, doc: "", producerVersion: "examples" });
  const model = await ort.InferenceSession.create((files[0] as { bytes: Uint8Array }).bytes);
  const found = await model.run(Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, new ort.Tensor("float32", t.data, t.shape)])));
  const truth = evaluateGraph(graphOf(network, {}), { inputs: feeds, parameters: weights });
  const errors = description.outputs.map((o) => {
    const [a, b] = [found[o.name]?.data as Float32Array, truth.get(o.name)?.data as Float64Array];
    return b.reduce((m, x, i) => Math.max(m, Math.abs(x - (a[i] ?? Number.NaN))), 0) / b.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  });
  const worst = Math.max(...errors);
  return { reached: `ONNX Runtime agrees with float64 to ${worst.toExponential(1)} of the largest entry`, ...(worst < 1e-5 ? {} : { fault: `they differ by ${worst}` }) };
};

/** The iterates of a network of `long` layers, and how far they are from its last one. */
export const convergence = (options: { readonly layers: string; readonly long: number; readonly parameters?: TensorMap }): Kind => async (session) => {
  const layers = session.full ? options.long : Math.ceil(options.long / 5);
  const network = compileExample(session.row, { [options.layers]: layers });
  const { unrolled } = network;
  const random = Random.named(1, "convergence");
  const parameters = { ...initialise(session.description.parameters, 1), ...options.parameters };
  // The vector that is measured is made of a few atoms and noise where the spec has a dictionary; else it is drawn.
  const inputs = Object.fromEntries(session.description.inputs.map((w) => {
    const size = Number(w.shape[1]);
    return [w.name, { shape: [1, size], data: Float64Array.from({ length: size }, () => random.normal()) }];
  }));
  const values = evaluateGraph(graphOf(network, { probe: true }), { inputs, parameters });
  const last = unrolled.statements.filter((s) => s.variable !== undefined).at(-1)?.target ?? "";
  const pattern = /^(.*\.)(\d+)(\..*)$/.exec(last);
  if (!pattern) throw new Error(`${last} is no step of a layer`);
  const at = (k: number): Float64Array => values.get(`${pattern[1]}${k}${pattern[3]}`)?.data ?? new Float64Array();
  const limit = at(layers);
  const points = Array.from({ length: layers - 1 }, (_, i): readonly [number, number] => {
    const x = at(i + 1);
    return [i + 1, Math.hypot(...limit.map((l, e) => l - (x[e] ?? Number.NaN))) / Math.hypot(...limit)];
  });
  const [first, half] = [points[0]?.[1] ?? Number.NaN, points[Math.floor(points.length / 2)]?.[1] ?? Number.NaN];
  return {
    reached: `after ${Math.floor(points.length / 2) + 1} of ${layers} layers within ${half.toExponential(1)} of the last iterate`,
    ...(half < ((session.full ? 0.15 : 0.5) * first) ? {} : { fault: `not settled: ${half}` }),
    curve: { title: "Distance to the last iterate", x: "layer", y: "relative distance", logarithmic: true, series: [{ name: session.row.name, points: points.filter(([, y]) => y > 0) }] },
  };
};
