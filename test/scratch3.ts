import { compileText, err, fixture, spec } from "./scratch-lib.js";
import * as ort from "onnxruntime-node";
import { lowerNetwork } from "../src/tensor/lower.js";
import { schedule } from "../src/tensor/schedule.js";
import { emitOnnx } from "../src/emit/onnx/emit.js";
import { describe } from "../src/network/describe.js";
import { resolveWeights } from "../src/network/weights.js";
import { gradients } from "../src/tensor/gradients.js";
import { evaluateGraph } from "../src/tensor/evaluate-graph.js";
const { t, j } = fixture("crate-classifier");
const net = compileText(spec("crate"), { d: 32, K: 4, p: 8, L: 3, C: 10, H: 28, P: 7, channels: 1 });
const param = Object.fromEntries(Object.entries(t).filter(([k]) => k.startsWith("param/")).map(([k, v]) => [k.slice(6), v]));
const w = resolveWeights(net.unrolled.parameters, param);
console.log("faults", w.faults, "unused", w.unused);
const graph = lowerNetwork(net.unrolled, { probe: true });
const description = describe(net.unrolled, { compiler: "0", specHash: "x", seed: 1 });
const { files } = emitOnnx(schedule(graph), { description, weights: w.values, metadata: {}, doc: "", producerVersion: "0" });
const s = await ort.InferenceSession.create(files[0]!.bytes);
console.log(s.outputNames.join(" "));
const out = await s.run({ image: new ort.Tensor("float32", t["input/image"]!.data as Float32Array, [4, 1, 28, 28]) });
console.log("logits", err(out["logits"]!.data as Float32Array, t["output64/logits"]!.data));
for (let l = 1; l <= 3; l++) { console.log(l, err(out[`block.${l}.compress`]!.data as Float32Array, t[`output64/layer${l}.mssa`]!.data), err(out[`block.${l}.sparsify`]!.data as Float32Array, t[`output64/layer${l}.ista`]!.data)); }
// gradients (without smoothing)
const plain = compileText(spec("crate").replace(", smoothing: 0.1", ""), { d: 32, K: 4, p: 8, L: 3, C: 10, H: 28, P: 7, channels: 1 });
const lg = lowerNetwork(plain.unrolled, { loss: true });
const loss = lg.outputs.find((o) => o.name === "loss")!;
const g = gradients(lg, loss.node);
const outs = [...g.nodes].map(([name, node]) => ({ name, node, wire: g.graph.nodes[node]!.axes.map((a) => a.name) }));
const f64 = (x: any) => ({ shape: x.shape, data: Float64Array.from(x.data) });
const res = evaluateGraph({ nodes: g.graph.nodes, outputs: [loss, ...outs] }, { inputs: { image: f64(t["input/image"]), label: f64(t["input/label"]) }, parameters: Object.fromEntries(Object.entries(w.values).map(([k, v]) => [k, f64(v)])) } as any);
console.log("loss", res.get("loss")!.data[0], j.results.loss_f64);
const grad = Object.fromEntries(Object.entries(t).filter(([k]) => k.startsWith("grad64/")).map(([k, v]) => [k.slice(7), v]));
const gw = resolveWeights(plain.unrolled.parameters, grad);
let worst = 0; for (const [k, v] of Object.entries(gw.values)) { const e = Number(err(res.get(k)!.data, v.data)); if (e > worst) worst = e; if (e > 1e-9) console.log(k, e); }
console.log("gradients worst", worst, gw.faults);

import { trainingGraph, parametersAsInputs } from "../src/emit/onnx-train/training-graph.js";
import { createOrtEngine } from "../src/runtime/ort/engine.js";
for (const kind of ["sgd", "adam", "adamw", "lion", "adamw_smooth"]) {
  const traj = j.results.trajectories[kind], h = traj.hyperparameters;
  const n2 = kind === "adamw_smooth" ? net : plain;
  const fwd = lowerNetwork(n2.unrolled, { loss: true, training: true });
  const optimizer: any = kind === "sgd" ? { kind, rate: h.lr, momentum: 0, weightDecay: 0 } : { kind: kind === "adamw_smooth" ? "adamw" : kind, rate: h.lr, beta1: h.betas[0], beta2: h.betas[1], epsilon: h.eps ?? 1e-8, weightDecay: h.weight_decay };
  const d0 = describe(n2.unrolled, { compiler: "0", specHash: "x", seed: 1 });
  const d = { ...d0, training: { ...d0.training!, optimizer } };
  const tg = trainingGraph(fwd, d.parameters, optimizer);
  const emit = (graph: any, inputs: any) => emitOnnx(schedule(graph), { description: { ...d, inputs: [...d.inputs, ...inputs] }, weights: {}, metadata: {}, doc: "", producerVersion: "0" }).files[0]!.bytes;
  const ev = parametersAsInputs(lowerNetwork(n2.unrolled, { loss: true }));
  const engine = await createOrtEngine(ort as any, d, { train: emit(tg.graph, tg.inputs), evaluate: emit(ev, d.parameters.map((p) => ({ name: p.name, kind: "real", shape: p.shape }))) });
  await engine.setParameters(w.values);
  const batch = { image: t["input/image"]!, label: t["input/label"]! };
  let worst2 = 0;
  for (let i = 1; i <= 20; i++) { const r = await engine.trainStep(batch, { learningRate: h.lr, step: i, seed: 1 }); worst2 = Math.max(worst2, Math.abs(r.loss - traj.losses_f64[i - 1])); }
  const e = await engine.evaluate(batch);
  console.log(kind, "losses", worst2.toExponential(2), Math.abs(e.loss! - traj.losses_f64[20]).toExponential(2));
}
