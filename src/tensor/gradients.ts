/**
 * What is the gradient of a node? Reverse mode in the graph's own language, one row for each operation. An adjoint may lack axes along which
 * it is the same everywhere, as any value may: what was spread forward is summed backward, and what was summed is left unspread.
 */
import { dimNumber, dimSubtract } from "../expression/dim.js";
import { GraphBuilder, hasAxis, operandsOf, sizeOf } from "./builder.js";
import type { Axis, BinaryFunction, Graph, TensorNode, TensorOp, UnaryFunction } from "./graph.js";

type NodeOf<Op extends TensorOp["op"]> = Extract<TensorNode, { readonly op: Op }>;
/** Adds `adjoint` to what the operand has; axes that the operand lacks are summed. */
type Give = (operand: number, adjoint: number) => void;
type Row<Op extends TensorOp["op"]> = (b: GraphBuilder, node: NodeOf<Op>, g: number, give: Give) => void;

/** Σ over axes that the target lacks, of those that the node has; an adjoint without the axis counts as often as it is long. */
function sumTo(b: GraphBuilder, g: number, node: readonly Axis[], target: readonly Axis[]): number {
  const gone = node.filter((a) => !hasAxis(target, a.name));
  const present = gone.filter((a) => b.has(g, a.name)), absent = gone.filter((a) => !b.has(g, a.name));
  const summed = b.reduce("sum", g, present.map((a) => a.name));
  return absent.length === 0 ? summed : b.binary("multiply", summed, b.size(sizeOf(absent)));
}
/** The same of a product g·other, as a contraction where there is something to contract. */
function productTo(b: GraphBuilder, g: number, other: number, node: readonly Axis[], target: readonly Axis[]): number {
  const gone = node.filter((a) => !hasAxis(target, a.name));
  const met = gone.filter((a) => b.has(g, a.name) || b.has(other, a.name)).map((a) => a.name);
  const outer = b.axes(g).some((a) => hasAxis(target, a.name) && !b.has(other, a.name)) && b.axes(other).some((a) => hasAxis(target, a.name) && !b.has(g, a.name));
  const absent = gone.filter((a) => !met.includes(a.name));
  // Without axes of its own on each side it is an entrywise product and a sum.
  const product = outer ? b.contract(g, other, met) : b.reduce("sum", b.binary("multiply", g, other), met);
  return absent.length === 0 ? product : b.binary("multiply", product, b.size(sizeOf(absent)));
}
const times = (b: GraphBuilder, x: number, factor: number): number => b.binary("multiply", x, b.fill(factor));

