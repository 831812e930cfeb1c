import { describe, expect, it } from "vitest";
import onnxProto from "onnx-proto";
import { readable } from "../../src/emit/onnx/emit.js";
import { readOnnx } from "../../src/emit/onnx/inspect.js";
import { onnxLowering } from "../../src/emit/onnx/lowering.js";
import { dimNumber } from "../../src/expression/dim.js";
import type { GraphBuilder } from "../../src/tensor/builder.js";
import type { Graph } from "../../src/tensor/graph.js";
import { schedule } from "../../src/tensor/schedule.js";
import { attention, axis, batch, cases, leaves, randomGraph, valuesFor } from "../tensor-plan/cases.js";
import { modelFaults } from "./check-model.js";
import { expectSameOutputs, modelOf, sessionOf } from "./run-model.js";

const bytesOf = (files: ReturnType<typeof modelOf>): Uint8Array => files[0]?.bytes as Uint8Array;
const graphOf = (build: (l: ReturnType<typeof leaves>) => number): Graph => {
  const l = leaves();
  l.b.path = "block.3/compress";
  const node = build(l);
  return l.b.finish([{ name: "out", node, wire: l.b.axes(node).map((a) => a.name) }]);
};

describe("a model in ONNX Runtime", () => {
  it.each(cases)("has the plan's values at several batch sizes: $name", async ({ graph }) => {
    const values = valuesFor(graph, { batch: 2, n: 3 });
    const bytes = bytesOf(modelOf(graph, values));
    expect(modelFaults(bytes)).toEqual([]);
    const session = await sessionOf(bytes);
    await expectSameOutputs(session, graph, values);
    for (const sizes of [{ batch: 1, n: 1 }, { batch: 7, n: 5 }]) {
      await expectSameOutputs(session, graph, { ...valuesFor(graph, sizes, 2), parameters: values.parameters });
    }
  });
  it("has the plan's values for random graphs", async () => {
    for (let seed = 1; seed <= 25; seed++) {
      const graph = randomGraph(seed);
      const values = valuesFor(graph, { batch: 2, n: 4 }, seed);
      const bytes = bytesOf(modelOf(graph, values));
      expect(modelFaults(bytes)).toEqual([]);
      const session = await sessionOf(bytes);
      // Ten random operations on end, in float32.
      await expectSameOutputs(session, graph, values, 2e-5);
      await expectSameOutputs(session, graph, { ...valuesFor(graph, { batch: 1, n: 7 }, seed), parameters: values.parameters }, 2e-5);
    }
  });
  it("is tried with every kernel of the plan", () => {
    const used = new Set(cases.flatMap((c) => schedule(c.graph).nodes.map((node) => node.op)));
    expect(Object.keys(onnxLowering).filter((op) => !used.has(op as keyof typeof onnxLowering))).toEqual([]);
  });
});

