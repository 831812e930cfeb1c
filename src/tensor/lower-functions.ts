/** How is each function of an expression computed by tensor operations? One row for each. */
import { type Dim, dimAdd, dimNumber, dimSubtract } from "../expression/dim.js";
import type { ApplyExpr, Expr } from "../expression/expr.js";
import { multiply, partsOf } from "../expression/expr.js";
import type { FunctionName } from "../expression/functions.js";
import type { GraphBuilder } from "./builder.js";
import { lowerLogdet } from "./elimination.js";
import type { Axis, BinaryFunction, UnaryFunction } from "./graph.js";
import { singularLowerings } from "./jacobi.js";
import { lowerPatches, lowerUnpatch } from "./lower-patches.js";
import {
  align, colOf, extraNames, freshName, type FunctionLowering, type LowerContext, type Lowered, mapNode, materialise, maxOver, meanOver,
  renameRoles, rowOf, safeRoot, scalarOf, sumOver, withUnitAxis,
} from "./lowered.js";

const argument = (args: readonly Lowered[], i: number): Lowered => {
  const a = args[i];
  if (!a) throw new Error(`argument ${i + 1} is missing`);
  return a;
};
const unary = (fn: UnaryFunction): FunctionLowering => (c, _, args) => mapNode(argument(args, 0), (x) => c.builder.unary(fn, x));
/** Entry by entry, after bringing all arguments under common axes. */
const entrywise = (f: (b: GraphBuilder, ...nodes: number[]) => number): FunctionLowering => (c, _, args) => {
  const { nodes, roles } = align(c.builder, args);
  return { node: f(c.builder, ...nodes), roles };
};
const binary = (fn: BinaryFunction): FunctionLowering => entrywise((b, x, y) => b.binary(fn, x as number, y as number));
const reduction = (f: (b: GraphBuilder, x: Lowered) => number): FunctionLowering => (c, _, args) => scalarOf(f(c.builder, argument(args, 0)));
const same: FunctionLowering = (_, __, args) => argument(args, 0);
const inside: FunctionLowering = (c) => scalarOf(c.builder.fill(0));

const sumAll = (b: GraphBuilder, node: number, x: Lowered): number => sumOver(b, node, ...x.roles);
const squares = (b: GraphBuilder, x: Lowered): number => b.unary("square", x.node);
/** A number for each column: the rows are reduced, the columns become the rows of a column vector. */
const perColumn = (f: (b: GraphBuilder, x: Lowered, over: Axis | undefined) => number): FunctionLowering => (c, _, args) => {
  const x = argument(args, 0);
  return { node: f(c.builder, x, rowOf(x)), roles: [colOf(x), undefined] };
};
const perRow = (f: (b: GraphBuilder, x: Lowered, over: Axis | undefined) => number): FunctionLowering => (c, _, args) => {
  const x = argument(args, 0);
  return { node: f(c.builder, x, colOf(x)), roles: [rowOf(x), undefined] };
};
const rootOfSquares = (b: GraphBuilder, x: Lowered, over: Axis | undefined): number => safeRoot(b, sumOver(b, squares(b, x), over));
/** Along each column, or each row where the option says so. */
const alongColumns = (f: (b: GraphBuilder, x: Lowered, over: Axis) => number, alone: (b: GraphBuilder, x: Lowered) => number): FunctionLowering =>
  (c, e, args) => {
    const x = materialise(c.builder, argument(args, 0));
    const over = e.options["over"] === "rows" ? colOf(x) : rowOf(x);
    return { node: over ? f(c.builder, x, over) : alone(c.builder, x), roles: x.roles };
  };
const numberOption = (e: ApplyExpr, name: string, otherwise: number): number => {
  const value = e.options[name];
  return typeof value === "number" ? value : otherwise;
};
const dimOption = (c: LowerContext, e: ApplyExpr, name: string): Dim => {
  const value = e.options[name];
  return typeof value === "object" ? c.size(value) : dimNumber(typeof value === "number" ? value : 0);
};

