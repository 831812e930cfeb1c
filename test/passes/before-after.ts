/** A small graph, a pass, its text before and after, and the float64 evaluator as judge of both. */
import { expect } from "vitest";
import { dimSymbol } from "../../src/expression/dim.js";
import { GraphBuilder } from "../../src/tensor/builder.js";
import { checkGraph } from "../../src/tensor/check-graph.js";
import { evaluateGraph, type PlainArray, sizeValue } from "../../src/tensor/evaluate-graph.js";
import type { Axis, Graph } from "../../src/tensor/graph.js";
import type { Pass } from "../../src/tensor/passes/pass.js";
import { printGraph } from "../../src/tensor/print-graph.js";
import { expectClose, N, noise, randomArray } from "../tensor/networks.js";

export const axis = (name: string, size: number): Axis => ({ name, size: N(size) });
export const batch: Axis = { name: "batch", size: dimSymbol("batch") };

export function graphOf(build: (b: GraphBuilder) => number): Graph {
  const b = new GraphBuilder();
  const node = build(b);
  return checkGraph(b.finish([{ name: "out", node, wire: b.axes(node).map((a) => a.name) }]));
}
/** Values of all outputs at random inputs and parameters. */
export function valuesOf(graph: Graph, seed: number, sizes: Readonly<Record<string, number>> = { batch: 2 }): ReadonlyMap<string, PlainArray> {
  const free = new Map(Object.entries(sizes));
  const leaves = (op: "input" | "parameter"): Record<string, PlainArray> => Object.fromEntries(graph.nodes.flatMap((n) => {
    if (n.op !== op) return [];
    const shape = n.axes.map((a) => sizeValue(a.size, free));
    const array = randomArray(shape, noise(seed + n.name.length * 7 + n.name.charCodeAt(0)));
    return [[n.name, n.type === "int" ? { shape, data: Float64Array.from(array.data, (x) => Math.floor((x + 1) * 1.5)) } : array]];
  }));
  return evaluateGraph(graph, { inputs: leaves("input"), parameters: leaves("parameter"), sizes });
}
export function expectSameValues(before: Graph, after: Graph, tolerance = 1e-10, sizes?: Readonly<Record<string, number>>): void {
  for (const seed of [1, 2]) {
    const [old, fresh] = [valuesOf(before, seed, sizes), valuesOf(after, seed, sizes)];
    expect([...fresh.keys()]).toEqual([...old.keys()]);
    for (const [name, { data }] of old) expectClose(fresh.get(name)?.data ?? [], data, tolerance);
  }
}
/** The pass's result: well-formed, with the same values, leaves and wires. */
export function runPass(pass: Pass, before: Graph): Graph {
  const after = checkGraph(pass.run(before));
  const leaves = (g: Graph): readonly string[] => g.nodes.flatMap((n) => (n.op === "input" || n.op === "parameter" ? [n.name] : [])).sort();
  expect(leaves(after)).toEqual(leaves(before));
  expect(after.outputs.map((o) => [o.name, o.wire])).toEqual(before.outputs.map((o) => [o.name, o.wire]));
  expectSameValues(before, after);
  return after;
}
/** The lines of the operations alone. */
export function operations(graph: Graph): string {
  return printGraph(graph).split("\n").slice(0, -graph.outputs.length).filter((line) => !/= (parameter|input) /.test(line)).join("\n");
}
/** Runs the pass and gives the texts before and after. */
export function beforeAfter(pass: Pass, build: (b: GraphBuilder) => number): readonly [string, string] {
  const before = graphOf(build);
  return [operations(before), operations(runPass(pass, before))];
}
