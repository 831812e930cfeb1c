/**
 * Which matrix product is a contraction? Without shared axes one flat product [free, summed]·[summed, free]: a product with a
 * parameter is [batch·n, d]·[d, K·p]. With shared axes a batched one, the shared axes first. Orders and flags are chosen so that
 * as few activations as possible are moved.
 */
import { type Dim, one } from "../../expression/dim.js";
import type { Axis } from "../graph.js";
import { entrywise } from "./entrywise.js";
import { costOf, entriesOf, hasName, inOrder, layoutsOf, namesOf, sameLayout, sizeAlong, stored, type Value, weightOf } from "./layouts.js";
import { type PlanBuilder, sizeOfShape } from "./plan-builder.js";

type Order = readonly string[];
interface Groups {
  readonly shared: Order;
  readonly summed: Order;
  readonly freeA: Order;
  readonly freeB: Order;
}
/** One way to do it: orders within the groups, flags, and which operand stands left. */
interface Choice extends Groups {
  readonly turnA: boolean;
  readonly turnB: boolean;
  readonly swapped: boolean;
}
/** What a turned operand costs, as a part of moving it: a third more of the product's time where it stands left, little where it stands right. */
const leftFlagCost = 0.15, rightFlagCost = 0.05;
/** What a result in another order than the wanted one costs, as a part of moving it: not always will it be moved. */
const otherOrderCost = 0.7, sameLastAxisCost = 0.2;

function groupsOf(a: Value, b: Value, over: Order): Groups {
  return {
    shared: namesOf(a).filter((n) => hasName(b, n) && !over.includes(n)),
    summed: over,
    freeA: namesOf(a).filter((n) => !hasName(b, n)),
    freeB: namesOf(b).filter((n) => !hasName(a, n)),
  };
}
/** The orders in which the members of a group stand in the given orders, each once. */
function ordersWithin(group: Order, sources: readonly Order[]): readonly Order[] {
  const found = new Map<string, Order>();
  for (const source of sources) {
    const order = source.filter((n) => group.includes(n));
    if (order.length === group.length) found.set(order.join(), order);
  }
  return found.size > 0 ? [...found.values()] : [group];
}
const both = [false, true] as const;
const orderOfA = (c: Choice): Order => [...c.shared, ...(c.turnA ? [...c.summed, ...c.freeA] : [...c.freeA, ...c.summed])];
const orderOfB = (c: Choice): Order => [...c.shared, ...(c.turnB ? [...c.summed, ...c.freeB] : [...c.freeB, ...c.summed])];
const orderOfResult = (c: Choice): Order => [...c.shared, ...(c.swapped ? [...c.freeB, ...c.freeA] : [...c.freeA, ...c.freeB])];

function choices(a: Value, b: Value, groups: Groups, wanted: Order): readonly Choice[] {
  const [ofA, ofB] = [layoutsOf(a).map((l) => l.order), layoutsOf(b).map((l) => l.order)];
  const found: Choice[] = [];
  for (const shared of ordersWithin(groups.shared, [...ofA, ...ofB, wanted])) {
    for (const summed of ordersWithin(groups.summed, [...ofA, ...ofB])) {
      for (const freeA of ordersWithin(groups.freeA, [...ofA, wanted])) {
        for (const freeB of ordersWithin(groups.freeB, [...ofB, wanted])) {
          for (const turnA of both) for (const turnB of both) for (const swapped of both) {
            found.push({ shared, summed, freeA, freeB, turnA, turnB, swapped });
          }
        }
      }
    }
  }
  return found;
}
function costOfChoice(builder: PlanBuilder, a: Value, b: Value, wanted: Order, size: number, c: Choice): number {
  const result = orderOfResult(c);
  const once = sameLayout(a, orderOfA(c), b, orderOfB(c));
  const moved = costOf(builder, a, orderOfA(c)) + (once ? 0 : costOf(builder, b, orderOfB(c)));
  const factor = result.every((n, i) => n === wanted[i]) ? 0 : result.at(-1) === wanted.at(-1) ? sameLastAxisCost : otherOrderCost;
  // Plain is [free, summed] on the left and [summed, free] on the right.
  const flagA = c.turnA !== c.swapped ? weightOf(builder, a) : 0;
  const flagB = c.turnB === c.swapped ? weightOf(builder, b) : 0;
  const [left, right] = c.swapped ? [flagB, flagA] : [flagA, flagB];
  return moved + factor * size + leftFlagCost * left + rightFlagCost * right;
}

