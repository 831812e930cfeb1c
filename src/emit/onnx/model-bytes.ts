/** The bytes of an ONNX model: the same model, the same bytes. Initializers are handed to the writer as views, never copied before. */
import onnxProto from "onnx-proto";
import type { Dim } from "../../expression/dim.js";
import { dimValue } from "../../expression/dim.js";
import { type Attribute, dataTypes, type OnnxNode, type OnnxTensor, type OnnxValue } from "./graph-writer.js";

const { onnx } = onnxProto;
type Proto = typeof onnxProto.onnx;
type AttributeProto = Parameters<Proto["AttributeProto"]["create"]>[0];
type TensorProto = NonNullable<Parameters<Proto["TensorProto"]["create"]>[0]>;

export interface NamedValue extends OnnxValue {
  readonly name: string;
}
export interface Initializer extends OnnxTensor {
  readonly name: string;
}
export interface ModelParts {
  readonly graphName: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly NamedValue[];
  readonly outputs: readonly NamedValue[];
  readonly values: readonly NamedValue[];
  readonly initializers: readonly Initializer[];
  readonly opset: number;
  readonly doc: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly producerVersion: string;
  /** Where the initializers' bytes lie, if not in the model: file name and the offset of each. */
  readonly external?: { readonly location: string; readonly offsets: readonly number[] };
}

/** The IR version that came with an opset. */
export function irVersionOf(opset: number): number {
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  return opset <= 22 ? 10 : 11;
}
const attributeTypes = { float: 1, int: 2, string: 3, tensor: 4, ints: 7 } as const;
const utf8 = new TextEncoder();

function tensorProto(tensor: OnnxTensor, name = ""): TensorProto {
  return { dims: [...tensor.shape], dataType: dataTypes[tensor.type], rawData: tensor.bytes, ...(name === "" ? {} : { name }) };
}
function attributeProto(name: string, value: Attribute): NonNullable<AttributeProto> {
  if (typeof value === "number") return { name, type: attributeTypes.int, i: value };
  if (typeof value === "string") return { name, type: attributeTypes.string, s: utf8.encode(value) };
  if ("float" in value) return { name, type: attributeTypes.float, f: value.float };
  if ("tensor" in value) return { name, type: attributeTypes.tensor, t: tensorProto(value.tensor) };
  return { name, type: attributeTypes.ints, ints: [...value] };
}
type Dimension = { dimValue: number } | { dimParam: string } | Record<string, never>;
function dimension(size: Dim, named: boolean): Dimension {
  const value = dimValue(size);
  return value !== undefined ? { dimValue: value } : named ? { dimParam: size.key } : {};
}
function valueInfo({ name, type, shape }: NamedValue, named = true) {
  return { name, type: { tensorType: { elemType: dataTypes[type], shape: { dim: shape.map((size) => dimension(size, named)) } } } };
}
/** ONNX Runtime searches for buffers among all values without names: 5,000 take it 1 s to load, 12,000 take 11 s. Such graphs bear names. */
const mostUnnamed = 6000;
/**
 * Values on the way: their free sizes bear no names. By names ONNX Runtime sees which sizes are equal and plans beforehand which buffer is used
 * again where; without them it takes while running what was freed last, which is still in the caches: 1.02 to 1.07 times faster, in less memory.
 */
const innerInfos = (values: readonly NamedValue[]): readonly ReturnType<typeof valueInfo>[] => values.map((v) => valueInfo(v, values.length > mostUnnamed));
function initializer(i: Initializer, position: number, external: ModelParts["external"]): TensorProto {
  if (!external) return tensorProto(i, i.name);
  const { rawData: _, ...rest } = tensorProto(i, i.name);
  const entries = { location: external.location, offset: String(external.offsets[position]), length: String(i.bytes.length) };
  return { ...rest, dataLocation: 1, externalData: Object.entries(entries).map(([key, value]) => ({ key, value })) };
}

export function modelBytes(model: ModelParts): Uint8Array {
  return onnx.ModelProto.encode({
    irVersion: irVersionOf(model.opset),
    opsetImport: [{ domain: "", version: model.opset }],
    producerName: "crate-compile",
    producerVersion: model.producerVersion,
    domain: "",
    modelVersion: 1,
    docString: model.doc,
    metadataProps: Object.entries(model.metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: model.graphName,
      docString: model.doc,
      node: model.nodes.map((n) => ({
        name: n.name, opType: n.opType, input: [...n.inputs], output: [n.output, ...(n.more ?? [])],
        attribute: Object.entries(n.attributes).map(([name, value]) => attributeProto(name, value)),
      })),
      input: model.inputs.map((v) => valueInfo(v)),
      output: model.outputs.map((v) => valueInfo(v)),
      valueInfo: [...innerInfos(model.values)],
      initializer: model.initializers.map((i, position) => initializer(i, position, model.external)),
    },
  }).finish();
}
