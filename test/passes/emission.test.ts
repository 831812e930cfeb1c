/** Forms that runtimes like: flat rows between products, one operator for attention; found by shape, and only where they hold. */
import onnxProto from "onnx-proto";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { attentions } from "../../src/emit/onnx/attention.js";
import { emitOnnx } from "../../src/emit/onnx/emit.js";
import { readOnnx } from "../../src/emit/onnx/inspect.js";
import { describe as describeModel } from "../../src/network/describe.js";
import { startingValues } from "../../src/runtime/random.js";
import { planOf, trainingModelsOf } from "../../src/targets.js";
import { evaluatePlan } from "../../src/tensor/evaluate-plan.js";
import { gradients } from "../../src/tensor/gradients.js";
import type { Graph } from "../../src/tensor/graph.js";
import { dimSymbol } from "../../src/expression/dim.js";
import { printPlan } from "../../src/tensor/print-plan.js";
import { schedule } from "../../src/tensor/schedule.js";
import { modelOf, sessionOf, expectSameOutputs } from "../emit-onnx/run-model.js";
import { compileSpec, example, relativeError } from "../support/build.js";
import { attention, cases, leaves, randomGraph, valuesFor } from "../tensor-plan/cases.js";
import { expectClose, N } from "../tensor/networks.js";

const graphOf = (build: (l: ReturnType<typeof leaves>) => number): Graph => {
  const l = leaves();
  const node = build(l);
  return l.b.finish([{ name: "out", node, wire: l.b.axes(node).map((a) => a.name) }]);
};
function expectSamePlan(graph: Graph, seed = 1): void {
  const values = valuesFor(graph, { batch: 2, n: 3 }, seed);
  const expected = evaluatePlan(schedule(graph), values);
  for (const [name, { shape, data }] of evaluatePlan(schedule(graph, { flatRows: true }), values)) {
    expect(shape).toEqual(expected.get(name)?.shape);
    expectClose(data, expected.get(name)?.data ?? [], 1e-10);
  }
}

describe("flat rows", () => {
  it.each(cases)("keep the plan's values: $name", ({ graph }) => expectSamePlan(graph));
  it("keep the values of random graphs", () => {
    for (let seed = 1; seed <= 40; seed++) expectSamePlan(randomGraph(seed), seed);
  });
  it("leave one view before the first product and one after the last", () => {
    const graph = graphOf(({ b, x }) => {
      const layer = (z: number, i: number): number => {
        const W = b.parameter(`W${i}`, [b.axis(x, "d"), { ...b.axis(x, "d"), name: "e" }]);
        const product = b.rename(b.contract(b.standardize(z, "d", 1e-5, true), W, ["d"]), new Map([["e", "d"]]));
        return b.unary("relu", b.binary("add", product, b.parameter(`s${i}`, [b.axis(x, "d")])));
      };
      return layer(layer(x, 1), 2);
    });
    const views = (flatRows: boolean): number => printPlan(schedule(graph, { flatRows })).split("\n").filter((line) => line.includes("= reshape")).length;
    expect(views(false)).toBe(4);
    expect(views(true)).toBe(2);
    expectSamePlan(graph);
  });
});

