/** AST expressions → matrix expressions: names looked up, every shape checked, fns and families spread out. */
import { at } from "../diagnostics/declare.js";
import { type Dim, dimSymbol, isOne, one, solveDim } from "../expression/dim.js";
import {
  add, apply, colsOf, dependsOnIndex, divide, type Expr, freeIndices, hadamard, identity, indexSum, type IndexTerm, inverse, isScalar, multiply, negate,
  number, ones, power, renameFreeIndex, rowsOf, scalarShape, slice, softmaxFamily, symbol, transpose, type Range, zero,
} from "../expression/expr.js";
import { type FunctionName, functionRow, isFunctionName, type Options, type OptionValue, publicFunctionNames, type Shape } from "../expression/functions.js";
import { firstUse, namesIn } from "../syntax/names.js";
import type { Expression, FunctionDeclaration, Hole, TypeExpression } from "../syntax/ast.js";
import {
  dimFault, familyMisuse, misplaced, notSquare, recursion, scalarWanted, shapeMismatch, sizeUnknown, unknownName, wrongArguments, wrongShape,
} from "./diagnostics.js";
import { nearest } from "../diagnostics/nearest.js";
import { isNetworkFunction, networkFunctionNames, elaborateNetworkFunction } from "./network-functions.js";
import { type Context, Scope, type ValueBinding } from "./scope.js";
import type { Span } from "../diagnostics/span.js";

/** An expression whose size the surroundings decide (`I`, `2*I`, `I.^2`). */
interface Flexible {
  readonly flexible: (shape: Shape) => Expr | undefined;
  readonly symbol: string;
  /** A 1×1 product of matrices stands beside it in a sum: where the surroundings say nothing it is 1×1 too. */
  readonly single: boolean;
}
export type Elaborated = { readonly expr: Expr } | Flexible;

type BinaryNode = Extract<Expression, { kind: "binary" }>;
type CallNode = Extract<Expression, { kind: "call" }>;
type IndexNode = Extract<Expression, { kind: "index" }>;

/** `real[d, n]`, as people write it. */
export function showShape(shape: Shape, context: Context): string {
  if (shape.length === 2 && shape.every(isOne)) return "real";
  const sizes = shape.length === 2 && isOne(shape[1] as Dim) ? [shape[0] as Dim] : shape;
  return `real[${sizes.map((d) => context.dims.show(d)).join(", ")}]`;
}
export function unifyShapes(a: Shape, b: Shape, context: Context): boolean {
  return a.length === b.length && a.every((d, i) => context.dims.unify(d, b[i] as Dim));
}
export const strip = (e: Expression): Expression => (e.kind === "group" ? strip(e.inner) : e);

/** The value in its final shape; undefined if something was wrong (and reported). */
export function elaborate(e: Expression, context: Context, expected?: Shape): Expr | undefined {
  const inside: Context = { ...context, inside: true };
  const result = visit(e, inside);
  const value = result && settle(result, e, inside, expected);
  return value && !context.inside ? checkIndices(value, e, context) : value;
}
/** A clause gives one value, or one for each member of its own family: no other index may stand free in it. One that does becomes a member, so that later uses are not faulted too. */
function checkIndices(value: Expr, e: Expression, context: Context): Expr {
  let closed = value;
  for (const name of freeIndices(value)) {
    if (context.running?.includes(name)) continue;
    closed = renameFreeIndex(closed, name, { kind: "number", value: 1 });
    context.reporter.report(familyMisuse({ name: `the index ${name}`, problem: "runs nowhere here", hint: `sum over it: sum(${name}) …, or take one member by its number` }, at(firstUse(e, name) ?? e.span)));
  }
  return closed;
}
function settle(result: Elaborated, e: Expression, context: Context, expected?: Shape): Expr | undefined {
  if ("flexible" in result) {
    const size = expected ?? (result.single ? scalarShape : undefined);
    const before = context.reporter.diagnostics.length;
    const made = size && result.flexible(size);
    if (!made && context.reporter.diagnostics.length === before) context.reporter.report(sizeUnknown({ symbol: result.symbol }, at(e.span)));
    return made;
  }
  const { expr } = result;
  if (expected && expr.kind === "number" && expr.value === 0 && !expected.every(isOne)) return zero(expected);
  return expr;
}
/** The value, checked to have a shape; the message names what it is. */
export function elaborateAs(e: Expression, context: Context, expected: Shape, what: string): Expr | undefined {
  const expr = elaborate(e, context, expected);
  if (!expr) return undefined;
  if (unifyShapes(expr.shape, expected, context)) return expr;
  context.reporter.report(wrongShape({ what, has: showShape(expr.shape, context), wanted: showShape(expected, context) }, at(e.span, showShape(expr.shape, context))));
  return undefined;
}
export function elaborateScalar(e: Expression, context: Context, what: string): Expr | undefined {
  const expr = elaborate(e, context);
  if (!expr) return undefined;
  if (isScalar(expr)) return expr;
  context.reporter.report(scalarWanted({ what, has: showShape(expr.shape, context) }, at(e.span, showShape(expr.shape, context))));
  return undefined;
}

