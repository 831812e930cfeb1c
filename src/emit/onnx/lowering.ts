/** Which ONNX nodes does each kernel of a plan become? One row for each; slow forms of ONNX Runtime's CPU kernels are avoided. */
import { Defect } from "../../diagnostics/declare.js";
import { type Dim, dimMultiply, dimNumber, dimValue, isOne, one } from "../../expression/dim.js";
import type { BinaryFunction, ElementType, UnaryFunction } from "../../tensor/graph.js";
import type { PlanNode, PlanOp } from "../../tensor/plan.js";
import { sameShape } from "../../tensor/schedule.js";
import type { Affine } from "./affine.js";
import type { Attention } from "./attention.js";
import type { Biased } from "./biased.js";
import { type Attribute, dataTypes, floatTensor, type GraphWriter, intTensor, numbersOf, type OnnxType, type OnnxValue } from "./graph-writer.js";
import { differByOnes, type Sizes } from "./sizes.js";
import type { Split } from "./splits.js";

/** Constants up to this many entries are written out; larger ones are made by the model. */
const largestWritten = 65536;

export interface Lowering {
  readonly writer: GraphWriter;
  readonly sizes: Sizes;
  readonly opset: number;
  readonly plan: readonly PlanNode[];
  /** The name of the value of a plan node. */
  readonly operand: (id: number) => string;
  /** Truth values beside the floats that comparisons give. */
  readonly conditions: Map<number, string>;
  /** Values that an operator gave in another shape than the plan's: views of them start there. */
  readonly bare: Map<number, { readonly name: string; readonly shape: readonly Dim[] }>;
  /** Standardisations whose 1/√(variance + eps) something reads: plan node → that value's name. */
  readonly inverseDeviations: ReadonlyMap<number, string>;
  /** For a deviation or a view of one: the name of the inverse that a LayerNormalization has given. */
  readonly inverseOf: (id: number) => string | undefined;
  /** The name of the node at hand, which its last ONNX node bears. */
  readonly name: string;
}
type Node<Op extends PlanOp["op"]> = Extract<PlanNode, { readonly op: Op }>;
/** Gives the name of the result: `l.name`, or that of another value where nothing is to be done. */
type Row<Op extends PlanOp["op"]> = (node: Node<Op>, l: Lowering) => string;
type Attributes = Readonly<Record<string, Attribute>>;

export const onnxType = (type: ElementType): OnnxType => (type === "int" ? "int64" : "float");
const without = (shape: readonly Dim[], axis: number): readonly Dim[] => shape.with(axis, one);

function result(node: PlanNode, l: Lowering, opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
  return l.writer.node(opType, l.name, inputs, { type: onnxType(node.type), shape: node.shape }, attributes);
}
/** A value on the way to the result, named behind it. */
function step(l: Lowering, suffix: string, opType: string, inputs: readonly string[], shape: readonly Dim[], type: OnnxType = "float", attributes: Attributes = {}): string {
  return l.writer.node(opType, l.writer.unique(`${l.name}/${suffix}`), inputs, { type, shape }, attributes);
}
const shapeOf = (l: Pick<Lowering, "plan">, id: number): readonly Dim[] => (l.plan[id] as PlanNode).shape;

