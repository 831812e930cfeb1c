import { gradient, NotDifferentiable } from "../../calculus/gradient.js";
import { noGradient } from "../../calculus/diagnostics.js";
import { at, type Diagnostic, Reporter } from "../../diagnostics/declare.js";
import { latexExpr } from "../../explain/latex-expr.js";
import { dimName } from "../../expression/dim.js";
import type { Expr } from "../../expression/expr.js";
import { showExpr } from "../../expression/print.js";
import { type Environment, evaluate, evaluateDim } from "../../numeric/evaluate.js";
import { value, type Value } from "../../numeric/matrix.js";
import type { TensorMap } from "../../runtime/contract.js";
import { type DeclaredVariable, elaborateWithVariables, type ExpressionContext } from "../../semantics/expression-context.js";
import { parseExpression, parseHole } from "../../syntax/parse.js";
import { SpecFault, UsageFault, UserFault } from "../faults.js";
import { result } from "../report.js";
import { readSettings } from "../session.js";
import { readTensors } from "./build.js";

interface GradOptions {
  readonly var: readonly string[];
  readonly index?: readonly string[];
  readonly const?: readonly string[];
  readonly wrt: string;
  readonly format: "text" | "latex" | "json";
  readonly at?: string;
  readonly json?: boolean;
}
const file = "<expression>";

export function grad(text: string, options: GradOptions): void {
  const reporter = new Reporter();
  const sources = new Map([[file, text]]);
  const finish = (diagnostics: readonly Diagnostic[]): never => { throw new SpecFault(diagnostics, sources); };
  const parsed = parseExpression(text, file);
  parsed.diagnostics.forEach((d) => reporter.report(d));
  const holes = options.var.flatMap((declaration, i) => {
    const name = `--var ${i + 1}`;
    sources.set(name, declaration);
    const { hole, diagnostics } = parseHole(declaration, name);
    diagnostics.forEach((d) => reporter.report(d));
    return hole ? [hole] : [];
  });
  if (reporter.hasErrors) finish(reporter.diagnostics);
  const indices = readSettings(options.index, "--index", "k=4");
  for (const [name, count] of indices) if (!Number.isInteger(count) || count < 1) throw new UsageFault(`--index ${name}=${count}: an index has a whole number of values, from 1`);
  const constants = readSettings(options.const, "--const", "a=0.5");
  const context = elaborateWithVariables(parsed.expression, holes, indices, constants, reporter);
  if (!context || reporter.hasErrors) return finish(reporter.diagnostics);
  const wrt = context.variables.find((v) => v.name === options.wrt);
  if (!wrt) throw new UsageFault(`--wrt ${options.wrt}: there is no such variable; there are ${context.variables.map((v) => v.name).join(", ")}`);
  let slope: Expr;
  try {
    slope = gradient(context.expression, wrt);
  } catch (error) {
    if (!(error instanceof NotDifferentiable)) throw error;
    return finish([noGradient({ term: showExpr(error.term), why: error.why }, at(parsed.expression.span))]);
  }
  if (options.at !== undefined) {
    result(`${JSON.stringify(evaluateGradient(context, slope, wrt, indices, constants, readTensors(options.at), options.at))}\n`);
    return;
  }
  const format = options.json ? "json" : options.format;
  const name = wrt.index === undefined ? wrt.name : `${wrt.name}[${wrt.index}]`;
  if (format === "json") result(`${JSON.stringify({ wrt: name, gradient: showExpr(slope), latex: latexExpr(slope) }, null, 2)}\n`);
  else result(`${format === "latex" ? latexExpr(slope) : showExpr(slope)}\n`);
}

type Nested = number | readonly Nested[];
/** Row-major data as nested arrays of the declared rank. */
function nested(shape: readonly number[], data: ArrayLike<number>, from = 0): Nested {
  const [first, ...rest] = shape;
  if (first === undefined) return data[from] ?? Number.NaN;
  const size = rest.reduce((a, b) => a * b, 1);
  return Array.from({ length: first }, (_, i) => nested(rest, data, from + i * size));
}

