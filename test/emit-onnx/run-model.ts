/** Models of graphs, run in ONNX Runtime and judged by the float64 evaluator. */
import * as ort from "onnxruntime-node";
import { expect } from "vitest";
import { dimValue } from "../../src/expression/dim.js";
import { emitOnnx, type OnnxModel } from "../../src/emit/onnx/emit.js";
import type { ModelDescription, TensorMap } from "../../src/runtime/contract.js";
import type { GraphValues } from "../../src/tensor/evaluate-graph.js";
import { evaluatePlan } from "../../src/tensor/evaluate-plan.js";
import type { Graph } from "../../src/tensor/graph.js";
import { schedule, type ScheduleOptions } from "../../src/tensor/schedule.js";

export function describeGraph(graph: Graph): ModelDescription {
  const inputs = graph.nodes.flatMap((n) => (n.op === "input"
    ? [{ name: n.name, kind: n.type === "int" ? "token" as const : "real" as const, shape: n.axes.map((a) => dimValue(a.size) ?? a.size.key) }] : []));
  return { format: 1, name: "Case", compiler: "test", specHash: "", constants: {}, seed: 1, inputs, targets: [], outputs: [], parameters: [] };
}
export function weightsOf(values: GraphValues): TensorMap {
  return Object.fromEntries(Object.entries(values.parameters).map(([name, p]) => [name, { shape: p.shape, data: Float32Array.from(p.data) }]));
}
export function modelOf(graph: Graph, values: GraphValues, options: Partial<OnnxModel> = {}, scheduling: ScheduleOptions = {}): ReturnType<typeof emitOnnx>["files"] {
  return emitOnnx(schedule(graph, scheduling), {
    description: describeGraph(graph), weights: weightsOf(values), metadata: { spec: "network Case {}" }, doc: "A case.", producerVersion: "0.0.0", ...options,
  }).files;
}
export async function sessionOf(bytes: Uint8Array): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
}
/** Runs the session on the values, and expects the evaluator's outputs to 1e-5 of the largest entry. */
export async function expectSameOutputs(session: ort.InferenceSession, graph: Graph, values: GraphValues, tolerance = 1e-5): Promise<void> {
  const feeds: Record<string, ort.Tensor> = {};
  for (const node of graph.nodes) {
    if (node.op !== "input") continue;
    const { shape, data } = values.inputs[node.name] as GraphValues["inputs"][string];
    const numbers = Array.from(data);
    feeds[node.name] = node.type === "int"
      ? new ort.Tensor("int64", BigInt64Array.from(numbers.map(BigInt)), [...shape]) : new ort.Tensor("float32", Float32Array.from(numbers), [...shape]);
  }
  const outputs = await session.run(feeds);
  for (const [name, expected] of evaluatePlan(schedule(graph), values)) {
    const actual = outputs[name] as ort.Tensor;
    expect([...actual.dims]).toEqual([...expected.shape]);
    const numbers = Array.from(actual.data as ArrayLike<number | bigint>, Number);
    const largest = expected.data.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 1e-30);
    const worst = expected.data.reduce((m, x, i) => (Object.is(x, numbers[i]) ? m : Math.max(m, Math.abs(x - (numbers[i] as number)))), 0);
    expect(worst / largest, name).toBeLessThan(tolerance);
  }
}
