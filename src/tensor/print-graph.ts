/** The text of a tensor graph, as tests and people read it: one line for each node. */
import { showDim } from "../expression/dim.js";
import type { Axis, Graph, TensorNode } from "./graph.js";
import { operandsOf } from "./builder.js";

const showAxes = (axes: readonly Axis[]): string => `[${axes.map((a) => (a.name === a.size.key ? a.name : `${a.name}=${showDim(a.size)}`)).join(", ")}]`;
const list = (names: readonly string[]): string => names.join(" ");

function detail(node: TensorNode): string {
  switch (node.op) {
    case "input": case "parameter": return ` ${node.name}`;
    case "constant": return ` ${node.data.length > 8 ? `${node.data.length} numbers` : [...node.data].join(" ")}`;
    case "fill": return ` ${node.value}`;
    case "iota": return "";
    case "size": return ` ${showDim(node.of)}`;
    case "contract": return ` over ${list(node.over)}`;
    case "reduce": return ` ${node.fn} over ${list(node.over)}`;
    case "softmax": case "log_softmax": return ` over ${node.over}`;
    case "standardize": return ` over ${node.over} eps ${node.eps}${node.centred ? "" : " uncentred"}`;
    case "rename": return ` ${[...node.names].map(([from, to]) => `${from}→${to}`).join(" ")}`;
    case "slice": return ` ${node.axis} ${showDim(node.from)}..${showDim(node.to)}`;
    case "concat": return ` along ${node.axis}`;
    case "pad": return ` ${node.axis} ${showDim(node.before)} ${showDim(node.after)}`;
    case "split": return ` ${node.axis} → ${list(node.into.map((a) => a.name))}`;
    case "merge": return ` ${list(node.from)} → ${node.into.name}`;
    case "gather": return ` along ${node.axis}`;
    case "scatter_add": return ` into ${node.axis.name}`;
    case "cumsum": return ` along ${node.axis}${node.reverse ? " reverse" : ""}`;
    case "diagonal": return ` ${node.a}=${node.b}`;
    case "dropout": return ` ${node.rate}`;
    case "cast": return ` ${node.to}`;
    case "unary": case "binary": case "select": case "stop": return "";
  }
}
/** `%7 = contract over d (%3, %5) [batch, n, n'=n]  ; block.1/compress softmax`. */
export function printNode(node: TensorNode): string {
  const operands = operandsOf(node).map((id) => `%${id}`).join(", ");
  const name = node.op === "unary" || node.op === "binary" ? node.fn : node.op;
  const place = [node.path, node.label].filter((s) => s !== "" && node.op !== "input" && node.op !== "parameter").join(" ");
  return `%${node.id} = ${name}${detail(node)}${operands ? ` (${operands})` : ""} ${showAxes(node.axes)}${node.type === "int" ? " int" : ""}${place ? `  ; ${place}` : ""}`;
}
/** All nodes, then the outputs with their order on the wire. */
export function printGraph(graph: Graph): string {
  const outputs = graph.outputs.map((o) => `${o.name} = %${o.node} [${o.wire.join(", ")}]`);
  return [...graph.nodes.map(printNode), ...outputs].join("\n");
}