type UnaryRow = (node: Node<"unary">, l: Lowering, x: string) => string;
const plain = (opType: string): UnaryRow => (node, l, x) => result(node, l, opType, [x]);
const unaryRows: { readonly [F in UnaryFunction]: UnaryRow } = {
  negate: plain("Neg"), exp: plain("Exp"), log: plain("Log"), sqrt: plain("Sqrt"), abs: plain("Abs"), sign: plain("Sign"),
  erf: plain("Erf"), sigmoid: plain("Sigmoid"), tanh: plain("Tanh"), reciprocal: plain("Reciprocal"),
  // Relu has no kernel for int64.
  relu: (n, l, x) => (n.type === "int" ? result(n, l, "Max", [x, l.writer.int(0)]) : result(n, l, "Relu", [x])),
  square: (n, l, x) => result(n, l, "Mul", [x, x]),
  gelu: (n, l, x) => {
    if (l.opset >= 20) return result(n, l, "Gelu", [x]);
    const scaled = step(l, "scaled", "Mul", [x, l.writer.float(Math.SQRT1_2)], n.shape);
    const shifted = step(l, "shifted", "Add", [step(l, "erf", "Erf", [scaled], n.shape), l.writer.float(1)], n.shape);
    const twice = step(l, "twice", "Mul", [x, shifted], n.shape);
    return result(n, l, "Mul", [twice, l.writer.float(0.5)]);
  },
  step: (n, l, x) => {
    const zero = l.plan[n.x]?.type === "int" ? l.writer.int(0) : l.writer.float(0);
    return fromCondition(n, l, step(l, "positive", "Greater", [x, zero], n.shape, "bool"));
  },
};
const binaryRows: { readonly [F in BinaryFunction]: string } = {
  add: "Add", subtract: "Sub", multiply: "Mul", divide: "Div", power: "Pow", max: "Max", min: "Min", remainder: "Mod",
  equal: "Equal", less: "Less", less_equal: "LessOrEqual", greater: "Greater", greater_equal: "GreaterOrEqual",
};
const comparisons: ReadonlySet<BinaryFunction> = new Set(["equal", "less", "less_equal", "greater", "greater_equal"]);

/** The truth value as 1 and 0; the truth value itself stays at hand for `Where`. */
function fromCondition(node: PlanNode, l: Lowering, condition: string): string {
  l.conditions.set(node.id, condition);
  return result(node, l, "Cast", [condition], { to: dataTypes[onnxType(node.type)] });
}
/** a − b·⌊a/b⌋: the remainder with the divisor's sign, which Mod has for ints only. */
function floatRemainder(n: Node<"binary">, l: Lowering, a: string, b: string): string {
  const floor = step(l, "floor", "Floor", [step(l, "quotient", "Div", [a, b], n.shape)], n.shape);
  return result(n, l, "Sub", [a, step(l, "whole", "Mul", [floor, b], n.shape)]);
}
function isFill(node: PlanNode | undefined, value: number): boolean {
  return node?.op === "fill" && node.value === value;
}
function select(n: Node<"select">, l: Lowering): string {
  const condition = l.conditions.get(n.condition)
    ?? step(l, "condition", "Cast", [l.operand(n.condition)], shapeOf(l, n.condition), "bool", { to: dataTypes.bool });
  const masks = [n.a, n.b].map((id) => isFill(l.plan[id], Number.NEGATIVE_INFINITY));
  const small = shapeOf(l, n.condition).length < n.shape.length;
  if (!small || masks[0] === masks[1]) return result(n, l, "Where", [condition, l.operand(n.a), l.operand(n.b)]);
  // A mask of the scores' last axes is added: Where over all of them is 25 times slower.
  const [infinite, zero] = [l.writer.float(Number.NEGATIVE_INFINITY), l.writer.float(0)];
  const mask = step(l, "mask", "Where", [condition, ...(masks[0] ? [infinite, zero] : [zero, infinite])], shapeOf(l, n.condition));
  return result(n, l, "Add", [l.operand(masks[0] ? n.b : n.a), mask]);
}
/**
 * Are so many rows turned faster before a product than in it? Not where each starts at a multiple of 4,096 bytes: turned, its entries share a few
 * places in the cache (1,024 × 256: half as fast). A sample's tokens with few factors of two keep most batches away from that.
 */
function turnsWell(rows: Dim): boolean {
  const [term, ...others] = rows.terms;
  const tokens = term && others.length === 0 && term.powers.length > 0 ? term.numerator / term.denominator : 1;
  return tokens > 1 && tokens % 8 !== 0;
}
/**
 * A matrix of tokens turned, as the gradient of a weight takes it. Gemm with a turned left operand turns it in pieces, for every 128 columns anew;
 * one turn before it makes a training step 2 to 8 per cent faster. It is under a third axis lest ONNX Runtime take it back into the product; of
 * two turns of the same tokens it keeps one.
 */
