/** Whole networks at every level: the same values in float64, the authors' numbers in ONNX Runtime, gradients and training too. */
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { emitOnnx } from "../../src/emit/onnx/emit.js";
import { trainingModels } from "../../src/emit/onnx-train/models.js";
import { parametersAsInputs } from "../../src/emit/onnx-train/training-graph.js";
import type { CompiledNetwork } from "../../src/compile.js";
import { describe as describeModel } from "../../src/network/describe.js";
import { startingValues } from "../../src/runtime/random.js";
import { resolveWeights } from "../../src/network/weights.js";
import type { HostTensor, ModelDescription, TensorMap } from "../../src/runtime/contract.js";
import { createOrtEngine, type Ort } from "../../src/runtime/ort/engine.js";
import { checkGraph } from "../../src/tensor/check-graph.js";
import { evaluateGraph } from "../../src/tensor/evaluate-graph.js";
import { evaluatePlan } from "../../src/tensor/evaluate-plan.js";
import { gradients } from "../../src/tensor/gradients.js";
import type { Graph } from "../../src/tensor/graph.js";
import { lowerNetwork, type LowerOptions } from "../../src/tensor/lower.js";
import { optimise, type OptimisationLevel } from "../../src/tensor/passes/optimise.js";
import { schedule } from "../../src/tensor/schedule.js";
import { graphOf } from "../../src/targets.js";
import { compileSpec, example, fixture, relativeError, tensor, under } from "../support/build.js";
import { languageSizes, languageWeights } from "../support/language.js";
import { expectClose, noise } from "../tensor/networks.js";

const levels = [0, 1, 2] as const;
const crateSizes = { d: 32, K: 4, p: 8, L: 3, C: 10, H: 28, P: 7, channels: 1 };
const visionSizes = { d: 32, K: 4, p: 8, L: 2, C: 10, H: 32, P: 8 };
const description = (network: CompiledNetwork): ModelDescription => describeModel(network.unrolled, { compiler: "test", specHash: "", seed: 1 });
const describeOf = description;

/** Random inputs and targets, whole numbers where the wire wants them. */
function batchFor(network: CompiledNetwork, batch: number, free: number): TensorMap {
  const about = describeOf(network);
  const random = noise(5);
  return Object.fromEntries([...about.inputs, ...about.targets].map((w): [string, HostTensor] => {
    const shape = w.shape.map((s) => (typeof s === "number" ? s : s === "batch" ? batch : free));
    const length = shape.reduce((p, s) => p * s, 1);
    return [w.name, w.kind === "real" ? { shape, data: Float64Array.from({ length }, random) } : { shape, data: Float64Array.from({ length }, (_, i) => i % 2) }];
  }));
}
const wide = (t: TensorMap): Readonly<Record<string, HostTensor & { readonly data: Float64Array }>> =>
  Object.fromEntries(Object.entries(t).map(([k, v]) => [k, { shape: v.shape, data: Float64Array.from(v.data) }]));
const lossOf = (graph: Graph): number => graph.outputs.find((o) => o.name === "loss")?.node ?? -1;