describe("attention as one operator", () => {
  const operators = (graph: Graph, opset: number): Readonly<Record<string, number>> => {
    const [file] = modelOf(graph, valuesFor(graph, { batch: 2, n: 3 }), { opset });
    return readOnnx(file?.bytes as Uint8Array).operators;
  };
  it("is written from opset 23 on, and in plain operators before", () => {
    const graph = graphOf(attention);
    expect(operators(graph, 23)).toMatchObject({ Attention: 1 });
    expect(operators(graph, 23)["Softmax"]).toBeUndefined();
    expect(operators(graph, 22)).toMatchObject({ Softmax: 1 });
  });
  it.each(cases)("has the plan's values in opset 23: $name", async ({ graph }) => {
    const values = valuesFor(graph, { batch: 2, n: 3 });
    const [file] = modelOf(graph, values, { opset: 23 });
    await expectSameOutputs(await sessionOf(file?.bytes as Uint8Array), graph, values);
  });
  it.each([1, 2] as const)("is taken where a mask excludes later tokens, with the values of plain operators (-O%i)", async (level) => {
    const network = compileSpec(example("crate-gpt"), { vocab: 20, d: 16, K: 2, p: 8, L: 2, n: 7 });
    const plan = planOf(network, {}, level);
    expect([...attentions(plan).values()].map((a) => a.mask !== undefined)).toEqual([true, true]);
    const description = describeModel(network.unrolled, { compiler: "test", specHash: "", seed: 1 });
    const tokens = new ort.Tensor("int64", BigInt64Array.from({ length: 14 }, (_, i) => BigInt((i * i) % 20)), [2, 7]);
    const run = async (opset: number): Promise<Float32Array> => {
      const [file] = emitOnnx(plan, { description, weights: startingValues(description, 1), metadata: {}, doc: "", producerVersion: "test", opset }).files;
      const session = await sessionOf(file?.bytes as Uint8Array);
      return (await session.run({ [description.inputs[0]?.name as string]: tokens }))[description.outputs[0]?.name as string]?.data as Float32Array;
    };
    expect(relativeError(await run(23), await run(18))).toBeLessThan(1e-5);
  });
  it("is none where the weights or scores are read by something else", () => {
    const graph = graphOf(attention);
    const plan = schedule(graph);
    expect(attentions(plan).size).toBe(1);
    for (const op of ["softmax", "matmul"] as const) {
      const inner = plan.nodes.find((n) => n.op === op && n.shape.length === 4);
      expect(inner).toBeDefined();
      expect(attentions({ ...plan, outputs: [...plan.outputs, { name: "inner", node: inner?.id ?? 0 }] }).size).toBe(0);
    }
  });
});

describe("a product, its bias and a ReLU", () => {
  const layer = ({ b, x }: ReturnType<typeof leaves>, use: (sum: number, product: number) => number): number => {
    const product = b.contract(x, b.parameter("W", [b.axis(x, "d"), { ...b.axis(x, "d"), name: "e" }]), ["d"]);
    return use(b.binary("add", product, b.parameter("c", [b.axis(product, "e")])), product);
  };
  const operators = (graph: Graph): Readonly<Record<string, number>> => {
    const [file] = modelOf(graph, valuesFor(graph, { batch: 2, n: 3 }), {}, { flatRows: true });
    return readOnnx(file?.bytes as Uint8Array).operators;
  };
  it("are a Gemm with its C, and the ReLU, with the same values", async () => {
    const graph = graphOf((l) => layer(l, (sum) => l.b.unary("relu", sum)));
    expect(operators(graph)).toMatchObject({ Gemm: 1, Relu: 1 });
    expect(operators(graph)["Add"]).toBeUndefined();
    const values = valuesFor(graph, { batch: 2, n: 3 });
    const [file] = modelOf(graph, values, {}, { flatRows: true });
    await expectSameOutputs(await sessionOf(file?.bytes as Uint8Array), graph, values);
  });
  it("stay apart without a ReLU, or where something else reads the product or the sum", () => {
    const uses: readonly ((l: ReturnType<typeof leaves>, sum: number, product: number) => number)[] = [
      (l, sum) => l.b.unary("exp", sum),
      (l, sum) => l.b.binary("add", l.b.unary("relu", sum), l.b.unary("exp", sum)),
      (l, sum, product) => l.b.binary("multiply", l.b.unary("relu", sum), product),
    ];
    for (const use of uses) expect(operators(graphOf((l) => layer(l, (sum, product) => use(l, sum, product))))["Add"]).toBeGreaterThan(0);
  });
});

