/**
 * Which entries does anybody read? Demands go backwards from the outputs, a range for each axis; then every node is computed for what is
 * demanded of it and no more. The last layer before a class token works for that token alone: its queries are cut, its keys and values stay whole.
 */
import { type Dim, dimAdd, dimNumber, dimSubtract, dimValue } from "../../expression/dim.js";
import { type GraphBuilder, mapOperands, operandsOf } from "../builder.js";
import type { Axis, Graph, TensorNode } from "../graph.js";
import type { Pass } from "./pass.js";
import { rewriteGraph, type Rewriting } from "./rewrite.js";

/** Entries from…to−1. */
interface Range {
  readonly from: Dim;
  readonly to: Dim;
}
/** A range for each axis that is not read whole. */
type Demand = ReadonlyMap<string, Range>;
const nil = dimNumber(0);
const whole: Demand = new Map();

/** a ≤ b, or undefined where sizes that stay free leave it open. */
function atMost(a: Dim, b: Dim): boolean | undefined {
  const difference = dimValue(dimSubtract(b, a));
  if (difference !== undefined) return difference >= 0;
  // Free sizes are positive: b − a without a negative term is no less than nothing.
  if (dimSubtract(b, a).terms.every((t) => t.numerator >= 0)) return true;
  return dimSubtract(a, b).terms.every((t) => t.numerator >= 0) ? false : undefined;
}
function hull(a: Demand, b: Demand): Demand {
  const both = new Map<string, Range>();
  for (const [name, x] of a) {
    const y = b.get(name);
    if (!y) continue;
    const [first, last] = [atMost(x.from, y.from), atMost(x.to, y.to)];
    if (first !== undefined && last !== undefined) both.set(name, { from: first ? x.from : y.from, to: last ? y.to : x.to });
  }
  return both;
}
/** What of a demand concerns a value with these axes; ranges that are the whole axis go. */
function within(demand: Demand, axes: readonly Axis[]): Demand {
  return new Map([...demand].filter(([name, r]) => {
    const axis = axes.find((a) => a.name === name);
    return axis !== undefined && !(r.from.key === "0" && r.to.key === axis.size.key);
  }));
}
function without(demand: Demand, names: readonly string[]): Demand {
  return new Map([...demand].filter(([name]) => !names.includes(name)));
}
const shifted = (r: Range, by: Dim): Range => ({ from: dimAdd(r.from, by), to: dimAdd(r.to, by) });

/** The ranges of a concatenation's parts; undefined for parts that are not read. Undecided sizes read all parts whole. */
function partRanges(sizes: readonly Dim[], range: Range): readonly (Range | undefined)[] | undefined {
  let start = nil;
  const result: (Range | undefined)[] = [];
  for (const size of sizes) {
    const end = dimAdd(start, size);
    const [ends, begins] = [atMost(end, range.from), atMost(range.to, start)];
    if (ends === undefined || begins === undefined) return undefined;
    if (ends || begins) result.push(undefined);
    else {
      const [fromStart, toEnd] = [atMost(range.from, start), atMost(end, range.to)];
      if (fromStart === undefined || toEnd === undefined) return undefined;
      result.push({ from: fromStart ? nil : dimSubtract(range.from, start), to: toEnd ? size : dimSubtract(range.to, start) });
    }
    start = end;
  }
  return result;
}

/** What a node with this demand asks of each operand, in order; undefined: nothing. */
function asked(node: TensorNode, demand: Demand, axesOf: (id: number) => readonly Axis[]): readonly (Demand | undefined)[] {
  const same = (d: Demand): readonly Demand[] => operandsOf(node).map((id) => within(d, axesOf(id)));
  switch (node.op) {
    case "softmax": case "log_softmax": case "standardize": return same(without(demand, [node.over]));
    case "contract": case "reduce": return same(without(demand, node.over));
    case "cumsum": return same(without(demand, [node.axis]));
    case "rename": {
      const back = new Map([...node.names].map(([from, to]) => [to, from]));
      return same(new Map([...demand].map(([name, r]) => [back.get(name) ?? name, r])));
    }
    case "slice": {
      const range = demand.get(node.axis);
      return same(new Map([...demand, [node.axis, range ? shifted(range, node.from) : { from: node.from, to: node.to }]]));
    }
    case "concat": {
      const range = demand.get(node.axis);
      const sizeOf = (id: number): Dim => axesOf(id).find((a) => a.name === node.axis)?.size ?? nil;
      const ranges = range && partRanges(node.parts.map(sizeOf), range);
      const others = without(demand, [node.axis]);
      if (!ranges) return same(others);
      return node.parts.map((id, i) => {
        const own = ranges[i];
        return own && within(new Map([...others, [node.axis, own]]), axesOf(id));
      });
    }
    case "pad": {
      const inner = insidePad(node, demand, axesOf(node.x));
      const others = without(demand, [node.axis]);
      return same(inner ? new Map([...others, [node.axis, inner]]) : others);
    }
    case "split": return same(without(demand, node.into.map((a) => a.name)));
    case "merge": return same(without(demand, [node.into.name]));
    case "gather": return [within(without(demand, [node.axis]), axesOf(node.table)), within(demand, axesOf(node.indices))];
    case "scatter_add": {
      const indexed = axesOf(node.indices).map((a) => a.name);
      return [within(without(demand, [node.axis.name, ...indexed]), axesOf(node.x)), whole];
    }
    case "diagonal": {
      const range = demand.get(node.a);
      return same(range ? new Map([...demand, [node.b, range]]) : demand);
    }
    default: return same(demand);
  }
}
/** The range of a padded axis as the operand counts, where it touches no padding. */
function insidePad(node: TensorNode & { readonly op: "pad" }, demand: Demand, axes: readonly Axis[]): Range | undefined {
  const range = demand.get(node.axis);
  const size = axes.find((a) => a.name === node.axis)?.size;
  if (!range || !size) return undefined;
  const fits = atMost(node.before, range.from) && atMost(range.to, dimAdd(node.before, size));
  return fits ? { from: dimSubtract(range.from, node.before), to: dimSubtract(range.to, node.before) } : undefined;
}

