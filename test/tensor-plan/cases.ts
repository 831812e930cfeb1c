/** Small graphs that together use every operation, on a free batch and a free count of tokens; and random ones. */
import { dimAdd, dimNumber, dimSymbol } from "../../src/expression/dim.js";
import { GraphBuilder } from "../../src/tensor/builder.js";
import type { GraphValues } from "../../src/tensor/evaluate-graph.js";
import type { Axis, BinaryFunction, Graph, UnaryFunction } from "../../src/tensor/graph.js";

export const axis = (name: string, size: number | string): Axis => ({ name, size: typeof size === "number" ? dimNumber(size) : dimSymbol(size) });
export const batch = axis("batch", "batch"), n = axis("n", "n"), d = axis("d", 6), k = axis("k", 3), p = axis("p", 4), v = axis("v", 5);
const other = (a: Axis): Axis => ({ ...a, name: `${a.name}'` });

export interface Case {
  readonly name: string;
  readonly graph: Graph;
}
/** Leaves that the cases share. */
export interface Leaves {
  readonly b: GraphBuilder;
  readonly x: number;
  readonly y: number;
  readonly features: number;
  readonly token: number;
  readonly label: number;
  readonly weight: number;
  readonly heads: number;
  readonly scale: number;
  readonly table: number;
}
export function leaves(): Leaves {
  const b = new GraphBuilder();
  return {
    b,
    x: b.input("x", [batch, n, d], "float"), y: b.input("y", [batch, n, d], "float"),
    features: b.input("features", [batch, d], "float"),
    token: b.input("token", [batch, n], "int"), label: b.input("label", [batch], "int"),
    weight: b.parameter("block.1.weight", [axis("q", 7), d]), heads: b.parameter("block.1.U", [k, d, p]),
    scale: b.parameter("block.1.scale", [d]), table: b.parameter("embedding", [v, d]),
  };
}
function single(name: string, build: (l: Leaves) => number, wire?: readonly string[]): Case {
  const l = leaves();
  l.b.path = "block.1/compress";
  const node = build(l);
  const graph = l.b.finish([{ name: "out", node, wire: wire ?? l.b.axes(node).map((a) => a.name) }], [l.x, l.y, l.features, l.token, l.label]);
  return { name, graph };
}
const renameToken = new Map([["n", "n'"]]);

const unaries: readonly UnaryFunction[] = [
  "negate", "exp", "log", "sqrt", "abs", "sign", "relu", "gelu", "erf", "sigmoid", "tanh", "reciprocal", "square", "step",
];
const binaries: readonly BinaryFunction[] = [
  "add", "subtract", "multiply", "divide", "power", "max", "min", "remainder", "equal", "less", "less_equal", "greater", "greater_equal",
];
const positiveOnly: ReadonlySet<string> = new Set(["log", "sqrt", "power", "reciprocal"]);
const positive = ({ b }: Leaves, x: number): number => b.binary("add", b.unary("abs", x), b.fill(0.5));

/** Softmax attention with q = k = v, and a free output matrix. */
export function attention(l: Leaves): number {
  const { b } = l;
  const z = b.standardize(l.x, "d", 1e-5, true);
  const q = b.contract(z, l.heads, ["d"]);
  const scores = b.contract(b.rename(q, renameToken), q, ["p"]);
  const weights = b.softmax(scores, "n");
  const mixed = b.contract(weights, q, ["n"]);
  const out = b.contract(mixed, b.parameter("block.1.W", [k, d, p]), ["k", "p"]);
  return b.binary("add", l.x, b.rename(out, new Map([["n'", "n"]])));
}