const huber = (b: GraphBuilder, x: number, delta: number): number => {
  const size = b.unary("abs", x);
  const near = b.binary("min", size, delta);
  return b.binary("multiply", near, b.binary("subtract", size, b.binary("multiply", near, b.fill(0.5))));
};
const softThreshold = (b: GraphBuilder, x: number, c: number): number =>
  b.binary("subtract", b.unary("relu", b.binary("subtract", x, c)), b.unary("relu", b.unary("negate", b.binary("add", x, c))));

function trace(c: LowerContext, e: ApplyExpr, [x]: readonly Lowered[]): Lowered {
  const b = c.builder;
  const parts = partsOf(e.args[0] as Expr);
  const [first, ...rest] = parts.factors;
  // tr(A·B) is Σ A ∘ B': no product is formed.
  if (first && rest.length > 0 && parts.coefficient === 1 && parts.scalars.length === 0) {
    const { nodes, roles } = align(b, [c.lower(first), turnedOf(c.lower(multiply(...rest)))]);
    return scalarOf(sumOver(b, b.binary("multiply", nodes[0] as number, nodes[1] as number), ...roles));
  }
  return scalarOf(diagonalSum(b, materialise(b, x as Lowered)));
}
const turnedOf = (x: Lowered): Lowered => ({ node: x.node, roles: [x.roles[1], x.roles[0]] });
function diagonalSum(b: GraphBuilder, x: Lowered): number {
  const [row, col] = x.roles;
  return row && col ? b.reduce("sum", b.diagonal(x.node, row.name, col.name), [row.name]) : x.node;
}
/** Below the diagonal (row after column) another value. */
const belowDiagonal = (value: number): FunctionLowering => (c, _, args) => {
  const b = c.builder;
  const x = argument(args, 0);
  const [row, col] = x.roles;
  if (!row || !col) return x;
  return { ...x, node: b.select(b.binary("greater", b.iota(row), b.iota(col)), b.fill(value), x.node) };
};
function softmaxFamily(c: LowerContext, e: ApplyExpr, [x]: readonly Lowered[]): Lowered {
  const b = c.builder;
  if (!e.family || !x) throw new Error("a softmax over a family without its index");
  const { index, size, at } = e.family;
  const full = b.spread(x.node, [{ name: index, size: c.size(size) }]);
  const node = b.softmax(full, index);
  if (at.kind === "number") {
    const one = b.slice(node, index, dimNumber(at.value - 1), dimNumber(at.value));
    return { ...x, node: b.reduce("sum", one, [index]) };
  }
  if (at.name === index) return { ...x, node };
  return { ...x, node: b.has(node, at.name) ? b.diagonal(node, at.name, index) : b.rename(node, new Map([[index, at.name]])) };
}
function columns(c: LowerContext, _: ApplyExpr, args: readonly Lowered[]): Lowered {
  const b = c.builder;
  const taken = new Set(args.flatMap((x) => [...extraNames(b, x), ...(rowOf(x) ? [rowOf(x)?.name ?? ""] : [])]));
  const wanted = args.map(colOf).find((axis) => axis)?.name ?? "column";
  const name = freshName(wanted, taken);
  const row = args.map(rowOf).find((axis) => axis);
  const parts = args.map((x) => {
    const named = renameRoles(b, x, [row, colOf(x) && { name, size: (colOf(x) as Axis).size }]);
    const col = colOf(x);
    const roles = [rowOf(x) && row, col && { name, size: col.size }];
    return withUnitAxis(b, materialise(b, { node: named, roles }), 1, name);
  });
  const size = parts.map((p) => p.axis.size).reduce(dimAdd);
  return { node: b.concat(parts.map((p) => p.node), name), roles: [row, { name, size }] };
}
function pad(c: LowerContext, e: ApplyExpr, [given]: readonly Lowered[]): Lowered {
  const b = c.builder;
  let x = given as Lowered;
  const sides = [["above", "below"], ["before", "after"]] as const;
  sides.forEach(([first, last], role) => {
    const [before, after] = [dimOption(c, e, first), dimOption(c, e, last)];
    if (before.key === "0" && after.key === "0") return;
    const taken = new Set(b.axes(x.node).map((a) => a.name));
    const { node, axis } = withUnitAxis(b, x, role, freshName(role === 0 ? "row" : "column", taken));
    const size = dimAdd(axis.size, dimAdd(before, after));
    x = { node: b.pad(node, axis.name, before, after), roles: x.roles.map((r, i) => (i === role ? { name: axis.name, size } : r)) };
  });
  return x;
}
/** tokens (1…V) pick columns of the table. */
function embedding(c: LowerContext, _: ApplyExpr, args: readonly Lowered[]): Lowered {
  const b = c.builder;
  const tokens = argument(args, 0), table = materialise(b, argument(args, 1));
  const [row, symbols] = table.roles;
  const col = rowOf(tokens);
  const indices = b.cast(b.binary("subtract", tokens.node, b.fill(1)), "int");
  if (!symbols) return { node: b.spread(table.node, col ? [col] : []), roles: [row, col] };
  const taken = new Set([...b.axes(indices).map((a) => a.name), ...(col ? [col.name] : [])]);
  const feature = row && { name: freshName(row.name, taken), size: row.size };
  return { node: b.gather(renameRoles(b, table, [feature, symbols]), indices, symbols.name), roles: [feature, col] };
}
/** 1 at the first entry (row by row) of largest absolute value, times its sign. */
function peakSign(c: LowerContext, _: ApplyExpr, args: readonly Lowered[]): Lowered {
  const b = c.builder;
  const x = materialise(b, argument(args, 0));
  const [row, col] = x.roles;
  const size = b.unary("abs", x.node);
  const peak = b.binary("equal", size, maxOver(b, size, row, col));
  const position = (axis: Axis | undefined): number => (axis ? b.cast(b.iota(axis), "float") : b.fill(0));
  const order = b.binary("add", b.binary("multiply", position(row), b.size(col?.size ?? dimNumber(1))), position(col));
  const rank = b.select(peak, b.unary("negate", order), b.fill(Number.NEGATIVE_INFINITY));
  const first = b.binary("multiply", peak, b.binary("equal", rank, maxOver(b, rank, row, col)));
  return { node: b.binary("multiply", first, b.unary("sign", x.node)), roles: x.roles };
}
/**
 * max(v − θ, 0) with θ = max_i (Σ_{j: v_j ≥ v_i} v_j − 1)/#{j: v_j ≥ v_i}: of the candidates that sorting would give (Held, Wolfe & Crowder
 * 1974) the right one is the largest, since they rise up to it and fall after.
 */