/** The hull of all demands on each node; undefined where nobody reads it. */
function demandsOf(graph: Graph): readonly (Demand | undefined)[] {
  const demands: (Demand | undefined)[] = graph.nodes.map(() => undefined);
  const axesOf = (id: number): readonly Axis[] => graph.nodes[id]?.axes ?? [];
  for (const o of graph.outputs) demands[o.node] = whole;
  for (const node of [...graph.nodes].reverse()) {
    const demand = demands[node.id];
    if (!demand) continue;
    const wanted = asked(node, demand, axesOf);
    operandsOf(node).forEach((id, i) => {
      const own = wanted[i];
      const before = demands[id];
      if (own) demands[id] = before ? hull(before, own) : own;
    });
  }
  return demands;
}
function cut(b: GraphBuilder, x: number, demand: Demand, stored: Demand = whole): number {
  return [...demand].reduce((value, [name, r]) => {
    const start = stored.get(name)?.from ?? nil;
    return b.slice(value, name, dimSubtract(r.from, start), dimSubtract(r.to, start));
  }, x);
}

/** Every node for what is demanded of it. */
function computeDemanded(graph: Graph): Graph {
  const demands = demandsOf(graph);
  const axesOf = (id: number): readonly Axis[] => graph.nodes[id]?.axes ?? [];
  const narrowed = (node: TensorNode, demand: Demand, { builder: b, of }: Rewriting): number => {
    const operands = operandsOf(node);
    if (operands.length === 0) return cut(b, b.rebuild(node, node.axes, node.type, node.label), demand);
    const values = asked(node, demand, axesOf).map((d, i) => {
      const id = operands[i] as number;
      return d && cut(b, of(id), d, demands[id]);
    });
    if (node.op === "slice") return values[0] as number;
    if (node.op === "concat") {
      const joined = b.concat(values.filter((v) => v !== undefined), node.axis);
      // Parts of undecided sizes were taken whole.
      return b.axis(joined, node.axis).size.key === node.axes.find((a) => a.name === node.axis)?.size.key ? cut(b, joined, onAxis(demand, node.axis)) : joined;
    }
    if (node.op === "pad" && insidePad(node, demand, axesOf(node.x))) return values[0] as number;
    let position = 0;
    const same = mapOperands(node, () => values[position++] as number);
    const value = b.rebuild(same, node.op === "dropout" ? b.axes(values[0] as number) : node.axes, node.type, node.label);
    // What could not go further back is cut here.
    return [...demand].reduce((v, [name, r]) => {
      const full = axesOf(node.id).find((a) => a.name === name)?.size.key;
      return b.axis(v, name).size.key === full ? b.slice(v, name, r.from, r.to) : v;
    }, value);
  };
  return rewriteGraph(graph, (node, rewriting) => {
    const demand = demands[node.id];
    if (demand) return narrowed(node, demand, rewriting);
    // Nobody reads it: leaves stay, the rest stands for itself until it is pruned.
    return operandsOf(node).length === 0 ? undefined : rewriting.builder.fill(0, node.axes, node.type);
  });
}
const onAxis = (demand: Demand, name: string): Demand => new Map([...demand].filter(([n]) => n === name));

export const deadTokens: Pass = {
  name: "dead-tokens", level: 1,
  why: "entries that no output reads are not computed: the last layer before a class token works for that token alone",
  run: (graph) => (graph.nodes.some((n) => n.op === "slice") ? computeDemanded(graph) : graph),
};
