import { describe, expect, it } from "vitest";
import { dimAdd } from "../../src/expression/dim.js";
import {
  add, apply, divide, type Expr, identity, indexSum, inverse, multiply, negate, number, ones, scale, slice, softmaxFamily, subtract, symbol, transpose,
} from "../../src/expression/expr.js";
import { checkGraph } from "../../src/tensor/check-graph.js";
import { evaluateGraph } from "../../src/tensor/evaluate-graph.js";
import { lowerNetwork } from "../../src/tensor/lower.js";
import { printGraph } from "../../src/tensor/print-graph.js";
import { at, D, expectAgrees, expectClose, member, N, network, parameter, randomValues, real, single, statement, sym } from "./networks.js";

const [d, n, p, q] = [D("d"), D("n"), D("p"), D("q")];
const one = N(1);
const Z = sym("Z", [d, n]), U = sym("U", [d, p], "param", at("k")), W = sym("W", [d, p], "param", at("k"));
const b = sym("b", [d, one], "param"), A = sym("A", [d, d], "param");
const base = {
  dims: new Map([["d", 4], ["p", 2], ["q", 3]]), freeDims: ["n"], indices: new Map([["k", 3]]),
  inputs: [{ name: "Z", type: real([d, n], 2) }],
  parameters: [
    parameter("U", [d, p], 2, { index: "k", size: 3 }), parameter("W", [d, p], 2, { index: "k", size: 3 }), parameter("b", [d, one], 1),
    parameter("A", [d, d], 2), parameter("c", [one, one], 0), parameter("temp", [one, one], 0, { index: "k", size: 3 }),
    parameter("E", [d, q], 2), parameter("v", [n, one], 1),
  ].filter((x) => x.name !== "v"),
};
const agrees = (value: Expr, given = {}): void => {
  expectAgrees({ network: single(value, { ...base, ...given }), free: { n: 5 } });
};
const V = multiply(transpose(U), Z);
const attention = indexSum("k", N(3), multiply(W, V, apply("softmax", [divide(multiply(transpose(V), V), apply("sqrt", [symbol("p", "dim", [one, one])]))])));