function visit(e: Expression, context: Context): Elaborated | undefined {
  switch (e.kind) {
    case "missing": return undefined;
    case "number": return { expr: number(e.value) };
    case "group": return visit(e.inner, context);
    case "string": case "quantity":
      context.reporter.report(misplaced({ what: e.kind === "string" ? "a string" : "a number with a unit", where: "in an expression" }, at(e.span)));
      return undefined;
    case "name": return visitName(e, context);
    case "index": return visitIndex(e, context);
    case "call": return visitCall(e, context);
    case "transpose": {
      const a = visit(e.operand, context);
      if (!a) return undefined;
      return "flexible" in a ? { ...a, flexible: (s) => mapExpr(a.flexible([...s].reverse()), transpose) } : matrixOnly(a.expr, e.operand.span, context) && { expr: transpose(a.expr) };
    }
    case "negate": {
      const a = visit(e.operand, context);
      return a && ("flexible" in a ? { ...a, flexible: (s) => mapExpr(a.flexible(s), negate) } : { expr: negate(a.expr) });
    }
    case "sum": return visitSum(e, context);
    case "binary": return visitBinary(e, context);
  }
}
const mapExpr = (e: Expr | undefined, f: (e: Expr) => Expr): Expr | undefined => e && f(e);
function matrixOnly(e: Expr, span: Span, context: Context): Expr | undefined {
  if (e.shape.length === 2) return e;
  context.reporter.report(misplaced({ what: `an array ${showShape(e.shape, context)}`, where: "here", hint: "arrays are taken by network functions only, such as patches" }, at(span)));
  return undefined;
}

// ---------------------------------------------------------------- names
function visitName(e: Extract<Expression, { kind: "name" }>, context: Context): Elaborated | undefined {
  const binding = context.scope.find(e.name);
  if (binding?.kind === "index") return { expr: symbol(binding.name, "index", scalarShape) };
  if (binding) {
    if (binding.family) {
      context.reporter.report(familyMisuse({ name: e.name, problem: "is a family; here one member is wanted", hint: `${e.name}[${binding.family.index}]` }, at(e.span)));
      return undefined;
    }
    return { expr: binding.make() };
  }
  const own = context.scope.dim(e.name);
  if (own) return { expr: context.dims.scalar(own) };
  if (context.dims.has(e.name)) return { expr: symbol(e.name, "dim", scalarShape) };
  if (e.name === "I") {
    return { symbol: "I", single: false, flexible: ([rows, cols]) => (rows && cols && context.dims.unify(rows, cols) ? identity(rows) : undefined) };
  }
  const known = [...context.scope.names(), ...context.dims.names()];
  const isFunction = isFunctionName(e.name) || isNetworkFunction(e.name) || context.functions.has(e.name);
  context.reporter.report(isFunction
    ? misplaced({ what: `the function ${e.name}`, where: "without arguments", hint: `${e.name}(…)` }, at(e.span))
    : unknownName({ name: e.name, what: "name", near: nearest(e.name, known) }, at(e.span)));
  return undefined;
}

/** A family by its bare name, or any value: what fn and lemma arguments may be. */
export function familyOrValue(e: Expression, context: Context): ValueBinding | undefined {
  const inner = strip(e);
  const binding = inner.kind === "name" ? context.scope.find(inner.name) : undefined;
  if (binding?.kind === "value") return binding;
  const value = elaborate(e, context);
  return value && { kind: "value", what: "argument", shape: value.shape, make: () => value };
}

