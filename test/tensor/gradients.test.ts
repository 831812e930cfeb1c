import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { add, apply, divide, type Expr, identity, indexSum, inverse, multiply, number, ones, scale, slice, softmaxFamily, subtract, symbol, transpose } from "../../src/expression/expr.js";
import { GraphBuilder, prune } from "../../src/tensor/builder.js";
import { checkGraph } from "../../src/tensor/check-graph.js";
import { evaluateNodes, type GraphValues, type PlainArray, sizeValue } from "../../src/tensor/evaluate-graph.js";
import { gradients } from "../../src/tensor/gradients.js";
import type { Axis, BinaryFunction, Graph, UnaryFunction } from "../../src/tensor/graph.js";
import { lowerNetwork } from "../../src/tensor/lower.js";
import { at, D, N, network, noise, parameter, randomArray, randomValues, real, single, statement, sym, type Trial } from "./networks.js";

const axis = (name: string, size: number): Axis => ({ name, size: N(size) });
const [r, c, k] = [axis("r", 3), axis("c", 4), axis("k", 2)];

/** The gradients of a node by all its graph's parameters, against central differences; the seed is a random weight for each entry. */
function expectGradient(graph: Graph, node: number, values: GraphValues, tolerance = 1e-6): void {
  const b = GraphBuilder.from(graph);
  const axes = b.axes(node);
  const random = noise(7);
  const sizes = new Map(Object.entries(values.sizes ?? {}));
  const fixed = axes.map((a) => ({ name: a.name, size: N(sizeValue(a.size, sizes)) }));
  const weights = b.constant(Float64Array.from({ length: fixed.reduce((p, a) => p * sizeValue(a.size, sizes), 1) }, random), fixed);
  const weighted = axes.some((a) => a.size.key !== fixed.find((f) => f.name === a.name)?.size.key) ? node : b.binary("multiply", node, weights);
  const loss = b.reduce("sum", weighted, axes.map((a) => a.name));
  const whole: Graph = { nodes: b.nodes, outputs: [{ name: "loss", node: loss, wire: [] }] };
  const { graph: both, nodes } = gradients(whole, loss);
  const outputs = [...nodes].map(([name, id]) => ({ name, node: id, wire: (both.nodes[id]?.axes ?? []).map((a) => a.name) }));
  const checked = checkGraph(prune({ nodes: both.nodes, outputs: [{ name: "loss", node: loss, wire: [] }, ...outputs] }));
  const results = evaluateNodes(checked, values);
  expect(outputs.length).toBeGreaterThan(0);
  const forward = checkGraph(prune(whole));
  const lossAt = (parameters: Record<string, PlainArray>): number =>
    evaluateNodes(forward, { ...values, parameters })[forward.outputs[0]?.node ?? 0]?.data[0] ?? Number.NaN;
  for (const o of checked.outputs.slice(1)) {
    const leaf = checked.nodes.find((n) => n.op === "parameter" && n.name === o.name);
    const given = values.parameters[o.name] as PlainArray;
    const gradient = results[o.node];
    if (!gradient) throw new Error(`no gradient of ${o.name}`);
    const order = leaf ? leaf.axes.map((a) => a.name) : gradient.axes;
    expect([...gradient.axes].sort()).toEqual([...order].sort());
    const largest = Math.max(1, ...gradient.data.map(Math.abs));
    for (let i = 0; i < given.data.length; i++) {
      const h = 1e-5;
      const moved = (by: number): number => lossAt({ ...values.parameters, [o.name]: { ...given, data: Float64Array.from(given.data, (x, j) => (i === j ? x + by : x)) } });
      const expected = (moved(h) - moved(-h)) / (2 * h);
      let [rest, place] = [i, 0];
      for (let a = order.length - 1, strides = new Map<string, number>(); a >= 0; a--) {
        if (strides.size === 0) for (let g = gradient.axes.length - 1, s = 1; g >= 0; g--) {
          strides.set(gradient.axes[g] as string, s);
          s *= gradient.sizes[g] as number;
        }
        const size = given.shape[a] as number;
        place += (rest % size) * (strides.get(order[a] as string) ?? 0);
        rest = Math.floor(rest / size);
      }
      const actual = gradient.data[place] as number;
      if (!(Math.abs(actual - expected) <= tolerance * largest)) throw new Error(`${o.name}[${i}]: ${actual}, expected ${expected}`);
    }
  }
}
/** A graph of parameters, each given by its axes, under random values. */
function expectOp(leaves: Record<string, readonly Axis[]>, build: (b: GraphBuilder, ...nodes: number[]) => number, entry: (x: number) => number = (x) => x): void {
  const b = new GraphBuilder();
  const ids = Object.entries(leaves).map(([name, axes]) => b.parameter(name, axes));
  const node = build(b, ...ids);
  const random = noise(3);
  const parameters = Object.fromEntries(Object.entries(leaves).map(([name, axes]) =>
    [name, randomArray(axes.map((a) => sizeValue(a.size, new Map())), () => entry(random()))]));
  expectGradient({ nodes: b.nodes, outputs: [] }, node, { inputs: {}, parameters });
}