describe("products, sums and indices", () => {
  it.each<[string, Expr]>([
    ["a product with a parameter", multiply(A, Z)],
    ["its transpose", multiply(transpose(Z), A)],
    ["Z'Z, whose axes have one size", multiply(transpose(Z), Z)],
    ["Z Z'", multiply(Z, transpose(Z))],
    ["a sum with a transpose of itself", add([A, transpose(A), scale(-2, identity(d))])],
    ["a column spread by ones", add([Z, multiply(b, ones([one, n]))])],
    ["a scalar beside a matrix", add([Z, multiply(symbol("c", "param", [one, one]), ones([d, n]))])],
    ["column sums by a product", multiply(transpose(Z), ones([d, one]))],
    ["sums of both sides by products", multiply(ones([one, d]), Z, ones([n, one]))],
    ["a diagonal in the middle", multiply(A, apply("diag", [b]), Z)],
    ["a diagonal at the end", multiply(transpose(Z), apply("diag", [b]))],
    ["a diagonal alone", add([A, apply("diag", [b])])],
    ["a scalar product as a factor", multiply(multiply(transpose(b), b), Z)],
    ["a quotient by a free size", divide(Z, symbol("n", "dim", [one, one]))],
    ["attention with families", attention],
    ["a sum over an index of projections", indexSum("k", N(3), multiply(U, transpose(U)))],
    ["nested sums", indexSum("k", N(3), multiply(U, transpose(U), indexSum("j", N(3), multiply(sym("W", [d, p], "param", at("j")), transpose(sym("U", [d, p], "param", at("j"))), Z))))],
    ["the same index twice", indexSum("k", N(3), multiply(U, indexSum("k", N(3), multiply(transpose(W), A)), Z))],
    ["one member", multiply(sym("U", [d, p], "param", member(2)), transpose(sym("U", [d, p], "param", member(3))), Z)],
    ["an index as a number", indexSum("k", N(3), multiply(symbol("k", "index", [one, one]), U, transpose(U), Z))],
    ["a sum of sums over an index", indexSum("k", N(3), add([multiply(U, transpose(U), Z), multiply(symbol("temp", "param", [one, one], at("k")), Z)]))],
    ["a family softmax", indexSum("k", N(3), multiply(U, transpose(U), Z, apply("diag", [softmaxFamily(multiply(symbol("temp", "param", [one, one], at("k")), apply("colsum", [apply("power", [V, number(2)])])), "k", N(3), at("k"))])))],
    ["a family softmax at a number", softmaxFamily(apply("colsum", [V]), "k", N(3), member(2))],
    ["a normalised family softmax over rows", indexSum("k", N(3), multiply(U, apply("normalize", [V], { over: "rows" })))],
  ])("%s agrees with the evaluator", (_, value) => agrees(value));

  it("numbers an index once and batches it: no node is repeated for a member", () => {
    const graph = lowerNetwork(single(attention, base));
    expect(graph.nodes.filter((x) => x.op === "softmax")).toHaveLength(1);
    expect(graph.nodes.filter((x) => x.op === "contract").map((x) => (x.op === "contract" ? x.over.join(" ") : ""))).toContain("k p");
    expect(graph.nodes.some((x) => x.op === "reduce")).toBe(false);
  });
  it("multiplies a matrix into a vector first", () => {
    const text = printGraph(lowerNetwork(single(multiply(A, transpose(A), A, b), base)));
    expect(text).not.toContain("over d (%0, %0) [d, d'");
    expect(lowerNetwork(single(multiply(A, transpose(A), A, b), base)).nodes.filter((x) => x.op === "contract").every((x) => x.axes.length === 1)).toBe(true);
  });
});

