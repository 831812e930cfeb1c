/** A small network that trains in milliseconds on ONNX Runtime: what tests of runs, kills and faults share. */
import * as ort from "onnxruntime-node";
import { trainingModels } from "../../src/emit/onnx-train/models.js";
import { describe as describeModel } from "../../src/network/describe.js";
import type { ModelDescription, TrainingEngine } from "../../src/runtime/contract.js";
import { loadData } from "../../src/runtime/data/load.js";
import type { DataSet } from "../../src/runtime/data/dataset.js";
import { fixedValues } from "../../src/runtime/random.js";
import { createOrtEngine, type Ort } from "../../src/runtime/ort/engine.js";
import { measuresOf, withAudits } from "../../src/targets.js";
import { lowerNetwork } from "../../src/tensor/lower.js";
import { schedule } from "../../src/tensor/schedule.js";
import type { CompiledNetwork } from "../../src/compile.js";
import { compileSpec } from "./build.js";

/** Learned ISTA on sparse codes: 2 copies, 8 × 12; six batches of 16 in an epoch. `train` replaces clauses of its train block. */
export const smallSpec = (optimizer = "adamw(rate: 1e-2, weight_decay: 0.01)", more = ""): string => `
network Small {
  dim m = 8, q = 12, L = 2
  input y: real[m]
  target code: real[q]
  param A: real[m, q] fixed init normal(0.35)
  var x: real[q] = 0
  layer ista repeat L {
    param B: real[m, q] init from(A)
    param threshold: real positive init constant(0.05)
    step fit { minimize 0.5*sq_norm(y - B*x) by gradient(rate: 0.2) }
    step shrink { minimize threshold*norm1(x) by proximal(rate: 1) }
  }
  output estimate: real[q] = x
  train {
    data synthetic sparse_codes(dictionary: A, sparsity: 0.2, noise: 0.01, size: 96)
    loss mse(estimate, code)
    optimizer ${optimizer}
    rate warmup(1) then cosine
    batch 16  epochs 4  seed 3
    metric nmse(estimate, code)
    ${more}
  }
}`;

export interface Training {
  readonly model: ModelDescription;
  readonly engine: TrainingEngine;
  readonly data: DataSet;
}
export const describeTraining = (network: CompiledNetwork, specHash = "a".repeat(64)): ModelDescription => describeModel(network.unrolled, { compiler: "test", specHash, seed: network.unrolled.training?.seed ?? 1 });
export async function trainingOf(spec: string, settings: Readonly<Record<string, number>> = {}, specHash?: string): Promise<Training> {
  const network = compileSpec(spec, settings);
  const lower = (options: Parameters<typeof lowerNetwork>[1]) => lowerNetwork(network.unrolled, { loss: true, ...options });
  const probe = lower({ probe: true, measures: measuresOf(network) });
  const model = withAudits(describeTraining(network, specHash), schedule(probe));
  const models = trainingModels(lower({ training: true }), lower({}), model, {}, "test", probe);
  const engine = await createOrtEngine(ort as unknown as Ort, model, models, { threads: 1 });
  const call = model.training?.data;
  if (!call) throw new Error("the spec has no data");
  return { model, engine, data: await loadData(call, { model, baseDirectory: ".", parameters: fixedValues(model) }) };
}
/** A console that keeps what it hears. */
export function quiet(interrupted: () => boolean = () => false): { readonly said: string[]; readonly say: (text: string) => void; readonly interrupted: () => boolean } {
  const said: string[] = [];
  return { said, say: (text) => { said.push(text); }, interrupted };
}
