import { compileText, err } from "./scratch-lib.js";
import * as ort from "onnxruntime-node";
import { readFileSync } from "node:fs";
import { lowerNetwork } from "../src/tensor/lower.js";
import { schedule } from "../src/tensor/schedule.js";
import { emitOnnx } from "../src/emit/onnx/emit.js";
import { describe, initialValues } from "../src/network/describe.js";
import { runNetwork, fromWire } from "../src/audit/run-network.js";
import { Random } from "../src/runtime/random.js";
import { showExpr } from "../src/expression/print.js";
const all = readFileSync(process.argv[2]!, "utf8").split(/^#### /m).slice(1);
for (const text of all) {
  const name = text.split("\n")[0]!; const body = text.slice(name.length + 1);
  if (process.argv[3] && !name.includes(process.argv[3])) continue;
  try {
    const net = compileText(body);
    for (const d of net.derivations.values()) console.log(`   ${name}: ${showExpr(d.update).slice(0, 200)}`);
    const description = describe(net.unrolled, { compiler: "0", specHash: "x", seed: 1 });
    const weights = initialValues(description, 1);
    const r = Random.named(1, "w"); for (const p of description.parameters) { const t = weights[p.name]; if (!t) { const size = p.shape.reduce((a, b) => a * b, 1); (weights as any)[p.name] = { shape: p.shape, data: Float32Array.from({ length: size }, () => 0.3 * r.normal()) }; } else if (p.init.kind === "constant") for (let i = 0; i < t.data.length; i++) t.data[i]! += p.positive ? 0.1 * r.uniform() : 0.1 * r.normal(); }
    const { files } = emitOnnx(schedule(lowerNetwork(net.unrolled, { probe: true })), { description, weights, metadata: {}, doc: "", producerVersion: "0", fixed: net.unrolled.parameters.filter((p) => !p.trainable).map((p) => p.name) });
    const s = await ort.InferenceSession.create(files[0]!.bytes, { logSeverityLevel: 3 });
    const B = 3, feeds: any = {}, batch: any = {};
    for (const i of description.inputs) { const shape = i.shape.map((a) => a === "batch" ? B : typeof a === "string" ? 5 : a); const size = shape.reduce((a, b) => a * b, 1); const data = i.kind === "real" ? Float32Array.from({ length: size }, () => r.normal()) : Int32Array.from({ length: size }, () => r.integer(i.classes!)); batch[i.name] = { shape, data }; feeds[i.name] = i.kind === "real" ? new ort.Tensor("float32", data as Float32Array, shape) : new ort.Tensor("int64", BigInt64Array.from(data as Int32Array, BigInt), shape); }
    const out = await s.run(feeds);
    let worst = 0, worstName = "";
    for (let b = 0; b < B; b++) {
      const run = runNetwork(net.unrolled, weights, batch, b);
      for (const o of net.unrolled.outputs) { const v = run.values.get(o.value)![0]!; const t = out[o.name]!; const size = t.data.length / B; const part = (t.data as Float32Array).slice(b * size, (b + 1) * size); const w = fromWire(o.type, t.dims.slice(1), part); const e = Number(err(w.data, v.data)); if (!(e <= worst)) { worst = e; worstName = o.name; } }
      if (net.unrolled.batchDim) break;
    }
    console.log(worst < 2e-5 ? "ok  " : "BAD ", name, worst, worstName);
  } catch (e: any) { console.log("FAIL", name, (e.stack ?? e.message).split("\n").slice(0, 4).join(" | ")); }
}
