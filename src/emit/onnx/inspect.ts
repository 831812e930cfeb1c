/** What is in an ONNX model? Read back from its bytes, whoever made them. */
import onnxProto from "onnx-proto";

const { onnx } = onnxProto;

export interface OnnxWire {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}
export interface OnnxSummary {
  readonly irVersion: number;
  readonly opset: number;
  /** Other operator domains, with their versions. */
  readonly domains: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly name: string;
  readonly doc: string;
  readonly inputs: readonly OnnxWire[];
  readonly outputs: readonly OnnxWire[];
  readonly initializers: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Entries of all float initializers. */
  readonly parameters: number;
  /** Nodes by operator, most frequent first. */
  readonly operators: Readonly<Record<string, number>>;
  readonly nodes: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Files beside the model that hold weights. */
  readonly externalFiles: readonly string[];
}

const typeNames: Readonly<Record<number, string>> = { 1: "float", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "double" };
type ValueInfo = Parameters<typeof onnx.ValueInfoProto.create>[0];

function wire(value: NonNullable<ValueInfo>): OnnxWire {
  const tensor = value.type?.tensorType;
  const shape = (tensor?.shape?.dim ?? []).map((d) => (d.dimParam ? d.dimParam : Number(d.dimValue ?? 0)));
  const type = tensor?.elemType ?? 0;
  return { name: value.name ?? "", type: typeNames[type] ?? `type ${type}`, shape };
}
function counted(names: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([x, a], [y, b]) => b - a || (x < y ? -1 : 1)));
}

/** A summary of the model. Throws an Error where the bytes are no ONNX model. */
export function readOnnx(bytes: Uint8Array): OnnxSummary {
  const model = decode(bytes);
  const graph = model.graph;
  if (!graph || model.opsetImport.length === 0) throw new Error("not an ONNX model: it has no graph or no operator set");
  const initializers = (graph.initializer ?? []).map((t) => ({ name: t.name ?? "", shape: (t.dims ?? []).map(Number), type: t.dataType, external: t.externalData ?? [] }));
  const domains = Object.fromEntries(model.opsetImport.map((o) => [o.domain ?? "", Number(o.version)]));
  const { "": standard = 0, "ai.onnx": named = standard, ...others } = domains;
  return {
    irVersion: Number(model.irVersion), opset: named, domains: others,
    producer: [model.producerName, model.producerVersion].filter((s) => s !== "").join(" "),
    name: graph.name ?? "", doc: model.docString,
    inputs: (graph.input ?? []).map(wire), outputs: (graph.output ?? []).map(wire),
    initializers: initializers.map(({ name, shape }) => ({ name, shape })),
    parameters: initializers.filter((i) => i.type !== 7 && i.type !== 9).reduce((sum, i) => sum + i.shape.reduce((a, b) => a * b, 1), 0),
    operators: counted((graph.node ?? []).map((n) => n.opType ?? "")),
    nodes: (graph.node ?? []).length,
    metadata: Object.fromEntries(model.metadataProps.map((p) => [p.key ?? "", p.value ?? ""])),
    externalFiles: [...new Set(initializers.flatMap((i) => i.external.filter((e) => e.key === "location").map((e) => e.value ?? "")))],
  };
}
function decode(bytes: Uint8Array): ReturnType<typeof onnx.ModelProto.decode> {
  try {
    return onnx.ModelProto.decode(bytes);
  } catch (error) {
    throw new Error("not an ONNX model: the bytes are not in its format", { cause: error });
  }
}
