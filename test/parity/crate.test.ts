/** CRATE against the authors' program (fixture crate-classifier): values, gradients, training. */
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { trainingModels } from "../../src/emit/onnx-train/models.js";
import { trainableCount } from "../../src/network/describe.js";
import { resolveWeights } from "../../src/network/weights.js";
import type { OptimizerProgram } from "../../src/runtime/contract.js";
import { createOrtEngine, type Ort } from "../../src/runtime/ort/engine.js";
import { lowerNetwork, type LowerOptions } from "../../src/tensor/lower.js";
import { createTfjsEngine } from "../../src/runtime/tfjs/engine.js";
import { backend, describeNetwork, modelOf, runTfjs, tfjsGradients } from "../support/tfjs.js";
import { compileSpec, example, fixture, graphGradients, relativeError, runOnnx, tensor, under } from "../support/build.js";

const sizes = { d: 32, K: 4, p: 8, L: 3, C: 10, H: 28, P: 7, channels: 1 };
const { tensors, results } = fixture("crate-classifier");
const weights = under(tensors, "param/");
const plainLoss = example("crate").replace(", smoothing: 0.1", "");

describe("CRATE from its equations", () => {
  it.each([["tiny", 6_090_856], ["small", 13_116_328], ["base", 22_796_008], ["large", 77_641_192]])("%s has %i parameters", (preset, count) => {
    expect(trainableCount(compileSpec(example("crate"), {}, preset).unrolled)).toBe(count);
  });
  it.each([["ONNX Runtime", runOnnx], ["TensorFlow.js", runTfjs]] as const)("agrees with the authors' program in %s, after every half-layer", async (_runtime, run) => {
    const out = await run(compileSpec(example("crate"), sizes), weights, { image: tensor(tensors, "input/image") });
    expect(relativeError(out["logits"] ?? [], tensor(tensors, "output64/logits").data)).toBeLessThan(1e-5);
    for (const layer of [1, 2, 3]) {
      expect(relativeError(out[`block.${layer}.compress`] ?? [], tensor(tensors, `output64/layer${layer}.mssa`).data)).toBeLessThan(1e-5);
      expect(relativeError(out[`block.${layer}.sparsify`] ?? [], tensor(tensors, `output64/layer${layer}.ista`).data)).toBeLessThan(1e-5);
    }
  });
  it("answers at 1, 2 and 50 samples from one model", async () => {
    const network = compileSpec(example("crate"), sizes);
    const image = tensor(tensors, "input/image");
    const whole = await runOnnx(network, weights, { image });
    for (const batch of [1, 2, 50]) {
      const data = Float32Array.from({ length: batch * 784 }, (_, i) => image.data[i % image.data.length] as number);
      const out = await runOnnx(network, weights, { image: { shape: [batch, 1, 28, 28], data } });
      expect(out["logits"]).toHaveLength(batch * 10);
      expect(relativeError((out["logits"] as Float32Array).slice(0, 10), (whole["logits"] as Float32Array).slice(0, 10))).toBeLessThan(1e-5);
    }
  });
  it("has the authors' gradients of all parameters in float64", () => {
    const network = compileSpec(plainLoss, sizes);
    const found = graphGradients(network, weights, { image: tensor(tensors, "input/image"), label: tensor(tensors, "input/label") });
    const wanted = resolveWeights(network.unrolled.parameters, under(tensors, "grad64/"));
    expect(wanted.faults).toEqual([]);
    expect(Object.keys(wanted.values).length).toBeGreaterThan(20);
    for (const [name, t] of Object.entries(wanted.values)) expect(relativeError(found[name] ?? [], t.data), name).toBeLessThan(1e-10);
  });
  it("has the authors' gradients of all parameters in TensorFlow.js", async () => {
    const network = compileSpec(plainLoss, sizes);
    const found = await tfjsGradients(network, weights, { image: tensor(tensors, "input/image"), label: tensor(tensors, "input/label") });
    const wanted = resolveWeights(network.unrolled.parameters, under(tensors, "grad64/")).values;
    expect(Object.keys(wanted).length).toBeGreaterThan(20);
    for (const [name, t] of Object.entries(wanted)) expect(relativeError(found[name] ?? [], t.data), name).toBeLessThan(1e-4);
  });
  const kinds = ["sgd", "adam", "adamw", "lion", "adamw_smooth"];
  it.each(kinds.flatMap((kind) => [[kind, "ONNX Runtime"], [kind, "TensorFlow.js"]] as const))("follows the authors' 20 training steps with %s in %s", async (kind, runtime) => {
    const run = results.trajectories[kind];
    const h = run.hyperparameters;
    const network = compileSpec(kind === "adamw_smooth" ? example("crate") : plainLoss, sizes);
    const optimizer: OptimizerProgram = kind === "sgd" ? { kind: "sgd", rate: h.lr, momentum: 0, weightDecay: 0 }
      : kind === "lion" ? { kind: "lion", rate: h.lr, beta1: h.betas[0], beta2: h.betas[1], weightDecay: h.weight_decay }
        : { kind: kind === "adam" ? "adam" : "adamw", rate: h.lr, beta1: h.betas[0], beta2: h.betas[1], epsilon: h.eps, weightDecay: h.weight_decay };
    const base = describeNetwork(network);
    if (!base.training) throw new Error("the spec has no train block");
    const description = { ...base, training: { ...base.training, optimizer } };
    const lower = (options: LowerOptions) => lowerNetwork(network.unrolled, { loss: true, ...options });
    const engine = runtime === "TensorFlow.js" ? await createTfjsEngine(description, await modelOf(network), await backend())
      : await createOrtEngine(ort as unknown as Ort, description, trainingModels(lower({ training: true }), lower({}), description, {}, "test"));
    await engine.setParameters(resolveWeights(network.unrolled.parameters, weights).values);
    const batch = { image: tensor(tensors, "input/image"), label: tensor(tensors, "input/label") };
    const tolerance = kind === "lion" ? 1e-3 : 1e-4;
    const counts: (number | undefined)[] = [];
    for (let i = 1; i <= 20; i++) {
      const { loss } = await engine.trainStep(batch, { learningRate: h.lr, step: i, seed: 1 });
      expect(Math.abs(loss - run.losses_f64[i - 1])).toBeLessThan(tolerance);
      counts.push(engine.tensorCount?.());
    }
    expect(new Set(counts.slice(1)).size, "the count of live tensors is flat").toBe(1);
    const last = await engine.evaluate(batch);
    expect(Math.abs((last.loss ?? Number.NaN) - run.losses_f64[20])).toBeLessThan(tolerance);
    engine.dispose();
  });
});
