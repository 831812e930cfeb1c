/** `--audit every:N`: the objective of every step before and after it, as float64 has it, in both engines, and its file. */
import * as ort from "onnxruntime-node";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { occurrences } from "../../src/audit/occurrences.js";
import { runNetwork } from "../../src/audit/run-network.js";
import { emitModel } from "../../src/emit/tfjs/package.js";
import { trainingModels } from "../../src/emit/onnx-train/models.js";
import { parseArguments } from "../../src/runtime/arguments.js";
import { auditRows } from "../../src/runtime/audit.js";
import { createOrtEngine, type Ort } from "../../src/runtime/ort/engine.js";
import { loadData } from "../../src/runtime/data/load.js";
import { initialise } from "../../src/runtime/random.js";
import { createTfjsEngine } from "../../src/runtime/tfjs/engine.js";
import { train } from "../../src/runtime/train.js";
import { equations, graphOf, measuresOf, planOf } from "../../src/targets.js";
import { compileSpec, example } from "../support/build.js";
import { backend, describeNetwork, loadModel } from "../support/tfjs.js";
import { quiet } from "../support/training.js";

const network = compileSpec(example("crate"), { d: 16, K: 2, p: 6, L: 2 }, "mnist");
const model = { ...describeNetwork(network), specHash: "a".repeat(64) };
const probing = { probe: true, measures: measuresOf(network), loss: true };

async function engineOf(runtime: string) {
  if (runtime === "ONNX Runtime") {
    const graph = (o: Parameters<typeof graphOf>[1]) => graphOf(network, { loss: true, ...o }, 2);
    return createOrtEngine(ort as unknown as Ort, model, trainingModels(graph({ training: true }), graph({}), model, {}, "test", graph(probing)));
  }
  const code = await loadModel(emitModel({
    description: model, doc: undefined, equations: equations(network), specName: "t.srr", version: "t",
    predict: planOf(network, {}, 2), loss: planOf(network, { loss: true, training: true }, 2), probe: planOf(network, probing, 2),
  }, { template: (name) => readFileSync(`templates/package/${name}.hbs`, "utf8") }));
  return createTfjsEngine(model, code, await backend());
}
const data = await loadData({ name: "mnist", positional: [], named: {} }, { model, baseDirectory: ".", parameters: {} });

describe.each(["ONNX Runtime", "TensorFlow.js"])("an audit in training, in %s", (runtime) => {
  it("has the objectives that float64 has, step by step", async () => {
    const engine = await engineOf(runtime);
    const values = initialise(model.parameters, 1);
    await engine.setParameters(values);
    const batch = data.test.batch([3, 500]);
    const rows = auditRows((await engine.probe?.(batch)) ?? {});
    const found = occurrences(network.typed, network.unrolled, network.derivations);
    expect(rows.map((r) => r.step)).toEqual(found.map((o) => o.place));
    const runs = [0, 1].map((sample) => runNetwork(network.unrolled, values, batch, sample));
    for (const [i, o] of found.entries()) {
      for (const [when, target] of [["before", o.before], ["after", o.statement.target]] as const) {
        const exact = runs.map((r) => r.evaluateAt(o.spread(o.step.objective), o.statement, new Map([[o.step.variable, r.values.get(target) ?? []]])).data[0] as number);
        const mean = exact.reduce((a, b) => a + b, 0) / exact.length;
        expect(Math.abs((rows[i]?.[when] ?? Number.NaN) - mean), `${o.place} ${when}`).toBeLessThan(1e-4 * Math.max(1, Math.abs(mean)));
      }
    }
    engine.dispose();
  });
  it("is written every N steps, from before the first one on", async () => {
    const out = mkdtempSync(join(tmpdir(), "audit-"));
    const engine = await engineOf(runtime);
    await train(engine, model, data, { out, steps: 4, batchSize: 8, auditEvery: 2 }, quiet());
    const [header, ...lines] = readFileSync(join(out, "audit.csv"), "utf8").trim().split("\n");
    expect(header).toBe("training_step,network_step,objective_before,objective_after,change,non_zero");
    expect(lines.map((l) => l.split(",").slice(0, 2).join(" "))).toEqual([0, 2, 4].flatMap((s) => ["block.1.compress", "block.1.sparsify", "block.2.compress", "block.2.sparsify"].map((p) => `${s} ${p}`)));
    for (const l of lines) expect(l.split(",").slice(2).map(Number).every((x) => Number.isFinite(x))).toBe(true);
    engine.dispose();
    rmSync(out, { recursive: true });
  });
});
describe("--audit", () => {
  it("takes every:N", () => {
    expect(parseArguments(["--audit", "every:100"]).auditEvery).toBe(100);
    for (const wrong of ["100", "every:0", "every:x"]) expect(() => parseArguments(["--audit", wrong])).toThrow(/every:N/);
  });
});