function turnedRows(id: number, l: Lowering): string {
  const [rows, columns] = shapeOf(l, id) as readonly [Dim, Dim];
  const under = step(l, "rows", "Unsqueeze", [l.operand(id), l.writer.ints([0])], [one, rows, columns]);
  const turned = step(l, "turned", "Transpose", [under], [one, columns, rows], "float", { perm: [0, 2, 1] });
  return step(l, "columns", "Squeeze", [turned, l.writer.ints([0])], [columns, rows]);
}
function matmul(n: Node<"matmul">, l: Lowering): string {
  const [a, b] = [shapeOf(l, n.a), shapeOf(l, n.b)];
  if (a.length === 2 && b.length === 2) {
    const tokens = n.transposeA && turnsWell(a[0] as Dim);
    const flags = { ...(n.transposeA && !tokens ? { transA: 1 } : {}), ...(n.transposeB ? { transB: 1 } : {}) };
    return result(n, l, "Gemm", [tokens ? turnedRows(n.a, l) : l.operand(n.a), l.operand(n.b)], flags);
  }
  const turned = (id: number, shape: readonly Dim[], suffix: string): string => {
    const rank = shape.length;
    const perm = [...shape.keys()].with(rank - 2, rank - 1).with(rank - 1, rank - 2);
    return step(l, suffix, "Transpose", [l.operand(id)], perm.map((i) => shape[i] as Dim), "float", { perm });
  };
  const left = n.transposeA ? turned(n.a, a, "left") : l.operand(n.a);
  const right = n.transposeB ? turned(n.b, b, "right") : l.operand(n.b);
  return result(n, l, "MatMul", [left, right]);
}
/** A product and the vector added to it as one Gemm. */
export function lowerBiased({ product, bias }: Biased, node: PlanNode, l: Lowering): string {
  return result(node, l, "Gemm", [product.a, product.b, bias].map(l.operand), product.transposeB ? { transB: 1 } : {});
}
const reductions = { sum: "ReduceSum", mean: "ReduceMean", max: "ReduceMax" } as const;
/** A matrix's rows are summed by a product with a row of ones: half the time of ReduceSum on two threads, the same on one. */
function reduce(n: Node<"reduce">, l: Lowering): string {
  const x = l.operand(n.x);
  const [rows, columns] = shapeOf(l, n.x);
  const overRows = n.axes.length === 1 && n.axes[0] === 0 && shapeOf(l, n.x).length === 2;
  if (n.fn !== "sum" || n.type !== "float" || !overRows || !rows || !columns) {
    return result(n, l, reductions[n.fn], [x, l.writer.ints(n.axes)], { keepdims: n.keep ? 1 : 0 });
  }
  const ones = l.sizes.ones(rows);
  return n.keep ? result(n, l, "MatMul", [ones, x]) : result(n, l, "Squeeze", [step(l, "row", "MatMul", [ones, x], [one, columns]), l.writer.ints([0])]);
}