describe("deviations in gradients", () => {
  const forward = (graph: Graph): Graph => {
    const { graph: all, nodes } = gradients(graph, graph.outputs[0]?.node ?? -1, ["x"]);
    const node = nodes.get("x") as number;
    return { nodes: all.nodes, outputs: [{ name: "out", node, wire: all.nodes[node]?.axes.map((a) => a.name) ?? [] }] };
  };
  const graph = forward(graphOf(({ b, x }) => {
    const y = b.standardize(x, "d", 1e-5, true);
    return b.reduce("sum", b.binary("multiply", b.unary("exp", y), b.parameter("s", [b.axis(x, "d")])), b.axes(x).map((a) => a.name));
  }));
  const model = (sharedDeviations: boolean): Uint8Array => modelOf(graph, valuesFor(graph, { batch: 2, n: 3 }), { sharedDeviations })[0]?.bytes as Uint8Array;
  it("come from the LayerNormalization that has computed them, with the same values", async () => {
    const [plain, shared] = [readOnnx(model(false)).operators, readOnnx(model(true)).operators];
    expect(plain).toMatchObject({ Sqrt: 1 });
    expect(shared["Sqrt"]).toBeUndefined();
    expect(shared["ReduceMean"]).toBe((plain["ReduceMean"] ?? 0) - 2);
    for (const bytes of [model(false), model(true)]) await expectSameOutputs(await sessionOf(bytes), graph, valuesFor(graph, { batch: 2, n: 3 }));
  });
});

describe("divisions by deviations in gradients", () => {
  it("multiply by the inverse that LayerNormalization gives", () => {
    const graph = graphOf(({ b, x }) => b.standardize(x, "d", 1e-5, true));
    const loss = graphOf(({ b, x }) => b.reduce("sum", b.unary("exp", b.standardize(x, "d", 1e-5, true)), b.axes(x).map((a) => a.name)));
    const { graph: all, nodes } = gradients(loss, loss.outputs[0]?.node ?? -1, ["x"]);
    const node = nodes.get("x") as number;
    const gradient: Graph = { nodes: all.nodes, outputs: [{ name: "out", node, wire: graph.outputs[0]?.wire ?? [] }] };
    const operators = (sharedDeviations: boolean): Readonly<Record<string, number>> =>
      readOnnx(modelOf(gradient, valuesFor(gradient, { batch: 2, n: 3 }), { sharedDeviations })[0]?.bytes as Uint8Array).operators;
    expect(operators(false)).toMatchObject({ Div: 1, Sqrt: 1 });
    expect([operators(true)["Div"], operators(true)["Reciprocal"]]).toEqual([undefined, undefined]);
  });
});

describe("deviations of which no LayerNormalization tells", () => {
  it.each([["free size", ["batch", "n"]], ["free size before others", ["batch", "d", "n"]]] as const)("are computed: a %s", async (_, names) => {
    const l = leaves();
    const axes = names.map((name) => ({ name, size: name === "d" ? N(6) : dimSymbol(name) }));
    const x = l.b.input("tokens", axes, "float");
    const loss = l.b.reduce("sum", l.b.unary("exp", l.b.standardize(x, "n", 1e-5, true)), names);
    const forward = l.b.finish([{ name: "loss", node: loss, wire: [] }]);
    const { graph, nodes } = gradients(forward, forward.outputs[0]?.node ?? -1, ["tokens"]);
    const gradient: Graph = { nodes: graph.nodes, outputs: [{ name: "out", node: nodes.get("tokens") as number, wire: names }] };
    const values = valuesFor(gradient, { batch: 2, n: 5 });
    await expectSameOutputs(await sessionOf(modelOf(gradient, values, { sharedDeviations: true })[0]?.bytes as Uint8Array), gradient, values);
  });
});

