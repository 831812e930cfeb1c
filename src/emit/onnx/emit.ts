/** What is the ONNX model of a plan? Standard operators only; the spec's names on inputs and outputs, the parameters' on initializers. */
import { Defect } from "../../diagnostics/declare.js";
import { type Dim, dimNumber, dimSymbol } from "../../expression/dim.js";
import type { HostTensor, ModelDescription, TensorMap, WireTensor } from "../../runtime/contract.js";
import { own } from "../../runtime/contract.js";
import type { Graph } from "../../tensor/graph.js";
import { cachePasses, optimise, type OptimisationLevel, type Optimised } from "../../tensor/passes/optimise.js";
import type { Plan, PlanNode } from "../../tensor/plan.js";
import { planOperands, withFlatBatches } from "../../tensor/schedule.js";
import { type Affine, affineNormalizations } from "./affine.js";
import { type Attention, attentions } from "./attention.js";
import { type Biased, biasedProducts } from "./biased.js";
import { knownDeviations } from "./deviations.js";
import { type Folded, foldPlan } from "./fold.js";
import { bytesOf, floatTensor, GraphWriter, intTensor, type OnnxType } from "./graph-writer.js";
import { type Lowering, lowerAffine, lowerAttention, lowerBiased, lowerDeviation, lowerNode, lowerSplit, onnxType } from "./lowering.js";
import { type Initializer, modelBytes, type ModelParts, type NamedValue } from "./model-bytes.js";
import { attentionOpset, highestOpset, lowestOpset } from "./opsets.js";
import { Sizes } from "./sizes.js";
import { splits } from "./splits.js";

export interface OnnxModel {
  readonly description: ModelDescription;
  /** Values in declared layout, by full name. */
  readonly weights: TensorMap;
  readonly metadata: Readonly<Record<string, string>>;
  /** Markdown, shown by viewers. */
  readonly doc: string;
  readonly producerVersion: string;
  /** 18, which everything emitted needs, unless said; from 20 on `Gelu` is one node. */
  readonly opset?: number;
  /** Bytes of weights from which on they lie in a second file (protobuf ends at 2 GB). */
  readonly externalDataThreshold?: number;
  /** The model's own file name: `model.onnx`; external data is beside it, `model.onnx.data`. */
  readonly fileName?: string;
  /** Parameters that never change: what depends on them alone is computed now, in float64. */
  readonly fixed?: readonly string[];
  /** Store turned weights turned, as `<name>/transposed`; else Transpose nodes do it, and runtimes fold them on loading. */
  readonly foldWeights?: boolean;
  /** LayerNormalization takes the scale and shift that follow it (true unless said). */
  readonly affineNormalization?: boolean;
  /** Gradients take deviations from the LayerNormalization that has computed them (false unless said). */
  readonly sharedDeviations?: boolean;
}
export interface EmittedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const defaultThreshold = 1.9e9;
/** External tensors start at multiples of this, so that they can be mapped into memory. */
const alignment = 4096;

