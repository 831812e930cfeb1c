/** Dropout in a training step: its share, its scale, its independence, and the same mask forward and backward. */
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { drawDropout, hashed, seedPrime } from "../../src/emit/onnx-train/dropout.js";
import { trainingModels } from "../../src/emit/onnx-train/models.js";
import { dimNumber, dimSymbol } from "../../src/expression/dim.js";
import { initialise } from "../../src/runtime/random.js";
import { createOrtEngine, type Ort } from "../../src/runtime/ort/engine.js";
import { createTfjsEngine } from "../../src/runtime/tfjs/engine.js";
import { GraphBuilder } from "../../src/tensor/builder.js";
import { evaluateGraph } from "../../src/tensor/evaluate-graph.js";
import { lowerNetwork } from "../../src/tensor/lower.js";
import { compileSpec } from "../support/build.js";
import { backend, describeNetwork, modelOf } from "../support/tfjs.js";

const [batch, d] = [{ name: "batch", size: dimSymbol("batch") }, { name: "d", size: dimNumber(40) }];
function draw(seed: number, which: number, count = 500): Float64Array {
  const b = new GraphBuilder();
  const x = b.input("x", [batch, d], "float"), s = b.input("seed", [], "int");
  const node = b.binary("add", hashed(b, [batch, d], s, which), b.binary("multiply", x, b.fill(0)));
  const graph = b.finish([{ name: "u", node, wire: ["batch", "d"] }], [x, s]);
  const inputs = { x: { shape: [count, 40], data: new Float64Array(count * 40) }, seed: { shape: [], data: Float64Array.of(seed) } };
  return evaluateGraph(graph, { inputs, parameters: {} }).get("u")?.data ?? new Float64Array();
}
const correlation = (a: Float64Array, b: Float64Array): number => {
  const mean = (x: Float64Array): number => x.reduce((s, v) => s + v, 0) / x.length;
  const [ma, mb] = [mean(a), mean(b)];
  const dot = (x: Float64Array, mx: number, y: Float64Array, my: number): number => x.reduce((s, v, i) => s + (v - mx) * ((y[i] as number) - my), 0);
  return dot(a, ma, b, mb) / Math.sqrt(dot(a, ma, a, ma) * dot(b, mb, b, mb));
};
const spec = (rate: number): string => `
network N { dim q = 50 input y: real[q] target t: real[q]
  output z: real[q] = dropout(y, ${rate}) |> linear(q, bias: false)
  train { data synthetic gaussians(classes: 2) loss mse(z, t) optimizer sgd(rate: 0.1) batch 4 epochs 1 } }`;

describe("dropout in a training step", () => {
  it("draws uniform numbers, independent between neighbours, steps and places", () => {
    const u = draw(12345, 0);
    const bins = new Array(10).fill(0);
    for (const x of u) bins[Math.floor(10 * x)] += 1;
    // 20,000 numbers: ten bins of 2,000, five standard deviations are 212.
    for (const count of bins) expect(Math.abs(count - 2000)).toBeLessThan(212);
    expect(Math.abs(correlation(u.slice(1), u.slice(0, -1)))).toBeLessThan(0.035);
    expect(Math.abs(correlation(u.slice(40), u.slice(0, -40)))).toBeLessThan(0.035);
    expect(Math.abs(correlation(u, draw(12346, 0)))).toBeLessThan(0.035);
    expect(Math.abs(correlation(u, draw(12345, 1)))).toBeLessThan(0.035);
    expect(draw(12345, 0)).toEqual(u);
    expect(draw(seedPrime - 1, 3).every((x) => x >= 0 && x < 1)).toBe(true);
  });
  it("leaves a graph without dropout as it is", () => {
    const b = new GraphBuilder();
    const x = b.input("x", [batch, d], "float");
    const graph = b.finish([{ name: "y", node: b.unary("exp", x), wire: ["batch", "d"] }], [x]);
    expect(drawDropout(graph, "seed")).toEqual({ graph, drawn: false });
  });
  it.each(["ONNX Runtime", "TensorFlow.js"])("trains with it in %s: another seed, another step; the same seed, the same step; no dropout in evaluation", async (runtime) => {
    const network = compileSpec(spec(0.5));
    const model = describeNetwork(network);
    const lower = (o: Parameters<typeof lowerNetwork>[1]) => lowerNetwork(network.unrolled, { loss: true, ...o });
    const values = initialise(model.parameters, 1);
    const data = { y: { shape: [4, 50], data: Float32Array.from({ length: 200 }, (_, i) => Math.sin(i)) }, t: { shape: [4, 50], data: new Float32Array(200) } };
    const once = async (seed: number) => {
      const engine = runtime === "TensorFlow.js" ? await createTfjsEngine(model, await modelOf(network), await backend())
        : await createOrtEngine(ort as unknown as Ort, model, trainingModels(lower({ training: true }), lower({}), model, {}, "test"));
      await engine.setParameters(values);
      const evaluated = (await engine.evaluate(data)).loss;
      const { loss } = await engine.trainStep(data, { learningRate: 0.1, step: 1, seed });
      const after = await engine.parameters();
      engine.dispose();
      return { evaluated, loss, after };
    };
    const [a, again, b] = [await once(7), await once(7), await once(8)];
    expect(again).toEqual(a);
    expect(b.loss).not.toBe(a.loss);
    expect(b.evaluated).toBe(a.evaluated);
    // Half of the entries, doubled: the loss of a dropped batch is another than the whole one's, and of its size.
    expect(a.loss / (a.evaluated ?? 1)).toBeGreaterThan(0.5);
    expect(a.loss / (a.evaluated ?? 1)).toBeLessThan(4);
    // Weights of an entry that was dropped in all samples do not move; here some move.
    const name = model.parameters[0]?.name ?? "";
    expect(a.after[name]?.data).not.toEqual(values[name]?.data);
  });
});
