/**
 * In which order would a value's consumers like it? Asked from the outputs backwards; an opinion, used where a kernel is free to
 * choose: softmax and standardisation want their axis last, entrywise operations what their own consumers want.
 */
import type { Graph, TensorNode } from "../graph.js";
import { hasAxis, operandsOf } from "../builder.js";

type Order = readonly string[];
/** What a wish may ask about operands. */
interface Operands {
  readonly axesOf: (id: number) => Order;
  /** Depends on no batch: parameters, also where they come in as inputs, and constants. */
  readonly isStatic: (id: number) => boolean;
}
interface Wish {
  readonly order: Order;
  /** How much it matters; the strongest wish of a value counts. */
  readonly strength: number;
}
const strong = 3, outputStrength = 2, weak = 1;

const toEnd = (order: Order, name: string): Order => [...order.filter((n) => n !== name), name];

/** What `node`, itself wanted in `order`, wishes of its operands: pairs of operand and wish. */
function wishesOf(node: TensorNode, { order, strength }: Wish, { axesOf, isStatic }: Operands): readonly (readonly [number, Wish])[] {
  const passed = (x: number): readonly [number, Wish] => [x, { order: order.filter((n) => axesOf(x).includes(n)), strength }];
  switch (node.op) {
    case "softmax": case "log_softmax": case "standardize": return [[node.x, { order: toEnd(order, node.over), strength: strong }]];
    case "unary": case "stop": case "dropout": case "cast": case "cumsum": case "slice": case "pad": return [passed(node.x)];
    case "binary": return [passed(node.a), passed(node.b)];
    case "select": return [passed(node.condition), passed(node.a), passed(node.b)];
    case "concat": return node.parts.map(passed);
    case "rename": {
      const back = new Map([...node.names].map(([from, to]) => [to, from]));
      return [[node.x, { order: order.map((n) => back.get(n) ?? n), strength }]];
    }
    case "split": {
      const into = node.into.map((a) => a.name);
      return [[node.x, { order: order.flatMap((n) => (n === into[0] ? [node.axis] : into.includes(n) ? [] : [n])), strength }]];
    }
    case "merge": return [[node.x, { order: order.flatMap((n) => (n === node.into.name ? node.from : [n])), strength: Math.max(strength, weak) }]];
    // A flat product with a parameter: what is summed comes last.
    case "contract": return [[node.a, node.b], [node.b, node.a]].flatMap(([x, other]) => {
      if (x === undefined || other === undefined || isStatic(x) || !isStatic(other)) return [];
      return [[x, { order: [...axesOf(x).filter((n) => !node.over.includes(n)), ...node.over], strength: weak }] as const];
    });
    default: return [];
  }
}
/** By node: true where nothing is read that a batch brings. Beside batched inputs those without a batch are parameters of a training step. */
function staticNodes(graph: Graph): readonly boolean[] {
  const batched = graph.nodes.some((n) => n.op === "input" && hasAxis(n.axes, "batch"));
  const found: boolean[] = [];
  for (const node of graph.nodes) {
    const varies = node.op === "size" || node.op === "dropout" || (node.op === "input" && (!batched || hasAxis(node.axes, "batch")));
    found.push(!varies && operandsOf(node).every((x) => found[x]));
  }
  return found;
}
/** The order in which a kernel gives its value whatever is wished, where that is known beforehand: what it runs along comes last. */
function givenOrder(node: TensorNode | undefined): Order | undefined {
  const along = node && (node.op === "softmax" || node.op === "log_softmax" || node.op === "standardize") ? node.over : undefined;
  return along === undefined ? undefined : toEnd(node?.axes.map((a) => a.name) ?? [], along);
}
/** Nobody wishes anything of an entrywise node: it follows an operand whose order is given. */
function followed(graph: Graph, node: TensorNode): Wish | undefined {
  if (node.op !== "binary") return undefined;
  const given = [node.a, node.b].map((x) => givenOrder(graph.nodes[x])).find((order) => order?.length === node.axes.length);
  return given && { order: given, strength: weak };
}

/** For each node the order that suits its consumers best; without an opinion, the order of its own axes. */
export function wantedOrders(graph: Graph): readonly Order[] {
  const wishes = new Map<number, Wish>();
  const wish = (id: number, w: Wish): void => {
    const node = graph.nodes[id];
    const fits = node !== undefined && w.order.length === node.axes.length && w.order.every((n) => hasAxis(node.axes, n));
    if (fits && w.strength > (wishes.get(id)?.strength ?? 0)) wishes.set(id, w);
  };
  const axesOf = (id: number): Order => (graph.nodes[id]?.axes ?? []).map((a) => a.name);
  const fixed = staticNodes(graph);
  const operands: Operands = { axesOf, isStatic: (id) => fixed[id] ?? false };
  for (const o of graph.outputs) wish(o.node, { order: o.wire, strength: outputStrength });
  for (const node of [...graph.nodes].reverse()) {
    const own = wishes.get(node.id) ?? followed(graph, node) ?? { order: axesOf(node.id), strength: 0 };
    for (const [operand, w] of wishesOf(node, own, operands)) wish(operand, w);
  }
  return graph.nodes.map((node) => wishes.get(node.id)?.order ?? axesOf(node.id));
}