describe("functions", () => {
  const c = symbol("c", "param", [one, one]);
  const square = multiply(transpose(Z), Z);
  const definite = add([identity(d), multiply(number(0.5), Z, transpose(Z))]);
  const E = sym("E", [d, q], "param");
  const unary = ["exp", "abs", "sign", "relu", "gelu", "sigmoid", "tanh", "erf", "normalize", "softmax", "standardize", "rms_standardize",
    "cumsum", "peak_sign", "project_simplex", "norm0", "norm1", "norm2", "sq_norm", "norm21", "norm_inf", "total", "mean",
    "colsum", "colmean", "colnorm", "rowsum", "rowmean", "rownorm"] as const;
  it.each(unary)("%s of a matrix agrees with the evaluator", (fn) => agrees(apply(fn, [Z])));
  it.each(["relu", "softmax", "normalize", "standardize", "norm2", "total", "mean", "colsum", "rowsum", "cumsum", "project_simplex", "peak_sign"] as const)(
    "%s of a column agrees with the evaluator", (fn) => agrees(apply(fn, [multiply(A, b)])));
  it.each<[string, Expr]>([
    ["softmax over rows", apply("softmax", [Z], { over: "rows" })], ["normalize over rows", apply("normalize", [Z], { over: "rows" })],
    ["softmax of what is spread", apply("softmax", [multiply(b, ones([one, n]))])],
    ["a reverse running sum", apply("cumsum", [Z], { reverse: true })], ["a running sum down the columns", apply("cumsum", [Z], { over: "columns" })],
    ["causal softmax", apply("softmax", [apply("causal", [square])])], ["an upper triangle", apply("upper_triangle", [square])],
    ["trace", apply("trace", [square])], ["the trace of a product", apply("trace", [multiply(Z, transpose(Z), A)])], ["a diagonal", apply("diagonal", [square])],
    ["soft threshold", apply("soft_threshold", [Z, number(0.3)])], ["hard threshold", apply("hard_threshold", [Z, number(0.3)])],
    ["huber", apply("huber", [Z, number(0.4)])], ["max with a scalar", apply("max", [Z, c])], ["min", apply("min", [Z, multiply(A, Z)])],
    ["remainder", apply("remainder", [Z, number(0.3)])], ["greater", apply("greater", [Z, number(0.3)])], ["equal", apply("equal", [apply("sign", [Z]), number(1)])],
    ["an entrywise product", apply("hadamard", [Z, multiply(A, Z)])], ["a cube", apply("power", [Z, number(3)])],
    ["an inverse power", apply("power", [add([number(2), apply("relu", [c])]), number(-2)])],
    ["an entrywise quotient", apply("hadamard", [Z, apply("power", [add([ones([d, n]), apply("exp", [Z])]), number(-1)])])],
    ["log of positive entries", apply("log", [add([ones([d, n]), apply("power", [Z, number(2)])])])],
    ["logdet", apply("logdet", [definite])], ["a nuclear norm", apply("norm_nuc", [E])], ["a spectral norm", apply("norm_spec", [transpose(E)])],
    ["shrunk singular values", apply("singular_soft_threshold", [E, number(0.4)])], ["a polar factor", apply("polar", [E])],
    ["the leading singular part", apply("leading_singular", [E])], ["shrunk singular values of a column", apply("singular_soft_threshold", [b, number(0.2)])],
    ["a column", slice(Z, undefined, { from: N(2), to: N(2) })], ["a row", slice(Z, { from: N(3), to: N(3) }, undefined)],
    ["all columns but the first", slice(Z, undefined, { from: N(2), to: n })], ["a part of rows and columns", slice(Z, { from: N(1), to: N(2) }, { from: N(2), to: N(4) })],
    ["columns with a parameter in front", apply("columns", [b, Z])], ["columns of columns", apply("columns", [b, multiply(A, b), Z, Z])],
    ["zero columns around", apply("pad", [Z], { before: N(1), after: N(2) })], ["zero rows above a column", apply("pad", [b], { above: N(2) })],
    ["zero columns beside a column", apply("pad", [b], { before: N(1), after: N(1) })],
    ["dropout outside of training", apply("dropout", [Z], { rate: 0.5 })],
  ])("%s agrees with the evaluator", (_, value) => agrees(value));

  it("a norm of zeros is 0 and normalize leaves a zero column", () => {
    const graph = checkGraph(lowerNetwork(single(apply("normalize", [Z]), base)));
    const out = evaluateGraph(graph, { inputs: { Z: { shape: [1, 2, 4], data: [0, 0, 0, 0, 3, 0, 4, 0] } }, parameters: {} }).get("out");
    expectClose(out?.data ?? [], [0, 0, 0, 0, 0.6, 0, 0.8, 0]);
  });
  it.each([1, 2, 3, 5])("inverses agree: positive definite, symmetric or not (seed %i)", (seed) => {
    const general = add([identity(d), scale(0.8, A)]);
    for (const e of [inverse(definite), inverse(add([multiply(A, transpose(A)), scale(0.01, identity(d))])), multiply(inverse(general), Z), multiply(transpose(Z), inverse(transpose(general))),
      indexSum("k", N(3), multiply(inverse(add([identity(d), multiply(U, transpose(U))])), Z)), inverse(add([identity(n), square]))]) {
      expectAgrees({ network: single(e, base), free: { n: 5 }, seed }, 1e-8);
    }
  });
});

