/**
 * One training step as one graph: forward, backward, clipping, update. Parameters and optimiser state come in as inputs and
 * go out under `<name>/next`; the learning rate and the bias corrections come in as scalars, computed in double by the loop.
 */
import { type Dim, dimAdd, dimNumber } from "../../expression/dim.js";
import type { ModelDescription, OptimizerProgram, ParameterDescription, WireTensor } from "../../runtime/contract.js";
import { type AddedNames, addedNames } from "../../runtime/wire-names.js";
import { GraphBuilder, prune } from "../../tensor/builder.js";
import { gradients } from "../../tensor/gradients.js";
import { graphForOnnx } from "../onnx/emit.js";
import { drawDropout, seedPrime } from "./dropout.js";
import type { Axis, Graph, TensorNode } from "../../tensor/graph.js";
import { gradientPasses, optimise, type OptimisationLevel, type Optimised } from "../../tensor/passes/optimise.js";

export const nextName = (name: string): string => `${name}/next`;

/** What an optimiser keeps for each parameter, by suffix. */
export function stateSuffixes(optimizer: OptimizerProgram): readonly string[] {
  switch (optimizer.kind) {
    case "sgd": return optimizer.momentum === 0 ? [] : ["m"];
    case "adam": case "adamw": return ["m", "v"];
    case "lion": return ["m"];
  }
}

export interface TrainingGraph {
  readonly graph: Graph;
  /** Inputs beyond those of the spec: parameters, state, scalars. */
  readonly inputs: readonly WireTensor[];
}

/** Parameters turned into inputs of the same name, so that one file serves every set of values. */
export function parametersAsInputs(graph: Graph): Graph {
  const nodes = graph.nodes.map((n): TensorNode => {
    if (n.op !== "parameter") return n;
    const { id, axes, type, path, label, name } = n;
    return { op: "input", name, id, axes, type, path, label };
  });
  return { nodes, outputs: graph.outputs };
}
const wire = (name: string, shape: readonly number[]): WireTensor => ({ name, kind: "real", shape });

interface Update {
  readonly value: number;
  readonly state: Readonly<Record<string, number>>;
}
/** One parameter's update; formulas of Kingma & Ba 2015, Loshchilov & Hutter 2019, Chen et al. 2023. */
function updateOf(b: GraphBuilder, o: OptimizerProgram, theta: number, g: number, state: Readonly<Record<string, number>>, rate: number, corrections: readonly [number, number]): Update {
  const mix = (old: number, keep: number, fresh: number): number =>
    b.binary("add", b.binary("multiply", old, b.fill(keep)), b.binary("multiply", fresh, b.fill(1 - keep)));
  const step = (direction: number): number => b.binary("subtract", theta, b.binary("multiply", rate, direction));
  const m = state["m"] ?? g;
  switch (o.kind) {
    case "sgd": {
      if (o.momentum === 0) return { value: step(g), state: {} };
      const next = b.binary("add", b.binary("multiply", m, b.fill(o.momentum)), g);
      return { value: step(next), state: { m: next } };
    }
    case "adam": case "adamw": {
      const first = mix(m, o.beta1, g);
      const second = mix(state["v"] ?? g, o.beta2, b.unary("square", g));
      // rate·(c₁m)/(√(c₂v) + ε) with its numbers put together: fewer passes over all parameters.
      const root = b.unary("sqrt", corrections[1]);
      const scale = b.binary("divide", b.binary("multiply", rate, corrections[0]), root);
      const length = b.binary("add", b.unary("sqrt", second), b.binary("divide", b.fill(o.epsilon), root));
      return { value: b.binary("subtract", theta, b.binary("divide", b.binary("multiply", first, scale), length)), state: { m: first, v: second } };
    }
    case "lion":
      return { value: step(b.unary("sign", mix(m, o.beta1, g))), state: { m: mix(m, o.beta2, g) } };
  }
}