function wireShape(wire: WireTensor): readonly Dim[] {
  return wire.shape.map((s) => (typeof s === "number" ? dimNumber(s) : dimSymbol(s)));
}
/** The model's inputs: those of the spec, and of its targets those that the plan reads. */
function inputsOf(plan: Plan, description: ModelDescription): readonly NamedValue[] {
  const read = new Map(plan.nodes.flatMap((n) => (n.op === "input" ? [[n.name, n] as const] : [])));
  const wires = [...description.inputs, ...description.targets.filter((t) => read.has(t.name))];
  for (const name of read.keys()) if (!wires.some((w) => w.name === name)) throw new Defect(`the plan reads ${name}, which is no input`);
  return wires.map((wire) => {
    const type: OnnxType = wire.kind === "real" ? "float" : "int64";
    return { name: wire.name, type, shape: read.get(wire.name)?.shape ?? wireShape(wire) };
  });
}
function weightTensor(weights: TensorMap, node: PlanNode & { readonly name: string }): Initializer {
  const weight: HostTensor | undefined = own(weights, node.name);
  if (!weight) throw new Defect(`no weights for ${node.name}`);
  const expected = node.shape.map((d) => d.key).join(", ");
  if (weight.shape.join(", ") !== expected) throw new Defect(`${node.name} is [${weight.shape.join(", ")}], the plan says [${expected}]`);
  const data = weight.data instanceof Float32Array ? weight.data : Float32Array.from(weight.data);
  return { name: node.name, type: "float", shape: weight.shape, bytes: bytesOf(data) };
}
/** Outputs whose value can bear their name where it is made; others are handed on by Identity. */
function ownNames(plan: Plan, folded: Folded): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  const without = new Set<PlanNode["op"]>(["input", "parameter", "constant", "fill", "iota", "dropout", "stop", "cast"]);
  const weights = new Set(folded.weights.map((w) => w.node));
  for (const { name, node } of plan.outputs) {
    const op = plan.nodes[node]?.op;
    if (op && !without.has(op) && !names.has(node) && !folded.constants.has(node) && !weights.has(node)) names.set(node, name);
  }
  return names;
}
/** Place and label as one path; a label like `block.3.compress` says its place itself. */
export function readable(node: PlanNode): string {
  const kind = node.op === "unary" || node.op === "binary" ? node.fn : node.op;
  if (node.path === "") return node.label === "" ? kind : node.label;
  const dotted = node.path.replaceAll("/", ".");
  if (node.label === dotted || node.label.startsWith(`${dotted}.`)) return `${node.path}${node.label.slice(dotted.length).replaceAll(".", "/")}`;
  return `${node.path}/${node.label === "" ? kind : node.label}`;
}

interface Written {
  readonly writer: GraphWriter;
  readonly inputs: readonly NamedValue[];
  readonly outputs: readonly NamedValue[];
  readonly initializers: readonly Initializer[];
}
/** Folded weights as initializers, by plan node. */
function foldedInitializers(folded: Folded, writer: GraphWriter): ReadonlyMap<number, Initializer> {
  return new Map(folded.weights.map((w) => {
    const name = writer.unique(`${w.name}/${w.turned ? "transposed" : "reshaped"}`);
    return [w.node, { ...floatTensor(w.value.shape, w.value.data), name }] as const;
  }));
}