describe("each operation's adjoint is its finite difference", () => {
  const unary: readonly UnaryFunction[] = ["negate", "exp", "abs", "relu", "gelu", "erf", "sigmoid", "tanh", "square", "sign", "step"];
  it.each(unary)("%s", (fn) => expectOp({ x: [r, c] }, (b, x) => b.unary(fn, x)));
  it.each(["log", "sqrt", "reciprocal"] as const)("%s", (fn) => expectOp({ x: [r, c] }, (b, x) => b.unary(fn, x), (x) => 1.5 + x));
  const binary: readonly BinaryFunction[] = ["add", "subtract", "multiply", "divide", "power", "max", "min", "remainder", "less"];
  const shapes: readonly (readonly [readonly Axis[], readonly Axis[]])[] = [[[r, c], [r, c]], [[r, c], [c]], [[r], [c]], [[], [c, r]], [[r, c], []], [[k, r], [r, c]]];
  it.each(binary.flatMap((fn) => shapes.map(([p, q]) => ({ fn, p, q, name: `${fn} of [${p.map((a) => a.name).join()}] and [${q.map((a) => a.name).join()}]` }))))(
    "$name", ({ fn, p, q }) => expectOp({ x: p, y: q }, (b, x, y) => b.binary(fn, x, y), (x) => 1.5 + x));
  it("one value as both operands", () => expectOp({ x: [r, c] }, (b, x) => b.binary("multiply", x, b.binary("add", x, b.unary("exp", x)))));

  const spatial: readonly (readonly [string, Record<string, readonly Axis[]>, (b: GraphBuilder, ...x: number[]) => number])[] = [
    ["select", { c: [r], x: [r, c], y: [c] }, (b, s, x, y) => b.select(b.unary("step", s), x, y)],
    ["contract", { x: [k, r, c], y: [k, c, axis("d", 2)] }, (b, x, y) => b.contract(x, y, ["c"])],
    ["contract over two", { x: [k, r, c], y: [c, k] }, (b, x, y) => b.contract(x, y, ["c", "k"])],
    ["contract of a value with itself", { x: [r, c] }, (b, x) => b.contract(x, b.rename(x, new Map([["r", "r'"]])), ["c"])],
    ["sum", { x: [k, r, c] }, (b, x) => b.reduce("sum", b.unary("square", x), ["k", "c"])],
    ["mean", { x: [k, r, c] }, (b, x) => b.reduce("mean", b.unary("square", x), ["r"])],
    ["max", { x: [k, r, c] }, (b, x) => b.reduce("max", x, ["c"])],
    ["softmax", { x: [r, c] }, (b, x) => b.softmax(x, "r")],
    ["log softmax", { x: [r, c] }, (b, x) => b.logSoftmax(x, "c")],
    ["standardize", { x: [r, c] }, (b, x) => b.standardize(x, "r", 1e-3, true)],
    ["standardize without mean", { x: [r, c] }, (b, x) => b.standardize(x, "c", 1e-3, false)],
    ["rename", { x: [r, c] }, (b, x) => b.binary("multiply", b.rename(x, new Map([["r", "s"]])), x)],
    ["slice", { x: [r, c] }, (b, x) => b.slice(b.unary("square", x), "c", N(1), N(3))],
    ["slice and sum", { x: [r, c] }, (b, x) => b.reduce("sum", b.slice(b.unary("square", x), "c", N(1), N(3)), ["c"])],
    ["concat", { x: [r, c], y: [axis("c", 2)] }, (b, x, y) => b.unary("square", b.concat([x, y, x], "c"))],
    ["pad", { x: [r, c] }, (b, x) => b.unary("exp", b.pad(x, "c", N(1), N(2)))],
    ["split", { x: [r, c] }, (b, x) => b.binary("multiply", b.split(x, "c", [axis("u", 2), axis("v", 2)]), b.constant(Float64Array.of(1, 5), [axis("v", 2)]))],
    ["merge", { x: [r, c, k] }, (b, x) => b.unary("square", b.merge(x, ["k", "r"], "m"))],
    ["merge and sum", { x: [r, c, k] }, (b, x) => b.reduce("sum", b.unary("square", b.merge(x, ["k", "r"], "m")), ["m"])],
    ["gather", { x: [r, c] }, (b, x) => b.unary("square", b.gather(x, b.constant(Float64Array.of(2, 0, 2, 1, 1), [axis("t", 5)], "int"), "r"))],
    ["scatter_add", { x: [axis("t", 5), c] }, (b, x) => b.unary("square", b.scatterAdd(x, b.constant(Float64Array.of(2, 0, 2, 1, 1), [axis("t", 5)], "int"), r))],
    ["cumsum", { x: [r, c] }, (b, x) => b.unary("square", b.cumsum(x, "c"))],
    ["reverse cumsum", { x: [r, c] }, (b, x) => b.unary("square", b.cumsum(x, "r", true))],
    ["diagonal", { x: [r, c, axis("r'", 3)] }, (b, x) => b.unary("square", b.diagonal(x, "r", "r'"))],
    ["dropout, which passes on here", { x: [r, c] }, (b, x) => b.dropout(b.unary("square", x), 0.5)],
  ];
  it.each(spatial)("%s", (_, leaves, build) => expectOp(leaves, build));

  it("stops where it is told to, and gives zeros where nothing depends", () => {
    const b = new GraphBuilder();
    const [x, y] = [b.parameter("x", [r]), b.parameter("y", [c])];
    const loss = b.reduce("sum", b.binary("multiply", x, b.stop(x)), ["r"]);
    const { graph, nodes } = gradients({ nodes: b.nodes, outputs: [] }, loss);
    expect(nodes.get("x")).toBe(b.stop(x));
    const zero = graph.nodes[nodes.get("y") ?? -1];
    expect(zero).toMatchObject({ op: "fill", value: 0, axes: b.axes(y) });
    expect(() => gradients(graph, loss, ["z"])).toThrow("no z");
  });
});