/** One flag says that the operand is stored with its last two axes the other way round. */
function multiply(builder: PlanBuilder, a: Value, b: Value, c: Choice): Value {
  const sizes = (v: Value, names: Order): readonly Dim[] => names.map((n) => sizeAlong(v, n));
  const shared = sizes(a, c.shared);
  const flat = (v: Value, order: Order, free: Order, turned: boolean): number => {
    const [rows, inner] = [sizeOfShape(sizes(v, free)), sizeOfShape(sizes(v, c.summed))];
    return builder.reshape(inOrder(builder, v, order), [...shared, ...(turned ? [inner, rows] : [rows, inner])]);
  };
  const [idA, idB] = [flat(a, orderOfA(c), c.freeA, c.turnA), flat(b, orderOfB(c), c.freeB, c.turnB)];
  const [rowsA, rowsB] = [sizeOfShape(sizes(a, c.freeA)), sizeOfShape(sizes(b, c.freeB))];
  const product = c.swapped
    ? builder.make({ op: "matmul", a: idB, b: idA, transposeA: c.turnB, transposeB: !c.turnA }, [...shared, rowsB, rowsA], a.type)
    : builder.make({ op: "matmul", a: idA, b: idB, transposeA: c.turnA, transposeB: !c.turnB }, [...shared, rowsA, rowsB], a.type);
  const axes: readonly Axis[] = orderOfResult(c).map((name) => ({ name, size: sizeAlong(hasName(a, name) ? a : b, name) }));
  return stored(builder.reshape(product, axes.map((x) => x.size)), axes, a.type);
}
/** Σ of entrywise products, where a matrix product would be many tiny ones. */
function multiplyAndSum(builder: PlanBuilder, a: Value, b: Value, groups: Groups, wanted: Order): Value {
  const axes = [...a.axes, ...b.axes.filter((x) => !hasName(a, x.name))];
  const product = entrywise(builder, [a, b], axes, [...wanted, ...groups.summed], a.type, ([x, y], shape) =>
    builder.make({ op: "binary", fn: "multiply", a: x as number, b: y as number }, shape, a.type));
  return groups.summed.length > 0 ? reduced(builder, product, "sum", groups.summed) : product;
}
/** A reduction of the value as it is stored, or as others want it where the axes that go lead there: sums of whole rows. */
export function reduced(builder: PlanBuilder, v: Value, fn: "sum" | "mean" | "max", over: Order, wanted: Order = []): Value {
  const leads = (order: Order): boolean => order.length === v.axes.length && over.every((n) => order.indexOf(n) >= 0 && order.indexOf(n) < over.length);
  const atHand = layoutsOf(v)[0]?.order ?? namesOf(v);
  const order = over.length > 1 && !leads(atHand) && leads(wanted) ? wanted : atHand;
  const id = inOrder(builder, v, order);
  const axes = order.flatMap((n, i) => (over.includes(n) ? [i] : []));
  const sizeOrOne = order.map((n) => (over.includes(n) ? one : sizeAlong(v, n)));
  const kept = order.filter((n) => !over.includes(n)).map((name) => ({ name, size: sizeAlong(v, name) }));
  if (leads(order) && order.length > 2 && kept.length > 0) {
    // Whole rows are summed as rows: a runtime that turns the axes of the operand's other readers then leaves this sum alone.
    const rows = builder.reshape(id, [sizeOfShape(over.map((n) => sizeAlong(v, n))), sizeOfShape(kept.map((k) => k.size))]);
    const sum = builder.make({ op: "reduce", fn, x: rows, axes: [0], keep: true }, [one, sizeOfShape(kept.map((k) => k.size))], v.type);
    return stored(builder.reshape(sum, kept.map((k) => k.size)), kept, v.type);
  }
  // Kept as axes of length one, which beside the operand need no reshape.
  const result = builder.make({ op: "reduce", fn, x: id, axes, keep: true }, sizeOrOne, v.type);
  return stored(builder.reshape(result, kept.map((k) => k.size)), kept, v.type);
}

/** Σ over the names of a·b. */
export function contract(builder: PlanBuilder, a: Value, b: Value, over: Order, wanted: Order): Value {
  const groups = groupsOf(a, b, over);
  const perEntry = groups.shared.length > 0 && groups.freeA.length === 0 && groups.freeB.length === 0;
  if (over.length === 0 || perEntry) return multiplyAndSum(builder, a, b, groups, wanted);
  for (const v of [a, b]) inOrder(builder, v, layoutsOf(v)[0]?.order ?? namesOf(v));
  const size = entriesOf([...groups.shared, ...groups.freeA, ...groups.freeB].map((name) => ({ name, size: sizeAlong(hasName(a, name) ? a : b, name) })));
  const all = choices(a, b, groups, wanted);
  const costs = all.map((c) => costOfChoice(builder, a, b, wanted, size, c));
  return multiply(builder, a, b, all[costs.indexOf(Math.min(...costs))] as Choice);
}
