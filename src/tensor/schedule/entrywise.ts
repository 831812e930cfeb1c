/** In which order do the operands of an entrywise operation meet? In that of the largest: the others are turned or spread. */
import type { Axis, ElementType } from "../graph.js";
import { costOf, entriesOf, hasName, layoutsOf, namesOf, sizeAlong, spreadOver, stored, type Value } from "./layouts.js";
import type { PlanBuilder } from "./plan-builder.js";

type Order = readonly string[];

/** `order` with the names of `all` that it lacks, each put before the next name that both have. */
export function completed(order: Order, all: Order): Order {
  const result = [...order];
  for (let i = all.length - 1; i >= 0; i--) {
    const name = all[i] as string;
    if (result.includes(name)) continue;
    const next = all.slice(i + 1).find((n) => result.includes(n));
    result.splice(next === undefined ? result.length : result.indexOf(next), 0, name);
  }
  return result;
}
/** What it costs, in entries, to bring all operands into an order. */
export function alignmentCost(b: PlanBuilder, operands: readonly Value[], order: Order): number {
  return operands.reduce((sum, v) => sum + (v.fill === undefined ? costOf(b, v, order.filter((n) => hasName(v, n))) : 0), 0);
}
/** The order in which the operands meet with the least moving; among equals the wanted one. */
export function commonOrder(b: PlanBuilder, operands: readonly Value[], wanted: Order): Order {
  const written = operands.filter((v) => v.fill === undefined);
  const orders = [...written].sort((x, y) => entriesOf(y.axes) - entriesOf(x.axes)).flatMap((v) => layoutsOf(v).map((l) => l.order));
  const candidates = [wanted, ...orders.map((order) => completed(order, wanted))];
  return candidates.reduce((best, c) => (alignmentCost(b, operands, c) < alignmentCost(b, operands, best) ? c : best));
}

/** Applies an entrywise kernel; `wanted` has the names of all operands. */
export function entrywise(
  b: PlanBuilder, operands: readonly Value[], axes: readonly Axis[], wanted: Order, type: ElementType,
  kernel: (ids: readonly number[], shape: Axis["size"][]) => number,
): Value {
  const order = commonOrder(b, operands, wanted);
  const covered = order.filter((n) => operands.some((v) => v.fill === undefined && hasName(v, n)));
  const ids = operands.map((v) => spreadOver(b, v, covered));
  const result = kernel(ids, covered.map((n) => sizeOfName(axes, n)));
  return stored(spreadAlong(b, result, order, covered, axes), order.map((n) => ({ name: n, size: sizeOfName(axes, n) })), type);
}
function sizeOfName(axes: readonly Axis[], name: string): Axis["size"] {
  return sizeAlong({ axes, type: "float", variants: [] }, name);
}
/** Repeats a value along the axes that only fills had. */
function spreadAlong(b: PlanBuilder, id: number, order: Order, covered: Order, axes: readonly Axis[]): number {
  if (covered.length === order.length) return id;
  const value = stored(id, covered.map((name) => ({ name, size: sizeOfName(axes, name) })), b.node(id).type);
  return b.broadcast(spreadOver(b, value, order), order.map((n) => sizeOfName(axes, n)));
}
/** The value repeated along axes that it lacks. */
export function spreadTo(b: PlanBuilder, v: Value, axes: readonly Axis[], wanted: Order): Value {
  if (namesOf(v).length === axes.length) return v;
  return entrywise(b, [v, { axes, type: v.type, variants: [], fill: 1 }], axes, wanted, v.type, ([x]) => x as number);
}
