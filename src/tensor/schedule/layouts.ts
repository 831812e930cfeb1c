/**
 * In which orders does the plan have a value of the graph? A value starts in the order in which its kernel gives it; other orders
 * are made when a consumer needs them, once, and then shared.
 */
import { type Dim, dimNumber, dimSubstitute, dimValue, one } from "../../expression/dim.js";
import { Defect } from "../../diagnostics/declare.js";
import type { Axis, ElementType } from "../graph.js";
import type { PlanBuilder } from "./plan-builder.js";

/** Plan node `id` holds the axes at these positions of the value's list, in this order. */
interface Variant {
  readonly positions: readonly number[];
  readonly id: number;
}
export interface Value {
  readonly axes: readonly Axis[];
  readonly type: ElementType;
  /** Grows as orders are asked for; a renamed value shares it. Empty for a fill until it is written out. */
  readonly variants: Variant[];
  /** The same number everywhere: beside other values a plain scalar. */
  readonly fill?: number;
}
export interface Layout {
  readonly order: readonly string[];
  readonly id: number;
}

/** What free sizes count as when costs are compared. */
const nominalBatch = 32, nominalSize = 64;
function nominal(size: Dim): number {
  return dimValue(dimSubstitute(size, (s) => dimNumber(s === "batch" ? nominalBatch : nominalSize))) ?? nominalSize;
}
export const entriesOf = (axes: readonly Axis[]): number => axes.reduce((product, a) => product * nominal(a.size), 1);

export const namesOf = (v: Value): readonly string[] => v.axes.map((a) => a.name);
export const hasName = (v: Value, name: string): boolean => v.axes.some((a) => a.name === name);
export function sizeAlong(v: Value, name: string): Dim {
  const axis = v.axes.find((a) => a.name === name);
  if (!axis) throw new Defect(`scheduling: no axis ${name} among ${namesOf(v).join(", ")}`);
  return axis.size;
}
export const sameOrder = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((n, i) => n === b[i]);

/** The value that plan node `id` holds with its axes in this order. */
export function stored(id: number, axes: readonly Axis[], type: ElementType): Value {
  return { axes, type, variants: [{ positions: axes.map((_, i) => i), id }] };
}
/** The same stored numbers under other names. */
export function renamed(v: Value, names: ReadonlyMap<string, string>): Value {
  return { ...v, axes: v.axes.map((a) => ({ ...a, name: names.get(a.name) ?? a.name })) };
}
/** The orders at hand, the kernel's own first. */
export function layoutsOf(v: Value): readonly Layout[] {
  return v.variants.map(({ positions, id }) => ({ id, order: positions.map((p) => (v.axes[p] as Axis).name) }));
}
const isStored = (v: Value, order: readonly string[]): boolean => v.variants.length > 0 && layoutsOf(v).some((l) => sameOrder(l.order, order));

/** What a transpose of values that never change costs, against one of activations: it is done once. */
const staticDiscount = 0.01;
/** What moving the whole value costs: its entries. */
export function weightOf(b: PlanBuilder, v: Value): number {
  const [first] = v.variants;
  return first ? entriesOf(v.axes) * (b.isStatic(first.id) ? staticDiscount : 1) : 0;
}
/** Rows that stay whole are copied piece by piece, against single entries: 0.9 of the time on one thread, 0.2 to 0.5 on two. */
const wholeRowsCost = 0.4;
/** Entries to be moved so that the value stands in this order. */
export function costOf(b: PlanBuilder, v: Value, order: readonly string[]): number {
  if (isStored(v, order)) return 0;
  // What is moved once may as well be moved entry by entry.
  const wholeRows = layoutsOf(v).some((l) => !b.isStatic(l.id) && l.order.at(-1) === order.at(-1));
  return weightOf(b, v) * (wholeRows ? wholeRowsCost : 1);
}
/** True where the two are one value under two lists of names, and the orders are one order. */
export function sameLayout(a: Value, orderA: readonly string[], b: Value, orderB: readonly string[]): boolean {
  return a.variants === b.variants && orderA.length === orderB.length
    && orderA.every((n, i) => namesOf(a).indexOf(n) === namesOf(b).indexOf(orderB[i] as string));
}
/** The plan node that holds the value in this order: transposed where no kernel gave it so. */
export function inOrder(b: PlanBuilder, v: Value, order: readonly string[]): number {
  if (order.length !== v.axes.length) throw new Defect(`scheduling: order ${order.join(" ")} for axes ${namesOf(v).join(" ")}`);
  const at = layoutsOf(v).find((l) => sameOrder(l.order, order));
  if (at) return at.id;
  const [first] = v.variants;
  const positions = order.map((n) => namesOf(v).indexOf(n));
  const id = first
    ? b.transpose(first.id, positions.map((p) => first.positions.indexOf(p)))
    : b.make({ op: "fill", value: v.fill ?? 0 }, order.map((n) => sizeAlong(v, n)), v.type);
  v.variants.push({ positions, id });
  return id;
}
/** Some order that costs nothing: the wanted one if it is at hand, else the kernel's own. */
export function anyOrder(v: Value, wanted: readonly string[] = []): readonly string[] {
  return layoutsOf(v).find((l) => sameOrder(l.order, wanted))?.order ?? layoutsOf(v)[0]?.order ?? namesOf(v);
}
/** The plan node whose shape spreads over the axes in `order` as NumPy does. */
export function spreadOver(b: PlanBuilder, v: Value, order: readonly string[]): number {
  if (v.fill !== undefined) return b.scalar(v.fill, v.type);
  const own = order.filter((n) => hasName(v, n));
  const id = inOrder(b, v, own);
  const from = order.findIndex((n) => hasName(v, n));
  return b.reshape(id, from < 0 ? [] : order.slice(from).map((n) => (hasName(v, n) ? sizeAlong(v, n) : one)));
}
