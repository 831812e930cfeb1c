/** Each operation of the plan as a TensorFlow.js expression. What fails or crawls there (see docs) has another form here. */
import { Defect } from "../../diagnostics/declare.js";
import type { Dim } from "../../expression/dim.js";
import type { BinaryFunction, UnaryFunction } from "../../tensor/graph.js";
import type { PlanNode, PlanOp } from "../../tensor/plan.js";
import { sameShape } from "../../tensor/schedule.js";

export interface Operand {
  /** Code of the value. */
  readonly code: string;
  readonly node: PlanNode;
}
export interface Writing {
  readonly operand: (id: number) => Operand;
}
type NodeOf<Op extends PlanOp["op"]> = Extract<PlanNode, { op: Op }>;
type Row<Op extends PlanOp["op"]> = (node: NodeOf<Op>, w: Writing) => string;

/** A size as code: `sizes.batch * 17`. */
export function sizeCode(d: Dim): string {
  if (d.terms.length === 0) return "0";
  const property = (s: string): string => (/^[A-Za-z_]\w*$/.test(s) ? `run.sizes.${s}` : `run.sizes[${JSON.stringify(s)}]`);
  return d.terms.map((t, i) => {
    const over = t.powers.flatMap(([s, e]) => (e > 0 ? Array.from({ length: e }, () => property(s)) : []));
    const under = t.powers.flatMap(([s, e]) => (e < 0 ? Array.from({ length: -e }, () => property(s)) : []));
    const size = Math.abs(t.numerator);
    const product = [...(size === 1 && over.length > 0 ? [] : [String(size)]), ...over].join(" * ");
    const text = [product, ...(t.denominator === 1 ? [] : [String(t.denominator)]), ...under].join(" / ");
    return `${t.numerator < 0 ? (i === 0 ? "-" : " - ") : i === 0 ? "" : " + "}${text}`;
  }).join("");
}
export const shapeCode = (shape: readonly Dim[]): string => `[${shape.map(sizeCode).join(", ")}]`;
export function numberCode(x: number): string {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x < 0 ? "-Infinity" : "Infinity";
  return Object.is(x, -0) ? "0" : String(x);
}
/** The operand at exactly this shape: some gradients of tfjs-core are wrong for spread operands. */
const spread = (o: Operand, shape: readonly Dim[]): string =>
  sameShape(o.node.shape, shape) ? o.code
    : o.node.op === "fill" ? `tf.fill(${shapeCode(shape)}, ${numberCode(o.node.value)})` : `spreadTo(${o.code}, ${shapeCode(shape)})`;
/** A number stands as it is where tfjs takes one. */
const plain = (o: Operand): string => (o.node.op === "fill" && o.node.shape.length === 0 && o.node.type === "float" ? numberCode(o.node.value) : o.code);

const unaryCalls: { readonly [F in UnaryFunction]: (x: string) => string } = {
  negate: (x) => `tf.neg(${x})`, exp: (x) => `tf.exp(${x})`, log: (x) => `tf.log(${x})`, sqrt: (x) => `tf.sqrt(${x})`, abs: (x) => `tf.abs(${x})`,
  sign: (x) => `signOf(${x})`, relu: (x) => `tf.relu(${x})`, gelu: (x) => `gelu(${x})`, erf: (x) => `tf.erf(${x})`, sigmoid: (x) => `tf.sigmoid(${x})`,
  tanh: (x) => `tf.tanh(${x})`, reciprocal: (x) => `tf.div(1, ${x})`, square: (x) => `tf.square(${x})`,
  step: (x) => `compare("greater", ${x}, 0)`,
};
type Binary = (a: Operand, b: Operand, shape: readonly Dim[]) => string;
const call = (name: string): Binary => (a, b) => `tf.${name}(${plain(a)}, ${plain(b)})`;
const comparison = (name: string): Binary => (a, b) => `compare(${JSON.stringify(name)}, ${plain(a)}, ${plain(b)})`;
const binaryCalls: { readonly [F in BinaryFunction]: Binary } = {
  add: call("add"), subtract: call("sub"), multiply: call("mul"), divide: call("div"), power: call("pow"), remainder: call("mod"),
  max: (a, b, shape) => `tf.maximum(${spread(a, shape)}, ${spread(b, shape)})`, min: (a, b, shape) => `tf.minimum(${spread(a, shape)}, ${spread(b, shape)})`,
  equal: comparison("equal"), less: comparison("less"), less_equal: comparison("lessEqual"), greater: comparison("greater"), greater_equal: comparison("greaterEqual"),
};
/** Functions of tfjs that know the last axis only. */
function alongLast(name: string, x: Operand, axis: number): string {
  const rank = x.node.shape.length;
  if (axis === rank - 1) return `tf.${name}(${x.code})`;
  const order = [...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis), axis];
  const back = order.map((_, i) => order.indexOf(i));
  return `tf.transpose(tf.${name}(tf.transpose(${x.code}, [${order.join(", ")}])), [${back.join(", ")}])`;
}

