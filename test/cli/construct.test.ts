/** Building a network from data: weights, checkpoint, and a model of them that runs on single samples in both runtimes. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { construct } from "../../src/cli/commands/construct.js";
import { readSafetensors } from "../../src/runtime/safetensors.js";
import { graphOf } from "../../src/targets.js";
import { evaluateGraph } from "../../src/tensor/evaluate-graph.js";
import { compileSpec, example, relativeError, runOnnx } from "../support/build.js";
import { command } from "../support/command-line.js";
import { runTfjs } from "../support/tfjs.js";

const out = mkdtempSync(join(tmpdir(), "construct-"));
afterAll(() => rmSync(out, { recursive: true, force: true }));

describe("crate-compile construct", () => {
  it("fills captures in float64, and the built network runs on single samples", async () => {
    await construct("examples/redunet.srr", { out, set: ["L=8"] });
    const weights = readSafetensors(readFileSync(join(out, "weights.safetensors")), "weights");
    expect(Object.keys(weights)).toContain("flow.8.E");
    expect(weights["flow.8.E"]?.data).toBeInstanceOf(Float64Array);
    const network = compileSpec(example("redunet"), { L: 8 });
    const points = { x: { shape: [3, 2], data: Float32Array.of(1, 0.2, -0.4, 0.9, 0.3, -0.8) } };
    const [onnx, tfjs] = [await runOnnx(network, weights, points), await runTfjs(network, weights, points)];
    expect(relativeError(tfjs["features"] ?? [], onnx["features"] ?? [])).toBeLessThan(2e-5);
    // One sample at a time gives what the batch gives.
    const single = await runOnnx(network, weights, { x: { shape: [1, 2], data: points.x.data.slice(2, 4) } });
    expect(relativeError(single["features"] ?? [], (onnx["features"] as Float32Array).slice(2, 4))).toBeLessThan(1e-6);
  });
  it("says the command that makes a model, as the network was chosen", async () => {
    const ran = await command("construct", "examples/redunet.srr", "--set", "L=2", "-o", join(out, "said"));
    expect(ran.err).toContain(`crate-compile build examples/redunet.srr --set L=2 --target onnx --weights ${join(out, "said", "weights.safetensors")} --out model.onnx makes a model`);
  });
  const golden = (1 + Math.sqrt(5)) / 2;
  const matrix = (rows: number, columns: number, f: (i: number, j: number) => number): readonly (readonly number[])[] =>
    Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_x, j) => f(i, j)));
  it.each([
    ["momentum: 0.5", "", 1, [0, 0.5, 0.5]], ["momentum: fista", "", 1, [0, 0, (golden - 1) / ((1 + Math.sqrt(1 + 4 * golden ** 2)) / 2)]], ["momentum: nesterov", "", 1, [0, 0, 1 / 4]], ["momentum: none", "", 1, [0, 0, 0]],
    ["momentum: none", "over A: real[d, m] from 0.5*Z", 0.5, [0, 0, 0]],
  ])("a capture is taken at the point of its step: %s %s", (momentum, over, start, factors) => {
    const A = over ? "A" : "Z";
    const network = compileSpec(`network N { dim d = 2, m = batch, L = 3 input x: real[d, m] var Z: real[d, m] = x
      layer f repeat L { step s { minimize 0.25/m*sq_norm(${A}*${A}') ${over} by gradient(rate: 0.1, ${momentum}) capture M = ${A}*${A}'/m } } output o: real[d, m] = Z }`);
    const m = 3;
    let Z = matrix(2, m, (i, j) => Math.sin(1 + 2 * i + 3 * j) * 2);
    const x = { shape: [m, 2], data: Float64Array.from(Array.from({ length: m }, (_, j) => Z.map((row) => row[j] ?? 0)).flat()) };
    const built = evaluateGraph(graphOf(network, { construct: true }), { inputs: { x }, parameters: {} });
    let before = Z;
    factors.forEach((mu, copy) => {
      const v = matrix(2, m, (i, j) => start * ((Z[i]?.[j] ?? 0) + mu * ((Z[i]?.[j] ?? 0) - (before[i]?.[j] ?? 0))));
      const M = matrix(2, 2, (i, k) => v[0]?.reduce((sum, _, j) => sum + (v[i]?.[j] ?? 0) * (v[k]?.[j] ?? 0) / m, 0) ?? 0);
      expect(relativeError(built.get(`f.${copy + 1}.M`)?.data ?? [], M.flat()), `copy ${copy + 1}`).toBeLessThan(1e-14);
      before = Z;
      Z = matrix(2, m, (i, j) => (v[i]?.[j] ?? 0) - 0.1 * (M[i]?.reduce((sum, c, k) => sum + c * (v[k]?.[j] ?? 0), 0) ?? 0));
    });
  });
  it("says what the data lacks before it builds", async () => {
    const spec = join(out, "unmeasured.srr");
    writeFileSync(spec, example("redunet").replace("target label", "target wanted: real[d, m]\n  target label").replace("metric nearest", "metric mse(features, wanted), nearest"));
    const folder = join(out, "unmeasured");
    await expect(construct(spec, { out: folder, set: ["L=2"] })).rejects.toThrow("data gaussians has nothing for wanted");
    expect(existsSync(folder)).toBe(false);
  });
  it("refuses a network without captures", async () => {
    await expect(construct("examples/crate.srr", { out, preset: "mnist" })).rejects.toThrow(/no capture/);
  });
});
