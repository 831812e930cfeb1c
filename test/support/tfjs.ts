/** What tests of generated TensorFlow.js models share: a plan or a network to a module that runs. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { CompiledNetwork } from "../../src/compile.js";
import { emitModel } from "../../src/emit/tfjs/package.js";
import { describe as describeModel } from "../../src/network/describe.js";
import { resolveWeights } from "../../src/network/weights.js";
import { backendNames } from "../../src/runtime/arguments.js";
import type { ModelDescription, TensorMap } from "../../src/runtime/contract.js";
import { type Backend, startBackend } from "../../src/runtime/tfjs/backend.js";
import type { GeneratedModel } from "../../src/runtime/tfjs/engine.js";
import type { Tensors } from "../../src/runtime/tfjs/kernels.js";
import type { OptimisationLevel } from "../../src/tensor/passes/pass.js";
import type { Plan } from "../../src/tensor/plan.js";
import { equations, planOf } from "../../src/targets.js";

/** The generated file, loaded; its runtime is the source tree's. */
export async function loadModel(text: string): Promise<GeneratedModel> {
  const folder = resolve("out", "test-models");
  mkdirSync(folder, { recursive: true });
  const file = resolve(folder, `m${createHash("sha256").update(text).digest("hex").slice(0, 24)}.ts`);
  writeFileSync(file, text.replace(/"\.\/runtime\//g, '"../../src/runtime/'));
  return (await import(/* @vite-ignore */ file)) as GeneratedModel;
}
const template = (name: string): string => readFileSync(`templates/package/${name}.hbs`, "utf8");
const bare: ModelDescription = { format: 1, name: "test", compiler: "test", specHash: "", constants: {}, seed: 1, inputs: [], targets: [], outputs: [], parameters: [] };

export const modelOfPlan = (predict: Plan, inputs: ModelDescription["inputs"]): Promise<GeneratedModel> =>
  loadModel(emitModel({ description: { ...bare, inputs }, doc: undefined, equations: [], predict, loss: undefined, specName: "test.srr", version: "test" }, { template }));

export function describeNetwork(network: CompiledNetwork): ModelDescription {
  return describeModel(network.unrolled, { compiler: "test", specHash: "", seed: 1 });
}
export function modelOf(network: CompiledNetwork, level: OptimisationLevel = 0): Promise<GeneratedModel> {
  return loadModel(emitModel({
    description: describeNetwork(network), doc: undefined, equations: equations(network), specName: "test.srr", version: "test",
    predict: planOf(network, {}, level), probe: planOf(network, { probe: true }, level), loss: network.unrolled.loss ? planOf(network, { loss: true, training: true }, level) : undefined,
  }, { template }));
}
let started: Promise<Backend> | undefined;
/** WebAssembly, or what CRATE_COMPILE_TEST_BACKEND names. */
export const backend = (): Promise<Backend> => (started ??= startBackend(backendNames.find((n) => n === process.env["CRATE_COMPILE_TEST_BACKEND"]) ?? "wasm"));

const integers = (description: ModelDescription): ReadonlySet<string> =>
  new Set([...description.inputs, ...description.targets].filter((t) => t.kind !== "real").map((t) => t.name));
export function onDevice(values: TensorMap, ints: ReadonlySet<string> = new Set()): Tensors {
  return Object.fromEntries(Object.entries(values).map(([name, t]) =>
    [name, tf.tensor(ints.has(name) ? Int32Array.from(t.data) : Float32Array.from(t.data), [...t.shape], ints.has(name) ? "int32" : "float32")]));
}
/** Runs the network in TensorFlow.js: outputs by name, and the variable after every step under the step's name. */
export async function runTfjs(network: CompiledNetwork, weights: TensorMap, feeds: TensorMap, level: OptimisationLevel = 0): Promise<Readonly<Record<string, Float32Array>>> {
  await backend();
  const { values, faults } = resolveWeights(network.unrolled.parameters, weights);
  if (faults.length > 0) throw new Error(faults.map((f) => `${f.parameter}: ${f.reason}`).join("\n"));
  const model = await modelOf(network, level);
  const found: Record<string, Float32Array> = {};
  tf.tidy(() => {
    const [inputs, run] = [onDevice(feeds, integers(describeNetwork(network))), { parameters: onDevice(values) }];
    // What `predict` gives counts where both have it: its graph is optimised for the outputs alone.
    for (const [name, t] of Object.entries({ ...model.probe?.(inputs, run), ...model.predict(inputs, run) })) found[name] = Float32Array.from(t.dataSync());
  });
  return found;
}
/** The gradient of the loss by every learned parameter. */
export async function tfjsGradients(network: CompiledNetwork, weights: TensorMap, batch: TensorMap, level: OptimisationLevel = 0): Promise<Readonly<Record<string, Float32Array>>> {
  await backend();
  const { values } = resolveWeights(network.unrolled.parameters, weights);
  const { lossOf } = await modelOf(network, level);
  if (!lossOf) throw new Error("the network has no loss");
  const learned = network.unrolled.parameters.filter((p) => p.trainable).map((p) => p.name);
  const found: Record<string, Float32Array> = {};
  tf.tidy(() => {
    const parameters = onDevice(values);
    const inputs = onDevice(batch, integers(describeNetwork(network)));
    const gradients = tf.grads((...args: tf.Tensor[]) => lossOf(inputs, { parameters: { ...parameters, ...Object.fromEntries(learned.map((name, i) => [name, args[i] as tf.Tensor])) } }).loss);
    gradients(learned.map((name) => parameters[name] as tf.Tensor)).forEach((g, i) => { found[learned[i] as string] = Float32Array.from(g.dataSync()); });
  });
  return found;
}