/** (x − mean)/√(variance + eps) by LayerNormalization, with scale and shift where they are parameters. */
function layerNormalization(n: Node<"standardize">, l: Lowering, length: number, affine?: Affine): string {
  const ones = (): string => l.writer.constant(`constant/ones_${length}`, floatTensor([length], new Float32Array(length).fill(1)));
  const scale = affine?.scale === undefined ? ones() : l.operand(affine.scale);
  const shift = affine?.shift === undefined ? [] : [l.operand(affine.shift)];
  const inverse = l.inverseDeviations.get(n.id);
  const value = { type: "float", shape: n.shape } as const;
  if (inverse !== undefined) l.writer.declare(inverse, { type: "float", shape: without(n.shape, n.shape.length - 1) });
  const more = inverse === undefined ? [] : ["", inverse];
  return l.writer.node("LayerNormalization", l.name, [l.operand(n.x), scale, ...shift], value, { axis: -1, epsilon: { float: n.eps } }, more);
}
function standardizeByParts(n: Node<"standardize">, l: Lowering): string {
  const last = n.shape.length - 1;
  const [x, line] = [l.operand(n.x), without(n.shape, last)];
  const mean = (suffix: string, of: string): string => step(l, suffix, "ReduceMean", [of, l.writer.ints([last])], line, "float", { keepdims: 1 });
  const centred = n.centred ? step(l, "centred", "Sub", [x, mean("mean", x)], n.shape) : x;
  const variance = mean("variance", step(l, "square", "Mul", [centred, centred], n.shape));
  const guarded = step(l, "guarded", "Add", [variance, l.writer.float(n.eps)], line);
  return result(n, l, "Div", [centred, step(l, "deviation", "Sqrt", [guarded], line)]);
}
/** √(variance + eps) of rows that a LayerNormalization has standardised, which gives it with a last axis of one. */
export function lowerDeviation(node: PlanNode, inverse: string, l: Lowering): string {
  const { shape } = l.writer.value(inverse);
  if (sameShape(shape, node.shape)) return result(node, l, "Reciprocal", [inverse]);
  const deviation = step(l, "rows", "Reciprocal", [inverse], shape);
  if (differByOnes(shape, node.shape) && node.shape.length === shape.length - 1) return result(node, l, "Squeeze", [deviation, l.writer.ints([shape.length - 1])]);
  return result(node, l, "Reshape", [deviation, l.sizes.shape(reshapeSizes(shape, node.shape), l.name)]);
}
/** Scores that count, as the operator takes them: truth values. */
function attentionMask(mask: NonNullable<Attention["mask"]>, l: Lowering): string {
  const shape = shapeOf(l, mask.condition);
  const holds = l.conditions.get(mask.condition)
    ?? step(l, "condition", "Cast", [l.operand(mask.condition)], shape, "bool", { to: dataTypes.bool });
  return mask.inverted ? step(l, "counts", "Not", [holds], shape, "bool") : holds;
}
/** softmax(scale·Q Kᵀ) V over heads as one operator; with heads interleaved it takes and gives [batch, n, heads·p]. */
export function lowerAttention(a: Attention, node: PlanNode, l: Lowering): string {
  const mask = a.mask ? [attentionMask(a.mask, l)] : [];
  const scale = { float: a.scale };
  if (!a.interleaved) return result(node, l, "Attention", [l.operand(a.query), l.operand(a.key), l.operand(a.value), ...mask], { scale });
  const flat = (shape: readonly Dim[]): readonly Dim[] => [...shape.slice(0, 2), dimMultiply(shape[2] as Dim, shape[3] as Dim)];
  const merged = new Map<number, string>();
  const operand = (id: number, suffix: string): string => {
    const node = l.plan[id] as PlanNode;
    // A view of flat rows is viewed once, not twice.
    const from = node.op === "reshape" ? node.x : id;
    const wanted = flat(node.shape);
    const known = merged.get(id)
      ?? step(l, suffix, "Reshape", [l.operand(from), l.sizes.shape(reshapeSizes(shapeOf(l, from), wanted), l.name)], wanted);
    merged.set(id, known);
    return known;
  };
  const inputs = [operand(a.query, "query"), operand(a.key, "key"), operand(a.value, "value"), ...mask];
  const value = step(l, "heads", "Attention", inputs, flat(node.shape), "float", { q_num_heads: a.heads, kv_num_heads: a.heads, scale });
  l.bare.set(node.id, { name: value, shape: flat(node.shape) });
  return result(node, l, "Reshape", [value, l.sizes.shape([0, 0, a.heads, -1], l.name)]);
}
/** The LayerNormalization that stands for a standardisation, its scale and its shift. */
export function lowerAffine(affine: Affine, l: Lowering): string {
  const length = dimValue(affine.node.shape.at(-1) as Dim);
  if (length === undefined) throw new Defect("an affine normalisation over a free size");
  return layerNormalization(affine.node, l, length, affine);
}

