/**
 * Network functions (language, section 9): what comes before and after the optimisation. Each is a row that spreads out into
 * plain matrix expressions, with parameters of its own, named after the place where it stands.
 */
import { at } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import { type Dim, dimMultiply, isOne, one } from "../expression/dim.js";
import { add, apply, colsOf, divide, type Expr, hadamard, multiply, number, ones, power, rowsOf, subtract, symbol, transpose } from "../expression/expr.js";
import type { Shape } from "../expression/functions.js";
import type { TypedInit, TypedParam } from "./program.js";
import type { Expression } from "../syntax/ast.js";
import { misplaced, wrongArguments } from "./diagnostics.js";
import { elaborate, elaborateAs, elaborateScalar, showShape, strip, textOf, unifyShapes } from "./elaborate-expression.js";
import { nearest } from "../diagnostics/nearest.js";
import type { Context } from "./scope.js";

type CallNode = Extract<Expression, { kind: "call" }>;

/** One call being read: its arguments by position or name, and what the row may make. */
class Call {
  constructor(readonly name: string, readonly node: CallNode, readonly context: Context, readonly slots: ReadonlyMap<string, Expression>) {}
  fault(problem: string, span: Span = this.node.span): undefined {
    this.context.reporter.report(wrongArguments({ fn: this.name, problem, usage: networkFunctions[this.name]?.usage }, at(span)));
    return undefined;
  }
  has(slot: string): boolean {
    return this.slots.has(slot);
  }
  matrix(slot: string): Expr | undefined {
    const e = this.slots.get(slot);
    if (!e) return this.fault(`${slot} is missing`);
    const value = elaborate(e, this.context);
    if (value && value.shape.length !== 2) return this.fault(`${slot} must be a matrix, not ${showShape(value.shape, this.context)}`, e.span);
    return value;
  }
  any(slot: string): Expr | undefined {
    const e = this.slots.get(slot);
    return e ? elaborate(e, this.context) : this.fault(`${slot} is missing`);
  }
  as(slot: string, shape: Shape): Expr | undefined {
    const e = this.slots.get(slot);
    return e ? elaborateAs(e, this.context, shape, `${this.name}'s ${slot}`) : this.fault(`${slot} is missing`);
  }
  dim(slot: string): Dim | undefined {
    const e = this.slots.get(slot);
    if (!e) return this.fault(`${slot} is missing`);
    const d = this.context.dims.read(e, false, (name) => this.context.scope.dim(name));
    return d && this.context.dims.expand(d);
  }
  number(slot: string, otherwise: number): number | undefined {
    const e = this.slots.get(slot);
    if (!e) return otherwise;
    const value = elaborateScalar(e, this.context, `${this.name}'s ${slot}`);
    if (!value) return undefined;
    const n = constantValue(value, this.context);
    return n ?? this.fault(`${slot} must be a number`, e.span);
  }
  flag(slot: string, otherwise: boolean): boolean | undefined {
    const e = this.slots.get(slot);
    if (!e) return otherwise;
    const inner = strip(e);
    if (inner.kind === "name" && (inner.name === "true" || inner.name === "false")) return inner.name === "true";
    return this.fault(`${slot} is true or false`, e.span);
  }
  word(slot: string): string | undefined {
    const e = this.slots.get(slot);
    const inner = e && strip(e);
    if (inner?.kind === "name") return inner.name;
    if (inner?.kind === "string") return inner.value;
    return e ? this.fault(`${slot} must be a name`, e.span) : this.fault(`${slot} is missing`);
  }
  text(slot: string, otherwise: string): string | undefined {
    const e = this.slots.get(slot);
    if (!e) return otherwise;
    const inner = strip(e);
    return inner.kind === "string" ? inner.value : this.fault(`${slot} must be a string`, e.span);
  }
  /** `statement.layernorm`, `statement.layernorm2`, … */
  begin(kind: string): string {
    const { place } = this.context;
    if (!place) return kind;
    const key = `${place.statement}.${kind}`;
    const count = (place.counters.get(key) ?? 0) + 1;
    place.counters.set(key, count);
    return count === 1 ? key : `${key}${count}`;
  }
  parameter(path: string, name: string, shape: Shape, rank: number, init: TypedInit, alias: string | undefined, fixed = false): Expr {
    const e = this.slots.get("alias");
    const pieces = alias !== undefined && e && strip(e).kind === "string"
      ? this.context.aliasPieces?.(`${(strip(e) as { value: string }).value}${alias}`, e.span) : undefined;
    const param: TypedParam = {
      name: `${path}.${name}`, shape, rank, fixed, shared: false, positive: false, captured: false, init,
      axisNames: shape.slice(0, rank).map((d) => this.context.dims.show(d)), span: this.node.span,
      ...(pieces ? { alias: pieces } : {}),
    };
    this.context.place?.add(param);
    return symbol(param.name, "param", shape);
  }
}
/** The number of an expression that holds consts and dims only. */
function constantValue(e: Expr, context: Context): number | undefined {
  if (e.kind === "number") return e.value;
  return context.numberOf?.(e);
}
const rowOf = (X: Expr): Expr => ones([one, colsOf(X)]);
const diag = (v: Expr): Expr => apply("diag", [v]);