describe("every example has the same values at every level, in float64", () => {
  const cases: readonly (readonly [string, Readonly<Record<string, number>>])[] = [
    ["crate", crateSizes], ["crate-alpha", visionSizes], ["crate-mae", { d: 32, K: 4, p: 8, L: 2, H: 32, P: 8 }], ["tost", visionSizes],
    ["crate-gpt", { vocab: 20, d: 16, K: 2, p: 8, L: 2, n: 6 }], ["tost-causal", { vocab: 20, d: 16, K: 2, p: 8, L: 2, n: 6 }],
    ["lista", { L: 4 }], ["ista", { L: 6 }], ["fista", { L: 6 }], ["admm", { L: 4 }], ["group-lasso", { L: 4 }], ["total-variation", { L: 3 }], ["tost-attention", {}],
  ];
  it.each(cases)("%s, the variable after every step and the loss included", (name, sizes) => {
    const network = compileSpec(example(name), sizes);
    const graph = lowerNetwork(network.unrolled, { probe: true, loss: true });
    const about = description(network);
    const weights = about.parameters.some((p) => p.init.kind === "file")
      ? Object.fromEntries(about.parameters.map((p, i) => {
        const random = noise(i + 3);
        return [p.name, { shape: p.shape, data: Float64Array.from({ length: p.shape.reduce((a, b) => a * b, 1) }, () => random() / 3) }];
      })) : startingValues(about, 1);
    const values = { inputs: wide(batchFor(network, 2, 6)), parameters: wide(weights), sizes: { batch: 2, ...Object.fromEntries(network.unrolled.freeDims.map((d) => [d, 6])) } };
    const expected = evaluateGraph(graph, values);
    expect(expected.size).toBeGreaterThan(0);
    for (const level of [1, 2] as const) {
      const { graph: after } = optimise(graph, level, checkGraph);
      const flat = evaluatePlan(schedule(after, { flatRows: true }), values);
      expect([...flat.keys()]).toEqual([...expected.keys()]);
      for (const [output, { data }] of expected) expectClose(flat.get(output)?.data ?? [], data, 1e-9);
    }
  });
});

async function run(network: CompiledNetwork, weights: TensorMap, feeds: TensorMap, level: OptimisationLevel, opset: number): Promise<Readonly<Record<string, Float32Array>>> {
  const { values, faults } = resolveWeights(network.unrolled.parameters, weights);
  expect(faults).toEqual([]);
  const about = description(network);
  const plan = schedule(graphOf(network, { probe: true }, level), { flatRows: level > 0 });
  const [file] = emitOnnx(plan, { description: about, weights: values, metadata: {}, doc: "", producerVersion: "test", opset }).files;
  const session = await ort.InferenceSession.create(file?.bytes as Uint8Array, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const out = await session.run(Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, about.inputs.find((i) => i.name === name)?.kind === "real"
    ? new ort.Tensor("float32", Float32Array.from(t.data), [...t.shape]) : new ort.Tensor("int64", BigInt64Array.from(Array.from(t.data), BigInt), [...t.shape])])));
  return Object.fromEntries(Object.entries(out).map(([name, t]) => [name, t.data as Float32Array]));
}
describe("the authors' numbers at every level, with and without the Attention operator", () => {
  const variants = levels.flatMap((level) => [18, 23].map((opset) => [level, opset] as const));
  it.each(variants)("CRATE at -O%i, opset %i, after every half-layer", async (level, opset) => {
    const { tensors } = fixture("crate-classifier");
    const out = await run(compileSpec(example("crate"), crateSizes), under(tensors, "param/"), { image: tensor(tensors, "input/image") }, level, opset);
    expect(relativeError(out["logits"] ?? [], tensor(tensors, "output64/logits").data)).toBeLessThan(1e-5);
    for (const layer of [1, 2, 3]) {
      expect(relativeError(out[`block.${layer}.compress`] ?? [], tensor(tensors, `output64/layer${layer}.mssa`).data)).toBeLessThan(1e-5);
      expect(relativeError(out[`block.${layer}.sparsify`] ?? [], tensor(tensors, `output64/layer${layer}.ista`).data)).toBeLessThan(1e-5);
    }
  });
  it.each(variants)("CRATE-alpha at -O%i, opset %i", async (level, opset) => {
    const { tensors } = fixture("crate-alpha");
    const out = await run(compileSpec(example("crate-alpha"), visionSizes), under(tensors, "param/"), { image: tensor(tensors, "input/image") }, level, opset);
    expect(relativeError(out["logits"] ?? [], tensor(tensors, "output64/logits").data)).toBeLessThan(1e-5);
  });
  it.each(variants)("causal ToST at -O%i, opset %i", async (level, opset) => {
    const { tensors } = fixture("tost-lang");
    const out = await run(compileSpec(example("tost-causal"), languageSizes), languageWeights(tensors), { text: tensor(tensors, "input/tokens") }, level, opset);
    expect(relativeError(out["logits"] ?? [], tensor(tensors, "output64/logits").data)).toBeLessThan(2e-5);
  });
});