// ---------------------------------------------------------------- indices and slices
/** `k`, `2`, a name of an index. */
export function indexTerm(e: Expression, context: Context): { term: IndexTerm; size?: Dim } | undefined {
  const inner = strip(e);
  if (inner.kind === "number" && Number.isInteger(inner.value) && inner.value >= 1) return { term: { kind: "number", value: inner.value } };
  if (inner.kind === "name") {
    const binding = context.scope.find(inner.name);
    if (binding?.kind === "index") return { term: { kind: "variable", name: binding.name }, size: binding.size };
  }
  return undefined;
}
function visitIndex(e: IndexNode, context: Context): Elaborated | undefined {
  const object = strip(e.object);
  const binding = object.kind === "name" ? context.scope.find(object.name) : undefined;
  const [only] = e.indices;
  if (binding?.kind === "value" && binding.family && object.kind === "name") {
    if (e.indices.length !== 1 || only?.kind !== "at") {
      context.reporter.report(familyMisuse({ name: object.name, problem: "is a family and takes one index", hint: `${object.name}[${binding.family.index}]` }, at(e.span)));
      return undefined;
    }
    const found = indexTerm(only.value, context);
    if (!found) {
      context.reporter.report(familyMisuse({ name: object.name, problem: "takes a declared index or a whole number from 1", hint: `index ${binding.family.index} in 1..…` }, at(only.span)));
      return undefined;
    }
    const count = context.dims.valueOf(binding.family.size);
    const { term, size } = found;
    if (term.kind === "number" && count !== undefined && term.value > count) {
      context.reporter.report(familyMisuse({ name: object.name, problem: `has ${count} members, not ${term.value}` }, at(only.span)));
      return undefined;
    }
    if (size && !context.dims.unify(size, binding.family.size)) {
      const [x, y] = [context.dims.valueOf(size), count];
      if (x === undefined || x !== y) {
        context.reporter.report(familyMisuse({ name: object.name, problem: `runs over ${context.dims.show(binding.family.size)} members, the index over ${context.dims.show(size)}` }, at(only.span)));
        return undefined;
      }
    }
    return { expr: binding.make(term) };
  }
  const value = elaborate(e.object, context);
  if (!value || !matrixOnly(value, e.object.span, context)) return undefined;
  const index = e.indices.flatMap((i) => (i.kind === "all" ? [] : i.kind === "at" ? [i.value] : [i.from, i.to])).map((x) => indexIn(x, context)).find((x) => x);
  if (index) {
    const name = textOf(object);
    context.reporter.report(e.indices.length === 1
      ? familyMisuse({ name, problem: `is no family: it has no member ${index.name}`, ...(object.kind === "name" ? { hint: `one is declared with its index: ${name}[${index.name}]: real[…]` } : {}) }, at(e.span))
      : misplaced({ what: `the index ${index.name}`, where: "in a slice", hint: "rows and columns are taken by sizes and numbers (Z[1, :], Z[2..n, :]); an index takes members of families" }, at(index.span)));
    return undefined;
  }
  const range = (i: (typeof e.indices)[number] | undefined, full: Dim): Range | undefined | null => {
    if (!i || i.kind === "all") return undefined;
    const read = (x: Expression): Dim | undefined => context.dims.read(x, false, (name) => context.scope.dim(name));
    const [from, to] = i.kind === "at" ? [read(i.value), read(i.value)] : [read(i.from), read(i.to)];
    if (!from || !to) return null;
    const [a, b, n] = [context.dims.valueOf(from), context.dims.valueOf(to), context.dims.valueOf(full)];
    if ((a !== undefined && a < 1) || (b !== undefined && n !== undefined && b > n) || (a !== undefined && b !== undefined && a > b)) {
      context.reporter.report(dimFault({ problem: `the range ${context.dims.show(from)}..${context.dims.show(to)} does not lie within 1..${context.dims.show(full)}` }, at(i.span)));
      return null;
    }
    return { from: context.dims.expand(from), to: context.dims.expand(to) };
  };
  if (e.indices.length > 2 || (e.indices.length === 1 && !isOne(colsOf(value)))) {
    context.reporter.report(wrongArguments({ fn: "an index", problem: `a matrix takes rows and columns`, usage: "Z[:, 1], Z[1, :] or Z[:, 2..n]" }, at(e.span)));
    return undefined;
  }
  const rows = range(e.indices[0], rowsOf(value));
  const cols = range(e.indices[1], colsOf(value));
  return rows === null || cols === null ? undefined : { expr: slice(value, rows, cols) };
}
/** The first index that a size speaks of. */
function indexIn(e: Expression, context: Context): { readonly name: string; readonly span: Span } | undefined {
  const name = namesIn(e).find((n) => context.scope.find(n)?.kind === "index" && !context.scope.dim(n));
  const span = name === undefined ? undefined : firstUse(e, name);
  return name !== undefined && span ? { name, span } : undefined;
}
function visitSum(e: Extract<Expression, { kind: "sum" }>, context: Context): Elaborated | undefined {
  const binding = context.scope.find(e.index.name);
  if (binding?.kind !== "index") {
    context.reporter.report(unknownName({ name: e.index.name, what: "index", near: nearest(e.index.name, context.scope.names()) }, at(e.index.span)));
    return undefined;
  }
  const body = elaborate(e.body, context);
  return body && { expr: indexSum(binding.name, binding.size, body) };
}

// ---------------------------------------------------------------- operators
const comparisons: Readonly<Record<string, FunctionName>> = { "==": "equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal" };

function visitBinary(e: BinaryNode, context: Context): Elaborated | undefined {
  if (e.op === "|>") return visitPipe(e, context);
  if (e.op === "+" || e.op === "-") return visitAddition(e, context);
  const [a, b] = [visit(e.left, context), visit(e.right, context)];
  if (!a || !b) return undefined;
  if (e.op === "*") return product(a, b, e, context);
  const operate = ([x, y]: readonly Expr[]): Expr | undefined => x && y && operation(e, x, y, context);
  const open = openOf([a, b]);
  if (open) return { ...open, flexible: (s) => mapAll([sized(a, s), sized(b, s)], operate) };
  const x = settle(a, e.left, context, "expr" in b ? b.expr.shape : undefined);
  const y = settle(b, e.right, context, "expr" in a ? a.expr.shape : undefined);
  const made = mapAll([x, y], operate);
  return made && { expr: made };
}
/** An operation stays open where both operands are, or where a scalar stands beside one that is: nothing has said a size yet. */
function openOf(operands: readonly Elaborated[]): Omit<Flexible, "flexible"> | undefined {
  const open = operands.filter((x) => "flexible" in x);
  if (!open[0] || operands.some((x) => "expr" in x && !isScalar(x.expr))) return undefined;
  return { symbol: open[0].symbol, single: open.some((x) => x.single) };
}
const sized = (x: Elaborated, shape: Shape): Expr | undefined => ("flexible" in x ? x.flexible(shape) : x.expr);
function mapAll(operands: readonly (Expr | undefined)[], f: (operands: readonly Expr[]) => Expr | undefined): Expr | undefined {
  return operands.every((x) => x !== undefined) ? f(operands) : undefined;
}

