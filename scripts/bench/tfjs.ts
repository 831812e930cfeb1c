/** The generated TensorFlow.js model of a network, on WebAssembly, as an engine. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import type { CompiledNetwork } from "../../src/compile.js";
import { emitModel } from "../../src/emit/tfjs/package.js";
import type { TrainingEngine } from "../../src/runtime/contract.js";
import { startBackend } from "../../src/runtime/tfjs/backend.js";
import { createTfjsEngine, type GeneratedModel } from "../../src/runtime/tfjs/engine.js";
import { equations, planOf } from "../../src/targets.js";
import type { OptimisationLevel } from "../../src/tensor/passes/optimise.js";
import { describeNetwork } from "./cases.js";

export async function tfjsEngine(network: CompiledNetwork, level: OptimisationLevel): Promise<TrainingEngine> {
  const description = describeNetwork(network);
  const text = emitModel({
    description, doc: undefined, equations: equations(network), specName: "bench.srr", version: "bench",
    predict: planOf(network, {}, level), loss: planOf(network, { loss: true, training: true }, level),
  }, { template: (name) => readFileSync(new URL(`../../templates/package/${name}.hbs`, import.meta.url), "utf8") });
  const folder = resolve("out", "bench");
  mkdirSync(folder, { recursive: true });
  const file = resolve(folder, `${description.name}-O${level}.ts`);
  writeFileSync(file, text.replace(/"\.\/runtime\//g, '"../../src/runtime/'));
  const model = (await import(pathToFileURL(file).href)) as GeneratedModel;
  return createTfjsEngine(description, model, await startBackend("wasm"));
}
