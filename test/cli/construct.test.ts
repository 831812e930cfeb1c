/** Building a network from data: weights, checkpoint, and a model of them that runs on single samples in both runtimes. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { construct } from "../../src/cli/commands/construct.js";
import { readSafetensors } from "../../src/runtime/safetensors.js";
import { compileSpec, example, relativeError, runOnnx } from "../support/build.js";
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
