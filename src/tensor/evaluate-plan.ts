/** What is a kernel plan worth in float64? The judge of every emitter, and what folds constants while emitting. */
import { own } from "../runtime/contract.js";
import { Defect } from "../diagnostics/declare.js";
import { type Dim, dimNumber, dimSubstitute, dimSymbols, dimValue, solveDim } from "../expression/dim.js";
import type { Plan, PlanNode, PlanOp } from "./plan.js";
import * as kernel from "./schedule/dense.js";
import type { Dense } from "./schedule/dense.js";
import { planOperands } from "./schedule/plan-builder.js";

export type { Dense } from "./schedule/dense.js";

export interface PlanValues {
  /** Wire layout. */
  readonly inputs: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>>;
  /** Declared layout, by full name. */
  readonly parameters: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>>;
  /** Numbers of free sizes that no input shows. */
  readonly sizes?: Readonly<Record<string, number>>;
}
export type Sizes = ReadonlyMap<string, number>;

/** A size as a number. Throws a Defect where a symbol is unknown. */
export function numberOf(size: Dim, sizes: Sizes): number {
  const value = dimValue(dimSubstitute(size, (s) => {
    const known = sizes.get(s);
    return known === undefined ? undefined : dimNumber(known);
  }));
  if (value === undefined || !Number.isInteger(value) || value < 0) throw new Defect(`size ${size.key} is ${value ?? "unknown"}`);
  return value;
}
const shapeOf = (node: PlanNode, sizes: Sizes): readonly number[] => node.shape.map((d) => numberOf(d, sizes));

interface Context {
  readonly operand: (id: number) => Dense;
  readonly values: PlanValues;
  readonly sizes: Sizes;
}
type Row<Op extends PlanOp["op"]> = (node: Extract<PlanNode, { readonly op: Op }>, c: Context) => Dense;

function given(node: PlanNode & { readonly name: string }, values: PlanValues["inputs"]): Dense {
  const value = own(values, node.name);
  if (!value) throw new Defect(`no value for ${node.op} ${node.name}`);
  return { shape: value.shape, data: Float64Array.from(value.data) };
}
const rows: { readonly [Op in PlanOp["op"]]: Row<Op> } = {
  input: (n, c) => given(n, c.values.inputs),
  parameter: (n, c) => given(n, c.values.parameters),
  constant: (n, c) => ({ shape: shapeOf(n, c.sizes), data: n.data }),
  fill: (n, c) => {
    const shape = shapeOf(n, c.sizes);
    return { shape, data: new Float64Array(kernel.count(shape)).fill(n.value) };
  },
  iota: (n, c) => {
    const shape = shapeOf(n, c.sizes);
    return { shape, data: Float64Array.from({ length: kernel.count(shape) }, (_, i) => i) };
  },
  size: (n, c) => ({ shape: [], data: Float64Array.of(numberOf(n.of, c.sizes)) }),
  unary: (n, c) => kernel.zip([c.operand(n.x)], kernel.unaryFunctions[n.fn]),
  binary: (n, c) => kernel.zip([c.operand(n.a), c.operand(n.b)], kernel.binaryFunctions[n.fn]),
  select: (n, c) => kernel.zip([n.condition, n.a, n.b].map(c.operand), (condition, a, b) => (condition !== 0 ? (a as number) : (b as number))),
  matmul: (n, c) => kernel.matmul(c.operand(n.a), c.operand(n.b), n.transposeA, n.transposeB),
  reduce: (n, c) => kernel.reduce(n.fn, c.operand(n.x), n.axes, n.keep),
  softmax: (n, c) => kernel.alongAxis(c.operand(n.x), n.axis, kernel.softmaxLine),
  log_softmax: (n, c) => kernel.alongAxis(c.operand(n.x), n.axis, kernel.logSoftmaxLine),
  standardize: (n, c) => kernel.alongAxis(c.operand(n.x), n.shape.length - 1, (line) => kernel.standardizeLine(line, n.eps, n.centred)),
  transpose: (n, c) => kernel.transpose(c.operand(n.x), n.order),
  reshape: (n, c) => ({ shape: shapeOf(n, c.sizes), data: c.operand(n.x).data }),
  slice: (n, c) => kernel.slice(c.operand(n.x), n.axis, numberOf(n.from, c.sizes), numberOf(n.to, c.sizes)),
  concat: (n, c) => kernel.concat(n.parts.map(c.operand), n.axis),
  pad: (n, c) => kernel.pad(c.operand(n.x), n.axis, numberOf(n.before, c.sizes), numberOf(n.after, c.sizes)),
  gather: (n, c) => kernel.gather(c.operand(n.table), c.operand(n.indices)),
  scatter_add: (n, c) => kernel.scatterAdd(c.operand(n.x), c.operand(n.indices), shapeOf(n, c.sizes)),
  cumsum: (n, c) => kernel.alongAxis(c.operand(n.x), n.axis, (line) => kernel.cumulateLine(line, n.reverse)),
  broadcast: (n, c) => kernel.broadcast(c.operand(n.x), shapeOf(n, c.sizes)),
  dropout: (n, c) => c.operand(n.x),
  stop: (n, c) => c.operand(n.x),
  cast: (n, c) => (n.to === "int" ? kernel.zip([c.operand(n.x)], Math.trunc) : c.operand(n.x)),
};

