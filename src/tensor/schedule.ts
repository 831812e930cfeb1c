/**
 * How does a graph of named axes become kernels on ordered ones? Node by node in the graph's order: each kernel says in which order
 * it gives its value, and transposes appear only where a consumer needs another.
 */
import { Defect } from "../diagnostics/declare.js";
import type { Graph } from "./graph.js";
import type { Plan, PlanNode } from "./plan.js";
import { kernelOf } from "./schedule/kernels.js";
import { inOrder, layoutsOf, type Value } from "./schedule/layouts.js";
import { PlanBuilder, planOperands, withPlanOperands } from "./schedule/plan-builder.js";
import { flattenBatches, flattenRows } from "./schedule/flat-rows.js";
import { wantedOrders } from "./schedule/preferences.js";

export { planOperands, readCounts, sameShape } from "./schedule/plan-builder.js";

/** The plan without what no output needs, renumbered. */
function pruned(nodes: readonly PlanNode[], outputs: Plan["outputs"]): Plan {
  const needed = new Set(outputs.map((o) => o.node));
  for (const node of [...nodes].reverse()) if (needed.has(node.id)) for (const x of planOperands(node)) needed.add(x);
  const number = new Map<number, number>();
  const kept = nodes.filter((n) => needed.has(n.id)).map((node, id) => {
    number.set(node.id, id);
    return { ...withPlanOperands(node, (x) => number.get(x) as number), id };
  });
  return { nodes: kept, outputs: outputs.map((o) => ({ name: o.name, node: number.get(o.node) as number })) };
}

export interface ScheduleOptions {
  /** Tokens stay flat rows between products, where they can. */
  readonly flatRows?: boolean;
}
/** The plan that computes the graph's outputs, in their order on the wire. */
export function schedule(graph: Graph, options: ScheduleOptions = {}): Plan {
  const builder = new PlanBuilder();
  const wanted = wantedOrders(graph);
  const wantedOf = (id: number): readonly string[] => wanted[id] ?? [];
  const values: Value[] = [];
  const value = (id: number): Value => {
    const found = values[id];
    if (!found) throw new Defect(`scheduling: node ${id} is used before it is computed`);
    return found;
  };
  for (const node of graph.nodes) {
    builder.path = node.path;
    const result = kernelOf(node, { builder, value, wanted: wantedOf(node.id), wantedOf });
    const [own] = layoutsOf(result);
    if (own) builder.name(own.id, node.label);
    values.push(result);
  }
  const outputs = graph.outputs.map((o) => {
    builder.path = "";
    return { name: o.name, node: inOrder(builder, value(o.node), o.wire) };
  });
  const plan = pruned(builder.nodes, outputs);
  return options.flatRows ? prunedPlan(flattenRows(plan)) : plan;
}
const prunedPlan = (plan: Plan): Plan => pruned(plan.nodes, plan.outputs);
/** The plan with one leading axis in every batched product. */
export function withFlatBatches(plan: Plan): Plan {
  return prunedPlan(flattenBatches(plan));
}
