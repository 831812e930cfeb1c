import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { CompiledNetwork } from "../../compile.js";
import { toJson } from "../../diagnostics/render.js";
import { describe } from "../../network/describe.js";
import { freeSizeNames } from "../../network/size-names.js";
import { startingValues } from "../../runtime/random.js";
import { storedShape } from "../../network/weights.js";
import type { ModelDescription, TensorMap } from "../../runtime/contract.js";
import { readSafetensors } from "../../runtime/safetensors.js";
import { type Held, readWeights } from "../../runtime/weights.js";
import { columnsOf, passSavings, passTable } from "../../explain/pass-table.js";
import type { OptimisationLevel } from "../../tensor/passes/optimise.js";
import { buildOnnx, onnxGraphOf, optimisedGraphOf } from "../../targets.js";
import { highestOpset, lowestOpset } from "../../emit/onnx/opsets.js";
import { gradientSavings } from "../../emit/onnx-train/training-graph.js";
import { refusing, UsageFault, UserFault } from "../faults.js";
import { writeFiles } from "../files.js";
import { worldFault } from "../host.js";
import { packageVersion } from "../root.js";
import { result, say } from "../report.js";
import { chooseNetwork, compileFile, sourceOf, type SpecOptions } from "../session.js";

export interface BuildOptions extends SpecOptions {
  readonly target: "tfjs" | "onnx" | "onnx-train";
  readonly out: string;
  readonly weights?: string;
  readonly seed?: number;
  readonly probe?: boolean;
  readonly optimize: "0" | "1" | "2";
  readonly explainPasses?: boolean;
  readonly opset?: number;
  readonly force?: boolean;
}
/** The hash of everything that the network is made of: all texts, in the order in which they were read. */
export function specHash(sources: ReadonlyMap<string, string>): string {
  const hash = createHash("sha256");
  for (const text of sources.values()) hash.update(text).update("\0");
  return hash.digest("hex");
}
function readBytes(file: string): Uint8Array {
  try {
    if (statSync(file).isDirectory()) throw new UserFault(`${file} is a folder; name a .safetensors file`);
    return readFileSync(file);
  } catch (error) {
    throw worldFault(error, `cannot read ${file}`);
  }
}
export const readTensors = (file: string): TensorMap => readSafetensors(readBytes(file), file);
/** The weights of a file for this network, or the seeded initial values. */
export function weightsFor(description: ModelDescription, file: string | undefined): Held {
  if (file !== undefined) return readWeights(description.parameters, readBytes(file), file, say);
  const missing = description.parameters.filter((p) => p.init.kind === "file").map((p) => p.name);
  if (missing.length > 0) throw new UserFault(`these parameters come from a file, so --weights is needed: ${missing.join(", ")}`);
  return { values: startingValues(description, description.seed) };
}

/** A model's first field is the version of its format, its second who made it, in 13 letters. */
const isOurModel = (head: string): boolean => head.slice(2).startsWith("\u0012\rcrate-compile");

type PassSavings = ReturnType<typeof passSavings>;
const levelOf = (options: BuildOptions): OptimisationLevel => Number(options.optimize) as OptimisationLevel;

/** What each pass saves in the graph that the target runs most: the forward one, or the forward one with its loss and then the gradients of a step. */
function explainPasses(network: CompiledNetwork, description: ModelDescription, options: BuildOptions): { readonly passes: PassSavings; readonly text: string } {
  const trains = options.target === "onnx-train" && network.unrolled.loss !== undefined;
  const lowering = trains ? { loss: true, training: true } : { probe: options.probe ?? false };
  const forward = options.target === "onnx" ? onnxGraphOf(network, lowering, levelOf(options), options.opset) : optimisedGraphOf(network, lowering, levelOf(options));
  const backward = trains ? gradientSavings(forward.graph, description, levelOf(options)) : [];
  const [own, gradients] = [forward.report, backward].map((report) => passSavings(report, freeSizeNames(network.unrolled))) as [PassSavings, PassSavings];
  const columns = columnsOf(network.unrolled);
  const step = gradients.length === 0 ? "" : `\n\nand of the step, with its gradients:\n\n${passTable(gradients, columns)}`;
  return { passes: [...own, ...gradients], text: `${passTable(own, columns)}${step}` };
}

/** Options of one target only. */
const ofOneTarget = { opset: "onnx", probe: "onnx" } as const;
function checkOptions(options: BuildOptions): void {
  for (const [name, target] of Object.entries(ofOneTarget) as [keyof typeof ofOneTarget, string][]) {
    if (options[name] !== undefined && options.target !== target) throw new UsageFault(`--${name} goes with --target ${target}, not ${options.target}`);
  }
  const { opset = lowestOpset } = options;
  if (opset < lowestOpset || opset > highestOpset) throw new UsageFault(`--opset ${opset}: models are written for opset ${lowestOpset} to ${highestOpset}`);
}

export async function build(file: string, options: BuildOptions): Promise<void> {
  checkOptions(options);
  const { compilation, text } = compileFile(file, options);
  const network = chooseNetwork(compilation, file, options.network);
  const description = describe(network.unrolled, {
    compiler: packageVersion(), specHash: specHash(compilation.sources), source: sourceOf(file, compilation, options), seed: options.seed ?? network.unrolled.training?.seed ?? 1,
    ...(options.preset === undefined ? {} : { preset: options.preset }),
  });
  await refusing(compilation.sources, async () => {
    switch (options.target) {
      case "onnx": {
        const { values, vocabulary } = weightsFor(description, options.weights);
        const files = buildOnnx(network, {
          description, weights: values, ...(vocabulary ? { vocabulary } : {}), spec: text, version: packageVersion(),
          fileName: basename(options.out), probe: options.probe ?? false, level: levelOf(options), ...(options.opset === undefined ? {} : { opset: options.opset }),
        });
        writeFiles(files.map((f) => ({ path: f.name, bytes: f.bytes })), dirname(options.out), {
          force: options.force, isOurs: isOurModel, sources: [...compilation.sources.keys(), ...(options.weights === undefined ? [] : [options.weights])],
        });
        break;
      }
      case "tfjs": case "onnx-train":
        (await import("../packages.js")).writePackage(network, description, {
          compilation, text, specFile: file, out: options.out, force: options.force ?? false, onnx: options.target === "onnx-train", level: levelOf(options),
          weights: options.weights === undefined ? undefined : weightsFor(description, options.weights),
        });
        break;
    }
  });
  const learned = network.unrolled.parameters.filter((p) => p.trainable).reduce((sum, p) => sum + storedShape(p).reduce((a, b) => a * b, 1), 0);
  say(`${network.typed.name}: ${learned.toLocaleString("en-US")} learned parameters, written to ${options.out}`);
  const explained = options.explainPasses ? explainPasses(network, description, options) : undefined;
  if (explained && !options.json) result(`${explained.text}\n`);
  if (options.json) {
    const summary = { diagnostics: compilation.diagnostics.map((d) => toJson(d, compilation.sources)), network: network.typed.name, target: options.target, out: options.out, parameters: learned };
    result(`${JSON.stringify({ ...summary, ...(explained ? { passes: explained.passes } : {}) }, null, 2)}\n`);
  }
}
