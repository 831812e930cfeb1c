/** Does every pass of the optimiser keep every value of a random network, and every gradient? Float64 before and after each. */
import type { CompiledNetwork } from "../../src/compile.js";
import type { HostTensor, TensorMap } from "../../src/runtime/contract.js";
import { GraphBuilder, prune } from "../../src/tensor/builder.js";
import { checkGraph } from "../../src/tensor/check-graph.js";
import { evaluateGraph, type GraphValues } from "../../src/tensor/evaluate-graph.js";
import { gradients } from "../../src/tensor/gradients.js";
import type { Graph } from "../../src/tensor/graph.js";
import { gradientPasses, optimise, type Pass, passes } from "../../src/tensor/passes/optimise.js";
import { graphOf } from "../../src/targets.js";
import { relativeError } from "../support/build.js";

const wide = (map: TensorMap): Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float64Array }>> =>
  Object.fromEntries(Object.entries(map).map(([name, t]: [string, HostTensor]) => [name, { shape: t.shape, data: Float64Array.from(t.data) }]));

/** The gradient of half the sum of squares of z by every parameter and input, as outputs. */
function gradientGraph(graph: Graph): Graph {
  const b = GraphBuilder.from(graph);
  const z = graph.outputs.find((o) => o.name === "z")?.node as number;
  const loss = b.binary("multiply", b.reduce("sum", b.unary("square", z), b.axes(z).map((a) => a.name)), b.fill(0.5));
  const leaves = graph.nodes.flatMap((n) => (n.op === "parameter" || (n.op === "input" && n.type === "float") ? [n.name] : []));
  const { graph: all, nodes } = gradients({ nodes: b.nodes, outputs: [] }, loss, leaves);
  const outputs = [...nodes].map(([name, node]) => ({ name, node, wire: all.nodes[node]?.axes.map((a) => a.name).sort() ?? [] }));
  return prune({ nodes: all.nodes, outputs }, all.nodes.filter((n) => n.op === "parameter" || n.op === "input").map((n) => n.id));
}

/** Undefined: all passes keep all outputs to `tolerance` of the largest entry; else the first that does not. */
export function firstWrongPass(network: CompiledNetwork, weights: TensorMap, feeds: TensorMap, tolerance: number, forward: readonly Pass[] = passes): string | undefined {
  const values: GraphValues = { inputs: wide(feeds), parameters: wide(weights), sizes: { batch: feeds[Object.keys(feeds)[0] ?? ""]?.shape[0] ?? 1 } };
  let wrong: string | undefined;
  const watch = (start: Graph, list: readonly Pass[]): Graph => {
    let before = evaluateGraph(start, values);
    return optimise(start, 2, (after, pass) => {
      const now = evaluateGraph(checkGraph(after), values);
      for (const [name, { data }] of before) {
        const error = relativeError(now.get(name)?.data ?? [], data);
        if (!(error <= tolerance)) wrong ??= `${pass.name} changes ${name} by ${error.toExponential(1)}, ${tolerance.toExponential(1)} allowed`;
      }
      before = now;
    }, list).graph;
  };
  watch(gradientGraph(watch(graphOf(network, {}), forward)), gradientPasses);
  return wrong;
}
