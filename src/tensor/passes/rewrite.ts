/** How is a graph rewritten? Node by node from the inputs on, into a new builder; what a rule leaves alone is built again as it was. */
import { GraphBuilder, mapOperands, operandsOf } from "../builder.js";
import type { Graph, TensorNode } from "../graph.js";

export interface Rewriting {
  readonly builder: GraphBuilder;
  /** The new node that stands for a node of the old graph. */
  readonly of: (id: number) => number;
}
/** Gives the new node for an old one; undefined: the same operation on the rewritten operands; null: nothing, for nobody reads it any more. */
export type RewriteRule = (node: TensorNode, rewriting: Rewriting) => number | undefined | null;

/**
 * The graph with a rule tried at every node, operands first. Names and places stay with the values; inputs stay, read or not, and
 * so do parameters, for which training keeps state.
 */
export function rewriteGraph(graph: Graph, rule: RewriteRule): Graph {
  const builder = new GraphBuilder();
  const made: (number | undefined)[] = [];
  const of = (id: number): number => {
    const found = made[id];
    if (found === undefined) throw new Error(`nothing stands for node ${id} where it is read`);
    return found;
  };
  for (const node of graph.nodes) {
    builder.path = node.path;
    const given = rule(node, { builder, of });
    const id = given === undefined ? builder.rebuild(mapOperands(node, of), node.axes, node.type, node.label) : given ?? undefined;
    if (id !== undefined && node.label !== "") builder.name(id, node.label);
    made.push(id);
  }
  const keep = graph.nodes.filter((n) => n.op === "input" || n.op === "parameter").map((n) => of(n.id));
  const outputs = graph.outputs.map((o) => ({ ...o, node: of(o.node) }));
  return builder.finish(outputs, keep.filter((id) => ["input", "parameter"].includes(builder.node(id).op)));
}

/** Who reads each node, by id; an output counts as the reader −1. */
export function readersOf(graph: Graph): readonly (readonly number[])[] {
  const readers: number[][] = graph.nodes.map(() => []);
  for (const node of graph.nodes) for (const id of new Set(operandsOf(node))) readers[id]?.push(node.id);
  for (const o of graph.outputs) readers[o.node]?.push(-1);
  return readers;
}
