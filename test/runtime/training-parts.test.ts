/** The small parts of a training run: schedule, random numbers, augmentation, drawn inputs, metrics, initial values. */
import { describe, expect, it } from "vitest";
import type { HostTensor, ParameterDescription, ScheduleStage } from "../../src/runtime/contract.js";
import { ArgumentFault, HelpWanted, parseArguments } from "../../src/runtime/arguments.js";
import { addBatch, createMetrics } from "../../src/runtime/metrics.js";
import { feedStreams, hide, prepare } from "../../src/runtime/prepare.js";
import { initialise, Random } from "../../src/runtime/random.js";
import { learningRate } from "../../src/runtime/schedule.js";
import { compileSpec } from "../support/build.js";
import { describeTraining } from "../support/training.js";
import { call, expectDataError, model, real } from "./model.js";

const steps = (value: number) => ({ value, unit: "steps" }) as const;
const rates = (stages: readonly ScheduleStage[], total: number, perEpoch = 1): number[] =>
  Array.from({ length: total }, (_, i) => learningRate(stages, 2, i + 1, total, perEpoch));
const close = (found: readonly number[], wanted: readonly number[]): void => {
  expect(found.length).toBe(wanted.length);
  found.forEach((x, i) => expect(x).toBeCloseTo(wanted[i] ?? Number.NaN, 12));
};

describe("the schedule", () => {
  it("is constant where nothing is said", () => close(rates([], 3), [2, 2, 2]));
  it("warms up linearly to the whole rate", () => close(rates([{ kind: "warmup", length: steps(4) }, { kind: "constant" }], 6), [0.5, 1, 1.5, 2, 2, 2]));
  it("falls as a cosine, whole at its first step, half in the middle", () => {
    const found = rates([{ kind: "cosine" }], 10);
    close(found, Array.from({ length: 10 }, (_, i) => 1 + Math.cos(Math.PI * i / 10)));
    expect(found[5]).toBeCloseTo(1, 12);
  });
  it("joins a warm-up of one epoch to a cosine over the rest", () => {
    const found = rates([{ kind: "warmup", length: { value: 1, unit: "epochs" } }, { kind: "cosine" }], 12, 4);
    close(found.slice(0, 5), [0.5, 1, 1.5, 2, 2]);
    close(found.slice(4), Array.from({ length: 8 }, (_, i) => 1 + Math.cos(Math.PI * i / 8)));
  });
  it("falls linearly, then stays at nothing where a last stage is too short", () => {
    close(rates([{ kind: "linear", length: steps(4) }], 6), [2, 1.5, 1, 0.5, 0, 0]);
    close(rates([{ kind: "cosine", length: steps(2) }, { kind: "constant" }], 4), [2, 1, 2, 2]);
  });
  it("gives numbers for a warm-up longer than the run, and for none at all", () => {
    close(rates([{ kind: "warmup", length: steps(100) }, { kind: "cosine" }], 4), [0.5, 1, 1.5, 2]);
    expect(rates([{ kind: "warmup", length: steps(0) }, { kind: "cosine" }], 3).every(Number.isFinite)).toBe(true);
  });
});

