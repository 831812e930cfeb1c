/** From a compiled network to the files of a target: tensor graph, plan, emission. */
import { occurrences } from "./audit/occurrences.js";
import type { CompiledNetwork } from "./compile.js";
import { at, DiagnosticError } from "./diagnostics/declare.js";
import { notLowerable } from "./emit/diagnostics.js";
import { trainingModels, type TrainingModels } from "./emit/onnx-train/models.js";
import { emitOnnx, type EmittedFile, graphForOnnx } from "./emit/onnx/emit.js";
import { dimSymbols } from "./expression/dim.js";
import { effort, TooLarge, withEffort } from "./expression/effort.js";
import { explainNetwork } from "./explain/derivation.js";
import type { ModelDescription, TensorMap } from "./runtime/contract.js";
import type { Graph } from "./tensor/graph.js";
import { expressionTooLarge } from "./semantics/diagnostics.js";
import { languageVersion } from "./syntax/language-version.js";
import { lowerNetwork, type LowerOptions, type Measure } from "./tensor/lower.js";
import { NotLowerable } from "./tensor/lowered.js";
import { optimise, type OptimisationLevel, type Optimised } from "./tensor/passes/optimise.js";
import type { Plan } from "./tensor/plan.js";
import { schedule } from "./tensor/schedule.js";

/** The tensor graph of a network as lowered, or after the passes of a level; what has no lowering is a diagnostic at the network's name. */
export function graphOf(network: CompiledNetwork, options: LowerOptions, level: OptimisationLevel = 0): Graph {
  return optimisedGraphOf(network, options, level).graph;
}
/** The same, with what each pass saved. Every target takes its graphs from here; gradients are formed of the optimised graph. */
export function optimisedGraphOf(network: CompiledNetwork, options: LowerOptions, level: OptimisationLevel): Optimised {
  return optimise(loweredGraph(network, options), level);
}
/** A size that nothing fed to the network shows: the count of samples, where it takes none, or a dim that stands in no input. */
function unseenSize({ unrolled }: CompiledNetwork): string | undefined {
  const seen = new Set(unrolled.inputs.flatMap((i) => i.type.shape.flatMap((d) => [...dimSymbols(d)])));
  return unrolled.inputs.length === 0 ? "batch" : unrolled.freeDims.find((d) => !seen.has(d));
}
function loweredGraph(network: CompiledNetwork, options: LowerOptions): Graph {
  const unseen = unseenSize(network);
  if (unseen !== undefined) throw new DiagnosticError(notLowerable({ fn: `network ${network.typed.name}`, why: `no input shows the size ${unseen}` }, at(network.typed.span)));
  try {
    return withEffort(effort.lowering, () => lowerNetwork(network.unrolled, options));
  } catch (error) {
    if (error instanceof TooLarge) throw new DiagnosticError(expressionTooLarge({ what: `the tensor graph of ${network.typed.name}` }, at(network.typed.span)));
    if (!(error instanceof NotLowerable)) throw error;
    throw new DiagnosticError(notLowerable({ fn: error.functionName, why: error.reason }, at(network.typed.span)));
  }
}
export function planOf(network: CompiledNetwork, options: LowerOptions, level: OptimisationLevel = 0): Plan {
  return schedule(graphOf(network, options, level), { flatRows: level > 0 });
}

/** The graph of an inference model in ONNX, and what all passes saved. */
export function onnxGraphOf(network: CompiledNetwork, options: LowerOptions, level: OptimisationLevel, opset?: number): Optimised {
  const first = optimisedGraphOf(network, options, level);
  const { graph, report } = graphForOnnx(first.graph, level, opset);
  return { graph, report: [...first.report, ...report] };
}
export function onnxPlanOf(network: CompiledNetwork, options: LowerOptions, level: OptimisationLevel, opset?: number): Plan {
  return schedule(onnxGraphOf(network, options, level, opset).graph, { flatRows: level > 0 });
}

