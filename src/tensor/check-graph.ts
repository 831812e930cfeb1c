/** Is a tensor graph well formed? Operands come before, axes are what each operation gives, outputs have all wire axes. */
import { type Dim, dimAdd, dimSubtract } from "../expression/dim.js";
import { operandsOf, sizeOf, unionAxes } from "./builder.js";
import type { Axis, Graph, TensorNode } from "./graph.js";

/** What a node's axes must be, in any order; throws where operands do not fit. */
function expectedAxes(node: TensorNode, axesOf: (id: number) => readonly Axis[]): readonly Axis[] {
  const need = (id: number, name: string): Axis => {
    const axis = axesOf(id).find((a) => a.name === name);
    if (!axis) throw new Error(`operand %${id} has no axis ${name}`);
    return axis;
  };
  const resized = (id: number, name: string, size: Dim): readonly Axis[] => axesOf(id).map((a) => (a.name === name ? { name, size } : a));
  const without = (axes: readonly Axis[], names: readonly string[]): readonly Axis[] => axes.filter((a) => !names.includes(a.name));
  switch (node.op) {
    case "input": case "parameter": case "fill": return node.axes;
    case "constant": {
      if (sizeOf(node.axes).key !== String(node.data.length)) throw new Error(`${node.data.length} numbers for ${sizeOf(node.axes).key} entries`);
      return node.axes;
    }
    case "iota": if (node.axes.length !== 1) throw new Error("iota has one axis"); return node.axes;
    case "size": return [];
    case "unary": case "stop": case "dropout": case "cast": return axesOf(node.x);
    case "softmax": case "log_softmax": case "standardize": need(node.x, node.over); return axesOf(node.x);
    case "cumsum": need(node.x, node.axis); return axesOf(node.x);
    case "binary": return unionAxes(axesOf(node.a), axesOf(node.b));
    case "select": return unionAxes(axesOf(node.condition), axesOf(node.a), axesOf(node.b));
    case "contract":
      for (const name of node.over) { need(node.a, name); need(node.b, name); }
      if (node.over.length === 0) throw new Error("contraction over nothing");
      return without(unionAxes(axesOf(node.a), axesOf(node.b)), node.over);
    case "reduce":
      for (const name of node.over) need(node.x, name);
      return without(axesOf(node.x), node.over);
    case "rename": return axesOf(node.x).map((a) => ({ ...a, name: node.names.get(a.name) ?? a.name }));
    case "slice": need(node.x, node.axis); return resized(node.x, node.axis, dimSubtract(node.to, node.from));
    case "pad": return resized(node.x, node.axis, dimAdd(need(node.x, node.axis).size, dimAdd(node.before, node.after)));
    case "concat": {
      const size = node.parts.map((p) => need(p, node.axis).size).reduce(dimAdd);
      const others = unionAxes(...node.parts.map((p) => without(axesOf(p), [node.axis])));
      for (const p of node.parts) for (const a of others) need(p, a.name);
      return [...others, { name: node.axis, size }];
    }
    case "split":
      if (sizeOf(node.into).key !== need(node.x, node.axis).size.key) throw new Error(`split of ${need(node.x, node.axis).size.key} into ${sizeOf(node.into).key}`);
      return axesOf(node.x).flatMap((a) => (a.name === node.axis ? node.into : [a]));
    case "merge":
      if (sizeOf(node.from.map((n) => need(node.x, n))).key !== node.into.size.key) throw new Error("merge gives another count");
      return [...without(axesOf(node.x), node.from), node.into];
    case "gather": need(node.table, node.axis); return unionAxes(axesOf(node.indices), without(axesOf(node.table), [node.axis]));
    case "scatter_add":
      for (const a of axesOf(node.indices)) need(node.x, a.name);
      return [node.axis, ...without(axesOf(node.x), axesOf(node.indices).map((a) => a.name))];
    case "diagonal":
      if (need(node.x, node.a).size.key !== need(node.x, node.b).size.key) throw new Error("diagonal of axes of two sizes");
      return without(axesOf(node.x), [node.b]);
  }
}
const text = (axes: readonly Axis[]): string => axes.map((a) => `${a.name}=${a.size.key}`).sort().join(", ");

/** Throws an error that names the node, where something is wrong; gives the graph itself back. */
export function checkGraph(graph: Graph): Graph {
  graph.nodes.forEach((node, position) => {
    const fail = (what: string): never => { throw new Error(`node %${node.id} ${node.op} ${node.label} (${node.path}): ${what}`); };
    if (node.id !== position) fail(`stands at ${position}`);
    if (new Set(node.axes.map((a) => a.name)).size < node.axes.length) fail(`axes ${text(node.axes)} are not unique`);
    const operands = operandsOf(node);
    for (const id of operands) if (!(id >= 0 && id < position)) fail(`operand %${id} does not come before`);
    const sizes = new Map<string, string>();
    // Axes that meet must have one size; gather's, scatter's and concat's own axes may differ.
    const meets = node.op === "binary" || node.op === "select" || node.op === "contract" ? operands : [];
    for (const id of meets) for (const a of graph.nodes[id]?.axes ?? []) {
      const before = sizes.get(a.name);
      if (before !== undefined && before !== a.size.key) fail(`axis ${a.name} is ${before} and ${a.size.key}`);
      sizes.set(a.name, a.size.key);
    }
    let expected: readonly Axis[] = [];
    try {
      expected = expectedAxes(node, (id) => graph.nodes[id]?.axes ?? []);
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
    }
    if (text(expected) !== text(node.axes)) fail(`has axes ${text(node.axes)}, gives ${text(expected)}`);
    const indices = node.op === "gather" || node.op === "scatter_add" ? graph.nodes[node.indices] : undefined;
    if (indices && indices.type !== "int") fail("indices are not int");
  });
  for (const o of graph.outputs) {
    const node = graph.nodes[o.node];
    if (!node) throw new Error(`output ${o.name} has no node`);
    if ([...o.wire].sort().join() !== node.axes.map((a) => a.name).sort().join()) {
      throw new Error(`output ${o.name}: wire [${o.wire.join(", ")}], axes [${text(node.axes)}]`);
    }
  }
  return graph;
}