describe("a model's form", () => {
  const layer = graphOf(attention);
  const values = valuesFor(layer, { batch: 2, n: 3 });

  it("states opset 18, IR 8, its maker, its inputs with a symbolic batch, and what it was made from", () => {
    const model = readOnnx(bytesOf(modelOf(layer, values)));
    expect(model).toMatchObject({
      opset: 18, irVersion: 8, producer: "crate-compile 0.0.0", doc: "A case.", metadata: { spec: "network Case {}" },
      inputs: [{ name: "x", type: "float", shape: ["batch", "n", 6] }], outputs: [{ name: "out", type: "float", shape: ["batch", "n", 6] }],
    });
  });
  it("has the parameters, and nothing else, as initializers in declared layout", () => {
    const model = readOnnx(bytesOf(modelOf(layer, values)));
    expect(model.initializers).toEqual([{ name: "block.1.U", shape: [3, 6, 4] }, { name: "block.1.W", shape: [3, 6, 4] }]);
    expect(model.parameters).toBe(144);
  });
  it("names nodes after their place", () => {
    const proto = onnxProto.onnx.ModelProto.decode(bytesOf(modelOf(layer, values)));
    const names = proto.graph?.node?.map((node) => node.name);
    expect(names).toContain("block.3/compress/softmax");
    expect(names).toContain("block.3/compress/standardize");
  });
  it("does not say a place twice where the label says it", () => {
    const node = { id: 0, op: "unary", fn: "exp", x: 0, shape: [], type: "float", path: "block.3/compress", label: "block.3.compress" } as const;
    expect(readable(node)).toBe("block.3/compress");
    expect(readable({ ...node, label: "block.3.compress.iteration1" })).toBe("block.3/compress/iteration1");
    expect(readable({ ...node, label: "Z" })).toBe("block.3/compress/Z");
    expect(readable({ ...node, label: "" })).toBe("block.3/compress/exp");
  });
  it("pads without naming axes, which ONNX Runtime forgets where it moves a transpose past", () => {
    const padded = graphOf(({ b, x }) => b.pad(x, "d", dimNumber(1), dimNumber(2)));
    const proto = onnxProto.onnx.ModelProto.decode(bytesOf(modelOf(padded, valuesFor(padded, { batch: 2, n: 3 }))));
    expect(proto.graph?.node?.filter((x) => x.opType === "Pad").map((x) => x.input?.length)).toEqual([2]);
  });
  const fixedParts: readonly (readonly [string, (b: GraphBuilder) => number])[] = [
    ["a product and its bias before a ReLU", (b) => {
      const product = b.contract(b.parameter("F", [axis("d", 6), axis("j", 4)]), b.parameter("G", [axis("j", 4), axis("e", 5)]), ["j"]);
      return b.unary("relu", b.binary("add", product, b.parameter("c", [axis("e", 5)])));
    }],
    ["a normalisation, its scale and its shift", (b) => {
      const normal = b.standardize(b.parameter("F", [axis("d", 6), axis("e", 5)]), "e", 1e-5, true);
      return b.binary("add", b.binary("multiply", normal, b.parameter("s", [axis("e", 5)])), b.parameter("c", [axis("e", 5)]));
    }],
  ];
  it.each(fixedParts)("computes by itself what is fixed of %s", async (_, matrix) => {
    const graph = graphOf(({ b, x }) => b.contract(x, matrix(b), ["d"]));
    const values = valuesFor(graph, { batch: 2, n: 3 });
    await expectSameOutputs(await sessionOf(bytesOf(modelOf(graph, values, { fixed: ["F", "G"] }))), graph, values);
  });
  it("is the same bytes each time", () => {
    expect(bytesOf(modelOf(layer, values))).toEqual(bytesOf(modelOf(layer, values)));
  });
  it("writes turned weights out on request, says so, and computes the same", async () => {
    const bytes = bytesOf(modelOf(layer, values, { foldWeights: true }));
    const model = readOnnx(bytes);
    expect(model.initializers.map((i) => i.name)).toEqual(["block.1.U/transposed", "block.1.W/transposed"]);
    expect(model.metadata.folded_weights).toBe('["block.1.U","block.1.W"]');
    await expectSameOutputs(await sessionOf(bytes), layer, values);
  });
  it("puts weights into a second file from a given size on", () => {
    const files = modelOf(layer, values, { externalDataThreshold: 100, fileName: "crate.onnx" });
    expect(files.map((f) => f.name)).toEqual(["crate.onnx", "crate.onnx.data"]);
    const proto = onnxProto.onnx.ModelProto.decode(files[0]?.bytes as Uint8Array);
    const second = proto.graph?.initializer?.[1];
    const entry = (key: string): string => second?.externalData?.find((e) => e.key === key)?.value ?? "";
    expect([entry("location"), entry("offset"), entry("length")]).toEqual(["crate.onnx.data", "4096", "288"]);
    const stored = new Float32Array((files[1]?.bytes ?? new Uint8Array(0)).slice(4096, 4096 + 288).buffer);
    expect([...stored]).toEqual(Array.from(values.parameters["block.1.W"]?.data ?? []));
    expect(modelFaults(files[0]?.bytes as Uint8Array)).toEqual([]);
  });
  it("computes what depends on fixed parameters alone while emitting", async () => {
    const graph = graphOf(({ b, features, weight }) => b.contract(features, b.contract(weight, b.rename(weight, new Map([["d", "d'"]])), ["q"]), ["d"]));
    const fixedValues = valuesFor(graph, { batch: 2, n: 3 });
    const bytes = bytesOf(modelOf(graph, fixedValues, { fixed: ["block.1.weight"] }));
    expect(readOnnx(bytes).operators).toEqual({ Constant: 1, Gemm: 1 });
    await expectSameOutputs(await sessionOf(bytes), graph, fixedValues);
  });
  it("sums a matrix's rows by a product with a row of ones, which two sums share, and other sums by ReduceSum", async () => {
    const twice = graphOf(({ b, features }) => b.binary("multiply", b.reduce("sum", features, ["batch"]), b.reduce("sum", b.unary("exp", features), ["batch"])));
    const own = valuesFor(twice, { batch: 5, n: 3 });
    const bytes = bytesOf(modelOf(twice, own));
    expect(readOnnx(bytes).operators).toMatchObject({ MatMul: 2, ConstantOfShape: 1 });
    expect(readOnnx(bytes).operators).not.toHaveProperty("ReduceSum");
    await expectSameOutputs(await sessionOf(bytes), twice, own);
    for (const other of [graphOf(({ b, features }) => b.reduce("sum", features, ["d"])), graphOf(({ b, features }) => b.reduce("max", features, ["batch"]))]) {
      expect(readOnnx(bytesOf(modelOf(other, own))).operators).not.toHaveProperty("MatMul");
    }
  });
  it("takes the scale and shift after a normalisation along, unless told not to", () => {
    const { graph } = cases.find((c) => c.name === "layer norm with scale and shift") as (typeof cases)[number];
    const own = valuesFor(graph, { batch: 2, n: 3 });
    expect(readOnnx(bytesOf(modelOf(graph, own))).operators).toEqual({ LayerNormalization: 1 });
    expect(readOnnx(bytesOf(modelOf(graph, own, { affineNormalization: false }))).operators).toEqual({ Add: 1, Constant: 1, LayerNormalization: 1, Mul: 1 });
  });
  it("uses Gelu where the opset has it", async () => {
    const { graph } = cases.find((c) => c.name === "unary gelu") as (typeof cases)[number];
    const own = valuesFor(graph, { batch: 2, n: 3 });
    const bytes = bytesOf(modelOf(graph, own, { opset: 20 }));
    expect(readOnnx(bytes)).toMatchObject({ opset: 20, irVersion: 9, operators: { Gelu: 1 } });
    await expectSameOutputs(await sessionOf(bytes), graph, own);
  });
  it("names a parameter that has no weights", () => {
    expect(() => modelOf(layer, { ...values, parameters: {} })).toThrow("block.1.U");
  });
  it("keeps inputs that nothing reads, and does without targets that nothing reads", () => {
    const graph = graphOf(({ features, b }) => b.unary("exp", features));
    const wire = { name: "features", kind: "real" as const, shape: ["batch", 6] };
    const description = {
      format: 1 as const, name: "Case", compiler: "", specHash: "", constants: {}, seed: 1, inputs: [wire, { ...wire, name: "spare" }],
      targets: [{ name: "label", kind: "class" as const, shape: ["batch"] }], outputs: [], parameters: [],
    };
    expect(readOnnx(bytesOf(modelOf(graph, values, { description }))).inputs.map((i) => i.name)).toEqual(["features", "spare"]);
  });
  it("solves a free size from an axis that is longer by one", async () => {
    const graph = graphOf(({ b }) => {
      const longer = b.pad(b.input("z", [batch, axis("n", "n")], "float"), "n", dimNumber(1), dimNumber(0));
      return b.binary("multiply", longer, b.size(b.axis(longer, "n").size));
    });
    const own = valuesFor(graph, { batch: 2, n: 3 });
    await expectSameOutputs(await sessionOf(bytesOf(modelOf(graph, own))), graph, own);
  });
});

describe("readOnnx", () => {
  it("says so where the bytes are no model", () => {
    expect(() => readOnnx(new TextEncoder().encode("network Lasso { }"))).toThrow("not an ONNX model");
  });
});
