/** What is large is formed place by place of an axis: the text before and after, the same values, and networks of many tokens in ONNX Runtime. */
import fc from "fast-check";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { readOnnx } from "../../src/emit/onnx/inspect.js";
import { describe as describeModel } from "../../src/network/describe.js";
import { startingValues } from "../../src/runtime/random.js";
import { createOrtEngine, type Ort } from "../../src/runtime/ort/engine.js";
import { buildOnnx, graphOf as networkGraph, trainingModelsOf } from "../../src/targets.js";
import { GraphBuilder, prune } from "../../src/tensor/builder.js";
import { checkGraph } from "../../src/tensor/check-graph.js";
import { evaluateGraph } from "../../src/tensor/evaluate-graph.js";
import { gradients } from "../../src/tensor/gradients.js";
import type { Axis, Graph } from "../../src/tensor/graph.js";
import { axisInTurn, takenInTurn } from "../../src/tensor/passes/axis-in-turn.js";
import { cachePasses, optimise } from "../../src/tensor/passes/optimise.js";
import type { Pass } from "../../src/tensor/passes/pass.js";
import { expectSameOutputs, modelOf, sessionOf } from "../emit-onnx/run-model.js";
import { compileSpec, example, relativeError } from "../support/build.js";
import { valuesFor } from "../tensor-plan/cases.js";
import { N, noise } from "../tensor/networks.js";
import { axis, batch, beforeAfter, expectSameValues, graphOf, operations, runPass } from "./before-after.js";

const [n, m, h, p] = [axis("n", 5), axis("m", 5), axis("h", 2), axis("p", 3)];
/** The pass where everything counts as large. */
const small: Pass = { ...axisInTurn, run: (graph) => takenInTurn(graph, 1) };
const toM = new Map([["n", "m"]]);

interface Options {
  readonly heads?: Axis;
  /** What is done with the scores [batch, h, n, m] before the softmax, and with the weights after it. */
  readonly scores?: (b: GraphBuilder, s: number) => number;
  readonly weights?: (b: GraphBuilder, s: number) => number;
}
/** softmax(V Vᵀ) V for each head, on [batch, n, h, p]. */
function attention(b: GraphBuilder, { heads = h, scores = (_, s) => s, weights = (_, s) => s }: Options = {}): number {
  const v = b.input("v", [batch, n, heads, p], "float");
  const turned = b.rename(v, toM);
  return b.contract(weights(b, b.softmax(scores(b, b.contract(v, turned, ["p"])), "m")), turned, ["m"]);
}
const count = (text: string, word: string): number => text.match(new RegExp(`= ${word}`, "g"))?.length ?? 0;

