/**
 * Must tokens be unflattened after each product? [batch, n, d] and [batch·n, d] are one piece of memory: what works entry by entry or
 * row by row is done on the flat rows that a product gives, and views stand only where something needs the axes apart.
 */
import { type Dim, dimMultiply, isOne, one } from "../../expression/dim.js";
import type { Plan, PlanNode, PlanOp } from "../plan.js";
import { PlanBuilder, type PlanShape, sameShape, sizeOfShape, withPlanOperands } from "./plan-builder.js";

/** A value with few axes, seen under more: each axis stands for one or several neighbours of those seen. */
interface View {
  readonly flat: number;
  readonly shape: PlanShape;
  /** How many of the axes seen each flat axis stands for. */
  readonly groups: readonly number[];
}
function groupsOf(flat: PlanShape, seen: PlanShape): readonly number[] | undefined {
  const groups: number[] = [];
  let next = 0;
  for (const size of flat) {
    const start = next;
    let width = seen[next++];
    while (width !== undefined && width.key !== size.key) width = next < seen.length ? dimMultiply(width, seen[next++] as Dim) : undefined;
    if (width === undefined) return undefined;
    groups.push(next - start);
  }
  return next === seen.length ? groups : undefined;
}
function viewOf(b: PlanBuilder, id: number): View | undefined {
  const node = b.node(id);
  if (node.op !== "reshape") return undefined;
  const { shape } = b.node(node.x);
  if (shape.length < 2 || shape.length >= node.shape.length) return undefined;
  const groups = groupsOf(shape, node.shape);
  return groups && { flat: node.x, shape, groups };
}
/** The axes seen, group by group. */
function grouped<T>(view: View, seen: readonly T[]): readonly (readonly T[])[] {
  let start = 0;
  return view.groups.map((count) => {
    start += count;
    return seen.slice(start - count, start);
  });
}

class Flattening {
  readonly builder = new PlanBuilder();
  private readonly made: number[] = [];

  constructor(private readonly plan: Plan, private readonly batches: boolean) {}
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
  /** The node on fewer axes, seen under its own; undefined where its operands are no such views. */
  private flat(node: PlanNode): number | undefined {
    const b = this.builder;
    switch (node.op) {
      case "unary": case "cast": case "stop": {
        const view = viewOf(b, this.of(node.x));
        return view && this.seen(node, { ...payload(node), x: view.flat } as PlanOp, view.shape);
      }
      case "standardize": {
        const view = viewOf(b, this.of(node.x));
        return view?.groups.at(-1) === 1 ? this.seen(node, { ...payload(node), x: view.flat } as PlanOp, view.shape) : undefined;
      }
      case "softmax": case "log_softmax": {
        const view = viewOf(b, this.of(node.x));
        const along = view?.groups.at(-1) === 1 && node.axis === node.shape.length - 1;
        return view && along ? this.seen(node, { op: node.op, x: view.flat, axis: view.shape.length - 1 }, view.shape) : undefined;
      }
      case "binary": {
        const operands = [this.of(node.a), this.of(node.b)] as const;
        const view = operands.map((x) => viewOf(b, x)).find((v, i) => v && sameShape(b.shape(operands[i] as number), node.shape));
        const [left, right] = view ? operands.map((x) => this.beside(x, node.shape, view)) : [];
        if (!view || left === undefined || right === undefined) return undefined;
        return this.seen(node, { op: "binary", fn: node.fn, a: left, b: right }, view.shape);
      }
      case "reduce": {
        const view = viewOf(b, this.of(node.x));
        if (!view) return undefined;
        const within = grouped(view, b.shape(this.of(node.x)).map((_, i) => node.axes.includes(i)));
        if (within.some((group) => group.some((x) => x !== group[0]))) return undefined;
        const axes = within.flatMap((group, i) => (group[0] ? [i] : []));
        return this.seen(node, { op: "reduce", fn: node.fn, x: view.flat, axes, keep: true }, view.shape.map((size, i) => (axes.includes(i) ? one : size)));
      }
      case "matmul": return this.batches ? this.flatProduct(node) : undefined;
      default: return undefined;
    }
  }
  /** Products over several leading axes as products over one. */
  private flatProduct(node: PlanNode & { readonly op: "matmul" }): number | undefined {
    const b = this.builder;
    const [left, right] = [this.of(node.a), this.of(node.b)];
    const lead = node.shape.slice(0, -2);
    const same = [left, right].every((x) => sameShape(b.shape(x).slice(0, -2), lead));
    if (lead.length < 2 || !same) return undefined;
    const count = sizeOfShape(lead);
    const flat = (x: number): number => b.reshape(x, [count, ...b.shape(x).slice(-2)]);
    return this.seen(node, { ...payload(node), a: flat(left), b: flat(right) } as PlanOp, [count, ...node.shape.slice(-2)]);
  }
  private seen(node: PlanNode, op: PlanOp, shape: PlanShape): number {
    return this.builder.reshape(this.builder.make(op, shape, node.type), node.shape);
  }
  /** An operand as it meets the flat value; undefined where it spreads within a group. */
  private beside(x: number, shape: PlanShape, view: View): number | undefined {
    const b = this.builder;
    const own = b.shape(x);
    if (own.every(isOne)) return b.reshape(x, []);
    if (sameShape(own, shape)) return b.reshape(x, view.shape);
    const padded = [...Array.from({ length: shape.length - own.length }, () => one), ...own];
    const pairs = grouped(view, padded.map((size, i) => ({ size, full: size.key === shape[i]?.key })));
    const flat = pairs.map((group, i) => (group.every((p) => p.full) ? view.shape[i] as Dim : group.every((p) => isOne(p.size)) ? one : undefined));
    if (!flat.every((size) => size !== undefined)) return undefined;
    return b.reshape(x, flat.slice(Math.max(0, flat.findIndex((size) => !isOne(size)))));
  }
}
function payload(node: PlanNode): object {
  const { id: _id, shape: _shape, type: _type, path: _path, label: _label, ...op } = node;
  return op;
}

/** The same values; nodes that nobody needs any more are left in for the caller to prune. */
export function flattenRows(plan: Plan): Plan {
  return new Flattening(plan, false).run();
}
/**
 * Batched products too have one leading axis. A runtime that merges a head's two transposes into one moves single entries then;
 * with the view between them the second stays a flag of the product.
 */
export function flattenBatches(plan: Plan): Plan {
  return new Flattening(plan, true).run();
}
