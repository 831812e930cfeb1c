import { describe, expect, it } from "vitest";
import { checkGraph } from "../../src/tensor/check-graph.js";
import { evaluateGraph } from "../../src/tensor/evaluate-graph.js";
import { evaluatePlan } from "../../src/tensor/evaluate-plan.js";
import type { Graph } from "../../src/tensor/graph.js";
import type { PlanOp } from "../../src/tensor/plan.js";
import { printPlan } from "../../src/tensor/print-plan.js";
import { kernels } from "../../src/tensor/schedule/kernels.js";
import { planOperands, schedule } from "../../src/tensor/schedule.js";
import { attention, axis, batch, cases, d, leaves, n, randomGraph, valuesFor } from "./cases.js";

function expectSameValues(graph: Graph, sizes: { batch: number; n: number }, seed: number): void {
  checkGraph(graph);
  const values = valuesFor(graph, sizes, seed);
  const [expected, actual] = [evaluateGraph(graph, values), evaluatePlan(schedule(graph), values)];
  expect([...actual.keys()]).toEqual([...expected.keys()]);
  for (const [name, { shape, data }] of expected) {
    const value = actual.get(name);
    expect(value?.shape).toEqual(shape);
    const largest = data.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 1e-30);
    data.forEach((x, i) => {
      const y = value?.data[i] as number;
      if (!Object.is(x, y)) expect(Math.abs(x - y) / largest).toBeLessThan(1e-12);
    });
  }
}
const countOf = (graph: Graph, op: PlanOp["op"], onParameters = false): number => {
  const plan = schedule(graph);
  const isStatic = plan.nodes.map(() => false);
  plan.nodes.forEach((node, i) => {
    isStatic[i] = node.op !== "input" && node.op !== "size" && planOperands(node).every((x) => isStatic[x]);
  });
  return plan.nodes.filter((node) => node.op === op && isStatic[node.id] === onParameters).length;
};

describe("a plan", () => {
  it.each(cases)("has the graph's values: $name", ({ graph }) => {
    expectSameValues(graph, { batch: 2, n: 3 }, 1);
    expectSameValues(graph, { batch: 1, n: 1 }, 2);
    expectSameValues(graph, { batch: 3, n: 5 }, 3);
  });
  it("has the graph's values for random graphs", () => {
    for (let seed = 1; seed <= 150; seed++) expectSameValues(randomGraph(seed), { batch: 2, n: 3 }, seed);
  });
  it("is tried with every operation of the graph", () => {
    const used = new Set(cases.flatMap((c) => c.graph.nodes.map((node) => node.op)));
    expect(Object.keys(kernels).filter((op) => !used.has(op as keyof typeof kernels))).toEqual([]);
  });
  it("gives the same text for the same graph", () => {
    expect(printPlan(schedule(randomGraph(7)))).toBe(printPlan(schedule(randomGraph(7))));
  });
});

describe("transposes", () => {
  const planOf = (build: (l: ReturnType<typeof leaves>) => number): Graph => {
    const l = leaves();
    const node = build(l);
    return l.b.finish([{ name: "out", node, wire: l.b.axes(node).map((a) => a.name) }]);
  };
  it("an attention layer turns its projection to heads once and the result back once", () => {
    expect(countOf(planOf(attention), "transpose")).toBe(2);
  });
  it("an attention layer reads as a person would write it", () => {
    const kernelsOnly = printPlan(schedule(planOf(attention))).split("\n").filter((line) => /matmul|transpose|softmax/.test(line));
    expect(kernelsOnly.map((line) => line.replace(/%\d+ = |\s*;.*$/g, "").replace(/ \(.*?\)/, ""))).toEqual([
      "transpose 1 0 2 [6, 3, 4]", // U, stored for the flat product
      "matmul [batch*n, 12]",
      "transpose 0 2 1 3 [batch, 3, n, 4]",
      "matmul bᵀ [batch, 3, n, n]",
      "softmax 3 [batch, 3, n, n]",
      "matmul [batch, 3, n, 4]",
      "transpose 0 2 1 3 [batch, n, 3, 4]",
      "transpose 0 2 1 [3, 4, 6]", // W
      "matmul [batch*n, 6]",
    ]);
  });
  it("the second layer needs no more than the first", () => {
    expect(countOf(planOf((l) => attention({ ...l, x: attention(l) })), "transpose")).toBe(4);
  });
  it("products with parameters, entrywise operations and reductions need none", () => {
    const graph = planOf((l) => {
      const { b } = l;
      const hidden = b.unary("gelu", b.contract(b.standardize(l.x, "d", 1e-5, true), l.weight, ["d"]));
      const back = b.contract(hidden, l.weight, ["q"]);
      return b.reduce("mean", b.binary("add", b.binary("multiply", back, l.scale), l.features), ["n"]);
    });
    expect(countOf(graph, "transpose")).toBe(0);
    expect(countOf(graph, "transpose", true)).toBe(0);
  });
  it("a product with a parameter is one flat matrix product", () => {
    const plan = schedule(planOf((l) => l.b.contract(l.x, l.heads, ["d"])));
    expect(plan.nodes.filter((node) => node.op === "matmul").map((node) => node.shape.map((s) => s.key))).toEqual([["batch*n", "12"]]);
  });
  it("a weight is stored for the product, not the activations turned", () => {
    const graph = planOf((l) => l.b.contract(l.b.input("z", [batch, n, d, axis("k", 3)], "float"), l.b.parameter("W", [axis("k", 3), d, axis("q", 7)]), ["d", "k"]));
    expect([countOf(graph, "transpose"), countOf(graph, "transpose", true)]).toEqual([0, 1]);
  });
});