describe("axis-in-turn", () => {
  it("forms the scores of one head after the other, with all that it needs of one before anything of the next", () => {
    const [before, after] = beforeAfter(small, (b) => attention(b));
    expect(before).toBe([
      "%1 = rename n→m (%0) [batch, m=5, h=2, p=3]",
      "%2 = contract over p (%0, %1) [batch, h=2, n=5, m=5]",
      "%3 = softmax over m (%2) [batch, h=2, n=5, m=5]  ; softmax",
      "%4 = contract over m (%1, %3) [batch, h=2, p=3, n=5]",
    ].join("\n"));
    expect(after).toMatchInlineSnapshot(`
      "%1 = rename n→m (%0) [batch, m=5, h=2, p=3]
      %2 = merge h p → h·p (%0) [batch, n=5, h·p=6]
      %3 = slice h·p 0..3 (%2) [batch, n=5, h·p=3]
      %4 = slice h·p 3..6 (%2) [batch, n=5, h·p=3]
      %5 = merge h p → h·p (%1) [batch, m=5, h·p=6]
      %6 = slice h·p 0..3 (%5) [batch, m=5, h·p=3]
      %7 = slice h·p 3..6 (%5) [batch, m=5, h·p=3]
      %8 = contract over h·p (%3, %6) [batch, n=5, m=5]
      %9 = softmax over m (%8) [batch, n=5, m=5]  ; softmax
      %10 = contract over m (%6, %9) [batch, h·p=3, n=5]
      %11 = contract over h·p (%4, %7) [batch, n=5, m=5]
      %12 = softmax over m (%11) [batch, n=5, m=5]  ; softmax
      %13 = contract over m (%7, %12) [batch, h·p=3, n=5]
      %14 = concat along h·p (%10, %13) [batch, n=5, h·p=6]
      %15 = split h·p → h p (%14) [batch, n=5, h=2, p=3]"
    `);
  });
  it("takes the places of values without features by themselves: a temperature and a bias of each head", () => {
    const scores = (b: GraphBuilder, s: number): number =>
      b.binary("add", b.binary("multiply", s, b.parameter("temperature", [h])), b.parameter("bias", [h, n, m]));
    const [, after] = beforeAfter(small, (b) => attention(b, { scores }));
    expect([count(after, "softmax"), count(after, "gather")]).toEqual([2, 4]);
  });
  it("shares what has no such axis, and masks of all heads", () => {
    const weights = (b: GraphBuilder, s: number): number => b.binary("multiply", s, b.input("mask", [batch, h, n, m], "float"));
    const scores = (b: GraphBuilder, s: number): number => b.binary("add", s, b.input("bias", [n, m], "float"));
    const [, after] = beforeAfter(small, (b) => attention(b, { scores, weights }));
    expect(count(after, "softmax")).toBe(2);
  });
  it("leaves scores that something needs of all heads together", () => {
    const uses: Readonly<Record<string, (b: GraphBuilder) => number>> = {
      "an output": (b) => b.contract(b.input("v", [batch, n, h, p], "float"), b.rename(b.input("v", [batch, n, h, p], "float"), toM), ["p"]),
      "a sum over heads": (b) => attention(b, { weights: (c, s) => c.binary("subtract", s, c.reduce("mean", s, ["h"])) }),
      "a softmax over heads": (b) => attention(b, { weights: (c, s) => c.softmax(s, "h") }),
      "heads in order": (b) => attention(b, { weights: (c, s) => c.cumsum(s, "h") }),
    };
    for (const [use, build] of Object.entries(uses)) {
      const [before, after] = beforeAfter(small, build);
      expect(after, use).toBe(before);
    }
  });
  it("leaves what is small, what no sample brings, and what has very many places", () => {
    const parameters = (b: GraphBuilder): number => {
      const w = b.parameter("w", [n, h, p]);
      return b.contract(b.softmax(b.contract(w, b.rename(w, toM), ["p"]), "m"), b.input("x", [batch, m], "float"), ["m"]);
    };
    const sized = graphOf((b) => attention(b));
    expect(axisInTurn.run(sized)).toBe(sized);
    for (const build of [parameters, (b: GraphBuilder): number => attention(b, { heads: axis("h", 65) })]) {
      const [before, after] = beforeAfter(small, build);
      expect(after).toBe(before);
    }
  });
  it("takes two axes in turn where both are carried along", () => {
    const g = axis("g", 2);
    const [, after] = beforeAfter(small, (b) => {
      const v = b.input("v", [batch, g, n, h, p], "float");
      return b.contract(b.softmax(b.contract(v, b.rename(v, toM), ["p"]), "m"), b.rename(v, toM), ["m"]);
    });
    expect(count(after, "softmax")).toBe(4);
  });
  it("stops at so many places, those of several axes together", () => {
    const [g, heads] = [axis("g", 16), axis("h", 16)];
    const [, after] = beforeAfter(small, (b) => {
      const v = b.input("v", [batch, g, n, heads, p], "float");
      return b.contract(b.softmax(b.contract(v, b.rename(v, toM), ["p"]), "m"), b.rename(v, toM), ["m"]);
    });
    expect(count(after, "softmax")).toBe(16);
  });
  it("follows very long chains of scores", () => {
    const graph = graphOf((b) => attention(b, { scores: (c, s) => Array.from({ length: 5000 }).reduce<number>((x) => c.unary("tanh", x), s) }));
    expect(small.run(graph).nodes.filter((x) => x.op === "unary")).toHaveLength(10_000);
  });
  it("keeps values and gradients of all kinds of attention", () => {
    const options = fc.record({
      heads: fc.integer({ min: 2, max: 3 }), temperature: fc.boolean(), bias: fc.boolean(), mask: fc.boolean(), twice: fc.boolean(), scaled: fc.boolean(), seen: fc.boolean(),
    });
    fc.assert(fc.property(options, (o) => {
      const heads = axis("h", o.heads);
      const forward = graphOf((b) => {
        const scores = (c: GraphBuilder, s: number): number => {
          const warm = o.temperature ? c.binary("multiply", s, c.parameter("temperature", [heads])) : s;
          const shifted = o.bias ? c.binary("add", warm, c.parameter("bias", [heads, n, m])) : warm;
          return o.scaled ? c.binary("multiply", shifted, c.fill(0.5)) : shifted;
        };
        const weights = (c: GraphBuilder, s: number): number => (o.mask ? c.binary("multiply", s, c.input("mask", [batch, heads, n, m], "float")) : s);
        const out = attention(b, { heads, scores, weights });
        const mixed = o.twice ? b.binary("add", out, b.unary("square", out)) : out;
        const y = b.contract(mixed, b.parameter("W", [axis("d", 4), heads, p]), ["h", "p"]);
        return b.reduce("sum", b.unary("square", y), b.axes(y).map((a) => a.name));
      });
      const { graph, nodes } = gradients(forward, forward.outputs[0]?.node ?? -1, ["v", "W", ...(o.temperature ? ["temperature"] : []), ...(o.bias ? ["bias"] : [])]);
      const outputs = [...forward.outputs, ...[...nodes].map(([name, node]) => ({ name, node, wire: graph.nodes[node]?.axes.map((a) => a.name) ?? [] }))];
      const scoresSeen = graph.nodes.find((x) => x.op === "softmax")?.id as number;
      const seen = o.seen ? [{ name: "seen", node: scoresSeen, wire: graph.nodes[scoresSeen]?.axes.map((a) => a.name) ?? [] }] : [];
      const all = prune({ nodes: graph.nodes, outputs: [...outputs, ...seen] });
      const after = runPass(small, all);
      expectSameValues(all, after);
      expect(count(operations(after), "softmax")).toBe(o.seen ? 1 : o.heads);
    }), { numRuns: 60 });
  });
});

