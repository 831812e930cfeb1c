/** What a network holds besides its spec, for all programs of a package alike: its values, its fixed parameters, its characters. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { saveCheckpoint } from "../../src/runtime/checkpoint.js";
import type { HostTensor, ModelDescription, TensorMap } from "../../src/runtime/contract.js";
import { dataOf, main, type Package, trained } from "../../src/runtime/program.js";
import { startingValues } from "../../src/runtime/random.js";
import { writeSafetensors } from "../../src/runtime/safetensors.js";
import { train } from "../../src/runtime/train.js";
import { notedVocabulary, weightNotes } from "../../src/runtime/weights.js";
import { compileSpec } from "../support/build.js";
import { describeNetwork } from "../support/tfjs.js";
import { quiet, trainingOf } from "../support/training.js";
import { expectDataError, temporaryFolder } from "./model.js";

const pack = (model: ModelDescription, more: Partial<Package> = {}): Package =>
  ({ model, baseDirectory: "/", createEngine: () => Promise.reject(new Error("no engine is asked for")), ...more });
const options = (out: string, more: object = {}) => ({ resume: false, out, ...more });
const floats = (shape: readonly number[], at: (i: number) => number): HostTensor => ({ shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => at(i)) });
function saved(values: TensorMap, notes: Record<string, string> = {}): string {
  const file = join(temporaryFolder(), "weights.safetensors");
  writeFileSync(file, writeSafetensors(values, notes));
  return file;
}
const progress = { step: 1, epoch: 0, position: 1, epochRandom: [1, 2, 3, 4], random: [1, 2, 3, 4], best: undefined, loss: undefined, evaluated: 0, specHash: "", seed: 1, batch: 2 };

describe("fixed parameters", () => {
  const model = describeNetwork(compileSpec(`network Lasso { dim m = 3, q = 5
    input y: real[m] target t: real[q] param A: real[m, q] fixed init normal(1) param B: real[m, q] init normal(1)
    output z: real[q] = B'*y
    train { data synthetic sparse_codes(dictionary: A, sparsity: 0.5, noise: 0, size: 20) loss mse(z, t) optimizer sgd(rate: 0.1) batch 2 steps 1 seed 3 } }`));
  const noiseless = (A: HostTensor, x: Float32Array): number[] => [0, 1, 2].map((i) => [0, 1, 2, 3, 4].reduce((s, j) => s + (A.data[i * 5 + j] as number) * (x[j] as number), 0));
  const samples = async (p: Package, held?: Parameters<typeof dataOf>[3]) => {
    const { y, t } = (await dataOf(p, options("none"), quiet(), held)).test.batch([0]);
    return { y: [...(y?.data ?? [])], t: t?.data as Float32Array };
  };
  it("are drawn with the spec's seed, whatever the seed of a run; learned ones with the run's", () => {
    const [a, b] = [startingValues(model, 3), startingValues(model, 4)];
    expect(b["A"]).toEqual(a["A"]);
    expect(b["B"]).not.toEqual(a["B"]);
  });
  it("that the network holds are what its data are made of", async () => {
    const own = await samples(pack({ ...model, seed: 7 }));
    noiseless(startingValues(model, 1)["A"] as HostTensor, own.t).forEach((x, i) => expect(own.y[i]).toBeCloseTo(x, 5));
    const A = floats([3, 5], (i) => i);
    const other = await samples(pack(model), trained(pack(model), options("none", { weights: saved({ A, B: floats([3, 5], () => 0) }) }), quiet()));
    noiseless(A, other.t).forEach((x, i) => expect(other.y[i]).toBeCloseTo(x, 4));
  });
});

describe("the characters of a text", () => {
  const spec = (file: string): string => `network T { dim V = 6, d = 3, n = 4
    input text: token[V, n] target next: token[V, n]
    var Z: real[d, n] = text |> embedding(d)
    output logits: real[V, n] = Z |> linear(V)
    train { data text("${file}") loss cross_entropy(logits, next) optimizer adam(rate: 0.1) batch 4 steps 4 metric perplexity(logits, next) } }`;
  const text = (content: string): string => {
    const file = join(temporaryFolder(), "text.txt");
    writeFileSync(file, content);
    return file;
  };
  it("are kept in checkpoints and exported weights; another text is read in them, or refused", async () => {
    const t = await trainingOf(spec(text("abcdef".repeat(20))));
    const out = join(temporaryFolder(), "run");
    await train(t.engine, t.model, t.data, { out }, quiet());
    const p = pack(t.model);
    expect(trained(p, options(out), quiet()).vocabulary).toEqual([..."abcdef"]);
    const read = async (content: string, more: object = {}) => {
      const o = options(out, { data: { name: "text", positional: [text(content)], named: {} }, ...more });
      return [...((await dataOf(p, o, quiet(), trained(p, o, quiet()))).test.batch([0])["text"]?.data ?? [])];
    };
    expect(await read("fedc".repeat(20))).toEqual([5, 4, 3, 2]);
    await expectDataError(() => read(`${"abcdef".repeat(10)}xabc`), "character 61", '"x"', "6 characters");
    expect(await main("export", p, ["--out", out])).toBe(0);
    const weights = join(out, "..", "weights.safetensors");
    expect(notedVocabulary(readFileSync(weights), weights)).toEqual([..."abcdef"]);
    expect(await read("fedc".repeat(20), { weights })).toEqual([5, 4, 3, 2]);
  });
  it("are told to be guessed where weights do not say them, and a note that is none is refused", async () => {
    const { model, engine } = await trainingOf(spec(text("abcdef".repeat(20))));
    const values = startingValues(model, 1);
    engine.dispose();
    const io = quiet();
    const o = options("none", { weights: saved(values) });
    await dataOf(pack(model), o, io, trained(pack(model), o, io));
    expect(io.said.join()).toContain("do not say what their symbols stand for");
    await expectDataError(() => trained(pack(model), options("none", { weights: saved(values, { vocabulary: "[1]" }) }), quiet()), "vocabulary");
  });
});

describe("weights", () => {
  const model = describeNetwork(compileSpec(`network N { dim d = 2, p = 3, K = 2 index k in 1..K
    input x: real[d]
    param U[k]: real[d, p] alias "theirs.qkv" : "(k p) d" param s: real alias "theirs.s" param c: real[d] alias "theirs.c"
    output z: real[p] = sum(k) U[k]'*(s*x + c) }`));
  const U = floats([2, 2, 3], (i) => i);
  it("of a file go by own names or by aliases, axes of length one left out or not", () => {
    const theirs = { "theirs.qkv": floats([6, 2], (i) => { const [kp, d] = [Math.floor(i / 2), i % 2]; return Math.floor(kp / 3) * 6 + d * 3 + (kp % 3); }), "theirs.s": floats([1], () => 7), "theirs.c": floats([1, 2, 1], (i) => i) };
    const own = { U, s: floats([1], () => 7), c: floats([2, 1], (i) => i) };
    const wanted = { U, s: floats([], () => 7), c: floats([2], (i) => i) };
    for (const values of [theirs, own]) expect({ ...trained(pack(model), options("none", { weights: saved(values) }), quiet()).values }).toEqual(wanted);
  });
  it("that do not fit are named, all of them, with both their names", async () => {
    await expectDataError(() => trained(pack(model), options("none", { weights: saved({ U: floats([2, 2], () => 0), s: floats([], () => 1) }) }), quiet()), "nothing was loaded", "U: shape [2, 2], wanted [2, 2, 3]", "no tensor c or theirs.c");
  });
  it("that the package was built with count where there is no checkpoint and none are named", async () => {
    const values = (s: number) => ({ U, s: floats([], () => s), c: floats([2], () => 0) });
    const p = pack(model, { weights: saved(values(1), weightNotes("", undefined)) });
    const out = temporaryFolder();
    const s = (more: object = {}) => trained(p, options(out, more), quiet()).values["s"]?.data[0];
    expect(s()).toBe(1);
    expect(s({ weights: saved(values(2)) })).toBe(2);
    saveCheckpoint(out, "last", { progress, parameters: values(3), state: {} });
    expect(s()).toBe(3);
    await expectDataError(() => trained(pack(model), options("none"), quiet()), "there is no checkpoint in none");
  });
});