function write(plan: Plan, found: ReadonlyMap<number, Attention>, model: OnnxModel, folded: Folded): Written {
  const writer = new GraphWriter();
  const inputs = inputsOf(plan, model.description);
  for (const i of inputs) {
    writer.reserve(i.name);
    writer.declare(i.name, i);
  }
  for (const o of plan.outputs) writer.reserve(o.name);
  const parameters = new Map(plan.nodes.flatMap((n) => (n.op === "parameter" ? [[n.name, n] as const] : [])));
  for (const [name, node] of parameters) {
    writer.reserve(name);
    writer.declare(name, { type: "float", shape: node.shape });
  }
  const turned = foldedInitializers(folded, writer);
  for (const i of turned.values()) writer.declare(i.name, { type: "float", shape: i.shape.map(dimNumber) });
  const known = new Set([...folded.constants.keys(), ...turned.keys()]);
  // What is computed beforehand stays by itself: nothing that it was computed of is emitted.
  const unfolded = <T extends { readonly inner: readonly number[] }>(patterns: ReadonlyMap<number, T>): ReadonlyMap<number, T> =>
    new Map([...patterns].filter(([, { inner }]) => !inner.some((id) => known.has(id))));
  const affine: ReadonlyMap<number, Affine> = model.affineNormalization === false ? new Map() : unfolded(affineNormalizations(plan));
  const deviations: ReturnType<typeof knownDeviations> = model.sharedDeviations ? knownDeviations(plan) : new Map();
  const inverseDeviations = new Map([...deviations.values()].map((n) => [n.id, writer.unique(`${readable(n)}/inverse_deviation`)]));
  const pieces = splits(plan);
  const inverses = new Map<number, string>();
  for (const node of plan.nodes) {
    const inverse = inverseDeviations.get(deviations.get(node.id)?.id ?? -1) ?? (node.op === "reshape" ? inverses.get(node.x) : undefined);
    if (inverse !== undefined) inverses.set(node.id, inverse);
  }
  // Known once the LayerNormalization that gives it is written: one over a free size, or of constants, never is.
  const inverseOf = (id: number): string | undefined => {
    const inverse = inverses.get(id);
    return inverse !== undefined && writer.values.has(inverse) ? inverse : undefined;
  };
  const [attention, biased] = [unfolded(found), unfolded(biasedProducts(plan))];
  const inner = new Set([...affine.values(), ...attention.values(), ...biased.values()].flatMap((a) => a.inner));
  const own = ownNames(plan, folded);
  const needed = neededNodes(plan, known);
  const values = new Map<number, string>();
  const operand = (id: number): string => {
    const name = values.get(id);
    if (name === undefined) throw new Defect(`plan node ${id} is used before it is emitted`);
    return name;
  };
  const shared = { writer, sizes: new Sizes(writer, inputs), opset: model.opset ?? lowestOpset, plan: plan.nodes, operand, conditions: new Map<number, string>(), bare: new Map(), inverseDeviations, inverseOf };
  for (const node of plan.nodes) {
    if (!needed.has(node.id) || inner.has(node.id) || values.has(node.id)) continue;
    const split = folded.constants.has(node.id) ? undefined : pieces.get(node.id);
    if (split) {
      for (const { id } of split.parts) values.set(id, own.get(id) ?? writer.unique(readable(plan.nodes[id] as PlanNode)));
      lowerSplit(split, shared);
      continue;
    }
    const inverse = deviations.has(node.id) && !own.has(node.id) ? inverseOf(node.id) : undefined;
    if (inverse !== undefined) {
      values.set(node.id, lowerDeviation(node, inverse, { ...shared, name: writer.unique(readable(node)) }));
      continue;
    }
    values.set(node.id, emitNode(node, shared, { folded, turned, affine: affine.get(node.id), attention: attention.get(node.id), biased: biased.get(node.id), own: own.get(node.id) }));
  }
  const outputs = plan.outputs.map(({ name, node }) => {
    const value = { type: onnxType((plan.nodes[node] as PlanNode).type), shape: (plan.nodes[node] as PlanNode).shape };
    if (operand(node) !== name) writer.node("Identity", name, [operand(node)], value);
    return { name, ...value };
  });
  const read = new Set(writer.needed(outputs.map((o) => o.name)).flatMap((n) => n.inputs));
  const initializers = [
    ...[...parameters.values()].filter((n) => read.has(n.name)).map((n) => weightTensor(model.weights, n)),
    ...[...turned.values()].filter((i) => read.has(i.name)),
  ];
  return { writer, inputs, outputs, initializers };
}
/** Plan nodes that are still needed when the operands of some are not. */
function neededNodes(plan: Plan, known: ReadonlySet<number>): ReadonlySet<number> {
  const needed = new Set(plan.outputs.map((o) => o.node));
  for (const node of [...plan.nodes].reverse()) {
    if (needed.has(node.id) && !known.has(node.id)) for (const x of planOperands(node)) needed.add(x);
  }
  return needed;
}
function emitNode(
  node: PlanNode, shared: Omit<Lowering, "name">,
  about: { readonly folded: Folded; readonly turned: ReadonlyMap<number, Initializer>; readonly affine: Affine | undefined; readonly attention: Attention | undefined; readonly biased: Biased | undefined; readonly own: string | undefined },
): string {
  const { writer } = shared;
  const initializer = about.turned.get(node.id);
  if (initializer) return initializer.name;
  if (node.op === "input" || node.op === "parameter") return node.name;
  const constant = about.folded.constants.get(node.id);
  if (constant) {
    const tensor = node.type === "int" ? intTensor(constant.shape, constant.data) : floatTensor(constant.shape, constant.data);
    return writer.constant(readable(node), tensor);
  }
  const makesNode = node.op !== "constant" && node.op !== "stop" && node.op !== "dropout";
  const name = about.own ?? (makesNode ? writer.unique(readable(node)) : readable(node));
  if (about.attention) return lowerAttention(about.attention, node, { ...shared, name });
  if (about.biased) return lowerBiased(about.biased, node, { ...shared, name });
  return about.affine ? lowerAffine(about.affine, { ...shared, name }) : lowerNode(node, { ...shared, name });
}

