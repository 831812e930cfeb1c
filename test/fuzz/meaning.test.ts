/** A hundred random networks, in CI; `npm run fuzz -- --meaning N` takes more. */
import { describe, expect, it } from "vitest";
import { runTfjs } from "../support/tfjs.js";
import { GraphBuilder } from "../../src/tensor/builder.js";
import type { Pass } from "../../src/tensor/passes/pass.js";
import { describe as describeModel } from "../../src/network/describe.js";
import { initialise } from "../../src/runtime/random.js";
import { compileSpec } from "../support/build.js";
import { firstWrongPass } from "./judge-passes.js";
import { judgeNetwork, onnxRuntimes } from "./judge-network.js";
import { randomNetwork } from "./random-networks.js";

const count = 100, first = 1000;

describe("random networks", () => {
  it(`${count} of them: gradients are slopes, steps minimise, and ONNX models compute what the statements say`, async () => {
    let agreed = 0;
    for (let seed = first; seed < first + count; seed++) {
      const text = randomNetwork(seed);
      const found = await judgeNetwork(text, seed);
      expect(found.outcome, `network ${seed}: ${found.detail}\n${text}`).not.toBe("differs");
      if (found.outcome === "agrees") agreed += 1;
    }
    expect(agreed).toBeGreaterThan(0.9 * count);
  }, 300_000);
  it("ten of them in TensorFlow.js too", async () => {
    for (let seed = first; seed < first + 10; seed++) {
      const text = randomNetwork(seed);
      const found = await judgeNetwork(text, seed, { tfjs: runTfjs, "tfjs -O2": (n, w, f) => runTfjs(n, w, f, 2) });
      expect(found.outcome, `network ${seed}: ${found.detail}\n${text}`).not.toBe("differs");
    }
  }, 60_000);
  it("show a pass that changes a value", () => {
    const network = compileSpec(randomNetwork(first));
    const about = describeModel(network.unrolled, { compiler: "fuzz", specHash: "", seed: 1 });
    const feeds = Object.fromEntries(about.inputs.map((i) => {
      const shape = [1, ...i.shape.slice(1).map(Number)];
      return [i.name, { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, k) => Math.sin(k + 1)) }];
    }));
    const wrong: Pass = {
      name: "wrong", level: 1, why: "a test that cannot fail is a defect",
      run: (graph) => {
        const b = GraphBuilder.from(graph);
        return b.finish(graph.outputs.map((o) => ({ ...o, node: b.binary("multiply", o.node, b.fill(1 + 1e-6)) })));
      },
    };
    const values = [network, initialise(about.parameters, 1), feeds, 1e-9] as const;
    expect(firstWrongPass(...values)).toBeUndefined();
    expect(firstWrongPass(...values, [wrong])).toMatch(/^wrong changes z by /);
  });
  it("are told from networks that compute something else", async () => {
    const text = randomNetwork(first);
    const wrong = await judgeNetwork(text, first, { "wrong in the fourth digit": async (n, w, f) => {
      const out = await onnxRuntimes["onnx -O0"]?.(n, w, f);
      return { z: (out?.["z"] ?? new Float32Array()).map((x) => x * 1.001) };
    } });
    expect(wrong.outcome).toBe("differs");
  });
});