/** Any operation but a sum, a product of matrices and `|>`. */
function operation(e: BinaryNode, x: Expr, y: Expr, context: Context): Expr | undefined {
  if (!matrixOnly(x, e.left.span, context) || !matrixOnly(y, e.right.span, context)) return undefined;
  const mismatch = (): undefined => {
    context.reporter.report(shapeMismatch({ op: operationText(e), left: showShape(x.shape, context), right: showShape(y.shape, context) },
      at(e.left.span, showShape(x.shape, context)), at(e.right.span, showShape(y.shape, context))));
    return undefined;
  };
  const fits = isScalar(x) || isScalar(y) || unifyShapes(x.shape, y.shape, context);
  switch (e.op) {
    case "/":
      if (isScalar(y)) return divide(x, y);
      context.reporter.report(wrongArguments({ fn: "/", problem: "only a scalar can stand below", usage: `${textOf(e.left)} ./ ${textOf(e.right)} divides entry by entry` }, at(e.right.span, showShape(y.shape, context))));
      return undefined;
    case ".*": return fits ? hadamard([x, y]) : mismatch();
    case "./": return !fits ? mismatch() : isScalar(y) ? divide(x, y) : hadamard([isScalar(x) ? multiply(x, ones(y.shape)) : x, power(y, number(-1))]);
    case ".^": return fits ? power(x, y) : mismatch();
    case "^": {
      if (isScalar(x) && isScalar(y)) return power(x, y);
      if (isScalar(y) && y.kind === "number" && Number.isInteger(y.value) && y.value >= 1 && y.value <= 64 && context.dims.unify(rowsOf(x), colsOf(x))) {
        return multiply(...Array.from({ length: y.value }, () => x));
      }
      context.reporter.report(wrongArguments({ fn: "^", problem: "takes a scalar, or a square matrix and a whole number from 1", usage: "`.^` takes powers entry by entry" }, at(e.opSpan)));
      return undefined;
    }
    case "%": return fits ? apply("remainder", [x, y]) : mismatch();
    default: {
      const fn = comparisons[e.op];
      return fn && fits ? apply(fn, [x, y]) : mismatch();
    }
  }
}
function product(a: Elaborated, b: Elaborated, e: BinaryNode, context: Context): Elaborated | undefined {
  const open = openOf([a, b]);
  if (open) return { ...open, flexible: (s) => mapAll([sized(a, s), sized(b, s)], (both) => multiply(...both)) };
  const x = "expr" in a ? a.expr : sizedBeside(a, rowsOf, b);
  const y = "expr" in b ? b.expr : sizedBeside(b, colsOf, a);
  if (!x || !y || !matrixOnly(x, e.left.span, context) || !matrixOnly(y, e.right.span, context)) return undefined;
  if (isScalar(x) || isScalar(y) || context.dims.unify(colsOf(x), rowsOf(y))) return { expr: multiply(x, y) };
  // The operands that do not fit are the factors that meet, not the whole runs.
  const [left, right] = [lastFactor(e.left), firstFactor(e.right)];
  const [ls, rs] = [elaborateQuietly(left, context) ?? x, elaborateQuietly(right, context) ?? y];
  context.reporter.report(shapeMismatch({
    op: `${textOf(left)}*${textOf(right)}`, left: showShape(ls.shape, context), right: showShape(rs.shape, context), mend: mendProduct(left, ls, right, rs, context),
  }, at(left.span, showShape(ls.shape, context)), at(right.span, showShape(rs.shape, context))));
  return undefined;
}
/** What is open beside a matrix in a product is square, of that matrix's rows or columns. */
function sizedBeside(open: Flexible, side: (e: Expr) => Dim, other: Elaborated): Expr | undefined {
  return "expr" in other ? open.flexible([side(other.expr), side(other.expr)]) : undefined;
}
function lastFactor(e: Expression): Expression {
  return e.kind === "binary" && e.op === "*" ? lastFactor(e.right) : e;
}
function firstFactor(e: Expression): Expression {
  return e.kind === "binary" && e.op === "*" ? firstFactor(e.left) : e;
}
function elaborateQuietly(e: Expression, context: Context): Expr | undefined {
  const before = context.reporter.diagnostics.length;
  const result = visit(e, context);
  context.reporter.diagnostics.length = before;
  return result && "expr" in result ? result.expr : undefined;
}
/** A transpose that would make the product fit. */
function mendProduct(left: Expression, x: Expr, right: Expression, y: Expr, context: Context): string | undefined {
  const value = (d: Dim): string => context.dims.expand(d).key;
  const turn = (e: Expression): string => {
    const inner = strip(e);
    return inner.kind === "transpose" ? textOf(inner.operand) : `${textOf(e)}'`;
  };
  if (value(rowsOf(x)) === value(rowsOf(y))) return `${turn(left)}*${textOf(right)}`;
  if (value(colsOf(x)) === value(colsOf(y))) return `${textOf(left)}*${turn(right)}`;
  return undefined;
}

