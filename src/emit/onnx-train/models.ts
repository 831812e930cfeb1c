/** The two graphs that training on ONNX Runtime needs: one step, and evaluation with the loss. Parameters are inputs of both. */
import type { ModelDescription, WireTensor } from "../../runtime/contract.js";
import { runtimeOutput } from "../../runtime/wire-names.js";
import type { Graph } from "../../tensor/graph.js";
import type { OptimisationLevel } from "../../tensor/passes/optimise.js";
import { schedule } from "../../tensor/schedule.js";
import { emitOnnx, graphForOnnx } from "../onnx/emit.js";
import { parametersAsInputs, trainingGraph } from "./training-graph.js";

export interface TrainingModels {
  /** Batch, parameters, state and scalars in; loss, gradient norm, new parameters and state out. */
  readonly train: Uint8Array;
  /** Batch and parameters in; outputs and loss out. */
  readonly evaluate: Uint8Array;
  /** As `evaluate`, with the variable after every step among the outputs. */
  readonly probe?: Uint8Array;
}
/** `training`: the graph with dropout on; `evaluation`: without; both have the loss among their outputs. `probing`: `evaluation` with probes. */
export function trainingModels(training: Graph, evaluation: Graph, description: ModelDescription, metadata: Readonly<Record<string, string>>, version: string, probing?: Graph, level: OptimisationLevel = 0): TrainingModels {
  const optimizer = description.training?.optimizer;
  if (!optimizer) throw new Error("the network has no optimizer");
  const flatRows = level > 0;
  const emit = (graph: Graph, inputs: readonly WireTensor[], doc: string): Uint8Array => {
    const { files } = emitOnnx(schedule(graphForOnnx(graph, level).graph, { flatRows }), {
      description: { ...description, inputs: [...description.inputs, ...inputs] }, weights: {}, metadata, doc, producerVersion: version, sharedDeviations: flatRows,
    });
    const [file] = files;
    if (!file) throw new Error("nothing was emitted");
    return file.bytes;
  };
  const given = (graph: Graph): Graph => parametersAsInputs({ ...graph, outputs: graph.outputs.map((o) => ({ ...o, name: runtimeOutput(o.name) })) });
  const step = trainingGraph(training, description, optimizer, level);
  const parameters = description.parameters.map((p): WireTensor => ({ name: p.name, kind: "real", shape: p.shape }));
  return {
    train: emit(step.graph, step.inputs, `One training step (${optimizer.kind}): forward, backward, update. Feed each output NAME/next as NAME in the next step.`),
    evaluate: emit(given(evaluation), parameters, "Outputs and loss for given parameters."),
    ...(probing ? { probe: emit(given(probing), parameters, "The variable after every step, outputs and loss for given parameters.") } : {}),
  };
}