it("random compositions with random axes agree with finite differences", () => {
  const names = ["a", "b", "c"];
  const some = fc.subarray(names, { minLength: 0 });
  const step = fc.record({ kind: fc.constantFrom("add", "multiply", "contract", "tanh", "softmax", "reduce", "max"), i: fc.nat(9), j: fc.nat(9), name: fc.constantFrom(...names) });
  fc.assert(fc.property(some, some, fc.array(step, { minLength: 1, maxLength: 7 }), (p, q, steps) => {
    const b = new GraphBuilder();
    const of = (list: readonly string[]): Axis[] => list.map((n) => axis(n, n.charCodeAt(0) - 95));
    const pool = [b.parameter("x", of(p)), b.parameter("y", of(q))];
    for (const s of steps) {
      const [x, y] = [pool[s.i % pool.length] as number, pool[s.j % pool.length] as number];
      if (s.kind === "add") pool.push(b.binary("add", x, y));
      if (s.kind === "multiply") pool.push(b.binary("multiply", x, y));
      if (s.kind === "max") pool.push(b.binary("max", x, b.fill(0.1)));
      if (s.kind === "contract") pool.push(b.contract(x, y, b.has(x, s.name) || b.has(y, s.name) ? [s.name] : []));
      if (s.kind === "tanh") pool.push(b.unary("tanh", x));
      if (s.kind === "softmax" && b.has(x, s.name)) pool.push(b.softmax(x, s.name));
      if (s.kind === "reduce" && b.has(x, s.name)) pool.push(b.reduce("sum", x, [s.name]));
    }
    const random = noise(5);
    const parameters = Object.fromEntries([["x", p], ["y", q]].map(([name, list]) => [name, randomArray(of(list as string[]).map((a) => sizeValue(a.size, new Map())), random)]));
    expectGradient({ nodes: b.nodes, outputs: [] }, pool.at(-1) as number, { inputs: {}, parameters }, 1e-5);
  }), { numRuns: 60, seed: 11 });
});