/** Does a scalar hold a 1×1 product of matrices, in whose place larger ones would make it a matrix? */
function isInner(e: Expr): boolean {
  switch (e.kind) {
    case "sum": return e.terms.some(isInner);
    case "indexSum": return isInner(e.body);
    case "product": return e.factors.length > 0 || e.scalars.some((s) => isInner(s.base));
    case "apply": return !/^(reduction|indicator)$/.test(functionRow(e.fn).class) && e.args.some((a) => !isScalar(a) || isInner(a));
    default: return false;
  }
}
function visitAddition(e: BinaryNode, context: Context): Elaborated | undefined {
  const terms: { node: Expression; sign: 1 | -1; value: Elaborated }[] = [];
  let failed = false;
  const collect = (x: Expression, sign: 1 | -1): void => {
    if (x.kind === "binary" && (x.op === "+" || x.op === "-")) {
      collect(x.left, sign);
      collect(x.right, x.op === "-" ? (-sign as 1 | -1) : sign);
      return;
    }
    const value = visit(x, context);
    if (value) terms.push({ node: x, sign, value });
    else failed = true;
  };
  collect(e, 1);
  if (failed) return undefined;
  const signed = (x: Expr, sign: 1 | -1): Expr => (sign < 0 ? negate(x) : x);
  const rigid = terms.filter((t): t is typeof t & { value: { expr: Expr } } => "expr" in t.value);
  const first = rigid.find((t) => !isScalar(t.value.expr));
  if (!first) {
    const open = terms.find((t) => "flexible" in t.value);
    if (!open || !("flexible" in open.value)) return { expr: add(rigid.map((t) => signed(t.value.expr, t.sign))) };
    return {
      symbol: open.value.symbol,
      single: terms.some((t) => ("flexible" in t.value ? t.value.single : isInner(t.value.expr))),
      flexible: (s) => {
        const made = terms.map((t) => {
          const x = "flexible" in t.value ? t.value.flexible(s) : multiply(t.value.expr, ones(s));
          return x && signed(x, t.sign);
        });
        return made.every((m) => m !== undefined) ? add(made as Expr[]) : undefined;
      },
    };
  }
  const shape = first.value.expr.shape;
  const parts: Expr[] = [];
  for (const t of terms) {
    const x = "flexible" in t.value ? settle(t.value, t.node, context, shape) : t.value.expr;
    if (!x) return undefined;
    if (isScalar(x) && !shape.every(isOne)) parts.push(signed(x.kind === "number" && x.value === 0 ? x : multiply(x, ones(shape)), t.sign));
    else if (unifyShapes(x.shape, shape, context)) parts.push(signed(x, t.sign));
    else {
      const [l, r] = terms.indexOf(t) > terms.indexOf(first) ? [first, t] : [t, first];
      const show = (n: typeof t): string => showShape("expr" in n.value ? n.value.expr.shape : shape, context);
      context.reporter.report(shapeMismatch({ op: `${textOf(l.node)} ${r.sign < 0 ? "-" : "+"} ${textOf(r.node)}`, left: show(l), right: show(r), mend: undefined },
        at(l.node.span, show(l)), at(r.node.span, show(r))));
      return undefined;
    }
  }
  return { expr: add(parts) };
}

