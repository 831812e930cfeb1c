/** The calculus against the fixtures: gradients of torch in float64, proximal operators in closed form. */
import { describe, expect, it } from "vitest";
import { gradient } from "../../src/calculus/gradient.js";
import { openTerms, proximal } from "../../src/calculus/proximal.js";
import { Reporter } from "../../src/diagnostics/declare.js";
import { number } from "../../src/expression/expr.js";
import { type Environment, evaluate } from "../../src/numeric/evaluate.js";
import { value } from "../../src/numeric/matrix.js";
import { elaborateWithVariables } from "../../src/semantics/expression-context.js";
import { parseExpression, parseHole } from "../../src/syntax/parse.js";
import { fixture, relativeError, tensor } from "../support/build.js";
import type { Hole } from "../../src/syntax/ast.js";

const holeOf = (text: string): Hole => {
  const { hole } = parseHole(text, "v");
  if (!hole) throw new Error(`no declaration: ${text}`);
  return hole;
};
interface Objective {
  readonly id: string;
  readonly srr: string;
  readonly with_respect_to: string;
  readonly indices: Record<string, number>;
  readonly shapes: Record<string, string>;
  readonly scalars: Record<string, number>;
  readonly value: number;
}
describe("gradients of the fixture, to round-off", () => {
  const { tensors, results } = fixture("gradients");
  const objectives: readonly Objective[] = results.objectives;
  it("has 25 objectives", () => expect(objectives).toHaveLength(25));
  it.each(objectives.map((o) => [o.id, o] as const))("%s", (_, o) => {
    const reporter = new Reporter();
    const holes = Object.entries(o.shapes).map(([name, shape]) => holeOf(shape === "scalar" ? `${name}: real` : shape.includes(":") ? shape : `${name}: ${shape}`));
    const context = elaborateWithVariables(parseExpression(o.srr, "e").expression, holes, new Map(Object.entries(o.indices)), new Map(), reporter);
    expect(reporter.diagnostics).toEqual([]);
    const wrt = context?.variables.find((v) => v.name === o.with_respect_to);
    if (!context || !wrt) throw new Error("not elaborated");
    const environment: Environment = {
      dims: () => Number.NaN,
      lookup: (name, member) => {
        const scalar = o.scalars[name];
        if (scalar !== undefined) return value([1, 1], [scalar]);
        const shape = context.variables.find((v) => v.name === name)?.shape.map((d) => Number(d.key)) ?? [];
        const size = shape.reduce((a, b) => a * b, 1);
        return value(shape, Float64Array.from(tensor(tensors, `input/${o.id}.${name}`).data).subarray(((member ?? 1) - 1) * size, (member ?? 1) * size));
      },
    };
    expect(Math.abs((evaluate(context.expression, environment).data[0] ?? Number.NaN) - o.value) / Math.abs(o.value)).toBeLessThan(1e-11);
    const slope = gradient(context.expression, wrt);
    const members = wrt.index === undefined ? [environment] : Array.from({ length: o.indices[wrt.index] ?? 0 }, (_x, i) => ({ ...environment, indices: new Map([[wrt.index as string, i + 1]]) }));
    const found = members.flatMap((env) => [...evaluate(slope, env).data]);
    expect(relativeError(found, tensor(tensors, `grad/${o.id}.${o.with_respect_to}`).data)).toBeLessThan(1e-10);
  });
});
describe("the proximal table, to 1e-12", () => {
  const { tensors, results } = fixture("prox");
  const operators: readonly { name: string; f: string; inputs: readonly (readonly number[])[] }[] = results.operators;
  it("has 20 operators", () => expect(operators).toHaveLength(20));
  it.each(operators.map((o) => [o.f, o] as const))("%s", (_, o) => {
    o.inputs.forEach((shape, i) => {
      const hole = holeOf(`X: real[${shape.join(", ")}]`);
      const context = elaborateWithVariables(parseExpression(o.f, "f").expression, [hole], new Map(), new Map(), new Reporter());
      const X = context?.variables[0];
      if (!context || !X) throw new Error("not elaborated");
      const input = tensor(tensors, `input/${o.name}.${i + 1}`);
      [0.5, 1.7].forEach((step, j) => {
        const at = proximal(openTerms(context.expression, X), X, { kind: "symbol", name: "X", role: "var", shape: X.shape, id: -1 }, number(step), { size: () => undefined, scalar: () => undefined });
        const environment: Environment = { dims: () => Number.NaN, lookup: () => value([shape[0] ?? 1, shape[1] ?? 1], Float64Array.from(input.data)) };
        expect(relativeError(evaluate(at, environment).data, tensor(tensors, `output/${o.name}.${i + 1}.step${j + 1}`).data), `${o.f}, input ${i + 1}, step ${step}`).toBeLessThan(1e-12);
      });
    });
  });
});