export const cases: readonly Case[] = [
  ...unaries.map((fn) => single(`unary ${fn}`, (l) => l.b.unary(fn, positiveOnly.has(fn) ? positive(l, l.x) : l.x))),
  ...binaries.map((fn) => single(`binary ${fn}`, (l) => l.b.binary(fn, positiveOnly.has(fn) ? positive(l, l.x) : l.x, positiveOnly.has(fn) ? positive(l, l.y) : l.y))),
  single("remainder and comparison of ints", ({ b, token }) => b.binary("equal", b.binary("remainder", token, b.fill(3, [], "int")), b.fill(1, [], "int"))),
  single("powers with a number", ({ b, x }) => b.binary("power", b.unary("abs", x), b.fill(1.5))),
  single("a row beside a matrix", ({ b, x, scale, features }) => b.binary("multiply", b.binary("add", x, scale), features)),
  single("two rows that multiply out", ({ b, features, scale }) => b.binary("multiply", features, b.rename(scale, new Map([["d", "d'"]])))),
  single("a parameter repeated along free axes", ({ b, scale }) => b.spread(scale, [batch, n])),
  single("numbers along free axes", ({ b, features }) => b.binary("add", features, b.fill(2, [n]))),
  single("select", ({ b, x, y }) => b.select(b.binary("less", x, y), b.unary("square", x), y)),
  single("select by a number", ({ b, x, scale }) => b.select(scale, x, b.fill(1))),
  single("product with a weight stored as [out, in]", ({ b, x, weight }) => b.contract(x, weight, ["d"])),
  single("product with a family", ({ b, x, heads }) => b.contract(x, heads, ["d"])),
  single("product of a vector with a weight", ({ b, features, weight }) => b.contract(features, weight, ["d"])),
  single("product with a vector of the sample", ({ b, x, features }) => b.contract(x, features, ["d"])),
  single("product with a parameter vector", ({ b, x, scale }) => b.contract(x, scale, ["d"])),
  single("inner products of rows", ({ b, x, y }) => b.contract(x, y, ["d"])),
  single("inner product of everything", ({ b, x, y }) => b.contract(x, y, ["batch", "n", "d"]), []),
  single("gradient of a weight", ({ b, x, y }) => b.contract(x, b.rename(y, new Map([["d", "d'"]])), ["batch", "n"])),
  single("gradient of a weight, turned", ({ b, x, y }) => b.contract(x, b.rename(y, new Map([["d", "d'"]])), ["batch", "n"]), ["d'", "d"]),
  single("second moments of a sample", ({ b, x }) => b.contract(x, b.rename(x, new Map([["d", "d'"]])), ["n"])),
  single("product per member of a family", ({ b, x, heads }) => {
    const q = b.contract(x, heads, ["d"]);
    return b.contract(q, b.parameter("mix", [k, p, other(p)]), ["p"]);
  }),
  single("sum over members", ({ b, x, heads }) => b.contract(b.contract(x, heads, ["d"]), heads, ["k", "p"])),
  single("outer product without sums", ({ b, features, x }) => b.binary("multiply", b.rename(features, new Map([["d", "e"]])), x)),
  single("attention", attention),
  ...(["sum", "mean", "max"] as const).flatMap((fn) => [
    single(`${fn} over features`, ({ b, x }) => b.reduce(fn, x, ["d"])),
    single(`${fn} over batch and tokens`, ({ b, x }) => b.reduce(fn, x, ["batch", "n"])),
  ]),
  single("columns divided by their norms", ({ b, x }) => b.binary("divide", x, b.unary("sqrt", b.reduce("sum", b.unary("square", x), ["d"])))),
  ...["n", "d"].flatMap((over) => [
    single(`softmax over ${over}`, ({ b, x }) => b.softmax(x, over)),
    single(`log softmax over ${over}`, ({ b, x }) => b.logSoftmax(x, over)),
    single(`standardize over ${over}`, ({ b, x }) => b.standardize(x, over, 1e-5, true)),
    single(`root mean square over ${over}`, ({ b, x }) => b.standardize(x, over, 1e-6, false)),
    single(`cumulative sum over ${over}`, ({ b, x }) => b.cumsum(x, over)),
    single(`cumulative sum backwards over ${over}`, ({ b, x }) => b.cumsum(x, over, true)),
  ]),
  single("layer norm with scale and shift", ({ b, x, scale }) => b.binary("add", b.binary("multiply", b.standardize(x, "d", 1e-5, true), scale), b.parameter("shift", [d]))),
  single("turned on the wire", ({ b, x }) => b.unary("exp", x), ["d", "batch", "n"]),
  single("an input handed on", ({ x }) => x),
  single("slice of tokens", ({ b, x }) => b.slice(x, "n", dimNumber(1), dimSymbol("n"))),
  single("slice of features", ({ b, x }) => b.slice(x, "d", dimNumber(1), dimNumber(4))),
  single("a column prepended", ({ b, x, scale }) => b.concat([b.spread(scale, [axis("n", 1)]), x], "n")),
  single("padding", ({ b, x }) => b.pad(b.pad(x, "n", dimNumber(2), dimNumber(0)), "d", dimNumber(1), dimNumber(3))),
  single("padding as long as the sequence", ({ b, x }) => b.pad(x, "n", dimNumber(0), dimAdd(dimSymbol("n"), dimNumber(1)))),
  single("split and merged otherwise", ({ b, x }) => b.merge(b.split(x, "d", [axis("i", 2), axis("j", 3)]), ["j", "i"], "d2")),
  single("tokens and features merged", ({ b, x }) => b.merge(x, ["d", "n"], "nd")),
  single("batch and tokens merged", ({ b, x }) => b.unary("exp", b.merge(x, ["batch", "n"], "rows"))),
  single("embedding", ({ b, table, token }) => b.gather(table, token, "v")),
  single("one row for each sample", ({ b, table, label }) => b.gather(table, label, "v")),
  single("the entry of its own label", ({ b, features, label }) => b.gather(b.logSoftmax(features, "d"), label, "d")),
  single("rows of the sample's own", ({ b, x, token }) => b.gather(b.rename(b.slice(x, "n", dimNumber(0), dimSymbol("n")), new Map([["n", "m"]])), token, "d")),
  single("scatter", ({ b, x, token }) => b.scatterAdd(x, token, v)),
  single("scatter of numbers", ({ b, token }) => b.scatterAdd(b.cast(token, "float"), token, v)),
  single("diagonal", ({ b, x, y }) => b.diagonal(b.contract(x, b.rename(y, renameToken), ["d"]), "n", "n'")),
  single("causal mask", ({ b, x }) => {
    const scores = b.contract(x, b.rename(x, renameToken), ["d"]);
    const later = b.binary("greater", b.iota(other(n)), b.iota(n));
    return b.softmax(b.select(later, b.fill(Number.NEGATIVE_INFINITY), scores), "n'");
  }),
  single("positions and sizes", ({ b, x }) => b.binary("divide", b.binary("multiply", x, b.cast(b.iota(n), "float")), b.size(dimAdd(dimSymbol("n"), dimNumber(1))))),
  single("a table of numbers", ({ b, x }) => b.binary("multiply", x, b.constant(Float64Array.from([1, 2, 3, 4, 5, 6.5]), [d]))),
  single("stop and dropout", ({ b, x }) => b.dropout(b.unary("square", b.stop(x)), 0.3)),
  single("casts", ({ b, x }) => b.cast(b.cast(b.binary("multiply", x, b.fill(3)), "int"), "float")),
  single("ints on the wire", ({ b, token }) => b.binary("add", token, b.fill(1, [], "int"))),
];