// ---------------------------------------------------------------- calls
function visitPipe(e: BinaryNode, context: Context): Elaborated | undefined {
  const right = strip(e.right);
  const argument = { span: e.left.span, value: e.left };
  if (right.kind === "name") return visitCall({ kind: "call", callee: { name: right.name, span: right.span }, args: [argument], span: e.span }, context);
  if (right.kind === "call") return visitCall({ ...right, args: [argument, ...right.args], span: e.span }, context);
  context.reporter.report(misplaced({ what: "this", where: "after |>", hint: "a function or a call: X |> layernorm, X |> linear(d)" }, at(right.span)));
  return undefined;
}
function visitCall(e: CallNode, context: Context): Elaborated | undefined {
  const { name } = e.callee;
  const fn = context.functions.get(name);
  if (fn) return callFunction(e, fn, context);
  if (name === "inv") return callInverse(e, context);
  if (name === "ones") return callOnes(e, context);
  if (name === "square" || name === "softmax" || name === "normalize" || name === "cumsum") return callNamed(e, name, context);
  if (isNetworkFunction(name)) {
    const value = elaborateNetworkFunction(name, e, context);
    return value && { expr: value };
  }
  const row = isFunctionName(name) ? functionRow(name) : undefined;
  if (!row || row.internal || !isFunctionName(name)) {
    const known = ["inv", "ones", "square", ...networkFunctionNames(), ...context.functions.keys(), ...publicFunctionNames];
    context.reporter.report(unknownName({ name, what: "function", near: nearest(name, known) }, at(e.callee.span)));
    e.args.forEach((a) => { if (a.value.kind !== "string") visit(a.value, context); });
    return undefined;
  }
  const options = readOptions(name, e.args.filter((a) => a.name), context);
  if (!options) return undefined;
  const given = e.args.filter((a) => !a.name);
  const [least, most] = row.arity;
  if (given.length < least || given.length > most) {
    context.reporter.report(wrongArguments({ fn: name, problem: `it takes ${least === most ? least : `${least} to ${most}`} argument${most === 1 ? "" : "s"}, not ${given.length}` }, at(e.span)));
    return undefined;
  }
  const values = given.map((a) => visit(a.value, context));
  if (!values.every((v) => v !== undefined)) return undefined;
  const open = row.class === "elementwise" ? openOf(values) : undefined;
  if (open) return { ...open, flexible: (s) => mapAll(values.map((v) => sized(v, s)), (args) => applyChecked(name, args, options, given, context)) };
  const size = values.flatMap((v) => ("expr" in v && !isScalar(v.expr) ? [v.expr.shape] : []))[0];
  const head = settle(values[0] as Elaborated, (given[0] as CallNode["args"][number]).value, context, "flexible" in (values[0] as Elaborated) ? size : undefined);
  const args = head && [head, ...values.slice(1).map((v, i) => settle(v, (given[i + 1] as CallNode["args"][number]).value, context, head.shape))];
  const made = args && mapAll(args, (all) => applyChecked(name, all, options, given, context));
  return made && { expr: made };
}
const squareOnly: ReadonlySet<FunctionName> = new Set(["trace", "logdet", "causal", "upper_triangle", "diagonal"]);

