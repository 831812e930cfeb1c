/** Is a random network what it says: derivation against finite differences, emitted models against the float64 run of its statements. */
import { verifyNetwork } from "../../src/audit/verify.js";
import { runNetwork } from "../../src/audit/run-network.js";
import { compile, type CompiledNetwork } from "../../src/compile.js";
import { describe as describeModel } from "../../src/network/describe.js";
import type { TensorMap } from "../../src/runtime/contract.js";
import { initialise, Random } from "../../src/runtime/random.js";
import { firstWrongPass } from "./judge-passes.js";
import { roundingError } from "./rounding.js";
import { memoryHost, relativeError, runOnnx, runOptimised } from "../support/build.js";

export interface Meaning {
  readonly outcome: "agrees" | "refused" | "differs";
  readonly detail?: string;
  /** Of a refusal: the diagnostics' codes. */
  readonly codes?: readonly string[];
  readonly largestError: number;
  /** Of a network that was run: what float32 may lose in it. */
  readonly allowed?: number;
}
/** A runtime to hold against the evaluator: outputs by name. tfjs is handed in where its backend is there. */
export type Runtime = (network: CompiledNetwork, weights: TensorMap, feeds: TensorMap) => Promise<Readonly<Record<string, Float32Array>>>;
export const onnxRuntimes: Readonly<Record<string, Runtime>> = { "onnx -O0": runOnnx, "onnx -O2": runOptimised };

/** What float32 may lose: the contract's 1e-5, and what a network makes of a change of its inputs, weights or results on the way by half a unit in the last place. */
const contractError = 1e-5, roundings = 30, ownRoundings = 10;
/** The same for float64: gradients depend on inputs by another power than values, so that much more is allowed. */
const exactError = 1e-10, doubleRoundings = 1e-6;
const samples = 2;

/** Output z of every sample in wire layout. */
function reference(network: CompiledNetwork, weights: TensorMap, feeds: TensorMap): Float64Array {
  const parts = Array.from({ length: samples }, (_, s) => {
    const z = runNetwork(network.unrolled, weights, feeds, s).values.get("z")?.[0];
    if (!z) throw new Error("the run has no z");
    const [d = 1, n = 1] = z.shape;
    return Float64Array.from({ length: d * n }, (_unused, i) => z.data[(i % d) * n + Math.floor(i / d)] as number);
  });
  return Float64Array.from(parts.flatMap((p) => [...p]));
}
function shaken(values: TensorMap, random: Random): TensorMap {
  return Object.fromEntries(Object.entries(values).map(([name, t]) => [name, { shape: t.shape, data: Float64Array.from(t.data, (x) => x * (1 + 2 ** -24 * (random.uniform() < 0.5 ? 1 : -1))) }]));
}

export async function judgeNetwork(text: string, seed: number, runtimes: Readonly<Record<string, Runtime>> = onnxRuntimes): Promise<Meaning> {
  const compiled = compile(text, { file: "random.srr" }, memoryHost);
  const [network] = compiled.networks;
  if (!network) return { outcome: "refused", codes: compiled.diagnostics.map((d) => d.code), detail: compiled.diagnostics.map((d) => d.message).join("; "), largestError: 0 };
  const failed = verifyNetwork(network.typed, network.derivations, { trials: 2, seed }).filter((c) => !c.ok);
  if (failed.length > 0) return { outcome: "differs", detail: failed.map((c) => `${c.step} ${c.rule}: ${c.kind} ${c.error.toExponential(1)}`).join("; "), largestError: failed[0]?.error ?? 0 };
  const description = describeModel(network.unrolled, { compiler: "fuzz", specHash: "", seed });
  const weights = initialise(description.parameters, seed);
  const random = Random.named(seed, "feeds");
  const feeds: TensorMap = Object.fromEntries(description.inputs.map((i) => {
    const shape = [samples, ...i.shape.slice(1).map(Number)];
    return [i.name, { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()) }];
  }));
  const exact = reference(network, weights, feeds);
  const moved = [1, 2, 3].map(() => relativeError(reference(network, shaken(weights, random), shaken(feeds, random)), exact));
  let allowed = contractError + roundings * Math.max(...moved);
  const wrongPass = firstWrongPass(network, weights, feeds, exactError + doubleRoundings * Math.max(...moved));
  if (wrongPass !== undefined) return { outcome: "differs", detail: wrongPass, largestError: Number.NaN };
  let largest = 0;
  for (const [name, run] of Object.entries(runtimes)) {
    const { z } = await run(network, weights, feeds);
    const error = relativeError(z ?? [], exact);
    largest = Math.max(largest, error);
    // Inputs alone do not show a sum that cancels later: then results on the way are moved too.
    if (!(error <= allowed)) allowed = Math.max(allowed, contractError + ownRoundings * roundingError(network, weights, feeds, random));
    if (!(error <= allowed)) return { outcome: "differs", detail: `${name} is off by ${error.toExponential(1)}, ${allowed.toExponential(1)} allowed`, largestError: error };
  }
  return { outcome: "agrees", largestError: largest, allowed };
}
