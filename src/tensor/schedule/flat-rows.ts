/**
 * Must tokens be unflattened after each product? [batch, n, d] and [batch·n, d] are one piece of memory: what works entry by entry or
 * row by row is done on the flat rows that a product gives, and views stand only where something needs the axes apart.
 */
import { type Dim, dimMultiply, isOne, one } from "../../expression/dim.js";
import type { Plan, PlanNode, PlanOp } from "../plan.js";
import { PlanBuilder, type PlanShape, sameShape, withPlanOperands } from "./plan-builder.js";

/** A value of shape [R, c], seen under more axes: the last `tail` of them make up c. */
interface Rows {
  readonly flat: number;
  readonly shape: PlanShape;
  readonly tail: number;
}
function rowsOf(b: PlanBuilder, id: number): Rows | undefined {
  const node = b.node(id);
  if (node.op !== "reshape" || node.shape.length < 3) return undefined;
  const { shape } = b.node(node.x);
  if (shape.length !== 2) return undefined;
  let width = one;
  for (let tail = 1; tail < node.shape.length; tail++) {
    width = dimMultiply(width, node.shape[node.shape.length - tail] as Dim);
    if (width.key === shape[1]?.key) return { flat: node.x, shape, tail };
  }
  return undefined;
}

class Flattening {
  readonly builder = new PlanBuilder();
  private readonly made: number[] = [];

  constructor(private readonly plan: Plan) {}
  private of(id: number): number {
    return this.made[id] as number;
  }
  run(): Plan {
    for (const node of this.plan.nodes) {
      this.builder.path = node.path;
      const id = this.flat(node) ?? this.same(node);
      this.builder.name(id, node.label);
      this.made.push(id);
    }
    return { nodes: this.builder.nodes, outputs: this.plan.outputs.map((o) => ({ name: o.name, node: this.of(o.node) })) };
  }
  private same(node: PlanNode): number {
    const b = this.builder;
    if (node.op === "reshape") return b.reshape(this.of(node.x), node.shape);
    if (node.op === "transpose") return b.transpose(this.of(node.x), node.order);
    const { id: _id, shape, type, path: _path, label, ...op } = withPlanOperands(node, (x) => this.of(x));
    // Leaves are known by their labels, everything else is named afterwards.
    return b.make(op as PlanOp, shape, type, node.op === "input" || node.op === "parameter" ? label : "");
  }
  /** The node on flat rows, seen under its own axes; undefined where its operands are no flat rows. */
  private flat(node: PlanNode): number | undefined {
    const b = this.builder;
    switch (node.op) {
      case "unary": case "cast": case "stop": {
        const rows = rowsOf(b, this.of(node.x));
        return rows && this.seen(node, { ...payload(node), x: rows.flat } as PlanOp, rows.shape);
      }
      case "standardize": {
        const rows = rowsOf(b, this.of(node.x));
        return rows?.tail === 1 ? this.seen(node, { ...payload(node), x: rows.flat } as PlanOp, rows.shape) : undefined;
      }
      case "softmax": case "log_softmax": {
        const rows = rowsOf(b, this.of(node.x));
        const along = rows?.tail === 1 && node.axis === node.shape.length - 1;
        return rows && along ? this.seen(node, { op: node.op, x: rows.flat, axis: 1 }, rows.shape) : undefined;
      }
      case "binary": {
        const operands = [this.of(node.a), this.of(node.b)] as const;
        const rows = operands.map((x) => rowsOf(b, x)).find((r, i) => r && sameShape(b.shape(operands[i] as number), node.shape));
        const [left, right] = rows ? operands.map((x) => this.besideRows(x, node.shape, rows)) : [];
        if (!rows || left === undefined || right === undefined) return undefined;
        return this.seen(node, { op: "binary", fn: node.fn, a: left, b: right }, rows.shape);
      }
      case "reduce": {
        const rows = rowsOf(b, this.of(node.x));
        const lead = b.shape(this.of(node.x)).length - (rows?.tail ?? 0);
        const within = rows && node.axes.every((a) => a >= lead) && node.axes.length === rows.tail;
        const across = rows && node.axes.every((a) => a < lead) && node.axes.length === lead;
        if (!rows || !(within || across)) return undefined;
        const shape = within ? [rows.shape[0] as Dim, one] : [one, rows.shape[1] as Dim];
        return this.seen(node, { op: "reduce", fn: node.fn, x: rows.flat, axes: [within ? 1 : 0], keep: true }, shape);
      }
      default: return undefined;
    }
  }
  private seen(node: PlanNode, op: PlanOp, shape: PlanShape): number {
    return this.builder.reshape(this.builder.make(op, shape, node.type), node.shape);
  }
  /** An operand as it meets flat rows; undefined where it spreads in another way than by rows or by columns. */
  private besideRows(x: number, shape: PlanShape, rows: Rows): number | undefined {
    const b = this.builder;
    const own = b.shape(x);
    if (own.every(isOne)) return b.reshape(x, []);
    if (sameShape(own, shape)) return b.reshape(x, rows.shape);
    const padded = [...Array.from({ length: shape.length - own.length }, () => one), ...own];
    const lead = shape.length - rows.tail;
    const full = (from: number, to: number): boolean => padded.slice(from, to).every((d, i) => d.key === shape[from + i]?.key);
    const ones = (from: number, to: number): boolean => padded.slice(from, to).every(isOne);
    if (ones(0, lead) && full(lead, shape.length)) return b.reshape(x, [rows.shape[1] as Dim]);
    if (full(0, lead) && ones(lead, shape.length)) return b.reshape(x, [rows.shape[0] as Dim, one]);
    return undefined;
  }
}
function payload(node: PlanNode): object {
  const { id: _id, shape: _shape, type: _type, path: _path, label: _label, ...op } = node;
  return op;
}

/** The same values; nodes that nobody needs any more are left in for the caller to prune. */
export function flattenRows(plan: Plan): Plan {
  return new Flattening(plan).run();
}