function evaluateGradient(
  context: ExpressionContext, slope: Expr, wrt: DeclaredVariable, indices: ReadonlyMap<string, number>, constants: ReadonlyMap<string, number>,
  tensors: TensorMap, fileName: string,
): { value: number; gradient: Nested } {
  const sizes = new Map<string, number>();
  const values = new Map<string, { shape: readonly number[]; data: Float64Array; members: number }>();
  for (const v of context.variables) {
    const tensor = tensors[v.name];
    if (!tensor) throw new UserFault(`${fileName} has no tensor ${v.name}; it has ${Object.keys(tensors).join(", ") || "none"}`);
    const members = v.index === undefined ? 1 : (indices.get(v.index) ?? 1);
    const wanted = [...(v.index === undefined ? [] : [String(members)]), ...v.shape.slice(0, v.rank).map((d) => context.dims.show(d))].join(", ");
    const squeezed = v.index === undefined ? tensor.shape : tensor.shape.slice(1);
    const wrong = (): never => { throw new UserFault(`${fileName}: ${v.name} has shape [${tensor.shape.join(", ")}], wanted [${wanted}]`); };
    if (v.index !== undefined && tensor.shape[0] !== members) wrong();
    const own = squeezed.length === v.rank ? squeezed : squeezed.filter((n) => n !== 1).length <= v.rank && tensor.data.length === members * v.shape.slice(0, v.rank).reduce((n, d) => n * (Number(d.key) || 0), 1) ? v.shape.slice(0, v.rank).map((d) => Number(d.key)) : wrong();
    own.forEach((n, i) => {
      const d = v.shape[i];
      const symbolic = d && dimName(d);
      if (symbolic !== undefined) {
        const before = sizes.get(symbolic);
        if (before !== undefined && before !== n) throw new UserFault(`${fileName}: ${symbolic} is ${before} elsewhere, and ${n} in ${v.name}`);
        sizes.set(symbolic, n);
      }
    });
    values.set(v.name, { shape: [own[0] ?? 1, own[1] ?? 1], data: Float64Array.from(tensor.data), members });
  }
  const dims = (name: string): number => sizes.get(name) ?? Number.NaN;
  for (const v of context.variables) {
    const found = values.get(v.name);
    const wanted = v.shape.map((d) => evaluateDim(d, dims));
    if (found?.shape.some((n, i) => n !== wanted[i])) throw new UserFault(`${fileName}: ${v.name} is [${found.shape.join(", ")}], wanted [${wanted.join(", ")}]`);
  }
  const environment: Environment = {
    dims,
    lookup: (name, member): Value | undefined => {
      const constant = constants.get(name);
      if (constant !== undefined) return value([1, 1], [constant]);
      const v = values.get(name);
      if (!v) return undefined;
      const size = v.shape.reduce((a, b) => a * b, 1);
      return value(v.shape, v.data.subarray(((member ?? 1) - 1) * size, (member ?? 1) * size));
    },
  };
  const total = evaluate(context.expression, environment).data[0] ?? Number.NaN;
  const members = wrt.index === undefined ? 1 : (indices.get(wrt.index) ?? 1);
  const parts = Array.from({ length: members }, (_, i) =>
    evaluate(slope, wrt.index === undefined ? environment : { ...environment, indices: new Map([[wrt.index, i + 1]]) }));
  const shape = [...(wrt.index === undefined ? [] : [members]), ...wrt.shape.slice(0, wrt.rank).map((d) => evaluateDim(d, dims))];
  const own = wrt.shape.reduce((n, d) => n * evaluateDim(d, dims), 1);
  const data = parts.flatMap((p) => (p.data.length === own ? [...p.data] : Array.from({ length: own }, () => p.data[0] ?? Number.NaN)));
  return { value: total, gradient: nested(shape, data) };
}