describe("random numbers", () => {
  const draws = (r: Random, n = 5): number[] => Array.from({ length: n }, () => r.uniform());
  it("are the same on every machine", () => {
    // A change of these numbers changes every run that anyone has reported.
    const r = Random.named(1, "order");
    expect([...draws(r, 3), r.normal(), r.integer(1000)]).toMatchInlineSnapshot(`
      [
        0.5355285371780721,
        0.9427210040053451,
        0.23649527355765576,
        0.8199406285696982,
        785,
      ]
    `);
  });
  it("differ by seed and by name, and go on from a saved state", () => {
    const first = draws(Random.named(1, "a"));
    expect(draws(Random.named(1, "a"))).toEqual(first);
    for (const other of [Random.named(2, "a"), Random.named(1, "b"), Random.named(1, "aa"), Random.named(1, "")]) expect(draws(other)).not.toEqual(first);
    const r = Random.named(3, "x");
    draws(r, 7);
    const saved = JSON.parse(JSON.stringify(r.state())) as number[];
    expect(draws(Random.from(saved))).toEqual(draws(r));
  });
  it("are uniform, normal and shuffled fairly enough", () => {
    const r = Random.named(5, "test");
    const n = 50_000;
    const uniform = draws(r, n);
    const normal = Array.from({ length: n }, () => r.normal());
    const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;
    // Five standard errors each.
    expect(Math.abs(mean(uniform) - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(mean(normal))).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(mean(normal.map((x) => x * x)) - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(uniform.every((x) => x >= 0 && x < 1)).toBe(true);
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const key = r.shuffle(["a", "b", "c"]).join("");
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const c of counts.values()) expect(Math.abs(c - 1000)).toBeLessThan(5 * Math.sqrt(1000 * 5 / 6));
  });
});

describe("augmentation", () => {
  const image: HostTensor = { shape: [2, 1, 3, 4], data: Float32Array.from({ length: 24 }, (_, i) => i + 1) };
  const m = (...augment: ReturnType<typeof call>[]) => model([real("image", 1, 3, 4), real("v", 4)], [], {
    training: { data: call("mnist"), augment, construct: false, schedule: [], batch: 2, seed: 1, feed: [], metrics: [] },
  });
  const v: HostTensor = { shape: [2, 4], data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
  const run = (model_: ReturnType<typeof m>, random: Random | undefined) => prepare({ image, v }, model_, random, feedStreams(model_, 1));
  const pixels = (t: HostTensor | undefined, s: number): number[][] => [0, 1, 2].map((y) => [...(t?.data.subarray((s * 3 + y) * 4, (s * 3 + y + 1) * 4) ?? [])]);
  it("leaves evaluation alone but for normalize, which both need", () => {
    const both = m(call("random_crop", [], { padding: 1 }), call("horizontal_flip"), call("normalize", [], { mean: 2, std: 4 }));
    expect([...(run(both, undefined).image?.data.subarray(0, 3) ?? [])]).toEqual([-0.25, 0, 0.25]);
    expect(run(both, Random.named(1, "a")).v).toEqual(v);
  });
  it("moves each image by a whole number of pixels, zeros coming in", () => {
    const random = Random.named(1, "crop");
    const seen = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const { image: moved } = run(m(call("random_crop", [], { padding: 1 })), random);
      for (const s of [0, 1]) {
        const [before, after] = [pixels(image, s), pixels(moved, s)];
        const fits = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => [dy, dx] as const)).filter(([dy, dx]) =>
          after.every((row, y) => row.every((p, x) => p === (before[y + dy]?.[x + dx] ?? 0))));
        expect(fits.length).toBe(1);
        seen.add(String(fits[0]));
      }
    }
    expect(seen.size).toBe(9);
  });
  it("flips about half of the images, each as a whole", () => {
    const random = Random.named(1, "flip");
    let flipped = 0;
    for (let i = 0; i < 100; i++) {
      const { image: turned } = run(m(call("horizontal_flip")), random);
      for (const s of [0, 1]) {
        const after = pixels(turned, s);
        const mirror = pixels(image, s).map((row) => row.reverse());
        if (JSON.stringify(after) === JSON.stringify(mirror)) flipped += 1;
        else expect(after).toEqual(pixels(image, s));
      }
    }
    expect(Math.abs(flipped - 100)).toBeLessThan(36); // five standard deviations
    expect([...image.data]).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
  });
  it("with senseless options is refused", async () => {
    for (const bad of [call("random_crop", [], { padding: 0.5 }), call("random_crop", [], { padding: -1 }), call("normalize", [], { mean: 0, std: 0 }), call("constructor")]) {
      await expectDataError(() => run(m(bad), Random.named(1, "a")), bad.name);
    }
  });
});

describe("inputs that training draws", () => {
  it.each([[196, 0.75, 147], [49, 0.75, 37], [10, 0, 0], [10, 1, 10], [7, 0.5, 4]])("of %i places with ratio %f: exactly %i are hidden in each sample", (places, ratio, hidden) => {
    const mask = hide(40, places, ratio, Random.named(1, "m"));
    const rows = Array.from({ length: 40 }, (_, s) => [...mask.subarray(s * places, (s + 1) * places)]);
    for (const row of rows) expect(row.filter((x) => x === 1).length).toBe(hidden);
    expect([...mask].every((x) => x === 0 || x === 1)).toBe(true);
    if (hidden > 0 && hidden < places) expect(new Set(rows.map(String)).size).toBeGreaterThan(20);
  });
  it("come by name with the batch's size, and senseless ratios are refused", async () => {
    const m = (ratio: number) => model([real("x", 2), real("mask", 8)], [], {
      training: { data: call("mnist"), augment: [], construct: false, schedule: [], batch: 2, seed: 1, metrics: [], feed: [{ input: "mask", source: call("random", [], { ratio }) }] },
    });
    const batch = { x: { shape: [3, 2], data: new Float32Array(6) } };
    expect(prepare(batch, m(0.5), undefined, feedStreams(m(0.5), 1))["mask"]?.shape).toEqual([3, 8]);
    for (const ratio of [-0.1, 1.5, Number.NaN]) await expectDataError(() => prepare(batch, m(ratio), undefined, feedStreams(m(ratio), 1)), "ratio");
  });
});

