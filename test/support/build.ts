/** What tests of whole networks share: a spec to a compiled network, to a model in ONNX Runtime, to numbers. */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { type CompiledNetwork, compile, type Host } from "../../src/compile.js";
import { emitOnnx } from "../../src/emit/onnx/emit.js";
import { describe as describeModel } from "../../src/network/describe.js";
import { resolveWeights } from "../../src/network/weights.js";
import type { HostTensor, TensorMap } from "../../src/runtime/contract.js";
import { readSafetensors } from "../../src/runtime/safetensors.js";
import { evaluateGraph, type GraphValues } from "../../src/tensor/evaluate-graph.js";
import { gradients } from "../../src/tensor/gradients.js";
import { lowerNetwork } from "../../src/tensor/lower.js";
import { onnxPlanOf } from "../../src/targets.js";
import type { Plan } from "../../src/tensor/plan.js";
import { schedule } from "../../src/tensor/schedule.js";

export const memoryHost: Host = {
  standardLibrary: (path) => (/^std\/[a-z]+$/.test(path) ? readFileSync(`src/${path}.srr`, "utf8") : undefined),
  readImport: (path) => ({ missing: `there is no file ${path}` }),
};
export const example = (name: string): string => readFileSync(`examples/${name}.srr`, "utf8");

/** The only network of a spec; throws with all messages where something is wrong. */
export function compileSpec(text: string, settings: Readonly<Record<string, number>> = {}, preset?: string): CompiledNetwork {
  const result = compile(text, { file: "spec.srr", settings: new Map(Object.entries(settings)), ...(preset === undefined ? {} : { preset }) }, memoryHost);
  const [network] = result.networks;
  if (!network) throw new Error(result.diagnostics.map((d) => `${d.code} ${d.message}`).join("\n") || "no network");
  return network;
}
export interface Fixture {
  readonly tensors: TensorMap;
  // biome-ignore lint/suspicious/noExplicitAny: the cases are free-form JSON
  readonly results: any;
}
export function fixture(name: string): Fixture {
  return {
    tensors: readSafetensors(readFileSync(`test/fixtures/${name}/tensors.safetensors`), name),
    results: JSON.parse(readFileSync(`test/fixtures/${name}/case.json`, "utf8")).results,
  };
}
/** Tensors under a prefix, without it. */
export function under(tensors: TensorMap, prefix: string): TensorMap {
  return Object.fromEntries(Object.entries(tensors).filter(([k]) => k.startsWith(prefix)).map(([k, v]) => [k.slice(prefix.length), v]));
}
/** max|a − b| / max|b|, the fixtures' measure; not a number or another length is infinite. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [difference, largest] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    const d = Math.abs((a[i] as number) - (b[i] as number));
    difference = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(difference, d);
    largest = Math.max(largest, Math.abs(b[i] as number));
  }
  return difference / Math.max(largest, 1e-300);
}
export function tensor(map: TensorMap, name: string): HostTensor {
  const found = map[name];
  if (!found) throw new Error(`the fixture has no ${name}`);
  return found;
}
/** Runs the network in ONNX Runtime, all probes on. Parameters by own names or aliases. */
export const runOnnx = (network: CompiledNetwork, weights: TensorMap, feeds: TensorMap): Promise<Readonly<Record<string, Float32Array>>> =>
  runPlan(network, schedule(lowerNetwork(network.unrolled, { probe: true })), weights, feeds);
/** As `build` does by default: optimised, outputs only. */
export const runOptimised = (network: CompiledNetwork, weights: TensorMap, feeds: TensorMap): Promise<Readonly<Record<string, Float32Array>>> =>
  runPlan(network, onnxPlanOf(network, {}, 2), weights, feeds);

async function runPlan(network: CompiledNetwork, plan: Plan, weights: TensorMap, feeds: TensorMap): Promise<Readonly<Record<string, Float32Array>>> {
  const { values, faults } = resolveWeights(network.unrolled.parameters, weights);
  if (faults.length > 0) throw new Error(faults.map((f) => `${f.parameter}: ${f.reason}`).join("\n"));
  const description = describeModel(network.unrolled, { compiler: "test", specHash: "", seed: 1 });
  const fixed = network.unrolled.parameters.filter((p) => !p.trainable).map((p) => p.name);
  const { files } = emitOnnx(plan, { description, weights: values, metadata: {}, doc: "", producerVersion: "test", fixed });
  const session = await ort.InferenceSession.create((files[0] as { bytes: Uint8Array }).bytes);
  const inputs = Object.fromEntries(Object.entries(feeds).map(([name, t]) => {
    const wire = description.inputs.find((i) => i.name === name);
    return [name, wire?.kind === "real" || wire === undefined
      ? new ort.Tensor("float32", Float32Array.from(t.data), [...t.shape]) : new ort.Tensor("int64", BigInt64Array.from(Int32Array.from(t.data), BigInt), [...t.shape])];
  }));
  const out = await session.run(inputs);
  return Object.fromEntries(Object.entries(out).map(([name, t]) => [name, t.data as Float32Array]));
}

const wide = (t: TensorMap): GraphValues["inputs"] =>
  Object.fromEntries(Object.entries(t).map(([k, v]) => [k, { shape: v.shape, data: Float64Array.from(v.data) }]));
/** The gradient of the loss by every parameter, by reverse mode on the tensor graph, in float64. */
export function graphGradients(network: CompiledNetwork, weights: TensorMap, batch: TensorMap): Readonly<Record<string, ArrayLike<number>>> {
  const { values, faults } = resolveWeights(network.unrolled.parameters, weights);
  if (faults.length > 0) throw new Error(faults.map((f) => `${f.parameter}: ${f.reason}`).join("\n"));
  const forward = lowerNetwork(network.unrolled, { loss: true });
  const { graph, nodes } = gradients(forward, forward.outputs.find((o) => o.name === "loss")?.node ?? -1);
  const leaves = new Map(forward.nodes.flatMap((n) => (n.op === "parameter" ? [[n.name, n.axes.map((a) => a.name)] as const] : [])));
  const outputs = [...nodes].map(([name, node]) => ({ name, node, wire: leaves.get(name) ?? [] }));
  const found = evaluateGraph({ nodes: graph.nodes, outputs }, { inputs: wide(batch), parameters: wide(values) });
  return Object.fromEntries([...found].map(([name, t]) => [name, t.data]));
}
