/** Which kernels does each operation of the graph become? One row for each. */
import { type Dim, dimValue, one } from "../../expression/dim.js";
import type { Axis, TensorNode, TensorOp } from "../graph.js";
import type { PlanOp } from "../plan.js";
import { contract, reduced } from "./contract.js";
import { commonOrder, entrywise, spreadTo } from "./entrywise.js";
import { anyOrder, hasName, inOrder, layoutsOf, renamed, sizeAlong, spreadOver, stored, type Value } from "./layouts.js";
import { type PlanBuilder, sizeOfShape } from "./plan-builder.js";

type Order = readonly string[];
export interface Scheduling {
  readonly builder: PlanBuilder;
  readonly value: (id: number) => Value;
  /** The order that the consumers of the node at hand like best. */
  readonly wanted: Order;
  /** The same of any node. */
  readonly wantedOf: (id: number) => Order;
}
type Node<Op extends TensorOp["op"]> = Extract<TensorNode, { readonly op: Op }>;
type Row<Op extends TensorOp["op"]> = (node: Node<Op>, s: Scheduling) => Value;

const sizes = (axes: readonly Axis[]): readonly Dim[] => axes.map((a) => a.size);
const shaped = (v: Value, order: Order): readonly Axis[] => order.map((name) => ({ name, size: sizeAlong(v, name) }));

/** A leaf as it stands in memory. */
function leaf(op: PlanOp, node: TensorNode, s: Scheduling): Value {
  return stored(s.builder.make(op, sizes(node.axes), node.type, node.label), node.axes, node.type);
}
/** A kernel of one operand that takes any order of axes; `resized` gives the result's axes. */
function anyway(
  node: TensorNode, x: number, s: Scheduling, kernel: (id: number, order: Order) => PlanOp,
  order: Order = anyOrder(s.value(x), s.wanted),
): Value {
  const v = s.value(x);
  const id = inOrder(s.builder, v, order);
  const axes = order.map((n) => node.axes.find((a) => a.name === n) ?? { name: n, size: sizeAlong(v, n) });
  return stored(s.builder.make(kernel(id, order), sizes(axes), node.type), axes, node.type);
}
/** The operand's order with the axis last, where that is at hand. */
function lastIfFree(v: Value, name: string): Order {
  return layoutsOf(v).find((l) => l.order.at(-1) === name)?.order ?? anyOrder(v);
}
/** The order in which `names` stand next to each other, at the place that the result's consumers want. */
function contiguous(v: Value, names: Order, into: string, wanted: Order): Order {
  const together = (order: Order): boolean => order.join("\n").includes(names.join("\n")) && names.every((n, i) => order.indexOf(n) === order.indexOf(names[0] as string) + i);
  const atHand = layoutsOf(v).find((l) => together(l.order));
  return atHand?.order ?? wanted.flatMap((n) => (n === into ? names : [n]));
}
/** Numbers 0, 1, 2 … along the axis, spread over `order`. */
function positionsAlong(s: Scheduling, axis: Axis, order: Order): number {
  const iota = stored(s.builder.make({ op: "iota" }, [axis.size], "int"), [axis], "int");
  return spreadOver(s.builder, iota, order);
}
/** Indices into the table whose shared axes and looked-up axis have become one. */
function flatIndices(s: Scheduling, indices: Value, order: Order, shared: Order, length: Dim): number {
  const b = s.builder;
  const plain = inOrder(b, indices, order);
  if (shared.length === 0) return plain;
  const sharedShape = shared.map((n) => sizeAlong(indices, n));
  const count = sizeOfShape(sharedShape);
  const number = dimValue(length);
  const step = number === undefined
    ? b.make({ op: "cast", x: b.make({ op: "size", of: length }, [], "float"), to: "int" }, [], "int")
    : b.scalar(number, "int");
  const starts = b.make({ op: "binary", fn: "multiply", a: b.make({ op: "iota" }, [count], "int"), b: step }, [count], "int");
  const spread = b.reshape(starts, order.map((n) => (shared.includes(n) ? sizeAlong(indices, n) : one)));
  return b.make({ op: "binary", fn: "add", a: plain, b: spread }, order.map((n) => sizeAlong(indices, n)), "int");
}

