/**
 * How is a kernel plan written down? Equal kernels are one node, transposes and reshapes compose, and those that move nothing
 * vanish; so whoever schedules may ask for the same layout as often as they like.
 */
import { type Dim, dimMultiply, isOne, one } from "../../expression/dim.js";
import type { ElementType } from "../graph.js";
import type { Plan, PlanNode, PlanOp } from "../plan.js";

export type PlanShape = readonly Dim[];

export const sizeOfShape = (shape: PlanShape): Dim => shape.reduce(dimMultiply, one);
export const sameShape = (a: PlanShape, b: PlanShape): boolean => a.length === b.length && a.every((d, i) => d.key === b[i]?.key);

/** The ids of a plan node's operands, in order. */
export function planOperands(op: PlanOp): readonly number[] {
  switch (op.op) {
    case "input": case "parameter": case "constant": case "fill": case "iota": case "size": return [];
    case "binary": case "matmul": return [op.a, op.b];
    case "select": return [op.condition, op.a, op.b];
    case "concat": return op.parts;
    case "gather": return [op.table, op.indices];
    case "scatter_add": return [op.x, op.indices];
    default: return [op.x];
  }
}

/** How many nodes and outputs read each node: by id, none where nothing does. */
export function readCounts(nodes: readonly PlanNode[], outputs: Plan["outputs"] = []): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  const read = (id: number): void => { counts.set(id, (counts.get(id) ?? 0) + 1); };
  for (const node of nodes) for (const x of planOperands(node)) read(x);
  for (const o of outputs) read(o.node);
  return counts;
}
/** The same operation on other operands. */
export function withPlanOperands<N extends PlanOp>(op: N, f: (id: number) => number): N {
  switch (op.op) {
    case "input": case "parameter": case "constant": case "fill": case "iota": case "size": return op;
    case "binary": case "matmul": return { ...op, a: f(op.a), b: f(op.b) };
    case "select": return { ...op, condition: f(op.condition), a: f(op.a), b: f(op.b) };
    case "concat": return { ...op, parts: op.parts.map(f) };
    case "gather": return { ...op, table: f(op.table), indices: f(op.indices) };
    case "scatter_add": return { ...op, x: f(op.x), indices: f(op.indices) };
    default: return { ...op, x: f(op.x) };
  }
}

/** Equal keys, equal values; undefined where each node stands for itself (tables, random masks). */
function keyOf(op: PlanOp, shape: PlanShape, type: ElementType): string | undefined {
  if (op.op === "constant" || op.op === "dropout") return undefined;
  const payload = JSON.stringify(op, (_, value: unknown) => {
    if (typeof value === "number" && !Number.isFinite(value)) return String(value);
    return typeof value === "object" && value !== null && "terms" in value ? (value as Dim).key : value;
  });
  return `${payload}|${shape.map((d) => d.key).join(",")}|${type}`;
}

export class PlanBuilder {
  readonly nodes: PlanNode[] = [];
  /** Where the nodes made from now on stand, and what the value being computed is called. */
  path = "";
  private readonly known = new Map<string, number>();
  private readonly fixed: boolean[] = [];

  make(op: PlanOp, shape: PlanShape, type: ElementType, label = ""): number {
    const key = keyOf(op, shape, type);
    const before = key === undefined ? undefined : this.known.get(key);
    if (before !== undefined) return before;
    const id = this.nodes.length;
    this.nodes.push({ ...op, id, shape, type, path: this.path, label });
    this.fixed.push(op.op !== "input" && op.op !== "size" && op.op !== "dropout" && planOperands(op).every((x) => this.isStatic(x)));
    if (key !== undefined) this.known.set(key, id);
    return id;
  }
  node(id: number): PlanNode {
    const node = this.nodes[id];
    if (!node) throw new RangeError(`no plan node ${id}`);
    return node;
  }
  shape(id: number): PlanShape {
    return this.node(id).shape;
  }
  /** True where only parameters and constants are read: what is done to it can be done once. */
  isStatic(id: number): boolean {
    return this.fixed[id] ?? false;
  }
  /** Gives a value its readable name, unless it has one; a view hands it on to what it views. */
  name(id: number, label: string): void {
    const node = this.node(id);
    if (label === "" || node.label !== "" || node.op === "fill" || node.op === "constant") return;
    if (node.op === "reshape" || node.op === "transpose") this.name(node.x, label);
    else this.nodes[id] = { ...node, label };
  }

  scalar(value: number, type: ElementType = "float"): number {
    return this.make({ op: "fill", value }, [], type);
  }
  transpose(x: number, order: readonly number[]): number {
    const node = this.node(x);
    if (order.every((axis, i) => axis === i)) return x;
    if (node.op === "transpose") return this.transpose(node.x, order.map((axis) => node.order[axis] as number));
    const shape = order.map((axis) => node.shape[axis] as Dim);
    const moving = order.filter((axis) => !isOne(node.shape[axis] as Dim));
    if (moving.every((axis, i) => i === 0 || axis > (moving[i - 1] as number))) return this.reshape(x, shape);
    return this.make({ op: "transpose", x, order }, shape, node.type);
  }
  reshape(x: number, shape: PlanShape): number {
    const node = this.node(x);
    if (sameShape(node.shape, shape)) return x;
    if (node.op === "reshape") return this.reshape(node.x, shape);
    if (node.op === "fill") return this.make({ op: "fill", value: node.value }, shape, node.type);
    return this.make({ op: "reshape", x }, shape, node.type);
  }
  /** Spread to the shape, to which the operand's must be able to spread. */
  broadcast(x: number, shape: PlanShape): number {
    const node = this.node(x);
    if (sameShape(node.shape, shape)) return x;
    if (node.op === "fill") return this.make({ op: "fill", value: node.value }, shape, node.type);
    return this.make({ op: "broadcast", x }, shape, node.type);
  }
}