/** The loss and its gradients by the parameters that are learned, as outputs of their names. */
function gradientGraph(forward: Graph, names: AddedNames, learned: readonly string[], level: OptimisationLevel): Optimised {
  const loss = forward.outputs.find((o) => o.name === names.loss);
  if (!loss) throw new Error("the forward graph has no loss");
  const { graph, nodes } = gradients(forward, loss.node, learned);
  const outputs = learned.map((name) => {
    const node = nodes.get(name) as number;
    return { name: gradientName(name), node, wire: graph.nodes[node]?.axes.map((a) => a.name) ?? [] };
  });
  const leaves = graph.nodes.filter((n) => n.op === "parameter").map((n) => n.id);
  return optimise(prune({ nodes: graph.nodes, outputs: [loss, ...outputs] }, leaves), level, undefined, gradientPasses);
}
type ParameterNode = Extract<TensorNode, { readonly op: "parameter" }>;
const gradientName = (name: string): string => `gradient/${name}`;
/** What the passes save in the gradients of a step, and in the step with them. */
export function gradientSavings(lowered: Graph, description: ModelDescription, level: OptimisationLevel): Optimised["report"] {
  const names = addedNames(description);
  const present = new Set(lowered.nodes.flatMap((n) => (n.op === "parameter" ? [n.name] : [])));
  const { graph, report } = gradientGraph(drawDropout(lowered, names.seed).graph, names, description.parameters.filter((p) => p.trainable && present.has(p.name)).map((p) => p.name), level);
  return [...report, ...graphForOnnx(graph, level).report];
}

/** The axis along which vectors stand one after the other. */
const entries = "entries";
interface Member {
  readonly name: string;
  readonly positive?: boolean;
  readonly leaf: TensorNode;
}
/** Parameters that are updated together: one of any shape, or many vectors as one, whose kernels would cost more than their work. */
class Pack {
  readonly theta: number;

  constructor(private readonly b: GraphBuilder, readonly members: readonly Member[]) {
    this.theta = this.join(members.map((p) => p.leaf.id));
  }
  get positive(): boolean {
    return this.members[0]?.positive ?? false;
  }
  get path(): string {
    const [{ name }, ...others] = this.members as readonly [Member, ...Member[]];
    return others.length === 0 ? `update/${name}` : `update/${placeOf(name)}/vectors`;
  }
  /** Values of the members, one each, as one. */
  join(values: readonly number[]): number {
    const [only, ...others] = values;
    if (only !== undefined && others.length === 0) return only;
    return this.b.concat(values.map((v) => this.b.rename(v, new Map(this.b.axes(v).map((a) => [a.name, entries])))), entries);
  }
  /** The members' parts of a value, in order. */
  part(value: number): readonly number[] {
    const [only, ...others] = this.members;
    if (only && others.length === 0) return [this.b.spread(value, only.leaf.axes)];
    let start = dimNumber(0);
    return this.members.map(({ leaf }) => {
      const [axis] = leaf.axes as readonly [Axis];
      const end = dimAdd(start, axis.size);
      const piece = this.b.rename(this.b.slice(value, entries, start, end), new Map([[entries, axis.name]]));
      start = end;
      return piece;
    });
  }
}
/** Where a parameter stands: the copy of a layer (`block.3`), outside of layers its statement (`logits`). */
const placeOf = (name: string): string => /^[^.]+(\.\d+(?=\.))?/.exec(name)?.[0] ?? name;
/**
 * What is updated together, in the order of the network, vectors of a place before its matrices. ONNX Runtime runs a graph from its ends
 * backwards, the last end first: so each layer's gradients are taken and used up as soon as the layers behind it are done, while its
 * tokens' gradients are still in the caches, and these need not be kept.
 */
function packsOf(learned: readonly ParameterDescription[], leaves: ReadonlyMap<string, TensorNode>, level: OptimisationLevel): readonly (readonly ParameterDescription[])[] {
  const isVector = (p: ParameterDescription): boolean => level > 0 && !p.positive && leaves.get(p.name)?.axes.length === 1;
  const places = new Map<string, ParameterDescription[]>();
  // A leaf is made where the network first reads it.
  const firstRead = (p: ParameterDescription): number => leaves.get(p.name)?.id ?? 0;
  for (const p of [...learned].sort((a, b) => firstRead(a) - firstRead(b))) places.set(placeOf(p.name), [...(places.get(placeOf(p.name)) ?? []), p]);
  return [...places.values()].flatMap((group) => {
    const vectors = group.filter(isVector);
    return [...(vectors.length > 0 ? [vectors] : []), ...group.filter((p) => !isVector(p)).map((p) => [p])];
  });
}

/**
 * `lowered` has the loss among its outputs. Learned parameters are updated, those on which the loss does not depend too: their gradient is zero, and
 * decay and moments act on them as on any other. The others are inputs too, unchanged.
 */