describe("a product with tokens turned", () => {
  const nodesOf = (graph: Graph) => onnxProto.onnx.ModelProto.decode(modelOf(graph, valuesFor(graph, { batch: 2, n: 3 }))[0]?.bytes as Uint8Array).graph?.node ?? [];
  const turnsLeft = (nodes: ReturnType<typeof nodesOf>): number => nodes.filter((n) => n.opType === "Gemm" && n.attribute?.some((a) => a.name === "transA" && Number(a.i) === 1)).length;
  /** Xᵀ Y over all tokens, `count` of them a sample. */
  const product = (count: number): Graph => {
    const { b } = leaves();
    const axes = [{ name: "batch", size: dimSymbol("batch") }, { name: "t", size: N(count) }, { name: "d", size: N(6) }];
    const x = b.input("tokens", axes, "float");
    const node = b.contract(x, b.rename(b.unary("exp", x), new Map([["d", "e"]])), ["batch", "t"]);
    return b.finish([{ name: "out", node, wire: ["d", "e"] }]);
  };
  it.each([[5, 0, 1], [50, 0, 1], [16, 1, 0]])("turns %i tokens a sample once before it, or by the product's flag where turning is slow", async (count, flags, turns) => {
    const graph = product(count);
    const nodes = nodesOf(graph);
    expect(turnsLeft(nodes)).toBe(flags);
    expect(nodes.filter((n) => n.opType === "Transpose")).toHaveLength(turns);
    const values = valuesFor(graph, { batch: 2, n: 3 });
    await expectSameOutputs(await sessionOf(modelOf(graph, values)[0]?.bytes as Uint8Array), graph, values);
  });
});

describe("slices that cover an axis", () => {
  const pieces = (bounds: readonly (readonly [number, number])[]) => graphOf(({ b, x }) => {
    const parts = bounds.map(([from, to], i) => b.binary("multiply", b.reduce("sum", b.slice(x, "d", N(from), N(to)), ["d"]), b.fill(i + 2)));
    return parts.reduce((s, t) => b.binary("add", s, t));
  });
  const operators = (graph: Graph): Readonly<Record<string, number>> => readOnnx(modelOf(graph, valuesFor(graph, { batch: 2, n: 3 }))[0]?.bytes as Uint8Array).operators;
  it("are one Split, in whatever order they stand", async () => {
    const graph = pieces([[4, 6], [0, 1], [1, 4]]);
    expect(operators(graph)).toMatchObject({ Split: 1 });
    expect(operators(graph)["Slice"]).toBeUndefined();
    const values = valuesFor(graph, { batch: 2, n: 3 });
    await expectSameOutputs(await sessionOf(modelOf(graph, values)[0]?.bytes as Uint8Array), graph, values);
  });
  it.each([["a gap", [[0, 2], [3, 6]]], ["an overlap", [[0, 3], [2, 6]]], ["an end before the axis's", [[0, 2], [2, 5]]]] as const)("stay slices with %s", async (_, bounds) => {
    const graph = pieces(bounds);
    expect(operators(graph)).toMatchObject({ Slice: 2 });
    expect(operators(graph)["Split"]).toBeUndefined();
    const values = valuesFor(graph, { batch: 2, n: 3 });
    await expectSameOutputs(await sessionOf(modelOf(graph, values)[0]?.bytes as Uint8Array), graph, values);
  });
});

describe("a training step", () => {
  it("ends layer by layer in the network's order, the last layer last: ONNX Runtime takes the last end first", () => {
    const network = compileSpec(example("crate"), { d: 32, K: 4, p: 8, L: 3, C: 10, H: 28, P: 7, channels: 1 });
    const description = describeModel(network.unrolled, { compiler: "test", specHash: "", seed: 1 });
    const { train } = trainingModelsOf(network, { description, metadata: {}, version: "test", level: 2 });
    const nodes = onnxProto.onnx.ModelProto.decode(train).graph?.node ?? [];
    const read = new Set(nodes.flatMap((n) => n.input ?? []));
    const ends = nodes.filter((n) => !(n.output ?? []).some((o) => read.has(o))).flatMap((n) => n.output?.[0] ?? []).filter((name) => name.endsWith("/next"));
    const places = ends.map((name) => /^(block\.\d+|[^.]+)/.exec(name)?.[0]);
    const order = places.filter((place, i) => place !== places[i - 1]);
    // A place comes once, so nothing of it waits for another's.
    expect(new Set(order).size).toBe(order.length);
    expect(order.filter((p) => p?.startsWith("block"))).toEqual(["block.1", "block.2", "block.3"]);
    expect(order.at(-1)).toBe("logits");
    // Vectors are taken apart by nodes of their own, which the runtime need not add behind all others.
    expect(nodes.filter((n) => n.opType === "Slice" && n.input?.[0]?.startsWith("update/"))).toEqual([]);
  });
});
