/** Learned parameters on which the loss does not depend: their gradient is zero, and decay acts on them all the same, in both engines. */
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { initialise } from "../../src/runtime/random.js";
import { createOrtEngine, type Ort } from "../../src/runtime/ort/engine.js";
import { createTfjsEngine } from "../../src/runtime/tfjs/engine.js";
import { trainingModelsOf } from "../../src/targets.js";
import { compileSpec } from "../support/build.js";
import { backend, describeNetwork, modelOf } from "../support/tfjs.js";

// A normalisation over one feature is 0 whatever it takes, so its scale has no effect; `idle` and `kept` are not used at all.
const spec = (optimizer: string): string => `network N { dim d = 4
  input x: real[d] target t: real[d]
  param W: real[d, d] init constant(1) param idle: real[d] init constant(1) param kept: real positive init constant(2) param row: real[1, d] init constant(1)
  output s: real = (row*x) |> layernorm
  output z: real[d] = W*x
  train { data mnist loss mse(z, t) + sq_norm(s) optimizer ${optimizer} batch 2 steps 3 seed 1 } }`;
const batch = { x: { shape: [2, 4], data: Float32Array.of(1, 2, 3, 4, 4, 3, 2, 1) }, t: { shape: [2, 4], data: new Float32Array(8) } };

describe.each(["sgd(rate: 0.1)", "sgd(rate: 0.1, weight_decay: 0.5)", "sgd(rate: 0.1, momentum: 0.9, weight_decay: 0.5)", "adam(rate: 0.1, weight_decay: 0.5, clip: 1)", "adamw(rate: 0.1, weight_decay: 0.5)", "lion(rate: 0.1, weight_decay: 0.5)"])("with %s", (optimizer) => {
  it.each([["ort", 0], ["ort", 1], ["tfjs", 1]] as const)("%s at level %i: decayed and else left alone", async (name, level) => {
    const network = compileSpec(spec(optimizer));
    const model = describeNetwork(network);
    const models = trainingModelsOf(network, { description: model, metadata: {}, version: "test", level });
    const engine = name === "ort" ? await createOrtEngine(ort as unknown as Ort, model, models, { threads: 1 }) : await createTfjsEngine(model, await modelOf(network, level), await backend());
    await engine.setParameters(initialise(model.parameters, 1));
    for (let step = 1; step <= 3; step++) await engine.trainStep(batch, { learningRate: 0.1, step, seed: 1 });
    const kept = (optimizer.includes("weight_decay") ? 0.95 : 1) ** 3;
    const [values, state] = [await engine.parameters(), await engine.optimizerState()];
    engine.dispose();
    for (const [parameter, start] of [["idle", 1], ["kept", 2], ["s.layernorm.scale", 1]] as const) {
      for (const x of values[parameter]?.data ?? [Number.NaN]) expect(x, parameter).toBeCloseTo(start * kept, 5);
      for (const moment of ["m", "v"]) for (const x of state[`${parameter}/${moment}`]?.data ?? []) expect(x).toBe(0);
    }
    expect(values["W"]?.data[0]).not.toBeCloseTo(kept, 3);
  });
});