export function trainingGraph(lowered: Graph, description: ModelDescription, optimizer: OptimizerProgram, level: OptimisationLevel): TrainingGraph {
  const names = addedNames(description);
  const { graph: forward, drawn } = drawDropout(lowered, names.seed);
  const present = new Set(forward.nodes.flatMap((n) => (n.op === "parameter" ? [n.name] : [])));
  const learned = description.parameters.filter((p) => p.trainable);
  const { graph } = gradientGraph(forward, names, learned.filter((p) => present.has(p.name)).map((p) => p.name), level);
  const leaves = new Map(graph.nodes.flatMap((n) => (n.op === "parameter" ? [[n.name, n] as const] : [])));
  const nodes = new Map(graph.outputs.map((o) => [o.name, o.node]));
  const loss = graph.outputs[0] as Graph["outputs"][number];
  const b = GraphBuilder.from(graph);
  b.path = "update";
  const axesOf = (p: ParameterDescription): readonly Axis[] => p.shape.map((size, i) => ({ name: `axis${i + 1}`, size: dimNumber(size) }));
  for (const p of learned) if (!leaves.has(p.name)) leaves.set(p.name, b.node(b.parameter(p.name, axesOf(p))) as ParameterNode);
  const rate = b.input(names.learningRate, [], "float");
  const corrections = [b.input(names.correction1, [], "float"), b.input(names.correction2, [], "float")] as const;
  const packs = packsOf(learned, leaves, level).map((members) => new Pack(b, members.map((p) => ({ ...p, leaf: leaves.get(p.name) as TensorNode }))));
  const raw = packs.map((pack) => {
    const g = pack.join(pack.members.map((p) => nodes.get(gradientName(p.name)) ?? b.fill(0, p.leaf.axes)));
    // A positive parameter is learned as its logarithm.
    return pack.positive ? b.binary("multiply", g, pack.theta) : g;
  });
  const squares = raw.map((g) => b.reduce("sum", b.unary("square", g), b.axes(g).map((a) => a.name)));
  const norm = b.unary("sqrt", squares.length === 0 ? b.fill(0) : squares.reduce((x, y) => b.binary("add", x, y)));
  const clip = optimizer.clip;
  const factor = clip === undefined ? undefined : b.binary("min", b.fill(1), b.binary("divide", b.fill(clip), b.binary("add", norm, b.fill(1e-6))));
  const decay = optimizer.weightDecay === 0 ? undefined : b.binary("subtract", b.fill(1), b.binary("multiply", rate, b.fill(optimizer.weightDecay)));
  const suffixes = stateSuffixes(optimizer);
  const inputs: WireTensor[] = [wire(names.learningRate, []), wire(names.correction1, []), wire(names.correction2, [])];
  if (drawn) inputs.push({ name: names.seed, kind: "class", classes: seedPrime, shape: [] });
  const order = (axes: readonly Axis[]): readonly string[] => axes.map((a) => a.name);
  const sizes = (axes: readonly Axis[]): number[] => axes.map((a) => numberOf(a.size));
  /** Parameter or its state → what it is after the step. */
  const updated = new Map<string, number>();
  packs.forEach((pack, i) => {
    b.path = pack.path;
    const g = factor === undefined ? (raw[i] as number) : b.binary("multiply", raw[i] as number, factor);
    const decayed = decay === undefined ? pack.theta : b.binary("multiply", pack.theta, decay);
    const theta = pack.positive ? b.unary("log", decayed) : decayed;
    const state = Object.fromEntries(suffixes.map((s) => [s, pack.join(pack.members.map((p) => b.input(`${p.name}/${s}`, p.leaf.axes, "float")))]));
    const next = updateOf(b, optimizer, theta, g, state, rate, corrections);
    pack.part(pack.positive ? b.unary("exp", next.value) : next.value).forEach((node, k) => { updated.set(pack.members[k]?.name ?? "", node); });
    for (const s of suffixes) pack.part(next.state[s] as number).forEach((node, k) => { updated.set(`${pack.members[k]?.name}/${s}`, node); });
  });
  const outputs: Graph["outputs"][number][] = [loss, { name: names.gradientNorm, node: norm, wire: [] }];
  for (const p of learned) {
    const { axes } = leaves.get(p.name) as TensorNode;
    for (const name of [p.name, ...suffixes.map((s) => `${p.name}/${s}`)]) outputs.push({ name: nextName(name), node: updated.get(name) as number, wire: order(axes) });
    for (const s of suffixes) inputs.push(wire(`${p.name}/${s}`, sizes(axes)));
  }
  for (const leaf of leaves.values()) inputs.push(wire(leaf.op === "parameter" ? leaf.name : "", sizes(leaf.axes)));
  return { graph: parametersAsInputs(prune(b.finish(outputs))), inputs };
}
function numberOf(size: Dim): number {
  return size.key === dimNumber(Number(size.key)).key ? Number(size.key) : Number.NaN;
}