describe("whole networks", () => {
  const [d, n, p, q] = [D("d"), D("n"), D("p"), D("q")];
  const one = N(1);
  const Z = sym("Z", [d, n]), U = sym("U", [d, p], "param", at("k")), W = sym("W", [d, p], "param", at("k"));
  const A = sym("A", [d, d], "param"), b = sym("b", [d, one], "param"), E = sym("E", [d, q], "param");
  const base = {
    dims: new Map([["d", 4], ["p", 2], ["q", 3]]), freeDims: ["n"], indices: new Map([["k", 3]]), inputs: [{ name: "Z", type: real([d, n], 2) }],
    parameters: [
      parameter("U", [d, p], 2, { index: "k", size: 3 }), parameter("W", [d, p], 2, { index: "k", size: 3 }), parameter("A", [d, d], 2),
      parameter("b", [d, one], 1), parameter("temp", [one, one], 0, { index: "k", size: 3 }), parameter("E", [d, q], 2),
    ],
  };
  const V = multiply(transpose(U), apply("standardize", [add([Z, multiply(b, ones([one, n]))])]));
  const definite = add([identity(d), multiply(A, transpose(A))]);
  const cases: readonly (readonly [string, Expr])[] = [
    ["attention", indexSum("k", N(3), multiply(W, V, apply("softmax", [divide(multiply(transpose(V), V), number(1.4))])))],
    ["causal attention", indexSum("k", N(3), multiply(W, V, apply("softmax", [apply("causal", [multiply(transpose(V), V)])])))],
    ["a thresholded step", apply("relu", [subtract(Z, scale(0.3, multiply(transpose(A), subtract(multiply(A, Z), Z))))])],
    ["family softmax of token statistics", indexSum("k", N(3), multiply(U, V, apply("diag", [softmaxFamily(multiply(symbol("temp", "param", [one, one], at("k")),
      apply("colsum", [apply("power", [apply("normalize", [V], { over: "rows" }), number(2)])])), "k", N(3), at("k"))])))],
    ["soft threshold and huber", add([apply("soft_threshold", [multiply(A, Z), apply("abs", [apply("total", [b])])]), apply("huber", [multiply(A, Z), number(0.3)])])],
    ["an inverse", multiply(inverse(definite), Z)], ["an inverse of a general matrix", multiply(inverse(add([scale(2, identity(d)), A])), Z)],
    ["logdet", apply("logdet", [definite])], ["a nuclear norm", apply("norm_nuc", [E])], ["a polar factor", apply("polar", [E])],
    ["shrunk singular values", apply("singular_soft_threshold", [E, number(0.3)])], ["norms", add([apply("norm2", [A]), apply("norm21", [E]), apply("norm_inf", [A])])],
    ["a projection on the simplex", apply("project_simplex", [E])],
    ["columns, slices and padding", slice(apply("pad", [apply("columns", [b, multiply(A, Z)])], { before: N(1) }), undefined, { from: N(2), to: N(4) })],
    ["a trace", apply("trace", [multiply(A, Z, transpose(Z), A)])],
  ];
  it.each(cases)("%s", (_, value) => {
    const trial: Trial = { network: single(value, base), free: { n: 3 }, batch: 2 };
    const graph = lowerNetwork(trial.network);
    const output = graph.outputs[0]?.node ?? -1;
    const values = randomValues(trial);
    expectGradient(graph, output, { ...values, sizes: { n: 3, batch: 2 } }, 1e-5);
  });
  it("the loss of a classifier of tokens", () => {
    const text = symbol("text", "input", [n, one]);
    const trial: Trial = {
      network: network({
        ...base, inputs: [{ name: "text", type: { kind: "token", symbols: q, shape: [n, one], rank: 1 } }],
        targets: [{ name: "next", type: { kind: "token", symbols: d, shape: [n, one], rank: 1 } }],
        statements: [statement("y", apply("gelu", [multiply(A, apply("embedding", [text, E]))]))], outputs: [{ name: "y", type: real([d, n], 2), value: "y" }],
        loss: apply("cross_entropy", [sym("y", [d, n]), symbol("next", "target", [n, one])], { smoothing: 0.1 }),
      }), free: { n: 3 }, batch: 2,
    };
    const graph = lowerNetwork(trial.network, { loss: true });
    const loss = graph.outputs.find((o) => o.name === "loss")?.node ?? -1;
    expectGradient(graph, loss, { ...randomValues(trial), sizes: { n: 3, batch: 2 } });
  });
  it("a zero column has gradient 0, not NaN", () => {
    const graph = lowerNetwork(single(add([apply("colnorm", [multiply(A, Z)]), apply("colsum", [apply("normalize", [multiply(A, Z)])])]), base));
    const { graph: both, nodes } = gradients(graph, graph.outputs[0]?.node ?? -1);
    const results = evaluateNodes(both, { inputs: { Z: { shape: [1, 2, 4], data: new Float64Array(8) } }, parameters: { A: randomArray([4, 4], noise(1)) } });
    expect(Math.max(...(results[nodes.get("A") ?? -1]?.data ?? [Number.NaN]).map(Math.abs))).toBe(0);
  });
  it("keeps shared subexpressions: the backward pass of attention has each product once", () => {
    const graph = lowerNetwork(single(cases[0]?.[1] as Expr, base));
    const { graph: both, nodes } = gradients(graph, graph.outputs[0]?.node ?? -1);
    const pruned = prune({ nodes: both.nodes, outputs: [...nodes].map(([name, node]) => ({ name, node, wire: (both.nodes[node]?.axes ?? []).map((a) => a.name) })) });
    expect(pruned.nodes.filter((x) => x.op === "softmax")).toHaveLength(1);
    expect(pruned.nodes.filter((x) => x.op === "contract").length).toBeLessThanOrEqual(13);
  });
});