describe("what stands around a layer", () => {
  it("embeds tokens that count from 0 on the wire, and adds positions", () => {
    const text = symbol("text", "input", [n, one]);
    const value = add([apply("embedding", [text, sym("table", [d, D("vocab")], "param")]), multiply(b, ones([one, n]))]);
    expectAgrees({
      network: single(value, {
        ...base, dims: new Map([["d", 4], ["vocab", 7]]), inputs: [{ name: "text", type: { kind: "token", symbols: D("vocab"), shape: [n, one], rank: 1 } }],
        parameters: [parameter("table", [d, D("vocab")], 2), parameter("b", [d, one], 1)],
      }), free: { n: 5 },
    });
  });
  it.each(["p1 p2 c", "c p1 p2", "p2 c p1"])("takes an image apart and puts it together (%s)", (order) => {
    const [c, H] = [D("channels"), D("H")];
    const image = symbol("image", "input", [c, H, H]);
    const given = { dims: new Map([["channels", 2], ["H", 6]]), inputs: [{ name: "image", type: real([c, H, H], 3) }] };
    const patches = apply("patches", [image], { size: N(2), order });
    expectAgrees({ network: single(patches, given) });
    const back = apply("unpatch", [scale(2, patches)], { size: N(2), order, channels: c, height: H, width: H });
    expectAgrees({ network: single(back, { ...given, rank: 3 }) });
    const grey = { ...given, dims: new Map([["channels", 1], ["H", 6]]) };
    expectAgrees({ network: single(patches, grey) });
  });
  it("classifies: class token, positions, slice, head, smoothed cross-entropy", () => {
    const m = dimAdd(n, one);
    const tokens = add([apply("columns", [b, Z]), sym("pos", [d, m], "param")]);
    const logits = add([multiply(sym("H", [q, d], "param"), apply("standardize", [slice(tokens, undefined, { from: one, to: one })], { eps: 1e-5 })), sym("h", [q, one], "param")]);
    const label = symbol("label", "target", [one, one]);
    expectAgrees({
      network: network({
        ...base, dims: new Map([["d", 4], ["q", 3], ["n", 5]]), freeDims: [],
        targets: [{ name: "label", type: { kind: "class", symbols: q, shape: [one, one], rank: 0 } }],
        parameters: [parameter("b", [d, one], 1), parameter("pos", [d, m], 2), parameter("H", [q, d], 2), parameter("h", [q, one], 1)],
        statements: [statement("logits", logits)], outputs: [{ name: "logits", type: real([q, one], 1), value: "logits" }],
        loss: apply("cross_entropy", [sym("logits", [q, one]), label], { smoothing: 0.1 }), lossNames: new Map(),
      }), free: { n: 5 }, batch: 4,
    });
  });
  it("averages the cross-entropy of sequences over tokens and samples", () => {
    expectAgrees({
      network: network({
        ...base, targets: [{ name: "next", type: { kind: "token", symbols: d, shape: [n, one], rank: 1 } }],
        statements: [statement("y", multiply(A, Z))], outputs: [{ name: "y", type: real([d, n], 2), value: "y" }],
        loss: apply("cross_entropy", [sym("y", [d, n]), symbol("next", "target", [n, one])]),
      }), free: { n: 5 },
    });
  });
});