/** A generator of whole numbers below a bound, the same for the same seed. */
export function chooser(seed: number): (below: number) => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
}
/** A random composition of operations that keep numbers small. */
export function randomGraph(seed: number): Graph {
  const l = leaves();
  const { b } = l;
  const choose = chooser(seed);
  b.path = "block.1/step";
  const pool = [l.x, l.y, l.features, l.scale];
  const pick = (): number => pool[choose(pool.length)] as number;
  const pickWith = (...names: string[]): number => {
    const fitting = pool.filter((id) => names.every((name) => b.has(id, name)));
    return fitting[choose(fitting.length)] as number;
  };
  const prime = (id: number, name: string): number => b.rename(id, new Map([[name, `${name}'`]]));
  const steps: readonly (() => number)[] = [
    () => b.unary("tanh", pick()),
    () => b.binary("add", pick(), pick()),
    () => b.binary("multiply", b.unary("tanh", pick()), b.unary("sigmoid", pick())),
    () => b.standardize(pickWith("d"), "d", 1e-2, true),
    () => b.softmax(pickWith("n"), "n"),
    () => b.unary("tanh", b.contract(pickWith("d"), prime(l.weight, "q"), ["d"])),
    () => b.rename(b.contract(b.contract(pickWith("d"), l.weight, ["d"]), b.rename(l.weight, new Map([["d", "e"]])), ["q"]), new Map([["e", "d"]])),
    () => {
      const value = pickWith("n", "d");
      return b.contract(b.softmax(b.contract(value, prime(pickWith("n", "d"), "n"), ["d"]), "n'"), prime(value, "n"), ["n'"]);
    },
    () => b.contract(b.contract(pickWith("d"), l.heads, ["d"]), l.heads, ["k", "p"]),
    () => b.reduce("mean", pickWith("n"), ["n"]),
    () => b.merge(b.split(pickWith("d"), "d", [axis("i", 2), axis("j", 3)]), ["j", "i"], "d"),
    () => b.slice(b.concat([b.spread(pickWith("d"), [n]), pickWith("n", "d")], "n"), "n", dimSymbol("n"), dimAdd(dimSymbol("n"), dimSymbol("n"))),
  ];
  for (let i = 0; i < 10; i++) {
    const made = (steps[choose(steps.length)] as () => number)();
    if (b.axes(made).every((a) => a.name !== "q'")) pool.push(made);
  }
  const outputs = pool.slice(-3).map((node, i) => {
    const names = b.axes(node).map((a) => a.name);
    return { name: `out${i}`, node, wire: choose(2) === 0 ? names : [...names].reverse() };
  });
  return b.finish(outputs, [l.x, l.y, l.features, l.token, l.label]);
}

/** Inputs and parameters for the graph's leaves, drawn from a seed. */
export function valuesFor(graph: Graph, sizes: { readonly batch: number; readonly n: number }, seed = 1): GraphValues {
  const choose = chooser(seed);
  const inputs: Record<string, { shape: number[]; data: Float64Array }> = {};
  const parameters: typeof inputs = {};
  for (const node of graph.nodes) {
    if (node.op !== "input" && node.op !== "parameter") continue;
    const shape = node.axes.map((a) => (a.size.key === "batch" ? sizes.batch : a.size.key === "n" ? sizes.n : Number(a.size.key)));
    const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
      node.type === "int" ? choose(5) : Math.fround((choose(2001) - 1000) / 700));
    (node.op === "input" ? inputs : parameters)[node.name] = { shape, data };
  }
  return { inputs, parameters, sizes };
}
