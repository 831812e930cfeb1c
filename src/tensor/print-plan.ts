/** The text of a kernel plan, as tests and people read it: one line for each kernel. */
import { showDim } from "../expression/dim.js";
import type { Plan, PlanNode } from "./plan.js";
import { planOperands } from "./schedule/plan-builder.js";

const list = (numbers: readonly number[]): string => numbers.join(" ");

function detail(node: PlanNode): string {
  switch (node.op) {
    case "input": case "parameter": return ` ${node.name}`;
    case "constant": return ` ${node.data.length > 8 ? `${node.data.length} numbers` : [...node.data].join(" ")}`;
    case "fill": return ` ${node.value}`;
    case "size": return ` ${showDim(node.of)}`;
    case "matmul": return `${node.transposeA ? " aᵀ" : ""}${node.transposeB ? " bᵀ" : ""}`;
    case "reduce": return ` ${node.fn} ${list(node.axes)}${node.keep ? " keep" : ""}`;
    case "softmax": case "log_softmax": return ` ${node.axis}`;
    case "standardize": return ` eps ${node.eps}${node.centred ? "" : " uncentred"}`;
    case "transpose": return ` ${list(node.order)}`;
    case "slice": return ` ${node.axis} ${showDim(node.from)}..${showDim(node.to)}`;
    case "concat": return ` ${node.axis}`;
    case "pad": return ` ${node.axis} ${showDim(node.before)} ${showDim(node.after)}`;
    case "cumsum": return ` ${node.axis}${node.reverse ? " reverse" : ""}`;
    case "dropout": return ` ${node.rate}`;
    case "cast": return ` ${node.to}`;
    default: return "";
  }
}
/** `%7 = matmul bᵀ (%3, %5) [batch, 6, n, n]  ; block.1/compress scores`. */
export function printPlanNode(node: PlanNode): string {
  const operands = planOperands(node).map((id) => `%${id}`).join(", ");
  const name = node.op === "unary" || node.op === "binary" ? node.fn : node.op;
  const place = node.op === "input" || node.op === "parameter" ? "" : [node.path, node.label].filter((s) => s !== "").join(" ");
  const shape = `[${node.shape.map(showDim).join(", ")}]${node.type === "int" ? " int" : ""}`;
  return `%${node.id} = ${name}${detail(node)}${operands ? ` (${operands})` : ""} ${shape}${place ? `  ; ${place}` : ""}`;
}
export function printPlan(plan: Plan): string {
  return [...plan.nodes.map(printPlanNode), ...plan.outputs.map((o) => `${o.name} = %${o.node}`)].join("\n");
}