/** A graph of random operations on values with and without heads. */
function randomHeads(draw: () => number, steps: number): Graph {
  const b = new GraphBuilder();
  const pick = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)] as T;
  const v = b.input("v", [batch, n, h, p], "float"), w = b.input("w", [batch, n, h, p], "float");
  const pool = [
    v, w, b.rename(w, toM), b.parameter("temperature", [h]), b.parameter("scale", [h, p]), b.parameter("bias", [h, n, m]), b.input("mask", [batch, h, n, m], "float"),
    b.contract(v, b.rename(w, toM), ["p"]), b.contract(v, b.rename(v, toM), ["p"]),
  ];
  const named = (x: number): readonly string[] => b.axes(x).map((a) => a.name);
  const shared = (x: number, y: number): readonly string[] => named(x).filter((a) => a !== "batch" && b.has(y, a));
  const kinds: readonly ((x: number, y: number) => number | undefined)[] = [
    (x) => b.unary(pick(["tanh", "relu", "square", "negate"] as const), x),
    (x, y) => b.binary(pick(["add", "multiply", "subtract"] as const), x, y),
    (x, y) => b.select(b.binary("less", x, y), x, y),
    (x, y) => (shared(x, y).length > 0 ? b.contract(x, y, [pick(shared(x, y))]) : undefined),
    (x) => (named(x).length > 1 ? b.softmax(x, pick(named(x).slice(1))) : undefined),
    (x) => (named(x).length > 1 ? b.reduce(pick(["sum", "mean", "max"] as const), x, [pick(named(x).slice(1))]) : undefined),
    (x) => (b.has(x, "m") || b.has(x, "n") ? b.rename(x, new Map([["n", "m"], ["m", "n"]])) : undefined),
    (x) => (named(x).length > 1 ? b.cumsum(x, pick(named(x).slice(1))) : undefined),
    (x) => (b.has(x, "m") ? b.pad(b.slice(x, "m", N(1), N(4)), "m", N(0), N(2)) : undefined),
    (x) => (b.has(x, "n") && b.has(x, "m") ? b.diagonal(x, "n", "m") : undefined),
  ];
  for (let i = 0; i < steps; i++) {
    const made = pick(kinds)(pick(pool.slice(-4)), pick(pool));
    if (made !== undefined) pool.push(b.binary("multiply", b.unary("tanh", made), b.fill(0.5)));
  }
  // Scores as outputs would stay whole; most end in tokens, as in networks.
  const ends = pool.slice(-2).map((x) => (b.has(x, "h") && b.has(x, "m") && draw() < 0.9 ? b.contract(x, b.rename(w, toM), ["m"]) : x));
  const outputs = ends.map((node, i) => ({ name: `out${i}`, node, wire: named(node) }));
  return checkGraph(b.finish(outputs));
}
describe("axis-in-turn on random graphs", () => {
  it("keeps all values, and finds something in a third of them", () => {
    let found = 0;
    const graphs = fc.tuple(fc.integer({ min: 1, max: 2 ** 30 }), fc.integer({ min: 2, max: 14 }));
    fc.assert(fc.property(graphs, ([seed, steps]) => {
      const random = noise(seed);
      const graph = randomHeads(() => (random() + 1) / 2 % 1, steps);
      if (runPass(small, graph) !== graph) found += 1;
    }), { numRuns: 300 });
    expect(found).toBeGreaterThan(100);
  });
});