describe("networks", () => {
  it("runs steps in order, knows layer, definitions and full names, and shows variables", () => {
    const x = sym("x", [d, n]), D1 = sym("D", [d, d], "param");
    const step = (value: Expr): Expr => apply("relu", [subtract(value, multiply(symbol("eta", "const", [one, one]), symbol("layer", "layer", [one, one]), ones([d, n])))]);
    const body = step(subtract(x, multiply(symbol("eta", "const", [one, one]), transpose(D1), subtract(multiply(D1, x), x))));
    const statements = [1, 2].map((copy) => statement(`block.${copy}.sparsify`, body, {
      names: new Map([["x", copy === 1 ? "Z" : "block.1.sparsify"], ["D", `block.${copy}.D`]]), numbers: new Map([["layer", copy]]), variable: "x", path: `block.${copy}/sparsify`,
    }));
    const net = network({
      ...base, parameters: [parameter("block.1.D", [d, d], 2), parameter("block.2.D", [d, d], 2)], definitions: new Map([["eta", number(0.1)]]), statements,
      outputs: [{ name: "code", type: real([d, n], 2), value: "block.2.sparsify" }],
    });
    expectAgrees({ network: net, free: { n: 5 } });
    const graph = checkGraph(lowerNetwork(net, { probe: true }));
    expect(graph.outputs.map((o) => `${o.name} ${o.wire.join(" ")}`)).toEqual(["code batch n d", "block.1.sparsify batch n d", "block.2.sparsify batch n d"]);
    expect(graph.nodes.filter((x) => x.label === "block.1.sparsify").map((x) => x.path)).toEqual(["block.1/sparsify"]);
  });
  it("carries a variable that is a family", () => {
    const x = sym("x", [p, one], "var", at("g"));
    const shrunk = apply("soft_threshold", [add([x, multiply(transpose(sym("U", [d, p], "param", at("g"))), apply("colsum", [transpose(Z)]))]), number(0.1)]);
    expectAgrees({
      network: network({
        ...base, indices: new Map([["g", 3]]), parameters: [parameter("U", [d, p], 2, { index: "g", size: 3 })],
        statements: [
          statement("x0", apply("total", [Z]).shape.length === 2 ? multiply(number(0.5), ones([p, one])) : x, { family: { index: "g", size: 3 } }),
          statement("x1", shrunk, { names: new Map([["x", "x0"]]), family: { index: "g", size: 3 } }),
          statement("out", indexSum("g", N(3), multiply(sym("U", [d, p], "param", at("g")), x)), { names: new Map([["x", "x1"]]) }),
        ],
        outputs: [{ name: "out", type: real([d, one], 1), value: "out" }],
      }), free: { n: 5 },
    });
  });
  it("axes of length 1 are on the wire and nowhere else", () => {
    const unit = { ...base, dims: new Map([["d", 4], ["p", 1], ["q", 1]]), indices: new Map([["k", 1]]), parameters: [
      parameter("U", [d, p], 2, { index: "k", size: 1 }), parameter("E", [d, q], 2), parameter("b", [d, one], 1), parameter("A", [d, d], 2)] };
    const E = sym("E", [d, q], "param");
    const U1 = sym("U", [d, p], "param", at("k"));
    for (const value of [multiply(transpose(E), Z), multiply(transpose(E), A, b), indexSum("k", N(1), multiply(U1, transpose(U1), Z)), apply("softmax", [multiply(transpose(E), Z)])]) {
      expectAgrees({ network: single(value, { ...unit, rank: value.shape[1]?.key === "1" ? 1 : 2 }), free: { n: 1 }, batch: 1 });
      expectAgrees({ network: single(value, { ...unit, rank: value.shape[1]?.key === "1" ? 1 : 2 }), free: { n: 5 } });
    }
  });
  it("calls axes as expressions do where a type has numbers", () => {
    const graph = lowerNetwork(single(multiply(A, symbol("Z", "input", [d, n])), { ...base, inputs: [{ name: "Z", type: real([N(4), n], 2) }], rank: 2 }));
    expect(graph.nodes.find((x) => x.op === "input")?.axes.map((a) => a.name)).toEqual(["batch", "n", "d"]);
    expect(graph.outputs[0]?.wire).toEqual(["batch", "n", "d"]);
  });
  it("draws dropout's mask in training only, one for forward and backward", () => {
    const net = single(apply("dropout", [multiply(A, Z)], { rate: 0.25 }), base);
    expect(lowerNetwork(net).nodes.some((x) => x.op === "dropout")).toBe(false);
    const mask = lowerNetwork(net, { training: true }).nodes.find((x) => x.op === "dropout");
    expect(mask?.axes.map((a) => a.name).sort()).toEqual(["batch", "d", "n"]);
  });
  it("starts an inverse from the identity only where the form shows that it is positive definite", () => {
    const start = (e: Expr): boolean => lowerNetwork(single(inverse(e), { ...base, parameters: [...base.parameters, parameter("rho", [one, one], 0, undefined, true)] }))
      .nodes.filter((x) => x.op === "reduce" && x.fn === "max").length === 1;
    const rho = symbol("rho", "param", [one, one]), plain = symbol("c", "param", [one, one]);
    expect(start(add([identity(d), multiply(Z, transpose(Z))]))).toBe(true);
    expect(start(add([multiply(rho, identity(d)), multiply(Z, apply("diag", [apply("exp", [multiply(transpose(Z), b)])]), transpose(Z))]))).toBe(true);
    expect(start(add([multiply(plain, identity(d)), multiply(Z, transpose(Z))]))).toBe(false);
    expect(start(subtract(identity(d), multiply(Z, transpose(Z))))).toBe(false);
    expect(start(add([identity(d), multiply(Z, apply("diag", [multiply(transpose(Z), b)]), transpose(Z))]))).toBe(false);
    expect(start(add([identity(d), A]))).toBe(false);
  });
  it("spreads what does not depend on the input over the batch", () => agrees(add([A, identity(d)])));
  it("gives scalars and columns their wire shape", () => {
    agrees(apply("sq_norm", [Z]));
    agrees(apply("colnorm", [Z]));
  });

  const m = D("m"), J = N(3);
  const samples = sym("x", [d, m]), label = symbol("label", "target", [m, one]);
  const membership = apply("equal", [label, symbol("j", "index", [one, one])]);
  const wholeBatch = {
    dims: new Map([["d", 4]]), batchDim: "m", indices: new Map([["j", 3]]), inputs: [{ name: "x", type: real([d, m], 2) }],
    targets: [{ name: "label", type: { kind: "class" as const, symbols: J, shape: [one, one], rank: 0 } }],
    parameters: [parameter("C", [d, d], 2, { index: "j", size: 3 }), parameter("gamma", [one, one], 0, { index: "j", size: 3 })],
    definitions: new Map([["share", divide(apply("total", [membership]), symbol("m", "dim", [one, one]))]]),
  };
  it.each<[string, Expr]>([
    ["products over the batch", multiply(samples, transpose(samples), samples)],
    ["labels as columns, definitions as families", indexSum("j", J, multiply(symbol("share", "let", [one, one], at("j")), sym("C", [d, d], "param", at("j")), samples, apply("diag", [membership])))],
    ["estimated membership", indexSum("j", J, multiply(symbol("gamma", "param", [one, one], at("j")), sym("C", [d, d], "param", at("j")), samples,
      apply("diag", [softmaxFamily(scale(-2, apply("colnorm", [multiply(sym("C", [d, d], "param", at("j")), samples)])), "j", J, at("j"))])))],
    ["a scale by the batch's size", divide(apply("normalize", [samples]), symbol("m", "dim", [one, one]))],
  ])("with a batch dim: %s", (_, value) => {
    expectAgrees({ network: single(value, wholeBatch), batch: 6 });
  });
  it("computes captures where a network is constructed, and reads parameters otherwise", () => {
    const cov = inverse(add([identity(d), multiply(samples, transpose(samples))]));
    const net = network({
      ...wholeBatch, targets: [], parameters: [{ ...parameter("flow.1.E", [d, d], 2), captured: true }],
      statements: [
        statement("flow.1.E", cov, { capture: "flow.1.E" }),
        statement("Z", multiply(sym("E", [d, d], "param"), samples), { names: new Map([["E", "flow.1.E"]]) }),
      ],
      outputs: [{ name: "features", type: real([d, m], 2), value: "Z" }],
    });
    const values = randomValues({ network: net, batch: 6 });
    const built = evaluateGraph(checkGraph(lowerNetwork(net, { construct: true })), { inputs: values.inputs, parameters: {} });
    const E = built.get("flow.1.E");
    const used = evaluateGraph(checkGraph(lowerNetwork(net)), { inputs: values.inputs, parameters: { "flow.1.E": E ?? { shape: [], data: [] } } });
    expectClose(used.get("features")?.data ?? [], built.get("features")?.data ?? [], 1e-12);
    expect(negate(cov).shape).toEqual([d, d]);
  });
});