export interface TrainingBuild {
  readonly description: ModelDescription;
  readonly metadata: Readonly<Record<string, string>>;
  readonly version: string;
  readonly level: OptimisationLevel;
  /** What the probing model shows besides the outputs; without it there is none. */
  readonly probing?: LowerOptions;
}
/** The graphs of one training step, of evaluation and of probing, as models for ONNX Runtime. */
export function trainingModelsOf(network: CompiledNetwork, { description, metadata, version, level, probing }: TrainingBuild): TrainingModels {
  const graph = (options: LowerOptions): Graph => graphOf(network, { loss: true, ...options }, level);
  return trainingModels(graph({ training: true }), graph({}), description, metadata, version, probing && graph(probing), level);
}

/** Each step's own objective before and after it, on the tokens as they are: `audit/block.3.compress/before`, `…/after`. */
export function measuresOf(network: CompiledNetwork): readonly Measure[] {
  return occurrences(network.typed, network.unrolled, network.derivations).flatMap((o) => ([["before", o.before], ["after", o.statement.target]] as const).map(([when, target]): Measure => ({
    name: `audit/${o.statement.target}/${when}`, value: o.spread(o.step.objective), numbers: o.statement.numbers, names: new Map([...o.statement.names, [o.step.variable, target]]),
  })));
}

/** The description of what comes with a probe: which targets its audits read. */
export function withAudits(description: ModelDescription, { nodes }: Plan): ModelDescription {
  const read = new Set(nodes.flatMap((n) => (n.op === "input" ? [n.name] : [])));
  return { ...description, targets: description.targets.map((t) => (t.unread && read.has(t.name) ? { ...t, unread: "but in audits" } : t)) };
}

/** The update of every step as a line of text, by the step's place (`block/compress`). */
export function equations(network: CompiledNetwork): readonly { readonly path: string; readonly variable: string; readonly text: string }[] {
  return explainNetwork(network.typed, network.derivations).map((s) => ({
    path: s.name.replace(".", "/"),
    variable: s.variable,
    text: `${s.variable} <- ${s.show(s.update)}${s.where.map((d) => `; where ${s.show(d.name)} = ${s.show(d.value)}`).join("")}`,
  }));
}

export interface OnnxBuild {
  readonly description: ModelDescription;
  readonly weights: TensorMap;
  /** The characters that the network's symbols stand for, where the weights say so. */
  readonly vocabulary?: readonly string[];
  readonly spec: string;
  readonly version: string;
  readonly fileName: string;
  readonly probe: boolean;
  readonly level: OptimisationLevel;
  readonly opset?: number;
}
export function buildOnnx(network: CompiledNetwork, build: OnnxBuild): readonly EmittedFile[] {
  const plan = onnxPlanOf(network, { probe: build.probe }, build.level, build.opset);
  const { description } = build;
  const augment = description.training?.augment.find((a) => a.name === "normalize");
  const metadata: Record<string, string> = {
    "crate-compile.version": build.version, "crate-compile.language": String(languageVersion), "crate-compile.spec": build.spec, "crate-compile.spec.sha256": description.specHash,
    "crate-compile.network": description.name, "crate-compile.seed": String(description.seed),
    ...(description.preset === undefined ? {} : { "crate-compile.preset": description.preset }),
    ...(build.vocabulary ? { "crate-compile.vocabulary": JSON.stringify(build.vocabulary) } : {}),
    ...(augment ? { "crate-compile.input.normalize": JSON.stringify({ positional: augment.positional, named: augment.named }) } : {}),
  };
  const lines = equations(network).map((e) => `- \`${e.path}\`: \`${e.text}\``);
  const doc = [`# ${description.name}`, ...(network.typed.doc ? [network.typed.doc] : []), "Derived updates:", ...lines].join("\n\n");
  return emitOnnx(plan, {
    description, weights: build.weights, metadata, doc, producerVersion: build.version, fileName: build.fileName,
    fixed: network.unrolled.parameters.filter((p) => !p.trainable).map((p) => p.name),
    ...(build.opset === undefined ? {} : { opset: build.opset }),
  }).files;
}