function linear(call: Call, X: Expr, out: Dim, bias: boolean): Expr {
  const path = call.begin("linear");
  const inputs = rowsOf(X);
  const size = call.context.dims.valueOf(inputs);
  const weight = call.parameter(path, "weight", [out, inputs], 2, { kind: "kaiming_uniform", a: Math.sqrt(5) }, ".weight");
  const product = multiply(weight, X);
  if (!bias) return product;
  const b = call.parameter(path, "bias", [out, one], 1, { kind: "uniform", value: 1 / Math.sqrt(size ?? 1) }, ".bias");
  return add([product, multiply(b, rowOf(X))]);
}
function normalisation(call: Call, kind: "layernorm" | "rmsnorm", otherwise: number): Expr | undefined {
  const X = call.matrix("X");
  const eps = call.number("eps", otherwise);
  const affine = call.flag("affine", true);
  if (!X || eps === undefined || affine === undefined) return undefined;
  const standard = apply(kind === "layernorm" ? "standardize" : "rms_standardize", [X], { eps });
  if (!affine) return standard;
  const path = call.begin(kind);
  const shape: Shape = [rowsOf(X), one];
  const scaled = multiply(diag(call.parameter(path, "scale", shape, 1, { kind: "ones" }, ".weight")), standard);
  if (kind === "rmsnorm") return scaled;
  return add([scaled, multiply(call.parameter(path, "shift", shape, 1, { kind: "zeros" }, ".bias"), rowOf(X))]);
}
const activations: Readonly<Record<string, (X: Expr) => Expr>> = {
  relu: (X) => apply("relu", [X]), gelu: (X) => apply("gelu", [X]), tanh: (X) => apply("tanh", [X]), sigmoid: (X) => apply("sigmoid", [X]),
};
/** Losses are 0 … C−1 on the wire and 1 … C here; the sum runs over columns. */
function meanSquare(a: Expr, b: Expr): Expr {
  return apply("mean", [power(subtract(a, b), number(2))]);
}

