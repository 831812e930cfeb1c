import { compileText, err, fixture, spec } from "./scratch-lib.js";
import * as ort from "onnxruntime-node";
import { lowerNetwork } from "../src/tensor/lower.js";
import { schedule } from "../src/tensor/schedule.js";
import { emitOnnx } from "../src/emit/onnx/emit.js";
import { describe } from "../src/network/describe.js";
async function run(name: string, settings: any, weights: any, feeds: any, probes: Record<string, any>) {
  const net = compileText(spec(name), settings);
  const description = describe(net.unrolled, { compiler: "0", specHash: "x", seed: 1 });
  const f32 = (v: any) => ({ shape: v.shape, data: Float32Array.from(v.data) });
  const fixed = net.unrolled.parameters.filter((p) => !p.trainable).map((p) => p.name);
  const { files } = emitOnnx(schedule(lowerNetwork(net.unrolled, { probe: true })), { description, weights: Object.fromEntries(Object.entries(weights).map(([k, v]: any) => [k, v.data instanceof Float64Array ? v : f32(v)])), metadata: {}, doc: "", producerVersion: "0", fixed });
  const s = await ort.InferenceSession.create(files[0]!.bytes);
  const out = await s.run(Object.fromEntries(Object.entries(feeds).map(([k, v]: any) => [k, new ort.Tensor("float32", Float32Array.from(v.data), [1, ...v.shape])])));
  console.log(name, Object.entries(probes).map(([o, v]) => out[o] ? `${o} ${err(out[o]!.data as Float32Array, v.data)}` : `MISSING ${o} of ${s.outputNames.slice(0, 5)}`).join("  "));
}
const { t, j } = fixture("lasso");
const P = (n: string) => j.results.find((r: any) => r.problem === n);
for (const n of ["lasso1", "lasso5"]) {
  const eta = 1 / P(n).L, lambda = P(n).lambda;
  for (const [sp, key, step] of [["ista", "ista", "ista"], ["fista", "fista", "fista"]] as const)
    await run(sp, { L: 20, eta, lambda }, { A: t[`input/${n}.A`] }, { y: t[`input/${n}.y`] }, Object.fromEntries([1, 2, 5, 20].map((k) => [`${step}.${k}.shrink`, t[`output/${n}.${key}.${k}`]])));
  await run("admm", { L: 20, lambda, rho: 1 }, { A: t[`input/${n}.A`] }, { y: t[`input/${n}.y`] }, Object.fromEntries([1, 2, 5, 20].flatMap((k) => [[`admm.${k}.fit`, t[`output/${n}.admm.${k}.x`]], [`admm.${k}.split`, t[`output/${n}.admm.${k}.z`]]])));
}
await run("nonnegative-lasso", { L: 20, eta: 1 / P("nonneg").L, lambda: P("nonneg").lambda }, { A: t["input/nonneg.A"] }, { y: t["input/nonneg.y"] }, Object.fromEntries([1, 2, 5, 20].map((k) => [`ista.${k}.shrink`, t[`output/nonneg.ista.${k}`]])));
{ const A = t["input/group.A"]!; const fam = new Float64Array(A.data.length); for (let g = 0; g < 20; g++) for (let i = 0; i < 40; i++) for (let s = 0; s < 4; s++) fam[(g * 40 + i) * 4 + s] = A.data[i * 80 + g * 4 + s]!;
  await run("group-lasso", { L: 20, eta: 1 / P("group").L, lambda: P("group").lambda }, { A: { shape: [20, 40, 4], data: fam } }, { y: t["input/group.y"] }, Object.fromEntries([1, 2, 5, 20].map((k) => [`ista.${k}.shrink`, t[`output/group.ista.${k}`]]))); }
const tv = fixture("tv-denoise");
for (const [n, lambda, rho] of [["tv1", 0.8, 1], ["tv2", 2, 1.3]] as const)
  await run("total-variation", { lambda, rho }, { F: tv.t["input/F"] }, { y: tv.t[`input/${n}.y`] }, Object.fromEntries([1, 2, 5, 20].flatMap((k) => [[`admm.${k}.fit`, tv.t[`output/${n}.admm.${k}.x`]], [`admm.${k}.split`, tv.t[`output/${n}.admm.${k}.z`]]])));