export const kernels: { readonly [Op in TensorOp["op"]]: Row<Op> } = {
  input: (n, s) => leaf({ op: "input", name: n.name }, n, s),
  parameter: (n, s) => leaf({ op: "parameter", name: n.name }, n, s),
  constant: (n, s) => leaf({ op: "constant", data: n.data }, n, s),
  fill: (n) => ({ axes: n.axes, type: n.type, variants: [], fill: n.value }),
  iota: (n, s) => leaf({ op: "iota" }, n, s),
  size: (n, s) => leaf({ op: "size", of: n.of }, n, s),
  unary: (n, s) => anyway(n, n.x, s, (x) => ({ op: "unary", fn: n.fn, x })),
  stop: (n, s) => anyway(n, n.x, s, (x) => ({ op: "stop", x })),
  dropout: (n, s) => anyway(n, n.x, s, (x) => ({ op: "dropout", x, rate: n.rate })),
  cast: (n, s) => anyway(n, n.x, s, (x) => ({ op: "cast", x, to: n.to })),
  binary: (n, s) => {
    const [a, b] = [s.value(n.a), s.value(n.b)];
    if (n.fn === "multiply" && b.fill === 1) return spreadTo(s.builder, a, n.axes, s.wanted);
    if (n.fn === "multiply" && a.fill === 1) return spreadTo(s.builder, b, n.axes, s.wanted);
    return entrywise(s.builder, [a, b], n.axes, s.wanted, n.type, ([x, y], shape) =>
      s.builder.make({ op: "binary", fn: n.fn, a: x as number, b: y as number }, shape, n.type));
  },
  select: (n, s) => entrywise(s.builder, [n.condition, n.a, n.b].map(s.value), n.axes, s.wanted, n.type, ([c, x, y], shape) =>
    s.builder.make({ op: "select", condition: c as number, a: x as number, b: y as number }, shape, n.type)),
  contract: (n, s) => contract(s.builder, s.value(n.a), s.value(n.b), n.over, s.wanted),
  reduce: (n, s) => reduced(s.builder, s.value(n.x), n.fn, n.over, s.wantedOf(n.x)),
  softmax: (n, s) => anyway(n, n.x, s, (x, order) => ({ op: "softmax", x, axis: order.indexOf(n.over) }), lastIfFree(s.value(n.x), n.over)),
  log_softmax: (n, s) => anyway(n, n.x, s, (x, order) => ({ op: "log_softmax", x, axis: order.indexOf(n.over) }), lastIfFree(s.value(n.x), n.over)),
  standardize: (n, s) => {
    const atHand = lastIfFree(s.value(n.x), n.over);
    const order = [...atHand.filter((name) => name !== n.over), n.over];
    return anyway(n, n.x, s, (x) => ({ op: "standardize", x, eps: n.eps, centred: n.centred }), order);
  },
  rename: (n, s) => renamed(s.value(n.x), n.names),
  slice: (n, s) => anyway(n, n.x, s, (x, order) => ({ op: "slice", x, axis: order.indexOf(n.axis), from: n.from, to: n.to })),
  pad: (n, s) => anyway(n, n.x, s, (x, order) => ({ op: "pad", x, axis: order.indexOf(n.axis), before: n.before, after: n.after })),
  cumsum: (n, s) => anyway(n, n.x, s, (x, order) => ({ op: "cumsum", x, axis: order.indexOf(n.axis), reverse: n.reverse })),
  concat: (n, s) => {
    const parts = n.parts.map(s.value);
    const order = commonOrder(s.builder, parts, s.wanted);
    const axes = order.map((name) => n.axes.find((a) => a.name === name) as Axis);
    const ids = parts.map((p) => inOrder(s.builder, p, order));
    return stored(s.builder.make({ op: "concat", parts: ids, axis: order.indexOf(n.axis) }, sizes(axes), n.type), axes, n.type);
  },
  split: (n, s) => {
    const v = s.value(n.x);
    const order = anyOrder(v);
    const axes = shaped(v, order).flatMap((a) => (a.name === n.axis ? n.into : [a]));
    return stored(s.builder.reshape(inOrder(s.builder, v, order), sizes(axes)), axes, n.type);
  },
  merge: (n, s) => {
    const v = s.value(n.x);
    const order = contiguous(v, n.from, n.into.name, s.wanted);
    const axes = shaped(v, order).flatMap((a) => (a.name === n.from[0] ? [n.into] : n.from.includes(a.name) ? [] : [a]));
    return stored(s.builder.reshape(inOrder(s.builder, v, order), sizes(axes)), axes, n.type);
  },
  gather: (n, s) => {
    const [table, indices] = [s.value(n.table), s.value(n.indices)];
    const shared = anyOrder(indices).filter((name) => name !== n.axis && hasName(table, name));
    const rest = anyOrder(table).filter((name) => name !== n.axis && !shared.includes(name));
    const order = [...shared, ...anyOrder(indices).filter((name) => !shared.includes(name))];
    const rows = inOrder(s.builder, table, [...shared, n.axis, ...rest]);
    const flatRows = s.builder.reshape(rows, [sizeOfShape([...shared, n.axis].map((name) => sizeAlong(table, name))), ...sizes(shaped(table, rest))]);
    const places = flatIndices(s, indices, order, shared, sizeAlong(table, n.axis));
    const axes = [...shaped(indices, order), ...shaped(table, rest)];
    return stored(s.builder.make({ op: "gather", table: flatRows, indices: places }, sizes(axes), n.type), axes, n.type);
  },
  scatter_add: (n, s) => {
    const [x, indices] = [s.value(n.x), s.value(n.indices)];
    const order = anyOrder(indices);
    const rest = anyOrder(x).filter((name) => !order.includes(name));
    const entries = inOrder(s.builder, x, [...order, ...rest]);
    const axes = [n.axis, ...shaped(x, rest)];
    const id = s.builder.make({ op: "scatter_add", x: entries, indices: inOrder(s.builder, indices, order) }, sizes(axes), n.type);
    return stored(id, axes, n.type);
  },
  diagonal: (n, s) => {
    const v = s.value(n.x);
    const order = anyOrder(v);
    const x = inOrder(s.builder, v, order);
    const [a, b] = [n.a, n.b].map((name) => positionsAlong(s, { name, size: sizeAlong(v, name) }, order));
    const square = order.slice(Math.min(order.indexOf(n.a), order.indexOf(n.b)))
      .map((name) => (name === n.a || name === n.b ? sizeAlong(v, name) : one));
    const same = s.builder.make({ op: "binary", fn: "equal", a: a as number, b: b as number }, square, "float");
    // Chosen, not multiplied: an infinite entry beside the diagonal must not become NaN.
    const kept = s.builder.make({ op: "select", condition: same, a: x, b: s.builder.scalar(0, v.type) }, sizes(shaped(v, order)), v.type);
    return reduced(s.builder, stored(kept, shaped(v, order), v.type), "sum", [n.b]);
  },
};

/** The value of one node. */
export function kernelOf(node: TensorNode, s: Scheduling): Value {
  const row = kernels[node.op] as (node: TensorNode, s: Scheduling) => Value;
  return row(node, s);
}