/** d f(x), times g, given the value y = f(x). Undefined: no gradient. */
export const unaryDerivatives: { readonly [F in UnaryFunction]: ((b: GraphBuilder, g: number, x: number, y: number) => number) | undefined } = {
  negate: (b, g) => b.unary("negate", g),
  exp: (b, g, _, y) => b.binary("multiply", g, y),
  log: (b, g, x) => b.binary("divide", g, x),
  sqrt: (b, g, _, y) => b.binary("divide", times(b, g, 0.5), y),
  abs: (b, g, x) => b.binary("multiply", g, b.unary("sign", x)),
  // y is positive where x is, and y stands for other reasons: x need not be kept.
  relu: (b, g, _, y) => b.binary("multiply", g, b.unary("step", y)),
  gelu: (b, g, x) => {
    const normal = times(b, b.binary("add", b.unary("erf", times(b, x, Math.SQRT1_2)), b.fill(1)), 0.5);
    const density = times(b, b.unary("exp", times(b, b.unary("square", x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return b.binary("multiply", g, b.binary("add", normal, b.binary("multiply", x, density)));
  },
  erf: (b, g, x) => b.binary("multiply", g, times(b, b.unary("exp", b.unary("negate", b.unary("square", x))), 2 / Math.sqrt(Math.PI))),
  sigmoid: (b, g, _, y) => b.binary("multiply", g, b.binary("multiply", y, b.binary("subtract", b.fill(1), y))),
  tanh: (b, g, _, y) => b.binary("multiply", g, b.binary("subtract", b.fill(1), b.unary("square", y))),
  reciprocal: (b, g, _, y) => b.unary("negate", b.binary("multiply", g, b.unary("square", y))),
  square: (b, g, x) => b.binary("multiply", times(b, g, 2), x),
  sign: undefined,
  step: undefined,
};
interface BinaryDerivative {
  readonly a?: (b: GraphBuilder, g: number, x: number, z: number, y: number) => number;
  readonly b?: (b: GraphBuilder, g: number, x: number, z: number, y: number) => number;
}
/** The adjoints of x and z in y = f(x, z), before sums; products with g alone are `multiply`'s own row. */
export const binaryDerivatives: { readonly [F in BinaryFunction]: BinaryDerivative } = {
  add: { a: (_, g) => g, b: (_, g) => g },
  subtract: { a: (_, g) => g, b: (b, g) => b.unary("negate", g) },
  multiply: { a: (b, g, _, z) => b.binary("multiply", g, z), b: (b, g, x) => b.binary("multiply", g, x) },
  divide: {
    a: (b, g, _, z) => b.binary("divide", g, z),
    b: (b, g, _, z, y) => b.unary("negate", b.binary("divide", b.binary("multiply", g, y), z)),
  },
  power: {
    a: (b, g, x, z) => b.binary("multiply", g, b.binary("multiply", z, b.binary("power", x, b.binary("subtract", z, b.fill(1))))),
    b: (b, g, x, _, y) => b.binary("multiply", g, b.binary("multiply", y, b.unary("log", x))),
  },
  // Where both are equal the gradient is the first one's.
  max: {
    a: (b, g, x, z) => b.binary("multiply", g, b.binary("greater_equal", x, z)),
    b: (b, g, x, z) => b.binary("multiply", g, b.binary("less", x, z)),
  },
  min: {
    a: (b, g, x, z) => b.binary("multiply", g, b.binary("less_equal", x, z)),
    b: (b, g, x, z) => b.binary("multiply", g, b.binary("greater", x, z)),
  },
  remainder: {
    a: (_, g) => g,
    b: (b, g, x, z, y) => b.unary("negate", b.binary("multiply", g, b.binary("divide", b.binary("subtract", x, y), z))),
  },
  equal: {}, less: {}, less_equal: {}, greater: {}, greater_equal: {},
};

const none = (): void => undefined;
/** Keyed by every operation: a new one does not compile until its adjoint is here. */
const rows: { readonly [Op in TensorOp["op"]]: Row<Op> } = {
  input: none, parameter: none, constant: none, fill: none, iota: none, size: none, stop: none,
  // A dropout's operand is a fill: the mask is a factor like any other.
  dropout: none,
  unary: (b, node, g, give) => {
    const adjoint = unaryDerivatives[node.fn]?.(b, g, node.x, node.id);
    if (adjoint !== undefined) give(node.x, adjoint);
  },
  binary: (b, node, g, give) => {
    if (node.fn === "multiply") {
      give(node.a, productTo(b, g, node.b, node.axes, b.axes(node.a)));
      give(node.b, productTo(b, g, node.a, node.axes, b.axes(node.b)));
      return;
    }
    const { a, b: second } = binaryDerivatives[node.fn];
    if (a) give(node.a, sumTo(b, a(b, g, node.a, node.b, node.id), node.axes, b.axes(node.a)));
    if (second) give(node.b, sumTo(b, second(b, g, node.a, node.b, node.id), node.axes, b.axes(node.b)));
  },
  select: (b, node, g, give) => {
    give(node.a, sumTo(b, b.select(node.condition, g, b.fill(0)), node.axes, b.axes(node.a)));
    give(node.b, sumTo(b, b.select(node.condition, b.fill(0), g), node.axes, b.axes(node.b)));
  },
  contract: (b, node, g, give) => {
    give(node.a, productTo(b, g, node.b, node.axes, b.axes(node.a)));
    give(node.b, productTo(b, g, node.a, node.axes, b.axes(node.b)));
  },
  reduce: (b, node, g, give) => {
    const gone = b.axes(node.x).filter((a) => node.over.includes(a.name));
    if (node.fn === "sum") give(node.x, g);
    else if (node.fn === "mean") give(node.x, b.binary("divide", g, b.size(sizeOf(gone))));
    else {
      // Equal largest entries share the gradient.
      const hit = b.binary("equal", node.x, node.id);
      give(node.x, b.binary("multiply", b.binary("divide", g, b.reduce("sum", hit, node.over)), hit));
    }
  },
  softmax: (b, node, g, give) => {
    const inner = b.reduce("sum", b.binary("multiply", g, node.id), [node.over]);
    give(node.x, b.binary("multiply", node.id, b.binary("subtract", g, inner)));
  },
  log_softmax: (b, node, g, give) => {
    const total = sumTo(b, g, node.axes, node.axes.filter((a) => a.name !== node.over));
    give(node.x, b.binary("subtract", g, b.binary("multiply", b.unary("exp", node.id), total)));
  },
  standardize: (b, node, g, give) => {
    const over = [node.over];
    const centred = node.centred ? b.binary("subtract", node.x, b.reduce("mean", node.x, over)) : node.x;
    const variance = b.reduce("mean", b.unary("square", centred), over);
    const scale = b.unary("sqrt", b.binary("add", variance, b.fill(node.eps)));
    // The mean of g∘y is that of (g − mean(g))∘y, since y is centred: g itself is read once.
    const own = node.centred ? b.binary("subtract", g, b.has(g, node.over) ? b.reduce("mean", g, over) : g) : g;
    const along = b.binary("multiply", node.id, b.reduce("mean", b.binary("multiply", own, node.id), over));
    const inner = b.binary("subtract", own, along);
    give(node.x, b.binary("divide", inner, scale));
  },
  rename: (b, node, g, give) => give(node.x, b.rename(g, new Map([...node.names].map(([from, to]) => [to, from])))),
  slice: (b, node, g, give) => {
    const whole = b.axis(node.x, node.axis).size;
    give(node.x, b.pad(b.spread(g, [b.axis(node.id, node.axis)]), node.axis, node.from, dimSubtract(whole, node.to)));
  },
  concat: (b, node, g, give) => {
    let start = dimNumber(0);
    for (const part of node.parts) {
      const end = dimSubtract(b.axis(part, node.axis).size, dimSubtract(dimNumber(0), start));
      give(part, b.has(g, node.axis) ? b.slice(g, node.axis, start, end) : g);
      start = end;
    }
  },
  pad: (b, node, g, give) => {
    const end = dimSubtract(b.axis(node.id, node.axis).size, node.after);
    give(node.x, b.has(g, node.axis) ? b.slice(g, node.axis, node.before, end) : g);
  },
  split: (b, node, g, give) => {
    const names = node.into.map((a) => a.name);
    give(node.x, names.some((n) => b.has(g, n)) ? b.merge(b.spread(g, node.into), names, node.axis) : g);
  },
  merge: (b, node, g, give) => {
    const parts = node.from.map((n) => b.axis(node.x, n));
    give(node.x, b.has(g, node.into.name) ? b.split(g, node.into.name, parts) : g);
  },
  gather: (b, node, g, give) => {
    const table = b.axes(node.table);
    if (b.axes(node.indices).some((a) => hasAxis(table, a.name) && a.name !== node.axis)) throw new Error("the gradient of a gather whose table and indices share an axis");
    give(node.table, b.scatterAdd(g, node.indices, b.axis(node.table, node.axis)));
  },
  scatter_add: (b, node, g, give) => give(node.x, b.has(g, node.axis.name) ? b.gather(g, node.indices, node.axis.name) : g),
  cumsum: (b, node, g, give) => give(node.x, b.cumsum(b.spread(g, [b.axis(node.id, node.axis)]), node.axis, !node.reverse)),
  diagonal: (b, node, g, give) => give(node.x, b.binary("multiply", g, b.identity(b.axis(node.x, node.a), b.axis(node.x, node.b)))),
  cast: (b, node, g, give) => {
    if (b.node(node.x).type === "float") give(node.x, g);
  },
};
function applyRow<Op extends TensorOp["op"]>(op: Op, b: GraphBuilder, node: NodeOf<Op>, g: number, give: Give): void {
  const row: Row<Op> = rows[op];
  row(b, node, g, give);
}

export interface GradientGraph {
  /** The given graph, its ids unchanged, and the adjoints after it; `prune` leaves what outputs need. */
  readonly graph: Graph;
  /** Name of a parameter or input → its gradient, with all axes of the leaf. Zeros where nothing depends on it. */
  readonly nodes: ReadonlyMap<string, number>;
}
/** The gradient of Σ of the node's entries by inputs and parameters. Where none is asked for by name: by all parameters. */
export function gradients(graph: Graph, of: number, wrt?: readonly string[]): GradientGraph {
  const b = GraphBuilder.from(graph);
  const leaves = graph.nodes.filter((n) => (wrt === undefined ? n.op === "parameter" : (n.op === "parameter" || n.op === "input") && wrt.includes(n.name)));
  const unknown = wrt?.filter((name) => !leaves.some((n) => "name" in n && n.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`the graph has no ${unknown.join(", ")}`);
  const depends = new Set(leaves.map((n) => n.id));
  for (const node of graph.nodes) if (operandsOf(node).some((id) => depends.has(id))) depends.add(node.id);
  const adjoints = new Map<number, number>();
  if (depends.has(of)) adjoints.set(of, b.fill(1));
  const give: Give = (operand, adjoint) => {
    if (!depends.has(operand)) return;
    const before = adjoints.get(operand);
    adjoints.set(operand, before === undefined ? adjoint : b.binary("add", before, adjoint));
  };
  for (let id = of; id >= 0; id--) {
    const node = b.node(id);
    const g = adjoints.get(id);
    if (g === undefined || node.type === "int") continue;
    b.path = node.path === "" ? "gradient" : `gradient/${node.path}`;
    applyRow(node.op, b, node as never, g, give);
  }
  b.path = "gradient";
  const nodes = new Map<string, number>();
  for (const leaf of leaves) {
    if (leaf.op !== "parameter" && leaf.op !== "input") continue;
    const gradient = b.spread(adjoints.get(leaf.id) ?? b.fill(0), leaf.axes);
    b.name(gradient, `gradient of ${leaf.name}`);
    nodes.set(leaf.name, gradient);
  }
  return { graph: { nodes: b.nodes, outputs: graph.outputs }, nodes };
}