/** Named arguments other than `over`, as the function's row wants them; each once. */
function readOptions(fn: FunctionName | "square", given: CallNode["args"], context: Context): Options | undefined {
  const bad = (problem: string, span: Span): undefined => {
    context.reporter.report(wrongArguments({ fn, problem }, at(span)));
    return undefined;
  };
  const options: Record<string, OptionValue> = {};
  for (const a of given) {
    const option = a.name?.name ?? "";
    const kind = fn === "square" ? undefined : functionRow(fn).options?.[option];
    if (!kind) return bad(`it has no option ${option}`, a.span);
    if (option in options) return bad(`${option} is given twice`, a.span);
    if (kind === "size") {
      const size = context.dims.read(a.value, false, (name) => context.scope.dim(name));
      if (!size) return undefined;
      if ((context.dims.valueOf(size) ?? 0) < 0) return bad(`${option} is a count of rows or columns`, a.span);
      options[option] = context.dims.expand(size);
      continue;
    }
    const word = strip(a.value);
    if (word.kind !== "name" || (word.name !== "true" && word.name !== "false")) return bad(`${option} is true or false`, a.span);
    if (word.name === "true") options[option] = true;
  }
  return options;
}
function applyChecked(fn: FunctionName, args: readonly Expr[], options: Options, nodes: CallNode["args"], context: Context): Expr | undefined {
  const row = functionRow(fn);
  const [x, ...others] = args;
  if (!x) return undefined;
  const place = (i: number): Span => (nodes[i] as CallNode["args"][number]).value.span;
  if (row.class !== "array" && !args.every((a, i) => matrixOnly(a, place(i), context))) return undefined;
  if (squareOnly.has(fn) && !context.dims.unify(rowsOf(x), colsOf(x))) {
    context.reporter.report(notSquare({ fn, shape: showShape(x.shape, context) }, at(place(0), showShape(x.shape, context))));
    return undefined;
  }
  if (fn === "diag" && !isOne(colsOf(x))) {
    context.reporter.report(wrongShape({ what: "diag's argument", has: showShape(x.shape, context), wanted: "a column real[n]" }, at(place(0))));
    return undefined;
  }
  for (const [i, other] of others.entries()) {
    const scalarOnly = row.class === "indicator" && fn !== "box";
    if (isScalar(other) || (!scalarOnly && isScalar(x)) || (!scalarOnly && unifyShapes(other.shape, x.shape, context))) continue;
    context.reporter.report(shapeMismatch({ op: `${fn}(…)`, left: showShape(x.shape, context), right: showShape(other.shape, context) },
      at(place(0), showShape(x.shape, context)), at(place(i + 1), showShape(other.shape, context))));
    return undefined;
  }
  return apply(fn, args, options);
}
function callInverse(e: CallNode, context: Context): Elaborated | undefined {
  const [arg, ...rest] = e.args;
  const count = rest.find((a) => a.name?.name === "iterations");
  if (!arg || rest.length > (count ? 1 : 0)) {
    context.reporter.report(wrongArguments({ fn: "inv", problem: "it takes one matrix", usage: "inv(A) or inv(A, iterations: 12)" }, at(e.span)));
    return undefined;
  }
  const iterations = count && strip(count.value).kind === "number" ? (strip(count.value) as { value: number }).value : undefined;
  if (count && (iterations === undefined || !Number.isInteger(iterations) || iterations < 1 || iterations > 200)) {
    context.reporter.report(wrongArguments({ fn: "inv", problem: "iterations is a whole number from 1 to 200" }, at(count.span)));
    return undefined;
  }
  const a = visit(arg.value, context);
  if (!a) return undefined;
  if ("flexible" in a) return { ...a, flexible: (s) => mapExpr(a.flexible(s), (x) => inverse(x, iterations)) };
  if (!matrixOnly(a.expr, arg.value.span, context)) return undefined;
  if (!context.dims.unify(rowsOf(a.expr), colsOf(a.expr))) {
    context.reporter.report(notSquare({ fn: "inv", shape: showShape(a.expr.shape, context) }, at(arg.value.span, showShape(a.expr.shape, context))));
    return undefined;
  }
  return { expr: inverse(a.expr, iterations) };
}
function callOnes(e: CallNode, context: Context): Elaborated | undefined {
  const sizes = e.args.map((a) => context.dims.read(a.value, false, (name) => context.scope.dim(name)));
  if (sizes.length < 1 || sizes.length > 2) {
    context.reporter.report(wrongArguments({ fn: "ones", problem: "it takes a size", usage: "ones(n)" }, at(e.span)));
    return undefined;
  }
  if (sizes.some((s) => s === undefined)) return undefined;
  if (sizes.some((s) => (context.dims.valueOf(s as Dim) ?? 1) < 1)) {
    context.reporter.report(dimFault({ problem: `ones(${sizes.map((s) => context.dims.show(s as Dim)).join(", ")}) has no entries` }, at(e.span)));
    return undefined;
  }
  const [rows, cols = one] = sizes.map((s) => context.dims.expand(s as Dim));
  return { expr: ones([rows as Dim, cols]) };
}
/** Functions with `over`. */
function callNamed(e: CallNode, name: "square" | "softmax" | "normalize" | "cumsum", context: Context): Elaborated | undefined {
  const plain = e.args.filter((a) => !a.name);
  const option = e.args.find((a) => a.name?.name === "over");
  const [arg] = plain;
  const bad = (problem: string, span: Span = e.span): undefined => {
    context.reporter.report(wrongArguments({ fn: name, problem, usage: name === "square" ? "square(X)" : `${name}(X), ${name}(X, over: rows)${name === "softmax" ? ", softmax(v[k], over: k)" : ""}` }, at(span)));
    return undefined;
  };
  if (!arg || plain.length !== 1) return bad("it takes one matrix");
  if (option && name === "square") return bad("it has no option over", option.span);
  const options = readOptions(name, e.args.filter((a) => a.name && a !== option), context);
  const value = options && visit(arg.value, context);
  if (value && "flexible" in value && name === "square") return { ...value, flexible: (s) => mapExpr(value.flexible(s), (x) => power(x, number(2))) };
  const x = value && settle(value, arg.value, context);
  if (!x || !matrixOnly(x, arg.value.span, context)) return undefined;
  if (name === "square") return { expr: power(x, number(2)) };
  if (!option) return { expr: apply(name, [x], options) };
  const over = strip(option.value);
  const word = over.kind === "name" ? over.name : "";
  const binding = context.scope.find(word);
  if (name === "softmax" && binding?.kind === "index") {
    if (!dependsOnIndex(x, binding.name)) return bad(`its argument does not run over ${word}`, arg.span);
    return { expr: softmaxFamily(x, binding.name, binding.size, { kind: "variable", name: binding.name }) };
  }
  // A running sum goes along each row unless said; the others take each column.
  const usual = name === "cumsum" ? "rows" : "columns";
  if (word === "rows" || word === "columns") return { expr: apply(name, [x], word === usual ? options : { ...options, over: word }) };
  return bad(`over is rows, columns${name === "softmax" ? " or an index" : ""}`, option.span);
}

