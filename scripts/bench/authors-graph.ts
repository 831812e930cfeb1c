/**
 * CRATE as its authors' program (Ma-Lab-Berkeley/CRATE, model/crate.py) is written by torch.onnx: operator by operator, linear layers as
 * MatMul and Add, normalisations with scale and shift, ISTA by three products. What the compiler's output is compared with.
 */
import type { CompiledNetwork } from "../../src/compile.js";
import { floatTensor, GraphWriter } from "../../src/emit/onnx/graph-writer.js";
import { type Initializer, modelBytes } from "../../src/emit/onnx/model-bytes.js";
import { dimNumber, dimSymbol } from "../../src/expression/dim.js";
import type { HostTensor, TensorMap } from "../../src/runtime/contract.js";

/** [k, rows, cols] as [rows, k·cols]: heads side by side. */
function joinedHeads({ shape, data }: HostTensor): HostTensor {
  const [k, rows, cols] = shape as readonly [number, number, number];
  const joined = new Float32Array(k * rows * cols);
  for (let h = 0; h < k; h++) for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) joined[(r * k + h) * cols + c] = data[(h * rows + r) * cols + c] as number;
  return { shape: [rows, k * cols], data: joined };
}
function transposed({ shape, data }: HostTensor): HostTensor {
  const [rows, cols] = shape as readonly [number, number];
  const turned = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) turned[c * rows + r] = data[r * cols + c] as number;
  return { shape: [cols, rows], data: turned };
}

export function authorsGraph(network: CompiledNetwork, weights: TensorMap): Uint8Array {
  const size = (name: string): number => network.unrolled.dims.get(name) as number;
  const [d, K, p, L, H, P, channels] = ["d", "K", "p", "L", "H", "P", "channels"].map(size) as [number, number, number, number, number, number, number];
  const side = H / P;
  const writer = new GraphWriter();
  const initializers: Initializer[] = [];
  // Shapes of values in between are the runtime's to infer.
  const make = (opType: string, inputs: readonly string[], attributes = {}): string =>
    writer.node(opType, writer.unique(opType), inputs, { type: "float", shape: [] }, attributes);
  const stored = (t: HostTensor): string => {
    const name = writer.unique("weight");
    initializers.push({ ...floatTensor(t.shape, t.data), name });
    return name;
  };
  const weight = (name: string): HostTensor => {
    const found = weights[name];
    if (!found) throw new Error(`no weights for ${name}`);
    return found;
  };
  const norm = (x: string, name: string): string =>
    make("LayerNormalization", [x, stored(weight(`${name}.scale`)), stored(weight(`${name}.shift`))], { axis: -1, epsilon: { float: 1e-5 } });
  const linear = (x: string, matrix: HostTensor, bias?: HostTensor): string => {
    const product = make("MatMul", [x, stored(matrix)]);
    return bias ? make("Add", [stored(bias), product]) : product;
  };
  const reshape = (x: string, to: readonly number[]): string => make("Reshape", [x, writer.ints(to)]);
  writer.reserve("image");

  const patches = reshape(make("Transpose", [reshape("image", [0, channels, side, P, side, P])], { perm: [0, 2, 4, 3, 5, 1] }), [0, side * side, P * P * channels]);
  const embedded = norm(linear(norm(patches, "Z.layernorm"), transposed(weight("Z.linear.weight")), weight("Z.linear.bias")), "Z.layernorm2");
  const batch = make("Slice", [writer.node("Shape", "sizes", ["image"], { type: "int64", shape: [dimNumber(4)] }), writer.ints([0]), writer.ints([1]), writer.ints([0])]);
  const token = make("Expand", [stored({ shape: [1, 1, d], data: weight("cls").data }), make("Concat", [batch, writer.ints([1, d])], { axis: 0 })]);
  const positions = transposed(weight("pos"));
  let z = make("Add", [make("Concat", [token, embedded], { axis: 1 }), stored({ shape: [1, ...positions.shape], data: positions.data })]);
  for (let layer = 1; layer <= L; layer++) {
    const at = `block.${layer}`;
    const w = linear(norm(z, `${at}.compress.layernorm`), joinedHeads(weight(`${at}.U`)));
    const heads = make("Transpose", [reshape(w, [0, 0, K, p])], { perm: [0, 2, 1, 3] });
    const scores = make("Mul", [make("MatMul", [heads, make("Transpose", [heads], { perm: [0, 1, 3, 2] })]), writer.float(p ** -0.5)]);
    const mixed = make("Transpose", [make("MatMul", [make("Softmax", [scores], { axis: -1 }), heads])], { perm: [0, 2, 1, 3] });
    z = make("Add", [linear(reshape(mixed, [0, 0, K * p]), transposed(joinedHeads(weight(`${at}.W`))), weight(`${at}.b`)), z]);
    const x = norm(z, `${at}.sparsify.layernorm`);
    const D = weight(`${at}.D`);
    const back = make("MatMul", [make("MatMul", [x, stored(transposed(D))]), stored(D)]);
    const step = make("Mul", [make("Sub", [make("MatMul", [x, stored(D)]), back]), writer.float(0.1)]);
    z = make("Relu", [make("Add", [x, make("Sub", [step, writer.float(0.1 * 0.1)])])]);
  }
  const first = norm(make("Gather", [z, writer.int(0)], { axis: 1 }), "logits.layernorm");
  const logits = writer.node("Gemm", "logits", [first, stored(weight("logits.linear.weight")), stored(weight("logits.linear.bias"))], { type: "float", shape: [] }, { transB: 1 });
  return modelBytes({
    graphName: "authors", nodes: writer.nodes, initializers, values: [], opset: 18, doc: "", metadata: {}, producerVersion: "bench",
    inputs: [{ name: "image", type: "float", shape: [dimSymbol("batch"), channels, H, H].map((s) => (typeof s === "number" ? dimNumber(s) : s)) }],
    outputs: [{ name: logits, type: "float", shape: [dimSymbol("batch"), dimNumber(size("C"))] }],
  });
}
