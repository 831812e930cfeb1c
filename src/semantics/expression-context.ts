/** A single expression outside of any network, with its variables declared beside it: what `crate-compile grad` takes. */
import { at, type Reporter } from "../diagnostics/declare.js";
import { type Dim, dimNumber, dimSymbol, one } from "../expression/dim.js";
import { type Expr, scalarShape, symbol } from "../expression/expr.js";
import type { Shape } from "../expression/functions.js";
import type { Expression, Hole } from "../syntax/ast.js";
import { duplicateName, unknownName, wrongShape } from "./diagnostics.js";
import { Dims } from "./dims.js";
import { elaborateScalar, textOf } from "./elaborate-expression.js";
import { nearest } from "../diagnostics/nearest.js";
import { Scope } from "./scope.js";

export interface DeclaredVariable {
  readonly name: string;
  readonly shape: Shape;
  readonly rank: number;
  /** Own index of a family. */
  readonly index?: string;
}
export interface ExpressionContext {
  readonly expression: Expr;
  readonly variables: readonly DeclaredVariable[];
  readonly dims: Dims;
}
/** `indices`: name → count; `constants`: names of scalars with numbers. Reports, and gives undefined, where something is wrong. */
export function elaborateWithVariables(
  expression: Expression, holes: readonly Hole[], indices: ReadonlyMap<string, number>, constants: ReadonlyMap<string, number>, reporter: Reporter,
): ExpressionContext | undefined {
  const before = reporter.diagnostics.length;
  const local = new Map<string, Dim>();
  const dims = new Dims(reporter, new Map(), () => undefined);
  const scope = new Scope(undefined, local);
  for (const [name, count] of indices) scope.bind(name, { kind: "index", name, size: dimNumber(count) });
  for (const name of constants.keys()) scope.bind(name, { kind: "value", what: "const", shape: scalarShape, make: () => symbol(name, "const", scalarShape) });
  const variables: DeclaredVariable[] = [];
  for (const hole of holes) {
    const { name } = hole.name;
    if (scope.has(name)) {
      reporter.report(duplicateName({ name }, at(hole.name.span)));
      continue;
    }
    if (hole.type.base !== "real" || hole.type.dims.length > 2) {
      reporter.report(wrongShape({ what: name, has: `${hole.type.base}[${hole.type.dims.map(textOf).join(", ")}]`, wanted: "a scalar, column or matrix of reals" }, at(hole.type.span)));
      continue;
    }
    const sizes = hole.type.dims.map((d) => dims.read(d, false, (n) => {
      const known = local.get(n) ?? dimSymbol(n);
      local.set(n, known);
      return known;
    }));
    if (sizes.some((s) => s === undefined)) continue;
    for (const [i, d] of hole.type.dims.entries()) dims.checkPositive(sizes[i] as Dim, d.span);
    const [rows = one, cols = one] = sizes as Dim[];
    const shape: Shape = [rows, cols];
    const index = hole.index?.name;
    const binding = index === undefined ? undefined : scope.find(index);
    if (index !== undefined && binding?.kind !== "index") {
      reporter.report(unknownName({ name: index, what: "index", near: nearest(index, indices.keys()) ?? `--index ${index}=4` }, at(hole.index?.span ?? hole.span)));
      continue;
    }
    variables.push({ name, shape, rank: hole.type.dims.length, ...(index === undefined ? {} : { index }) });
    scope.bind(name, {
      kind: "value", what: "variable", shape, make: (member) => symbol(name, "var", shape, member),
      ...(binding?.kind === "index" && index !== undefined ? { family: { index, size: binding.size } } : {}),
    });
  }
  // A wrong declaration would only show again wherever its name is used.
  if (reporter.diagnostics.slice(before).some((d) => d.severity === "error")) return undefined;
  const value = elaborateScalar(expression, { scope, dims, reporter, functions: new Map(), calls: [] }, "the objective");
  return value && { expression: value, variables, dims };
}