/** One node's value; a Defect where it has not the shape that the plan states. */
export function evaluatePlanNode(node: PlanNode, context: Context): Dense {
  const row = rows[node.op] as (node: PlanNode, c: Context) => Dense;
  const value = row(node, context);
  const expected = shapeOf(node, context.sizes);
  const fits = value.shape.length === expected.length && value.shape.every((s, i) => s === expected[i]) && value.data.length === kernel.count(expected);
  if (!fits) throw new Defect(`plan node ${node.id} (${node.op} ${node.label}) gives [${value.shape.join(", ")}], the plan says [${expected.join(", ")}]`);
  return value;
}
/** What the inputs' shapes say about free sizes: axes that are a bare symbol first, then those that can be solved. */
function sizesOf(plan: Plan, values: PlanValues): Sizes {
  const sizes = new Map(Object.entries(values.sizes ?? {}));
  const axes = plan.nodes.flatMap((n) => (n.op === "input" ? n.shape.map((size, i) => ({ size, actual: own(values.inputs, n.name)?.shape[i] })) : []));
  const bare = axes.filter(({ size }) => dimSymbols(size).has(size.key));
  for (const { size, actual } of [...bare, ...axes]) {
    if (actual === undefined) continue;
    for (const symbol of dimSymbols(size)) {
      const solved = sizes.has(symbol) ? undefined : solveDim(size, dimNumber(actual), symbol);
      const number = solved && dimValue(dimSubstitute(solved, (s) => (sizes.has(s) ? dimNumber(sizes.get(s) as number) : undefined)));
      if (number !== undefined) sizes.set(symbol, number);
    }
  }
  return sizes;
}
/** Values of the given nodes and of what they need, by id. */
export function evaluatePlanNodes(plan: Plan, wanted: Iterable<number>, values: PlanValues): ReadonlyMap<number, Dense> {
  const sizes = sizesOf(plan, values);
  const found = new Map<number, Dense>();
  const operand = (id: number): Dense => {
    const before = found.get(id);
    if (before) return before;
    throw new Defect(`plan node ${id} is used before it is computed`);
  };
  const needed = new Set(wanted);
  for (const node of [...plan.nodes].reverse()) if (needed.has(node.id)) for (const x of planOperands(node)) needed.add(x);
  for (const node of plan.nodes) if (needed.has(node.id)) found.set(node.id, evaluatePlanNode(node, { operand, values, sizes }));
  return found;
}
/** The outputs by name. Dropout passes its operand on. */
export function evaluatePlan(plan: Plan, values: PlanValues): ReadonlyMap<string, Dense> {
  const found = evaluatePlanNodes(plan, plan.outputs.map((o) => o.node), values);
  return new Map(plan.outputs.map((o) => [o.name, found.get(o.node) as Dense]));
}