const free = (size: Dim): boolean => dimValue(size) === undefined;
/** 0 keeps the operand's size at that place, −1 is what remains; only further free sizes are read while running. */
function reshapeSizes(from: readonly Dim[], to: readonly Dim[]): readonly (Dim | number)[] {
  let remainder = false;
  return to.map((size, i) => {
    if (!free(size)) return size;
    if (from[i]?.key === size.key) return 0;
    if (remainder) return size;
    remainder = true;
    return -1;
  });
}
function reshape(n: Node<"reshape">, l: Lowering): string {
  const bare = l.bare.get(n.x);
  const [x, from] = bare ? [bare.name, bare.shape] : [l.operand(n.x), shapeOf(l, n.x)];
  // Axes of one put in or taken out need no sizes.
  if (n.shape.filter(free).length > 1 && differByOnes(from, n.shape)) {
    const ones = (shape: readonly Dim[]): number[] => [...shape.keys()].filter((i) => isOne(shape[i] as Dim));
    const bare = from.filter((d) => !isOne(d));
    const squeezed = ones(from).length === 0 ? x
      : ones(n.shape).length === 0 ? result(n, l, "Squeeze", [x, l.writer.ints(ones(from))])
      : step(l, "squeezed", "Squeeze", [x, l.writer.ints(ones(from))], bare, onnxType(n.type));
    return ones(n.shape).length === 0 ? squeezed : result(n, l, "Unsqueeze", [squeezed, l.writer.ints(ones(n.shape))]);
  }
  return result(n, l, "Reshape", [x, l.sizes.shape(reshapeSizes(from, n.shape), l.name)]);
}
function filled(n: Node<"fill">, l: Lowering): string {
  const shape = numbersOf(n.shape);
  const scalar = n.type === "int" ? intTensor([1], [n.value]) : floatTensor([1], [n.value]);
  if (shape?.length === 0) return n.type === "int" ? l.writer.int(n.value) : l.writer.float(n.value);
  return result(n, l, "ConstantOfShape", [l.sizes.shape(n.shape, l.name)], { value: { tensor: scalar } });
}
function iota(n: Node<"iota">, l: Lowering): string {
  const [size] = n.shape as readonly [Dim];
  const length = dimValue(size);
  if (length !== undefined && length <= largestWritten) {
    const data = Array.from({ length }, (_, i) => i);
    return l.writer.constant(`constant/0..${length - 1}`, n.type === "int" ? intTensor([length], data) : floatTensor([length], data));
  }
  const range = [l.writer.int(0), l.sizes.scalar(size), l.writer.int(1)];
  if (n.type === "int") return result(n, l, "Range", range);
  return result(n, l, "Cast", [step(l, "range", "Range", range, n.shape, "int64")], { to: dataTypes.float });
}

