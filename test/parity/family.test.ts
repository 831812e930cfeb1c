/** The other networks of rate reduction and the classics of unrolling, against their authors' numbers. */
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../src/tensor/evaluate-graph.js";
import { lowerNetwork } from "../../src/tensor/lower.js";
import { trainableCount } from "../../src/network/describe.js";
import type { HostTensor } from "../../src/runtime/contract.js";
import { compileSpec, example, fixture, relativeError, runOnnx, tensor, under } from "../support/build.js";
import { languageSizes, languageWeights } from "../support/language.js";
import { runTfjs } from "../support/tfjs.js";

const runtimes = [["ONNX Runtime", runOnnx], ["TensorFlow.js", runTfjs]] as const;

describe.each(runtimes)("CRATE-alpha in %s", (_runtime, run) => {
  it("agrees with its authors' program and has 72,328,936 parameters at base/16", async () => {
    const { tensors } = fixture("crate-alpha");
    const network = compileSpec(example("crate-alpha"), { d: 32, K: 4, p: 8, L: 2, C: 10, H: 32, P: 8 });
    const out = await run(network, under(tensors, "param/"), { image: tensor(tensors, "input/image") });
    expect(relativeError(out["logits"] ?? [], tensor(tensors, "output64/logits").data)).toBeLessThan(1e-5);
    expect(trainableCount(compileSpec(example("crate-alpha")).unrolled)).toBe(72_328_936);
  });
});
describe.each(runtimes)("CRATE-MAE in %s", (_runtime, run) => {
  it("agrees with its authors' program, the mask fed, in encoder and decoder", async () => {
    const { tensors } = fixture("crate-mae");
    const network = compileSpec(example("crate-mae"), { d: 32, K: 4, p: 8, L: 2, H: 32, P: 8 });
    const out = await run(network, under(tensors, "param/"), { image: tensor(tensors, "input/image"), mask: tensor(tensors, "input/mask") });
    for (const [name, wanted] of [["encoder.1.compress", "encoder1.mid"], ["encoder.2.sparsify", "encoder2.out"], ["decoder.2.expand", "decoder2.out"], ["patches_out", "pred"]] as const) {
      expect(relativeError(out[name] ?? [], tensor(tensors, `output64/${wanted}`).data), name).toBeLessThan(2e-5);
    }
  });
  it("has the official counts, less the layer that the official code never uses", () => {
    expect(trainableCount(compileSpec(example("crate-mae")).unrolled)).toBe(43_745_280);
    expect(trainableCount(compileSpec(example("crate-mae"), { d: 576, K: 12, p: 48 }).unrolled)).toBe(24_846_528);
  });
});
describe.each(runtimes)("ToST in %s", (_runtime, run) => {
  it("the causal form, from a causal rate, agrees with its authors' language model", async () => {
    const { tensors } = fixture("tost-lang");
    const out = await run(compileSpec(example("tost-causal"), languageSizes), languageWeights(tensors), { text: tensor(tensors, "input/tokens") });
    for (const [name, wanted] of [["block.1.compress", "block1.mid"], ["block.1.Z", "block1.out"], ["block.2.compress", "block2.mid"], ["logits", "logits"]] as const) {
      expect(relativeError(out[name] ?? [], tensor(tensors, `output64/${wanted}`).data), name).toBeLessThan(2e-5);
    }
  });
  it("token statistics attention falls out of the variational rate", async () => {
    const { tensors } = fixture("tost-vision-attention");
    const out = await run(compileSpec(example("tost-attention")), under(tensors, "param/"), { X: tensor(tensors, "input/x") });
    expect(relativeError(out["attention"] ?? [], tensor(tensors, "output64/y").data)).toBeLessThan(1e-5);
  });
});
describe("ReduNet", () => {
  const wide = (t: HostTensor) => ({ shape: t.shape, data: Float64Array.from(t.data) });
  const built = (name: string, J: number) => {
    const { tensors } = fixture(name);
    const network = compileSpec(example("redunet"), { J });
    const inputs = { x: wide(tensor(tensors, "input/X_train")), label: wide(tensor(tensors, "input/y_train")) };
    return { tensors, network, values: evaluateGraph(lowerNetwork(network.unrolled, { construct: true, probe: true }), { inputs, parameters: {} }) };
  };
  const cases = [["redunet-gaussian2d", 2], ["redunet-gaussian2d-3class", 3]] as const;
  it.each(cases)("%s is built forward from data as its authors build it", (name, J) => {
    const { tensors, values } = built(name, J);
    for (const layer of [1, 2, 10, 50]) expect(relativeError(values.get(`flow.${layer}.expand`)?.data ?? [], tensor(tensors, `output/train.layer${layer}`).data)).toBeLessThan(1e-9);
    for (const layer of [1, 10, 50]) {
      expect(relativeError(values.get(`flow.${layer}.E`)?.data ?? [], tensor(tensors, `output/E.layer${layer}`).data)).toBeLessThan(1e-9);
      expect(relativeError(values.get(`flow.${layer}.C`)?.data ?? [], tensor(tensors, `output/C.layer${layer}`).data)).toBeLessThan(1e-9);
    }
  });
  it.each(cases)("%s: R and Rᶜ after every layer, with the classes that the layer estimates", (name, J) => {
    const { tensors, values } = built(name, J);
    const count = tensor(tensors, "input/X_train").shape[0] ?? 0;
    // d = 2: 0.5 logdet(I + d/(m eps) Z Z') of the samples chosen, by the formula for two rows.
    const rate = (z: ArrayLike<number>, chosen: readonly number[]): number => {
      const a = chosen.length === 0 ? 0 : 2 / (chosen.length * 0.1);
      const sum = (f: (x: number, y: number) => number): number => a * chosen.reduce((s, i) => s + f(z[2 * i] as number, z[2 * i + 1] as number), 0);
      return 0.5 * Math.log((1 + sum((x) => x * x)) * (1 + sum((_, y) => y * y)) - sum((x, y) => x * y) ** 2);
    };
    const all = Array.from({ length: count }, (_, i) => i);
    for (let layer = 1; layer <= 50; layer++) {
      const after = values.get(`flow.${layer}.expand`)?.data as Float64Array;
      const entering = layer === 1 ? tensor(tensors, "input/X_train").data : (values.get(`flow.${layer - 1}.expand`)?.data as Float64Array);
      const C = values.get(`flow.${layer}.C`)?.data as Float64Array;
      const size = (j: number, i: number): number => Math.hypot(...[0, 1].map((r) => (C[4 * j + 2 * r] as number) * (entering[2 * i] as number) + (C[4 * j + 2 * r + 1] as number) * (entering[2 * i + 1] as number)));
      const estimated = all.map((i) => Array.from({ length: J }, (_, j) => j).reduce((best, j) => (size(j, i) < size(best, i) ? j : best), 0));
      const theirs = tensors[`output/train.estimated_class.layer${layer}`];
      if (theirs) expect(estimated).toEqual([...theirs.data]);
      const compressed = Array.from({ length: J }, (_, j) => {
        const own = all.filter((i) => estimated[i] === j);
        return (own.length / count) * rate(after, own);
      }).reduce((x, y) => x + y, 0);
      expect(Math.abs(rate(after, all) - (tensor(tensors, "output/train.loss_expd").data[layer - 1] as number)), `R, layer ${layer}`).toBeLessThan(1e-7);
      expect(Math.abs(compressed - (tensor(tensors, "output/train.loss_comp").data[layer - 1] as number)), `Rc, layer ${layer}`).toBeLessThan(1e-7);
    }
  });
  it.each(cases)("%s: the built network takes held-out samples where the authors' does, in float64, ONNX Runtime and TensorFlow.js", async (name, J) => {
    const { tensors, network, values } = built(name, J);
    const weights = Object.fromEntries(network.unrolled.parameters.map((p) => [p.name, values.get(p.name) as HostTensor]));
    const x = tensor(tensors, "input/X_test");
    const wanted = tensor(tensors, "output/test.layer50").data;
    const exact = evaluateGraph(lowerNetwork(network.unrolled, {}), { inputs: { x: wide(x) }, parameters: weights as Parameters<typeof evaluateGraph>[1]["parameters"] });
    expect(relativeError(exact.get("features")?.data ?? [], wanted)).toBeLessThan(1e-7);
    for (const [runtime, run] of runtimes) expect(relativeError((await run(network, weights, { x }))["features"] ?? [], wanted), runtime).toBeLessThan(1e-4);
  });
});
describe.each(runtimes)("the classics in %s", (_runtime, run) => {
  const { tensors, results } = fixture("lasso");
  const problem = (name: string) => results.find((r: { problem: string }) => r.problem === name);
  const iterations = [1, 2, 5, 20];
  it.each(["lasso1", "lasso2", "lasso3", "lasso4", "lasso5"])("%s: ISTA, FISTA and ADMM iterates", async (name) => {
    const { L, lambda } = problem(name);
    const [A, y] = [tensor(tensors, `input/${name}.A`), tensor(tensors, `input/${name}.y`)];
    const feed = { y: { shape: [1, ...y.shape], data: y.data } };
    for (const method of ["ista", "fista"]) {
      const out = await run(compileSpec(example(method), { L: 20, eta: 1 / L, lambda }), { A }, feed);
      for (const k of iterations) expect(relativeError(out[`${method}.${k}.shrink`] ?? [], tensor(tensors, `output/${name}.${method}.${k}`).data)).toBeLessThan(1e-6);
    }
    const admm = await run(compileSpec(example("admm"), { L: 20, lambda, rho: 1 }), { A }, feed);
    for (const k of iterations) {
      // An inverse in float32 and twenty iterations of its rounding: 1.2e-6 in ONNX Runtime, 2.3e-6 on a native TensorFlow.
      expect(relativeError(admm[`admm.${k}.fit`] ?? [], tensor(tensors, `output/${name}.admm.${k}.x`).data)).toBeLessThan(3e-6);
      expect(relativeError(admm[`admm.${k}.split`] ?? [], tensor(tensors, `output/${name}.admm.${k}.z`).data)).toBeLessThan(3e-6);
    }
  });
  it.each(["lasso1", "lasso4"])("%s: deep networks reach the optimum", async (name) => {
    const { L, lambda } = problem(name);
    const [A, y] = [tensor(tensors, `input/${name}.A`), tensor(tensors, `input/${name}.y`)];
    const optimum = tensor(tensors, `output/${name}.optimum`).data;
    for (const [method, settings] of [["ista", { L: 600, eta: 1 / L, lambda }], ["fista", { L: 200, eta: 1 / L, lambda }], ["admm", { L: 120, lambda, rho: 1 }]] as const) {
      const out = await run(compileSpec(example(method), settings), { A }, { y: { shape: [1, ...y.shape], data: y.data } });
      expect(relativeError(out["code"] ?? [], optimum), method).toBeLessThan(1e-5);
    }
  });
  it("non-negative and group LASSO, the groups a family", async () => {
    const feed = (name: string) => ({ y: { shape: [1, 40], data: tensor(tensors, `input/${name}.y`).data } });
    const out = await run(compileSpec(example("nonnegative-lasso"), { L: 20, eta: 1 / problem("nonneg").L, lambda: problem("nonneg").lambda }), { A: tensor(tensors, "input/nonneg.A") }, feed("nonneg"));
    for (const k of iterations) expect(relativeError(out[`ista.${k}.shrink`] ?? [], tensor(tensors, `output/nonneg.ista.${k}`).data)).toBeLessThan(1e-6);
    const A = tensor(tensors, "input/group.A");
    const family = Float64Array.from({ length: A.data.length }, (_, i) => A.data[(Math.floor(i / 4) % 40) * 80 + Math.floor(i / 160) * 4 + (i % 4)] as number);
    const group = await run(compileSpec(example("group-lasso"), { L: 20, eta: 1 / problem("group").L, lambda: problem("group").lambda }), { A: { shape: [20, 40, 4], data: family } }, feed("group"));
    for (const k of iterations) expect(relativeError(group[`ista.${k}.shrink`] ?? [], tensor(tensors, `output/group.ista.${k}`).data)).toBeLessThan(1e-6);
  });
  it.each([["tv1", 0.8, 1], ["tv2", 2, 1.3]] as const)("%s: total variation by ADMM", async (name, lambda, rho) => {
    const { tensors: tv } = fixture("tv-denoise");
    const out = await run(compileSpec(example("total-variation"), { lambda, rho }), { F: tensor(tv, "input/F") }, { y: { shape: [1, 60], data: tensor(tv, `input/${name}.y`).data } });
    for (const k of iterations) expect(relativeError(out[`admm.${k}.fit`] ?? [], tensor(tv, `output/${name}.admm.${k}.x`).data)).toBeLessThan(1e-6);
  });
});