export const operations: { readonly [Op in PlanOp["op"]]: Row<Op> } = {
  input: () => { throw new Defect("inputs are arguments"); },
  parameter: () => { throw new Defect("parameters are arguments"); },
  constant: (n) => `tf.tensor([${[...n.data].map(numberCode).join(", ")}], ${shapeCode(n.shape)}, ${JSON.stringify(n.type === "int" ? "int32" : "float32")})`,
  fill: (n) => (n.shape.length === 0 ? `tf.scalar(${numberCode(n.value)})` : `tf.fill(${shapeCode(n.shape)}, ${numberCode(n.value)}${n.type === "int" ? ', "int32"' : ""})`),
  iota: (n) => `tf.range(0, ${sizeCode(n.shape[0] as Dim)}, 1, ${JSON.stringify(n.type === "int" ? "int32" : "float32")})`,
  size: (n) => `tf.scalar(${sizeCode(n.of)})`,
  unary: (n, w) => unaryCalls[n.fn](w.operand(n.x).code),
  binary: (n, w) => binaryCalls[n.fn](w.operand(n.a), w.operand(n.b), n.shape),
  // tfjs's `where` fails inside gradients when its condition is computed there; −∞ (of a mask) becomes a number whose exponential is 0.
  select: (n, w) => {
    const value = (id: number): string => {
      const o = w.operand(id);
      if (o.node.op !== "fill") return spread(o, n.shape);
      return o.node.value === Number.NEGATIVE_INFINITY ? "-1e30" : numberCode(o.node.value);
    };
    return `choose(${w.operand(n.condition).code}, ${value(n.a)}, ${value(n.b)}, ${shapeCode(n.shape)})`;
  },
  matmul: (n, w) => {
    const [a, b] = [w.operand(n.a), w.operand(n.b)];
    const batch = n.shape.slice(0, -2);
    const whole = (o: Operand): string => (sameShape(o.node.shape.slice(0, -2), batch) ? o.code : `spreadTo(${o.code}, ${shapeCode([...batch, ...o.node.shape.slice(-2)])})`);
    const flags = n.transposeB ? `, ${n.transposeA}, true` : n.transposeA ? ", true" : "";
    return `matMul(${whole(a)}, ${whole(b)}${flags})`;
  },
  reduce: (n, w) => `tf.${n.fn}(${w.operand(n.x).code}, [${n.axes.join(", ")}]${n.keep ? ", true" : ""})`,
  softmax: (n, w) => alongLast("softmax", w.operand(n.x), n.axis),
  log_softmax: (n, w) => alongLast("logSoftmax", w.operand(n.x), n.axis),
  standardize: (n, w) => `${n.centred ? "standardize" : "rmsStandardize"}(${w.operand(n.x).code}, ${numberCode(n.eps)})`,
  transpose: (n, w) => `tf.transpose(${w.operand(n.x).code}, [${n.order.join(", ")}])`,
  reshape: (n, w) => `tf.reshape(${w.operand(n.x).code}, ${shapeCode(n.shape)})`,
  slice: (n, w) => {
    const begin = n.shape.map((_, i) => (i === n.axis ? sizeCode(n.from) : "0"));
    return `tf.slice(${w.operand(n.x).code}, [${begin.join(", ")}], ${shapeCode(n.shape)})`;
  },
  concat: (n, w) => `tf.concat([${n.parts.map((p) => w.operand(p).code).join(", ")}], ${n.axis})`,
  pad: (n, w) => `tf.pad(${w.operand(n.x).code}, [${n.shape.map((_, i) => (i === n.axis ? `[${sizeCode(n.before)}, ${sizeCode(n.after)}]` : "[0, 0]")).join(", ")}])`,
  // By products with one-hot rows: WebAssembly has no gradient of gather.
  gather: (n, w) => {
    const [table, indices] = [w.operand(n.table), w.operand(n.indices)];
    return `lookUp(${table.code}, ${indices.code}, ${sizeCode(table.node.shape[0] as Dim)}, ${shapeCode(n.shape)})`;
  },
  scatter_add: (n, w) => `addRows(${w.operand(n.x).code}, ${w.operand(n.indices).code}, ${sizeCode(n.shape[0] as Dim)}, ${shapeCode(n.shape)})`,
  cumsum: (n, w) => `cumulate(${w.operand(n.x).code}, ${n.axis}, ${n.reverse})`,
  broadcast: (n, w) => `spreadTo(${w.operand(n.x).code}, ${shapeCode(n.shape)})`,
  dropout: (n, w) => `dropout(${w.operand(n.x).code}, ${numberCode(n.rate)}, run)`,
  stop: (n, w) => `stopGradient(${w.operand(n.x).code})`,
  cast: (n, w) => {
    const x = w.operand(n.x);
    return n.to === "float" ? `tf.cast(${x.code}, "float32")` : x.node.type === "float" ? `toInteger(${x.code})` : x.code;
  },
};
export function operationCode(node: PlanNode, w: Writing): string {
  const row = operations[node.op] as (n: PlanNode, w: Writing) => string;
  return row(node, w);
}