export const onnxLowering: { readonly [Op in PlanOp["op"]]: Row<Op> } = {
  input: (n) => n.name,
  parameter: (n) => n.name,
  constant: (n, l) => {
    const shape = numbersOf(n.shape) ?? [];
    return l.writer.constant(l.name, n.type === "int" ? intTensor(shape, n.data) : floatTensor(shape, n.data));
  },
  fill: filled,
  iota,
  size: (n, l) => result(n, l, "Cast", [l.sizes.scalar(n.of)], { to: dataTypes.float }),
  unary: (n, l) => unaryRows[n.fn](n, l, l.operand(n.x)),
  binary: (n, l) => {
    const inverse = n.fn === "divide" ? l.inverseOf(n.b) : undefined;
    if (inverse !== undefined && sameShape(l.writer.value(inverse).shape, shapeOf(l, n.b))) return result(n, l, "Mul", [l.operand(n.a), inverse]);
    const [a, b] = [l.operand(n.a), l.operand(n.b)];
    if (comparisons.has(n.fn)) return fromCondition(n, l, step(l, "holds", binaryRows[n.fn], [a, b], n.shape, "bool"));
    return n.fn === "remainder" && n.type === "float" ? floatRemainder(n, l, a, b) : result(n, l, binaryRows[n.fn], [a, b]);
  },
  select,
  matmul,
  reduce,
  softmax: (n, l) => result(n, l, "Softmax", [l.operand(n.x)], { axis: n.axis }),
  log_softmax: (n, l) => result(n, l, "LogSoftmax", [l.operand(n.x)], { axis: n.axis }),
  standardize: (n, l) => {
    const length = dimValue(n.shape.at(-1) as Dim);
    return n.centred && length !== undefined ? layerNormalization(n, l, length) : standardizeByParts(n, l);
  },
  transpose: (n, l) => result(n, l, "Transpose", [l.operand(n.x)], { perm: n.order }),
  reshape,
  slice: (n, l) => {
    const whole = shapeOf(l, n.x)[n.axis]?.key === n.to.key;
    return result(n, l, "Slice", [l.operand(n.x), l.sizes.list(n.from), whole ? l.writer.end() : l.sizes.list(n.to), l.writer.ints([n.axis])]);
  },
  concat: (n, l) => result(n, l, "Concat", n.parts.map(l.operand), { axis: n.axis }),
  // Pads of all axes: with the few named in an input, ONNX Runtime moves a transpose wrongly past it.
  pad: (n, l) => {
    const along = (size: Dim): readonly (Dim | number)[] => n.shape.map((_, i) => (i === n.axis ? size : 0));
    return result(n, l, "Pad", [l.operand(n.x), l.sizes.shape([...along(n.before), ...along(n.after)], l.name)]);
  },
  gather: (n, l) => result(n, l, "Gather", [l.operand(n.table), l.operand(n.indices)], { axis: 0 }),
  scatter_add: (n, l) => {
    const indices = shapeOf(l, n.indices);
    const type = onnxType(n.type);
    const tensor = type === "int64" ? intTensor([1], [0]) : floatTensor([1], [0]);
    const zeros = step(l, "zeros", "ConstantOfShape", [l.sizes.shape(n.shape, l.name)], n.shape, type, { value: { tensor } });
    const rows = step(l, "rows", "Unsqueeze", [l.operand(n.indices), l.writer.ints([indices.length])], [...indices, dimNumber(1)], "int64");
    return result(n, l, "ScatterND", [zeros, rows, l.operand(n.x)], { reduction: "add" });
  },
  cumsum: (n, l) => result(n, l, "CumSum", [l.operand(n.x), l.writer.int(n.axis)], n.reverse ? { reverse: 1 } : {}),
  broadcast: (n, l) => {
    const from = shapeOf(l, n.x);
    const missing = n.shape.length - from.length;
    // Where the operand has the size itself, 1 asks for nothing more.
    const asked = n.shape.map((size, i) => (i >= missing && !isOne(from[i - missing] as Dim) ? one : size));
    return result(n, l, "Expand", [l.operand(n.x), l.sizes.shape(asked, l.name)]);
  },
  dropout: (n, l) => l.operand(n.x),
  stop: (n, l) => l.operand(n.x),
  cast: (n, l) => {
    const same = l.plan[n.x]?.type === n.to;
    return same ? l.operand(n.x) : result(n, l, "Cast", [l.operand(n.x)], { to: dataTypes[onnxType(n.to)] });
  },
};
/** All pieces of a split, each under the name of its plan node. */
export function lowerSplit({ x, axis, parts }: Split, l: Omit<Lowering, "name">): void {
  const piece = (id: number): OnnxValue => ({ type: onnxType((l.plan[id] as PlanNode).type), shape: shapeOf(l, id) });
  for (const { id } of parts) l.writer.declare(l.operand(id), piece(id));
  const [first, ...more] = parts.map(({ id }) => l.operand(id)) as [string, ...string[]];
  l.writer.node("Split", first, [l.operand(x), l.writer.ints(parts.map((p) => p.size))], l.writer.value(first), { axis }, more);
}
/** The nodes of one kernel; gives the name of its value. */
export function lowerNode(node: PlanNode, l: Lowering): string {
  const row = onnxLowering[node.op] as (node: PlanNode, l: Lowering) => string;
  return row(node, l);
}