function projectSimplex(b: GraphBuilder, x: Lowered, row: Axis): number {
  const taken = new Set(b.axes(x.node).map((a) => a.name));
  const other = freshName(row.name, taken);
  const turned = b.rename(x.node, new Map([[row.name, other]]));
  const above = b.stop(b.binary("greater_equal", turned, x.node));
  const candidate = b.binary("divide",
    b.binary("subtract", b.reduce("sum", b.binary("multiply", above, turned), [other]), b.fill(1)), b.reduce("sum", above, [other]));
  return b.unary("relu", b.binary("subtract", x.node, b.reduce("max", candidate, [row.name])));
}
function crossEntropy(c: LowerContext, e: ApplyExpr, args: readonly Lowered[]): Lowered {
  const b = c.builder;
  const logits = materialise(b, argument(args, 0)), target = argument(args, 1);
  const [classes, col] = logits.roles;
  if (!classes) return scalarOf(b.fill(0));
  const log = b.logSoftmax(logits.node, classes.name);
  const label = renameRoles(b, target, [col, undefined]);
  const smoothing = numberOption(e, "smoothing", 0);
  const hit = b.binary("equal", b.cast(b.binary("subtract", label, b.fill(1)), "int"), b.iota(classes));
  const own = b.reduce("sum", b.binary("multiply", log, hit), [classes.name]);
  const all = b.reduce("mean", log, [classes.name]);
  const kept = b.binary("add", b.binary("multiply", own, b.fill(1 - smoothing)), b.binary("multiply", all, b.fill(smoothing)));
  const weights = args[2] && renameRoles(b, args[2], [col, undefined]);
  if (!weights) return scalarOf(b.unary("negate", meanOver(b, kept, col)));
  return scalarOf(b.unary("negate", b.binary("divide", sumOver(b, b.binary("multiply", kept, weights), col), sumOver(b, weights, col))));
}
function cumsum(c: LowerContext, e: ApplyExpr, args: readonly Lowered[]): Lowered {
  const x = materialise(c.builder, argument(args, 0));
  const axis = e.options["over"] === "columns" ? rowOf(x) : colOf(x);
  return axis ? mapNode(x, (node) => c.builder.cumsum(node, axis.name, e.options["reverse"] === true)) : x;
}
const dropout: FunctionLowering = (c, e, args) => {
  const x = argument(args, 0);
  return c.training ? mapNode(materialise(c.builder, x), (node) => c.builder.dropout(node, numberOption(e, "rate", 0))) : x;
};
function diagonal(c: LowerContext, _: ApplyExpr, args: readonly Lowered[]): Lowered {
  const x = materialise(c.builder, argument(args, 0));
  const [row, col] = x.roles;
  return { node: row && col ? c.builder.diagonal(x.node, row.name, col.name) : x.node, roles: [row, undefined] };
}
/** diag(v) where it stands outside of a product. */
function diag(c: LowerContext, e: ApplyExpr, args: readonly Lowered[]): Lowered {
  const b = c.builder;
  const v = argument(args, 0);
  const [row, col] = c.rolesOf(e.shape);
  if (!row || !col) return v;
  return { node: b.binary("multiply", renameRoles(b, v, [row, undefined]), b.identity(row, col)), roles: [row, col] };
}
const standardized = (centred: boolean): FunctionLowering => (c, e, args) =>
  alongColumns(
    (b, x, over) => b.standardize(x.node, over.name, numberOption(e, "eps", 1e-5), centred),
    (b, x) => (centred ? b.fill(0) : b.binary("divide", x.node, b.unary("sqrt", b.binary("add", squares(b, x), b.fill(numberOption(e, "eps", 1e-5)))))),
  )(c, { ...e, options: {} }, args);