describe("axis-in-turn in ONNX Runtime", () => {
  it("gives the values of the graph before it", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = noise(seed);
      const graph = randomHeads(() => (random() + 1) / 2 % 1, 8);
      const values = valuesFor(graph, { batch: 2, n: 5 }, seed);
      for (const flatRows of [false, true]) {
        const after = small.run(graph);
        const [file] = modelOf(after, values, {}, { flatRows });
        await expectSameOutputs(await sessionOf(file?.bytes as Uint8Array), graph, values);
      }
    }
  });
});

describe("networks of 197 tokens", () => {
  const network = compileSpec(example("crate"), { d: 16, K: 2, p: 8, L: 2, C: 10, H: 28, P: 2, channels: 1 });
  const description = describeModel(network.unrolled, { compiler: "test", specHash: "", seed: 1 });
  const random = noise(3);
  const weights = Object.fromEntries(Object.entries(startingValues(description, 1)).map(([name, t]) => [name, { ...t, data: Float32Array.from(t.data, (x) => x + 0.02 * random()) }]));
  const image = { shape: [3, 1, 28, 28], data: Float32Array.from({ length: 3 * 784 }, random) };
  const wide = (t: { readonly shape: readonly number[]; readonly data: ArrayLike<number> }): { shape: readonly number[]; data: Float64Array } => ({ shape: t.shape, data: Float64Array.from(t.data) });
  const reference = (): Float64Array => {
    const values = { inputs: { image: wide(image) }, parameters: Object.fromEntries(Object.entries(weights).map(([k, t]) => [k, wide(t)])) };
    return evaluateGraph(checkGraph(networkGraph(network, {}, 0)), values).get("logits")?.data as Float64Array;
  };
  const model = (level: 0 | 2, opset?: number): Uint8Array => buildOnnx(network, {
    description, weights, spec: "", version: "test", fileName: "model.onnx", probe: false, level, ...(opset === undefined ? {} : { opset }),
  })[0]?.bytes as Uint8Array;

  it("have a softmax for each head at -O2, one operator in opset 23, and the same logits", async () => {
    const softmaxes = (bytes: Uint8Array): number => readOnnx(bytes).operators["Softmax"] ?? 0;
    // The last layer works for the class token alone: its scores are few.
    expect([model(0), model(2), model(2, 23)].map(softmaxes)).toEqual([2, 3, 1]);
    const expected = reference();
    for (const bytes of [model(0), model(2), model(2, 23)]) {
      const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
      const out = await session.run({ image: new ort.Tensor("float32", image.data, image.shape) });
      expect(relativeError(out["logits"]?.data as Float32Array, expected)).toBeLessThan(1e-5);
    }
  });
  it("learn the same at -O0 and -O2", async () => {
    const learned = async (level: 0 | 2): Promise<readonly [number, Readonly<Record<string, { readonly data: ArrayLike<number> }>>]> => {
      const engine = await createOrtEngine(ort as unknown as Ort, description, trainingModelsOf(network, { description, metadata: {}, version: "test", level }), { threads: 1 });
      await engine.setParameters(weights);
      const batchOf = { image, label: { shape: [3], data: Int32Array.from([1, 2, 3]) } };
      let loss = 0;
      for (let step = 1; step <= 3; step++) ({ loss } = await engine.trainStep(batchOf, { learningRate: 1e-3, step, seed: 1 }));
      return [loss, await engine.parameters()];
    };
    const [[lossPlain, plain], [loss, optimised]] = [await learned(0), await learned(2)];
    expect(Math.abs(loss - lossPlain)).toBeLessThan(1e-4);
    for (const [name, t] of Object.entries(plain)) expect(relativeError(optimised[name]?.data ?? [], t.data), name).toBeLessThan(1e-2);
  });
  it("are taken apart by no other name than their shape", () => {
    const graph = networkGraph(network, {}, 2);
    const bare: Graph = { ...graph, nodes: graph.nodes.map((x) => ({ ...x, path: "", label: x.op === "parameter" || x.op === "input" ? x.label : "" })) };
    const found = (g: Graph): number => optimise(g, 2, undefined, cachePasses).graph.nodes.filter((x) => x.op === "softmax").length;
    expect([found(graph), found(bare)]).toEqual([3, 3]);
  });
});
