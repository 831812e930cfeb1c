/** What is measured: networks at a level, as sessions of ONNX Runtime and as engines that train. */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { nodeHost } from "../../src/cli/host.js";
import { type CompiledNetwork, compile } from "../../src/compile.js";
import { emitOnnx } from "../../src/emit/onnx/emit.js";
import { describe } from "../../src/network/describe.js";
import { startingValues } from "../../src/runtime/random.js";
import type { Batch, HostTensor, ModelDescription, TensorMap, TrainingEngine } from "../../src/runtime/contract.js";
import { createOrtEngine, type Ort } from "../../src/runtime/ort/engine.js";
import { onnxPlanOf, trainingModelsOf } from "../../src/targets.js";
import type { OptimisationLevel } from "../../src/tensor/passes/optimise.js";

export type Runner = () => Promise<unknown>;
export function compileText(text: string, settings: Readonly<Record<string, number>> = {}, preset?: string): CompiledNetwork {
  const { networks, diagnostics } = compile(text, { file: "bench.srr", settings: new Map(Object.entries(settings)), ...(preset === undefined ? {} : { preset }) }, nodeHost("-"));
  const [network] = networks;
  if (!network) throw new Error(diagnostics.map((d) => `${d.code} ${d.message}`).join("\n"));
  return network;
}
export const exampleText = (name: string): string => readFileSync(new URL(`../../examples/${name}.srr`, import.meta.url), "utf8");

export const describeNetwork = (network: CompiledNetwork): ModelDescription => describe(network.unrolled, { compiler: "bench", specHash: "", seed: 1 });
/** Seeded values; what a spec takes from files is small noise. */
export function weightsFor(description: ModelDescription): TensorMap {
  const given = description.parameters.filter((p) => p.init.kind !== "file");
  const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
  const noise = (shape: readonly number[]): HostTensor => ({ shape, data: Float32Array.from({ length: count(shape) }, (_, i) => Math.sin(i * 12.9898) / 8) });
  return {
    ...startingValues({ ...description, parameters: given }, 1),
    ...Object.fromEntries(description.parameters.filter((p) => p.init.kind === "file").map((p) => [p.name, noise(p.shape)])),
  };
}
/** The same numbers on every run, for inputs and targets. */
export function batchFor(description: ModelDescription, batch: number, free = 64): Batch {
  return Object.fromEntries([...description.inputs, ...description.targets].map((w): [string, HostTensor] => {
    const shape = w.shape.map((s) => (typeof s === "number" ? s : s === "batch" ? batch : free));
    const length = shape.reduce((p, s) => p * s, 1);
    const real = w.kind === "real";
    return [w.name, { shape, data: real ? Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898) * 1.5) : Int32Array.from({ length }, (_, i) => i % 10) }];
  }));
}
/** Threads of a variant that has run must not spin on the cores that the next one runs on. */
const session = (bytes: Uint8Array, threads: number): Promise<ort.InferenceSession> =>
  ort.InferenceSession.create(bytes, { intraOpNumThreads: threads, logSeverityLevel: 3, extra: { session: { force_spinning_stop: "1" } } });
export function modelBytesOf(network: CompiledNetwork, level: OptimisationLevel, opset?: number): Uint8Array {
  const description = describeNetwork(network);
  const [file] = emitOnnx(onnxPlanOf(network, {}, level, opset), {
    description, weights: weightsFor(description), metadata: {}, doc: "", producerVersion: "bench",
    fixed: network.unrolled.parameters.filter((p) => !p.trainable).map((p) => p.name), ...(opset === undefined ? {} : { opset }),
  }).files;
  if (!file) throw new Error("nothing was emitted");
  return file.bytes;
}
export async function inferenceOf(bytes: Uint8Array, description: ModelDescription, batch: Batch, threads: number): Promise<Runner> {
  const running = await session(bytes, threads);
  const feeds = Object.fromEntries(description.inputs.map((i) => {
    const t = batch[i.name] as HostTensor;
    return [i.name, i.kind === "real" ? new ort.Tensor("float32", t.data as Float32Array, [...t.shape]) : new ort.Tensor("int64", BigInt64Array.from(t.data as Int32Array, BigInt), [...t.shape])];
  }));
  return () => running.run(feeds);
}
export function ortEngine(network: CompiledNetwork, level: OptimisationLevel, threads: number): Promise<TrainingEngine> {
  const description = describeNetwork(network);
  return createOrtEngine(ort as unknown as Ort, description, trainingModelsOf(network, { description, metadata: {}, version: "bench", level }), { threads });
}
/** A training step after the other, at a small rate. */
export async function trainingOf(engine: TrainingEngine, description: ModelDescription, batch: Batch): Promise<Runner> {
  await engine.setParameters(weightsFor(description));
  let step = 0;
  return () => engine.trainStep(batch, { learningRate: 1e-4, step: ++step, seed: 1 });
}