describe("inputs that are drawn beside each other", () => {
  const feeds = [{ input: "mask", source: call("random", [], { ratio: 0.5 }) }, { input: "noise", source: call("normal") }];
  const m = (feed: typeof feeds) => model([real("x", 2), real("mask", 8), real("noise", 3)], [], {
    training: { data: call("mnist"), augment: [], construct: false, schedule: [], batch: 2, seed: 1, metrics: [], feed },
  });
  const evaluated = (of: ReturnType<typeof m>, batch: number, samples = 6): Record<string, number[]> => {
    const fed = feedStreams(of, 1);
    const batches = Array.from({ length: Math.ceil(samples / batch) }, () => prepare({ x: { shape: [batch, 2], data: new Float32Array(2 * batch) } }, of, undefined, fed));
    return Object.fromEntries(of.inputs.map(({ name }) => [name, batches.flatMap((b) => [...(b[name]?.data ?? [])])]));
  };
  it("give each sample the same in evaluation, however samples are batched", () => {
    for (const batch of [1, 2, 3]) expect(evaluated(m(feeds), batch)).toEqual(evaluated(m(feeds), 6));
  });
  it("do not move each other", () => {
    expect(evaluated(m(feeds), 2)["mask"]).toEqual(evaluated(m(feeds.slice(0, 1)), 2)["mask"]);
    const stream = Random.named(1, "feed");
    expect(evaluated(m(feeds), 2)["mask"]).toEqual([...hide(6, 8, 0.5, stream)]);
  });
});

describe("metrics", () => {
  const measure = (name: string, batches: readonly (readonly [HostTensor, HostTensor])[], named = {}): number => {
    const [metric] = createMetrics([call(name, [{ reference: "o" }, { reference: "t" }], named)]);
    batches.forEach(([o, t]) => metric?.add(o, t));
    return metric?.value() ?? Number.NaN;
  };
  const floats = (shape: number[], ...data: number[]): HostTensor => ({ shape, data: Float32Array.from(data) });
  const labels = (...data: number[]): HostTensor => ({ shape: [data.length], data: Int32Array.from(data) });
  it("accuracy counts over batches of differing sizes", () => {
    expect(measure("accuracy", [[floats([2, 3], 0, 2, 1, 5, 4, 3), labels(1, 2)], [floats([1, 3], 0, 0, 1), labels(2)]])).toBeCloseTo(2 / 3, 12);
    expect(measure("accuracy", [])).toBe(0);
  });
  it("perplexity of V equal scores is V, however large they are", () => {
    expect(measure("perplexity", [[floats([2, 4], 1000, 1000, 1000, 1000, -5, -5, -5, -5), labels(3, 0)]])).toBeCloseTo(4, 6);
    expect(measure("perplexity", [[floats([1, 2], Math.log(3), 0), labels(0)]])).toBeCloseTo(4 / 3, 6);
  });
  it("mse, nmse and psnr are their formulas", () => {
    const pair = [floats([1, 2], 1, 2), floats([1, 2], 0, 4)] as const;
    expect(measure("mse", [pair])).toBe(2.5);
    expect(measure("nmse", [pair])).toBe(5 / 16);
    expect(measure("psnr", [pair], { peak: 10 })).toBeCloseTo(10 * Math.log10(100 / 2.5), 12);
  });
  it("nearest subspace is right for separate subspaces, and not for shuffled labels", () => {
    const r = Random.named(2, "s");
    const data = Array.from({ length: 40 }, (_, i) => [0, 1, 2, 3].map((j) => (j === (i % 2) * 2 || j === (i % 2) * 2 + 1 ? r.normal() : 0.01 * r.normal()))).flat();
    expect(measure("nearest_subspace", [[floats([40, 4], ...data), labels(...Array.from({ length: 40 }, (_, i) => i % 2))]], { components: 2 })).toBe(1);
    expect(measure("nearest_subspace", [[floats([40, 4], ...data), labels(...Array.from({ length: 40 }, (_, i) => Math.floor(i / 20)))]], { components: 2 })).toBeLessThan(0.8);
  });
  it("compare outputs, inputs and targets in either place, and refuse a value that is not there", async () => {
    const of = (...names: string[]) => call("mse", names.map((reference) => ({ reference })));
    const metrics = createMetrics([of("x", "z"), of("z", "t"), of("z", "x")]);
    addBatch(metrics, { x: floats([1, 2], 1, 2), t: floats([1, 2], 5, 5) }, { z: floats([1, 2], 2, 4) });
    expect(metrics.map((m) => [m.name, m.value()])).toEqual([["mse_x", 2.5], ["mse_z_t", 5], ["mse_z_x", 2.5]]);
    await expectDataError(() => addBatch(metrics, { x: floats([1, 2], 1, 2) }, { z: floats([1, 2], 2, 4) }), "mse_z_t needs t");
  });
  it("of another name is refused", async () => {
    for (const name of ["f1", "constructor"]) await expectDataError(() => createMetrics([call(name)]), `no metric ${name}`);
  });
});