// ---------------------------------------------------------------- user's functions
/** Own dims of a hole's type, bound by the argument's shape. */
export function bindHoleShape(type: TypeExpression, shape: Shape, bound: Map<string, Dim>, context: Context): boolean {
  const wanted = type.dims.length;
  const actual = shape.length > 2 ? shape.length : isOne(shape[1] as Dim) ? (isOne(shape[0] as Dim) ? 0 : 1) : 2;
  if (type.base !== "real" || wanted < actual && !(wanted === 0 && actual === 0)) return false;
  const full = wanted <= 2 ? shape : shape;
  for (let i = 0; i < wanted; i++) {
    const e = strip(type.dims[i] as Expression);
    const target = full[i] ?? one;
    const open = new Set<string>();
    const own = context.dims.read(e, true, (name) => {
      const known = bound.get(name);
      if (known) return known;
      open.add(`·${name}`);
      return dimSymbol(`·${name}`);
    });
    if (!own) return false;
    const [only] = open;
    if (only !== undefined && open.size === 1) {
      const solved = solveDim(own, target, only);
      if (!solved) return false;
      bound.set(only.slice(1), solved);
    } else if (!context.dims.unify(own, target)) return false;
  }
  return wanted !== 0 || (shape.length === 2 && shape.every(isOne));
}
export function showHole(hole: Hole): string {
  const dims = hole.type.dims.map(textOf).join(", ");
  return `${hole.name.name}${hole.index ? `[${hole.index.name}]` : ""}: real${dims ? `[${dims}]` : ""}`;
}
function callFunction(e: CallNode, fn: FunctionDeclaration, context: Context): Elaborated | undefined {
  if (context.calls.includes(fn.name.name)) {
    context.reporter.report(recursion({ name: fn.name.name }, at(e.callee.span)));
    return undefined;
  }
  const usage = `${fn.name.name}(${fn.holes.map(showHole).join(", ")})`;
  const slots = new Map<string, Expression>();
  let position = 0;
  for (const a of e.args) {
    const hole = a.name ? fn.holes.find((h) => h.name.name === a.name?.name) : fn.holes[position++];
    if (!hole || slots.has(hole.name.name)) {
      context.reporter.report(wrongArguments({ fn: fn.name.name, problem: a.name ? `it has no parameter ${a.name.name}` : `it takes ${fn.holes.length} arguments`, usage }, at(a.span)));
      return undefined;
    }
    slots.set(hole.name.name, a.value);
  }
  const missing = fn.holes.find((h) => !slots.has(h.name.name));
  if (missing) {
    context.reporter.report(wrongArguments({ fn: fn.name.name, problem: `${missing.name.name} is missing`, usage }, at(e.span)));
    return undefined;
  }
  const bound = new Map<string, Dim>();
  const inner = new Scope(undefined, bound);
  for (const hole of fn.holes) {
    const node = slots.get(hole.name.name) as Expression;
    const value = familyOrValue(node, context);
    if (!value) return undefined;
    if (hole.index && !value.family) {
      context.reporter.report(familyMisuse({ name: hole.name.name, problem: `of ${fn.name.name} is a family; pass one by its bare name` }, at(node.span)));
      return undefined;
    }
    if (!hole.index && value.family) {
      context.reporter.report(familyMisuse({ name: textOf(node), problem: "is a family; here one member is wanted", hint: `${textOf(node)}[${value.family.index}]` }, at(node.span)));
      return undefined;
    }
    if (!bindHoleShape(hole.type, value.shape, bound, context)) {
      context.reporter.report(wrongShape({ what: `${textOf(node)}, given to ${fn.name.name} as ${showHole(hole)},`, has: showShape(value.shape, context), wanted: `real[${hole.type.dims.map(textOf).join(", ")}]` }, at(node.span, showShape(value.shape, context))));
      return undefined;
    }
    inner.bind(hole.name.name, value);
    if (hole.index && value.family) {
      const before = inner.find(hole.index.name);
      if (!before) inner.bind(hole.index.name, { kind: "index", name: value.family.index, size: value.family.size });
      else if (before.kind === "index") {
        const { family } = value;
        inner.bind(hole.name.name, { ...value, family: { index: before.name, size: family.size } });
      }
    }
  }
  const { place: _place, ...rest } = context;
  return visit(fn.body, { ...rest, scope: inner, calls: [...context.calls, fn.name.name] });
}

// ---------------------------------------------------------------- text
/** The expression as the user wrote it, briefly. */
export function textOf(e: Expression): string {
  switch (e.kind) {
    case "number": return e.text;
    case "string": return `"${e.value}"`;
    case "name": return e.name;
    case "quantity": return `${e.text} ${e.unit}`;
    case "missing": return "…";
    case "group": return `(${textOf(e.inner)})`;
    case "transpose": return `${textOf(e.operand)}'`;
    case "negate": return `-${textOf(e.operand)}`;
    case "sum": return `sum(${e.index.name}) ${textOf(e.body)}`;
    case "binary": return `${textOf(e.left)}${/^[*/^]$|^\.[*/^]$/.test(e.op) && e.op !== ".*" && e.op !== "./" ? e.op : ` ${e.op} `}${textOf(e.right)}`;
    case "call": return `${e.callee.name}(${e.args.map((a) => `${a.name ? `${a.name.name}: ` : ""}${textOf(a.value)}`).join(", ")})`;
    case "index": return `${textOf(e.object)}[${e.indices.map((i) => (i.kind === "all" ? ":" : i.kind === "at" ? textOf(i.value) : `${textOf(i.from)}..${textOf(i.to)}`)).join(", ")}]`;
  }
}
function operationText(e: BinaryNode): string {
  const text = textOf(e);
  return text.length > 60 ? `${textOf(e.left).slice(0, 25)}… ${e.op} …` : text;
}
