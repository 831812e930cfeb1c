/** 2,000 training steps leave neither tensors nor memory behind. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { initialise } from "../../src/runtime/random.js";
import { startBackend } from "../../src/runtime/tfjs/backend.js";
import { createTfjsEngine } from "../../src/runtime/tfjs/engine.js";
import { loadData } from "../../src/runtime/data/load.js";
import { compileSpec, example } from "../support/build.js";
import { describeNetwork, modelOf } from "../support/tfjs.js";
import { smallSpec, trainingOf } from "../support/training.js";

const steps = 2000;

describe("over 2,000 steps", () => {
  it.each(["wasm", "cpu"] as const)("the count of tensors and their bytes are flat in TensorFlow.js, %s", async (name) => {
    const network = compileSpec(smallSpec());
    const model = describeNetwork(network);
    const engine = await createTfjsEngine(model, await modelOf(network, 2), await startBackend(name));
    const parameters = initialise(model.parameters, 1);
    await engine.setParameters(parameters);
    const data = await loadData(model.training?.data ?? { name: "", positional: [], named: {} }, { model, baseDirectory: ".", parameters });
    const batch = data.train.batch([0, 1, 2, 3]);
    const seen = new Set<string>();
    for (let step = 1; step <= steps; step++) {
      await engine.trainStep(batch, { learningRate: 1e-3, step, seed: step });
      if (step % 100 === 0) {
        await engine.evaluate(batch);
        seen.add(`${engine.tensorCount?.()} tensors, ${tf.memory().numBytes} bytes`);
      }
    }
    expect([...seen]).toHaveLength(1);
    engine.dispose();
  }, 300_000);
  it("memory of the process is flat in ONNX Runtime", async () => {
    const { engine, model, data } = await trainingOf(example("crate"), { d: 128, K: 4, p: 32, L: 4, C: 10, H: 28, P: 7, channels: 1 });
    await engine.setParameters(initialise(model.parameters, 1));
    const batch = data.train.batch([0, 1]);
    const run = async (from: number, to: number): Promise<number> => {
      for (let step = from; step < to; step++) await engine.trainStep(batch, { learningRate: 1e-3, step, seed: step });
      return process.memoryUsage().rss / 2 ** 20;
    };
    const warm = await run(1, 60);
    const late = await run(60, 260);
    // A step gives 210,000 parameters and twice as many moments: 2.5 MB. Two hundred of them kept would be 500 MB.
    expect(late - warm).toBeLessThan(200);
    engine.dispose();
  }, 300_000);
});