describe("initial values", () => {
  const parameter = (init: ParameterDescription["init"], shape: readonly number[] = [2, 6, 4], name = "W"): ParameterDescription => ({ name, shape, trainable: true, positive: false, init });
  const of = (p: ParameterDescription, seed = 1): Float32Array => initialise([p], seed)[p.name]?.data as Float32Array;
  it("do not move when another parameter is added", () => {
    const [a, b] = [parameter({ kind: "normal", std: 1 }), parameter({ kind: "normal", std: 1 }, [3], "b")];
    expect(initialise([b, a], 1)["W"]).toEqual(initialise([a], 1)["W"]);
    expect(of(a, 2)).not.toEqual(of(a, 1));
  });
  it.each([[[2, 6, 4]], [[2, 4, 6]], [[5, 5]], [[4]]])("orthonormal: each member of %j has orthonormal columns, or rows", (shape) => {
    const data = of(parameter({ kind: "orthonormal" }, shape));
    const [rows = 1, cols = 1] = shape.length > 1 ? shape.slice(-2) : [shape[0] ?? 1, 1];
    for (let m = 0; m < data.length; m += rows * cols) {
      const at = (i: number, j: number): number => (rows >= cols ? data[m + i * cols + j] : data[m + j * cols + i]) ?? Number.NaN;
      const [long, short] = rows >= cols ? [rows, cols] : [cols, rows];
      for (let a = 0; a < short; a++) for (let b = 0; b < short; b++) {
        let dot = 0;
        for (let i = 0; i < long; i++) dot += at(i, a) * at(i, b);
        expect(dot).toBeCloseTo(a === b ? 1 : 0, 6);
      }
    }
  });
  it("of more entries than an array holds are refused with a word", async () => {
    await expectDataError(() => initialise([parameter({ kind: "normal", std: 1 }, [784, 1e9])], 1), "parameter W [784, 1000000000] has 784000000000 entries");
  });
  it("of the other kinds are what their names say", () => {
    expect([...of(parameter({ kind: "constant", value: 3 }, [2]))]).toEqual([3, 3]);
    expect([...of(parameter({ kind: "identity", scale: 2 }, [2, 3]))]).toEqual([2, 0, 0, 0, 2, 0]);
    expect([...of(parameter({ kind: "value", data: [1, 2] }, [2]))]).toEqual([1, 2]);
    const uniform = of(parameter({ kind: "uniform", bound: 0.5 }, [2000]));
    expect(Math.max(...uniform)).toBeGreaterThan(0.49);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(-0.5);
    expect(initialise([parameter({ kind: "file" })], 1)).toEqual(Object.create(null));
  });
});

