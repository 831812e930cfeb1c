/** Every operation as TensorFlow.js code: its value and its gradient, beside the float64 plan. */
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { operations } from "../../src/emit/tfjs/operations.js";
import type { HostTensor, TensorMap, WireTensor } from "../../src/runtime/contract.js";
import { hasNative, startBackend } from "../../src/runtime/tfjs/backend.js";
import type { GraphValues } from "../../src/tensor/evaluate-graph.js";
import { evaluatePlan } from "../../src/tensor/evaluate-plan.js";
import type { Graph } from "../../src/tensor/graph.js";
import type { Plan } from "../../src/tensor/plan.js";
import { schedule } from "../../src/tensor/schedule.js";
import { cases, randomGraph, valuesFor } from "../tensor-plan/cases.js";
import { modelOfPlan, onDevice } from "../support/tfjs.js";

const sizes = { batch: 2, n: 3 };
const integers = (graph: Graph): ReadonlySet<string> => new Set(graph.nodes.flatMap((n) => (n.op === "input" && n.type === "int" ? [n.name] : [])));
const tensors = (map: GraphValues["inputs"]): TensorMap => map as TensorMap;
/** The largest difference beside the largest entry. */
function error(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  const difference = Array.from(b, (x, i) => Math.abs(x - (a[i] as number))).reduce((m, x) => Math.max(m, x), 0);
  return difference / Math.max(1e-3, Array.from(b, Math.abs).reduce((m, x) => Math.max(m, x), 0));
}
/** Weights of the scalar that gradients are taken of: no two alike, no symmetry that hides a transposition. */
const weightsFor = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(1.7 * i + 0.4));
const scalarOf = (plan: Plan, values: GraphValues): number => {
  const out = evaluatePlan(plan, values).get("out") as { data: ArrayLike<number> };
  const weights = weightsFor(out.data.length);
  return Array.from(out.data).reduce((sum, x, i) => sum + x * (weights[i] as number), 0);
};
/** Central differences of the plan's weighted sum by every entry of a leaf. */
function differences(plan: Plan, values: GraphValues, kind: "inputs" | "parameters", name: string): Float64Array {
  const leaf = values[kind][name] as HostTensor;
  const h = 1e-5;
  return Float64Array.from(leaf.data, (_, i) => {
    const moved = (by: number): GraphValues => {
      const data = Float64Array.from(leaf.data);
      data[i] = (data[i] as number) + by;
      return { ...values, [kind]: { ...values[kind], [name]: { shape: leaf.shape, data } } };
    };
    return (scalarOf(plan, moved(h)) - scalarOf(plan, moved(-h))) / (2 * h);
  });
}
async function check(graph: Graph, values: GraphValues, tolerance: number, gradients: boolean): Promise<void> {
  const plan = schedule(graph);
  const model = await modelOfPlan(plan, graph.nodes.flatMap((n): WireTensor[] => (n.op === "input" ? [{ name: n.name, kind: "real", shape: n.axes.map((a) => a.size.key) }] : [])));
  const wanted = evaluatePlan(plan, values);
  const live = new Set(plan.nodes.flatMap((n) => ((n.op === "input" && n.type === "float") || n.op === "parameter" ? [n.name] : [])));
  const [inputs, parameters] = [onDevice(tensors(values.inputs), integers(graph)), onDevice(tensors(values.parameters))];
  const name = plan.outputs[0]?.name ?? "";
  const out = tf.tidy(() => (model.predict(inputs, { parameters })[name] as tf.Tensor));
  const expected = wanted.get(name) as { shape: readonly number[]; data: ArrayLike<number> };
  expect(out.shape).toEqual([...expected.shape]);
  expect(error(out.dataSync(), expected.data)).toBeLessThan(tolerance);
  if (gradients) {
    const leaves = [...live].map((name) => ({ name, kind: name in values.parameters ? "parameters" as const : "inputs" as const }));
    if (leaves.length === 0) return;
    const weights = tf.tensor(weightsFor(out.size), out.shape);
    const found = tf.tidy(() => tf.grads((...args: tf.Tensor[]) => {
      const given = Object.fromEntries(leaves.map((l, i) => [l.name, args[i] as tf.Tensor]));
      const y = model.predict({ ...inputs, ...given }, { parameters: { ...parameters, ...given } })["out"] as tf.Tensor;
      // Each leaf takes part, so that those that an operation stops at have a gradient: 0.
      return tf.add(tf.sum(tf.mul(y, weights)), tf.mul(tf.addN(args.map((a) => tf.sum(a) as tf.Tensor)), 0));
    })(leaves.map((l) => (l.kind === "inputs" ? inputs : parameters)[l.name] as tf.Tensor)));
    leaves.forEach((l, i) => expect(error(found[i]?.dataSync() ?? [], differences(plan, values, l.kind, l.name)), l.name).toBeLessThan(1e-4));
  }
  tf.disposeVariables();
}

/** What stops the gradient differs from its differences by purpose; a cast jumps. */
const withoutGradient = /stop|cast/;

describe("generated TensorFlow.js code", () => {
  beforeAll(async () => { await startBackend("wasm"); });
  it.each(cases)("has the plan's values and gradients in WebAssembly: $name", async ({ name, graph }) => {
    await check(graph, valuesFor(graph, sizes), 1e-5, !withoutGradient.test(name));
    await check(graph, { ...valuesFor(graph, { batch: 1, n: 1 }, 2), parameters: valuesFor(graph, sizes).parameters }, 1e-5, false);
  });
  it("has the plan's values for random graphs", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const graph = randomGraph(seed);
      await check(graph, valuesFor(graph, { batch: 2, n: 4 }, seed), 2e-5, false);
    }
  });
  it("is tried with every operation of the plan", () => {
    const used = new Set(cases.flatMap((c) => schedule(c.graph).nodes.map((node) => node.op)));
    expect(Object.keys(operations).filter((op) => !used.has(op as keyof typeof operations))).toEqual([]);
  });
});
describe("generated TensorFlow.js code in plain JavaScript", () => {
  beforeAll(async () => { await startBackend("cpu"); });
  it.each(cases)("has the plan's values and gradients: $name", async ({ name, graph }) => {
    await check(graph, valuesFor(graph, sizes), 1e-5, !withoutGradient.test(name));
  });
});
describe.skipIf(!hasNative())("generated TensorFlow.js code on a native TensorFlow (skipped where tfjs-node is not installed)", () => {
  beforeAll(async () => { await startBackend("node"); });
  it.each(cases)("has the plan's values and gradients: $name", async ({ name, graph }) => {
    await check(graph, valuesFor(graph, sizes), 1e-5, !withoutGradient.test(name));
  });
});