const normalized = (b: GraphBuilder, x: Lowered, over: Axis | undefined): number =>
  b.binary("divide", x.node, safeRoot(b, sumOver(b, squares(b, x), over), 1e-24));

export const functionLowerings = {
  exp: unary("exp"), log: unary("log"), sqrt: unary("sqrt"), abs: unary("abs"), sign: unary("sign"), relu: unary("relu"),
  gelu: unary("gelu"), sigmoid: unary("sigmoid"), tanh: unary("tanh"), erf: unary("erf"),
  max: binary("max"), min: binary("min"), equal: binary("equal"), less: binary("less"), less_equal: binary("less_equal"),
  greater: binary("greater"), greater_equal: binary("greater_equal"), remainder: binary("remainder"), power: binary("power"),
  hadamard: entrywise((b, ...nodes) => nodes.reduce((x, y) => b.binary("multiply", x, y))),
  soft_threshold: entrywise((b, x, t) => softThreshold(b, x as number, t as number)),
  hard_threshold: entrywise((b, x, t) => b.binary("multiply", x as number, b.binary("greater", b.unary("abs", x as number), t as number))),
  huber: entrywise((b, x, delta) => huber(b, x as number, delta as number)),

  trace,
  logdet: (c, _, args) => lowerLogdet(c, argument(args, 0)),
  total: reduction((b, x) => sumAll(b, x.node, x)),
  mean: reduction((b, x) => meanOver(b, x.node, ...x.roles)),
  sq_norm: reduction((b, x) => sumAll(b, squares(b, x), x)),
  norm0: reduction((b, x) => sumAll(b, b.unary("step", b.unary("abs", x.node)), x)),
  norm1: reduction((b, x) => sumAll(b, b.unary("abs", x.node), x)),
  norm2: reduction((b, x) => safeRoot(b, sumAll(b, squares(b, x), x))),
  norm21: reduction((b, x) => sumOver(b, rootOfSquares(b, x, rowOf(x)), colOf(x))),
  norm_inf: reduction((b, x) => maxOver(b, b.unary("abs", x.node), ...x.roles)),
  norm_nuc: singularLowerings.norm_nuc, norm_spec: singularLowerings.norm_spec,
  nonnegative: inside, box: inside, ball: inside, sphere: inside, simplex: inside, orthonormal: inside,

  colsum: perColumn((b, x, over) => sumOver(b, x.node, over)), colmean: perColumn((b, x, over) => meanOver(b, x.node, over)),
  colnorm: perColumn(rootOfSquares),
  rowsum: perRow((b, x, over) => sumOver(b, x.node, over)), rowmean: perRow((b, x, over) => meanOver(b, x.node, over)),
  rownorm: perRow(rootOfSquares),

  diag, diagonal,
  causal: belowDiagonal(Number.NEGATIVE_INFINITY), upper_triangle: belowDiagonal(0),
  softmax: alongColumns((b, x, over) => b.softmax(x.node, over.name), (b, x) => b.fill(1, b.axes(x.node))),
  softmax_family: softmaxFamily,
  normalize: alongColumns(normalized, (b, x) => normalized(b, x, undefined)),
  cumsum,
  stop: (c, _, args) => mapNode(argument(args, 0), (x) => c.builder.stop(x)),
  prox: same,

  project_simplex: alongColumns(projectSimplex, (b, x) => b.fill(1, b.axes(x.node))),
  singular_soft_threshold: singularLowerings.singular_soft_threshold, polar: singularLowerings.polar,
  leading_singular: singularLowerings.leading_singular, peak_sign: peakSign,

  standardize: standardized(true), rms_standardize: standardized(false),
  columns, pad, dropout, embedding,
  patches: (c, e, args) => lowerPatches(c, argument(args, 0), dimOption(c, e, "size"), e.options["order"]),
  unpatch: (c, e, args) => lowerUnpatch(c, argument(args, 0), dimOption(c, e, "size"), e.options["order"],
    { channels: dimOption(c, e, "channels"), height: dimOption(c, e, "height"), width: dimOption(c, e, "width") }),
  cross_entropy: crossEntropy,
} satisfies Record<FunctionName, FunctionLowering>;

/** The part of a value between rows and columns from…to (from 1, both included). */
export function lowerSlice(c: LowerContext, x: Lowered, ranges: readonly ({ readonly from: Dim; readonly to: Dim } | undefined)[]): Lowered {
  const b = c.builder;
  let node = x.node;
  const roles = x.roles.map((role, i) => {
    const range = ranges[i];
    if (!range || !role) return role;
    const [from, to] = [dimSubtract(c.size(range.from), dimNumber(1)), c.size(range.to)];
    const axis = { name: role.name, size: dimSubtract(to, from) };
    if (b.has(node, role.name)) node = b.slice(node, role.name, from, to);
    if (axis.size.key !== "1") return axis;
    if (b.has(node, axis.name)) node = b.reduce("sum", node, [axis.name]);
    return undefined;
  });
  return { node, roles };
}