describe("initial values of from(…)", () => {
  it("are computed where they speak of numbers alone, too", () => {
    const spec = `network N { dim d = 2 input x: real[d] param W: real[d, d] init from(2*I) var Z: real[d] = W*x
      layer l repeat 2 { param t: real positive init from(0.45 - 0.125*layer) Z = t*Z } output o: real[d] = Z }`;
    expect(describeTraining(compileSpec(spec)).parameters.map((p) => [p.name, p.init])).toEqual([
      ["W", { kind: "value", data: [2, 0, 0, 2] }], ["l.1.t", { kind: "value", data: [0.325] }], ["l.2.t", { kind: "value", data: [0.2] }],
    ]);
  });
  it("are computed for each member of a family, and with the layer's own lets", () => {
    const spec = `network N { dim d = 2, K = 2 index k in 1..K input x: real[d] param w: real init constant(0.5) param A[k]: real[d] init from(k*ones(d)) let s[k] = k*w var Z: real[d] = x
      layer l repeat 2 {
        let own[k] = 2*s[k]*layer let first = own[1]
        param B[k]: real[d] init from(own[k]*A[k]) param c: real init from(first + sum(k) own[k]) step t { minimize 0.5*sq_norm(Z - c*sum(k) B[k]) by gradient(rate: 0.5) }
      } output o: real[d] = Z }`;
    expect(describeTraining(compileSpec(spec)).parameters.slice(2).map((p) => [p.name, p.shape, p.init])).toEqual([
      ["l.1.B", [2, 2], { kind: "value", data: [1, 1, 4, 4] }], ["l.1.c", [], { kind: "value", data: [4] }],
      ["l.2.B", [2, 2], { kind: "value", data: [2, 2, 8, 8] }], ["l.2.c", [], { kind: "value", data: [8] }],
    ]);
  });
  it("are in the file where those that they are computed from are", () => {
    const spec = `network N { dim d = 2 input x: real[d] param A: real[d] fixed param B: real[d] init from(2*A) param C: real[d] init from(B) var Z: real[d] = x + A + B + C output o: real[d] = Z }`;
    expect(describeTraining(compileSpec(spec)).parameters.map((p) => p.init.kind)).toEqual(["file", "file", "file"]);
  });
});
describe("the command line of a package", () => {
  it("is read, with its defaults", () => {
    expect(parseArguments([])).toEqual({ resume: false, out: "run" });
    expect(parseArguments(["--epochs", "3", "--lr", "1e-3", "--resume", "--data", "idx:x", "--out", "y"])).toEqual({ epochs: 3, learningRate: 1e-3, resume: true, data: call("idx", ["x"]), out: "y" });
  });
  it.each([["--epochs", "1.5"], ["--epochs", "-1"], ["--epochs", "x"], ["--lr", "fast"], ["--batch-size", "0"], ["--nonsense"], ["stray"], ["--epochs"],
    ["--lr=-1"], ["--lr=0"], ["--lr="], ["--lr=Infinity"], ["--steps="], ["--steps= "], ["--temperature=-1"], ["--length=1.5"], ["--seed=-1"], ["--threads=0"], ["--threads=100000"],
    ["--seed=4294967296"], ["--engine=foo"], ["--backend=foo"], ["--data=foo"], ["--data=mnist:foo"], ["--data=images:"], ["--data=images"], ["--data="], ["--out="], ["--weights="],
    ["--resume", "--weights=w"], ["--engine=ort", "--backend=cpu"], ["--epochs=1", "--steps=1"]])("%s %s is refused as usage", (...argv) => {
    expect(() => parseArguments(argv)).toThrow(ArgumentFault);
  });
  it("shows its usage where that is asked for, which is no fault", () => {
    expect(() => parseArguments(["--help"])).toThrow(HelpWanted);
  });
  it("says what a number may be", () => {
    expect(() => parseArguments(["--lr=-1"])).toThrow('--lr wants a number above 0, not "-1"');
    expect(() => parseArguments(["--steps="])).toThrow('--steps wants a whole number from 0, not ""');
    expect(() => parseArguments(["--threads=0"])).toThrow("--threads wants a whole number from 1 to 1024");
    expect(() => parseArguments(["--data=mnist:foo"])).toThrow("data mnist takes no path");
    expect(() => parseArguments(["--engine=ort", "--backend=cpu"])).toThrow("--backend does not go with --engine ort: backends are of TensorFlow.js");
    expect(parseArguments(["--engine=tfjs", "--backend=cpu", "--data=mnist", "--seed=4294967295"])).toMatchObject({ engine: "tfjs", backend: "cpu", data: call("mnist"), seed: 4294967295 });
    expect(parseArguments(["--temperature=0", "--seed=0", "--steps=0"])).toMatchObject({ temperature: 0, seed: 0, steps: 0 });
  });
});