/** One file after the other, each tensor at an aligned offset. */
function externalData(initializers: readonly Initializer[]): { readonly offsets: readonly number[]; readonly bytes: Uint8Array } {
  let end = 0;
  const offsets = initializers.map((i) => {
    const offset = Math.ceil(end / alignment) * alignment;
    end = offset + i.bytes.length;
    return offset;
  });
  const bytes = new Uint8Array(end);
  initializers.forEach((i, position) => { bytes.set(i.bytes, offsets[position]); });
  return { offsets, bytes };
}

/** The graph as an ONNX model is made of it. Where the operator set has attention as one operator, its scores are the runtime's affair. */
export function graphForOnnx(graph: Graph, level: OptimisationLevel, opset: number = lowestOpset): Optimised {
  return optimise(graph, level, undefined, opset < attentionOpset ? cachePasses : []);
}
/** The files of the model: one, or two where the weights are too large for one. Throws a Defect where plan and weights disagree. */
export function emitOnnx(scheduled: Plan, model: OnnxModel): { readonly files: readonly EmittedFile[] } {
  const opset = model.opset ?? lowestOpset;
  if (opset < lowestOpset || opset > highestOpset) throw new Defect(`opset ${opset} is not between ${lowestOpset} and ${highestOpset}`);
  const attention: ReadonlyMap<number, Attention> = opset < attentionOpset ? new Map() : attentions(scheduled);
  // The operator takes heads as they were scheduled; products written out are faster over one leading axis.
  const plan = attention.size > 0 ? scheduled : withFlatBatches(scheduled);
  const folded = foldPlan(plan, model.weights, { fixed: new Set(model.fixed ?? []), weights: model.foldWeights ?? false });
  const { writer, inputs, outputs, initializers } = write(plan, attention, model, folded);
  const nodes = writer.needed(outputs.map((o) => o.name));
  const ends = new Set([...inputs, ...outputs, ...initializers].map((v) => v.name));
  const made = nodes.flatMap((n) => [n.output, ...(n.more ?? [])]);
  const values = made.filter((name) => name !== "" && !ends.has(name)).map((name) => ({ name, ...writer.value(name) }));
  const folding = folded.weights.length > 0 ? { folded_weights: JSON.stringify([...new Set(folded.weights.map((w) => w.name))]) } : {};
  const fileName = model.fileName ?? "model.onnx";
  const parts: ModelParts = {
    graphName: model.description.name, nodes, inputs, outputs, values, initializers, opset,
    doc: model.doc, metadata: { ...model.metadata, ...folding }, producerVersion: model.producerVersion,
  };
  const size = initializers.reduce((sum, i) => sum + i.bytes.length, 0);
  if (size <= (model.externalDataThreshold ?? defaultThreshold)) return { files: [{ name: fileName, bytes: modelBytes(parts) }] };
  const data = externalData(initializers);
  const location = `${fileName}.data`;
  return { files: [{ name: fileName, bytes: modelBytes({ ...parts, external: { location, offsets: data.offsets } }) }, { name: location, bytes: data.bytes }] };
}