interface NetworkFunctionRow {
  readonly slots: readonly string[];
  readonly options: readonly string[];
  readonly usage: string;
  readonly run: (call: Call) => Expr | undefined;
  /** Makes nothing of its own: may stand in a fn or a loss too. */
  readonly plain?: true;
  readonly lossOnly?: true;
}
export const networkFunctions: Readonly<Record<string, NetworkFunctionRow>> = {
  linear: {
    slots: ["X", "out"], options: ["bias", "alias"], usage: "linear(X, out, bias: true)",
    run: (c) => {
      const [X, out, bias] = [c.matrix("X"), c.dim("out"), c.flag("bias", true)];
      return X && out && bias !== undefined ? linear(c, X, out, bias) : undefined;
    },
  },
  layernorm: { slots: ["X"], options: ["eps", "affine", "alias"], usage: "layernorm(X, eps: 1e-5, affine: true)", run: (c) => normalisation(c, "layernorm", 1e-5) },
  rmsnorm: { slots: ["X"], options: ["eps", "affine", "alias"], usage: "rmsnorm(X, eps: 1e-6)", run: (c) => normalisation(c, "rmsnorm", 1e-6) },
  embedding: {
    slots: ["tokens", "d"], options: ["alias"], usage: "embedding(tokens, d)",
    run: (c) => {
      const node = c.slots.get("tokens");
      const inner = node && strip(node);
      const binding = inner?.kind === "name" ? c.context.scope.find(inner.name) : undefined;
      const d = c.dim("d");
      if (binding?.kind !== "value" || !binding.symbols) return c.fault("it takes an input of type token[V, n]", node?.span);
      if (!d) return undefined;
      const path = c.begin("embedding");
      const table = c.parameter(path, "weight", [binding.symbols, d], 2, { kind: "normal", value: 0.02 }, ".weight");
      return apply("embedding", [binding.make(), transpose(table)]);
    },
  },
  patches: {
    slots: ["image", "size"], options: ["order"], usage: "patches(image, size, order: \"p1 p2 c\")", plain: true,
    run: (c) => {
      const [image, size, order] = [c.any("image"), c.dim("size"), c.text("order", "p1 p2 c")];
      if (!image || !size || order === undefined) return undefined;
      if (image.shape.length !== 3) return c.fault(`it takes an image real[c, h, w], not ${showShape(image.shape, c.context)}`, c.slots.get("image")?.span);
      if (order.split(/\s+/).sort().join(" ") !== "c p1 p2") return c.fault("order is a permutation of \"p1 p2 c\"", c.slots.get("order")?.span);
      const { dims } = c.context;
      const side = dims.valueOf(size);
      for (const d of image.shape.slice(1)) {
        const n = dims.valueOf(d);
        if (n !== undefined && side !== undefined && n % side !== 0) return c.fault(`a side of ${n} cannot be cut into patches of ${side}: a remainder is left`, c.slots.get("size")?.span);
      }
      return apply("patches", [image], { size, order: order.split(/\s+/).join(" ") });
    },
  },
  unpatch: {
    slots: ["X", "size"], options: ["order", "channels", "height", "width"], usage: "unpatch(X, size, channels: c, height: h, width: w, order: \"p1 p2 c\")", plain: true,
    run: (c) => {
      const [X, size, order, channels, height, width] = [c.matrix("X"), c.dim("size"), c.text("order", "p1 p2 c"), c.dim("channels"), c.dim("height"), c.dim("width")];
      if (!X || !size || order === undefined || !channels || !height || !width) return undefined;
      const wanted = [dimMultiply(channels, dimMultiply(size, size))];
      if (!c.context.dims.unify(rowsOf(X), wanted[0] as Dim)) return c.fault(`a patch has ${c.context.dims.show(rowsOf(X))} entries, not ${c.context.dims.show(wanted[0] as Dim)}`);
      return apply("unpatch", [X], { size, order: order.split(/\s+/).join(" "), channels, height, width });
    },
  },
  prepend: {
    slots: ["X", "v"], options: [], usage: "prepend(X, v)", plain: true,
    run: (c) => {
      const X = c.matrix("X");
      const v = X && c.matrix("v");
      if (!X || !v) return undefined;
      if (!c.context.dims.unify(rowsOf(v), rowsOf(X))) return c.fault(`${showShape(v.shape, c.context)} cannot stand before the columns of ${showShape(X.shape, c.context)}`, c.slots.get("v")?.span);
      return apply("columns", [v, X]);
    },
  },
  add: {
    slots: ["X", "Y"], options: [], usage: "add(X, Y)", plain: true,
    run: (c) => {
      const X = c.matrix("X");
      const Y = X && c.matrix("Y");
      if (!X || !Y) return undefined;
      if (!unifyShapes(X.shape, Y.shape, c.context)) return c.fault(`${showShape(X.shape, c.context)} and ${showShape(Y.shape, c.context)} cannot be added`, c.slots.get("Y")?.span);
      return add([X, Y]);
    },
  },
  mean_columns: {
    slots: ["X"], options: [], usage: "mean_columns(X)", plain: true,
    run: (c) => { const X = c.matrix("X"); return X && apply("rowmean", [X]); },
  },
  dropout: {
    slots: ["X", "rate"], options: [], usage: "dropout(X, rate)", plain: true,
    run: (c) => {
      const [X, rate] = [c.matrix("X"), c.number("rate", Number.NaN)];
      if (!X || rate === undefined) return undefined;
      if (!(rate >= 0 && rate < 1)) return c.fault("rate lies in [0, 1)", c.slots.get("rate")?.span);
      return rate === 0 ? X : apply("dropout", [X], { rate });
    },
  },
  scale: {
    slots: ["X"], options: ["init", "alias"], usage: "scale(X, init: 1)",
    run: (c) => {
      const [X, init] = [c.matrix("X"), c.number("init", 1)];
      if (!X || init === undefined) return undefined;
      const path = c.begin("scale");
      return multiply(diag(c.parameter(path, "factor", [rowsOf(X), one], 1, { kind: "constant", value: init }, "")), X);
    },
  },
  mlp: {
    slots: ["X", "hidden", "activation"], options: ["bias", "alias"], usage: "mlp(X, hidden, activation)",
    run: (c) => {
      const [X, hidden, activation, bias] = [c.matrix("X"), c.dim("hidden"), c.has("activation") ? c.word("activation") : "gelu", c.flag("bias", true)];
      if (!X || !hidden || activation === undefined || bias === undefined) return undefined;
      const f = activations[activation];
      if (!f) return c.fault(`activation is one of ${Object.keys(activations).join(", ")}`, c.slots.get("activation")?.span);
      const { place } = c.context;
      const inner = place ? { ...place, statement: c.begin("mlp") } : undefined;
      const nested = new Call("mlp", c.node, inner ? { ...c.context, place: inner } : c.context, c.slots);
      return linear(nested, f(linear(nested, X, hidden, bias)), rowsOf(X), bias);
    },
  },
  sincos: {
    slots: ["d", "n"], options: ["base", "alias"], usage: "sincos(d, n, base: 10000)",
    run: (c) => {
      const [d, n, base] = [c.dim("d"), c.dim("n"), c.number("base", 10000)];
      if (!d || !n || base === undefined) return undefined;
      const misfit = sincosMisfit(c.context.dims.valueOf(d), base);
      if (misfit) return c.fault(misfit.problem, c.slots.get(misfit.slot)?.span);
      return c.parameter(c.begin("sincos"), "table", [d, n], 2, { kind: "sincos", base }, "", true);
    },
  },
  cross_entropy: {
    slots: ["logits", "target", "weights"], options: ["smoothing"], usage: "cross_entropy(logits, label, smoothing: 0.1) or cross_entropy(logits, tokens, mask)",
    plain: true, lossOnly: true,
    run: (c) => {
      const [logits, smoothing] = [c.matrix("logits"), c.number("smoothing", 0)];
      const target = logits && c.any("target");
      if (!logits || !target || smoothing === undefined) return undefined;
      if (smoothing < 0 || smoothing >= 1) return c.fault("smoothing lies in [0, 1)", c.slots.get("smoothing")?.span);
      const inner = strip(c.slots.get("target") as Expression);
      const binding = inner.kind === "name" ? c.context.scope.find(inner.name) : undefined;
      if (binding?.kind !== "value" || !binding.symbols) return c.fault(`${textOf(inner)} is no label and no tokens`, inner.span);
      if (!c.context.dims.unify(rowsOf(logits), binding.symbols)) {
        return c.fault(`the logits have ${c.context.dims.show(rowsOf(logits))} rows, the target ${c.context.dims.show(binding.symbols)} classes`);
      }
      if (!c.context.dims.unify(colsOf(logits), rowsOf(target))) {
        return c.fault(`the logits have ${c.context.dims.show(colsOf(logits))} columns, the target ${c.context.dims.show(rowsOf(target))} entries`);
      }
      const weights = c.has("weights") ? c.as("weights", [colsOf(logits), one]) : undefined;
      if (c.has("weights") && !weights) return undefined;
      return apply("cross_entropy", [logits, target, ...(weights ? [weights] : [])], smoothing === 0 ? {} : { smoothing });
    },
  },
  mse: {
    slots: ["x", "target"], options: [], usage: "mse(x, target)", plain: true, lossOnly: true,
    run: (c) => {
      const x = c.matrix("x");
      const t = x && c.as("target", x.shape);
      return x && t && meanSquare(x, t);
    },
  },
  masked_mse: {
    slots: ["prediction", "target", "mask"], options: [], usage: "masked_mse(prediction, target, mask)", plain: true, lossOnly: true,
    run: (c) => {
      const x = c.matrix("prediction");
      const t = x && c.as("target", x.shape);
      const mask = x && c.matrix("mask");
      if (!x || !t || !mask) return undefined;
      const error = power(subtract(x, t), number(2));
      if (isOne(colsOf(mask)) && !isOne(colsOf(x)) && c.context.dims.unify(rowsOf(mask), colsOf(x))) {
        return divide(apply("total", [hadamard([mask, apply("colmean", [error])])]), apply("total", [mask]));
      }
      if (!unifyShapes(mask.shape, x.shape, c.context)) return c.fault(`the mask is ${showShape(mask.shape, c.context)}: wanted one entry for each column, or the prediction's shape`);
      return divide(apply("total", [hadamard([mask, error])]), apply("total", [mask]));
    },
  },
};

