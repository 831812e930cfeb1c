import { compileText, err, fixture, spec } from "./scratch-lib.js";
import * as ort from "onnxruntime-node";
import { lowerNetwork } from "../src/tensor/lower.js";
import { schedule } from "../src/tensor/schedule.js";
import { emitOnnx } from "../src/emit/onnx/emit.js";
import { describe } from "../src/network/describe.js";
import { resolveWeights } from "../src/network/weights.js";
async function run(c: string, specName: string, settings: any, inputs: (t: any) => Record<string, any>, checks: [string, string][]) {
  const { t } = fixture(c);
  const net = compileText(spec(specName), settings);
  const param = Object.fromEntries(Object.entries(t).filter(([k]) => k.startsWith("param/")).map(([k, v]) => [k.slice(6), v]));
  const w = resolveWeights(net.unrolled.parameters, param);
  if (w.faults.length || w.unused.length) console.log("faults", w.faults, "unused", w.unused);
  const description = describe(net.unrolled, { compiler: "0", specHash: "x", seed: 1 });
  const { files } = emitOnnx(schedule(lowerNetwork(net.unrolled, { probe: true })), { description, weights: w.values, metadata: {}, doc: "", producerVersion: "0" });
  const s = await ort.InferenceSession.create(files[0]!.bytes);
  const feeds = Object.fromEntries(Object.entries(inputs(t)).map(([k, v]: any) => [k, new ort.Tensor("float32", Float32Array.from(v.data), v.shape)]));
  const out = await s.run(feeds);
  for (const [o, f] of checks) console.log(c, o, out[o] ? err(out[o]!.data as Float32Array, t[f]!.data) : "MISSING " + s.outputNames);
}
const which = process.argv[2];
if (!which || which === "alpha") await run("crate-alpha", "crate-alpha", { d: 32, K: 4, p: 8, L: 2, C: 10, H: 32, P: 8 }, (t) => ({ image: t["input/image"] }), [["logits", "output64/logits"]]);
if (!which || which === "mae") await run("crate-mae", "crate-mae", { d: 32, K: 4, p: 8, L: 2, H: 32, P: 8 }, (t) => ({ image: t["input/image"], mask: t["input/mask"] }), [["encoder.1.compress", "output64/encoder1.mid"], ["encoder.2.sparsify", "output64/encoder2.out"], ["decoder.2.expand", "output64/decoder2.out"], ["patches_out", "output64/pred"]]);
if (!which || which === "tost") await run("tost-vision-attention", "tost-attention", {}, (t) => ({ X: t["input/x"] }), [["attention", "output64/y"]]);