describe("training at every level", () => {
  const { tensors } = fixture("crate-classifier");
  const plainLoss = example("crate").replace(", smoothing: 0.1", "");
  const network = compileSpec(plainLoss, crateSizes);
  const weights = resolveWeights(network.unrolled.parameters, under(tensors, "param/")).values;
  const authors = resolveWeights(network.unrolled.parameters, under(tensors, "grad64/")).values;
  const batch = { image: tensor(tensors, "input/image"), label: tensor(tensors, "input/label") };
  /** The gradient of the loss by every parameter, as outputs under the parameters' names. */
  const gradientGraph = (level: OptimisationLevel): Graph => {
    const forward = graphOf(network, { loss: true }, level);
    const { graph, nodes } = gradients(forward, lossOf(forward));
    const leaves = new Map(forward.nodes.flatMap((n) => (n.op === "parameter" ? [[n.name, n.axes.map((a) => a.name)] as const] : [])));
    return checkGraph({ nodes: graph.nodes, outputs: [...nodes].map(([name, node]) => ({ name: `gradient/${name}`, node, wire: leaves.get(name) ?? [] })) });
  };
  it.each([1, 2] as const)("gradients at -O%i are the authors' in float64", (level) => {
    const found = evaluateGraph(gradientGraph(level), { inputs: wide(batch), parameters: wide(weights) });
    expect(Object.keys(authors).length).toBeGreaterThan(20);
    for (const [name, t] of Object.entries(authors)) expect(relativeError(found.get(`gradient/${name}`)?.data ?? [], t.data), name).toBeLessThan(1e-10);
  });
  it("gradients at -O2 are no further from float64 in float32 than those at -O0", async () => {
    const worst = async (level: OptimisationLevel): Promise<number> => {
      const graph = parametersAsInputs(gradientGraph(level));
      const about = description(network);
      const inputs = [...about.inputs, ...about.parameters.map((p) => ({ name: p.name, kind: "real" as const, shape: p.shape }))];
      const [file] = emitOnnx(schedule(graph, { flatRows: level > 0 }), { description: { ...about, inputs }, weights: {}, metadata: {}, doc: "", producerVersion: "test", sharedDeviations: level > 0 }).files;
      const session = await ort.InferenceSession.create(file?.bytes as Uint8Array, { intraOpNumThreads: 1, logSeverityLevel: 3 });
      const float = (t: HostTensor): ort.Tensor => new ort.Tensor("float32", Float32Array.from(t.data), [...t.shape]);
      const out = await session.run({
        image: float(batch.image), label: new ort.Tensor("int64", BigInt64Array.from(Array.from(batch.label.data), BigInt), [...batch.label.shape]),
        ...Object.fromEntries(Object.entries(weights).map(([name, t]) => [name, float(t)])),
      });
      return Math.max(...Object.entries(authors).map(([name, t]) => relativeError(out[`gradient/${name}`]?.data as Float32Array, t.data)));
    };
    const [plain, optimised] = [await worst(0), await worst(2)];
    expect(plain).toBeLessThan(1e-4);
    // Rounding falls otherwise in other orders of the same sums: twice is the same.
    expect(optimised).toBeLessThan(2 * plain);
  });
  it("ten steps at rate 1e-4 lose the same to 1e-4", async () => {
    const about = description(network);
    const losses = async (level: OptimisationLevel): Promise<readonly number[]> => {
      const graph = (lowering: LowerOptions): Graph => graphOf(network, { loss: true, ...lowering }, level);
      const models = trainingModels(graph({ training: true }), graph({}), about, {}, "test", undefined, level);
      const engine = await createOrtEngine(ort as unknown as Ort, about, models, { threads: 1 });
      await engine.setParameters(weights);
      const found: number[] = [];
      for (let step = 1; step <= 10; step++) found.push((await engine.trainStep(batch, { learningRate: 1e-4, step, seed: 1 })).loss);
      return found;
    };
    const plain = await losses(0);
    expect(plain.at(-1)).toBeLessThan(plain[0] as number);
    for (const level of [1, 2] as const) (await losses(level)).forEach((loss, i) => expect(Math.abs(loss - (plain[i] as number))).toBeLessThan(1e-4));
  });
});