/** Which of the two makes no table of positions, and why. */
export function sincosMisfit(features: number | undefined, base: number): { readonly slot: "d" | "base"; readonly problem: string } | undefined {
  if (base <= 0) return { slot: "base", problem: "base is above 0" };
  if (features === undefined || features % 2 === 0) return undefined;
  return { slot: "d", problem: `the features are half sines and half cosines, so their number is even, not ${features}` };
}
export const isNetworkFunction = (name: string): boolean => Object.hasOwn(networkFunctions, name);
export const networkFunctionNames = (): readonly string[] => Object.keys(networkFunctions);

export function elaborateNetworkFunction(name: string, node: CallNode, context: Context): Expr | undefined {
  const row = networkFunctions[name];
  if (!row) return undefined;
  const report = (problem: string, span: Span = node.span): undefined => {
    context.reporter.report(wrongArguments({ fn: name, problem, usage: row.usage }, at(span)));
    return undefined;
  };
  if (!row.plain && !context.place) {
    context.reporter.report(misplaced({ what: `${name}, which makes parameters,`, where: "here", hint: "use it in a var, let, assignment, output or prenorm of a network" }, at(node.callee.span)));
    return undefined;
  }
  if (row.lossOnly && !context.loss) {
    context.reporter.report(misplaced({ what: name, where: "outside of a train block" }, at(node.callee.span)));
    return undefined;
  }
  const slots = new Map<string, Expression>();
  let position = 0;
  for (const a of node.args) {
    const slot = a.name ? a.name.name : row.slots[position++];
    if (slot === undefined) return report(`it takes ${row.slots.length} argument${row.slots.length === 1 ? "" : "s"}`, a.span);
    if (a.name && !row.slots.includes(slot) && !row.options.includes(slot)) {
      const near = nearest(slot, [...row.slots, ...row.options]);
      return report(`it has no option ${slot}${near ? ` (did you mean ${near}?)` : ""}`, a.span);
    }
    if (slots.has(slot)) return report(`${slot} is given twice`, a.span);
    slots.set(slot, a.value);
  }
  return row.run(new Call(name, node, context, slots));
}
