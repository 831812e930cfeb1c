/** What `I` is beside other things, and that what is printed can be read again. */
import { describe, expect, it } from "vitest";
import { gradient } from "../../src/calculus/gradient.js";
import { Reporter } from "../../src/diagnostics/declare.js";
import { showExpr } from "../../src/expression/print.js";
import type { Environment } from "../../src/numeric/evaluate.js";
import { evaluate } from "../../src/numeric/evaluate.js";
import { randomValue, createGenerator } from "../../src/numeric/sample.js";
import { type ExpressionContext, elaborateWithVariables } from "../../src/semantics/expression-context.js";
import { parseExpression, parseHole } from "../../src/syntax/parse.js";

const shapes = { S: [3, 3], T: [3, 3], Z: [3, 1], W: [3, 4], a: [1, 1] } as const;
const declared = ["S: real[3, 3]", "T: real[3, 3]", "Z: real[3]", "W: real[3, 4]", "a: real"];

function read(text: string): { context: ExpressionContext | undefined; codes: readonly string[] } {
  const reporter = new Reporter();
  const holes = declared.flatMap((d) => parseHole(d, "v").hole ?? []);
  const parsed = parseExpression(text, "e");
  const context = elaborateWithVariables(parsed.expression, holes, new Map(), new Map(), reporter);
  return { context: reporter.hasErrors ? undefined : context, codes: [...parsed.diagnostics, ...reporter.diagnostics].map((d) => d.code) };
}
const generator = createGenerator(7);
const values = new Map(Object.entries(shapes).map(([name, shape]) => [name, randomValue(shape, generator, "positive")]));
const environment: Environment = { dims: () => Number.NaN, lookup: (name) => values.get(name) };
const S = (i: number, j: number): number => values.get("S")?.data[3 * i + j] as number;
const T = (i: number, j: number): number => values.get("T")?.data[3 * i + j] as number;

/** trace(T*(S + M)) for a matrix M given by entries. */
function traceWith(M: (i: number, j: number) => number): number {
  let sum = 0;
  for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) sum += T(i, j) * (S(j, i) + M(j, i));
  return sum;
}
const eye = (i: number, j: number): number => Number(i === j);

describe("I of a size that the surroundings say", () => {
  it.each([
    ["I^2", eye], ["I.^2", eye], ["(2*I)^2", (i, j) => 4 * eye(i, j)], ["(I + I).^2", (i, j) => 4 * eye(i, j)], ["I ./ 2", (i, j) => eye(i, j) / 2],
    ["I.^0.5", eye], ["(I > 0)", eye], ["(2*I)*(3*I)", (i, j) => 6 * eye(i, j)], ["I .* (2*I)", (i, j) => 2 * eye(i, j)], ["square(3*I)", (i, j) => 9 * eye(i, j)],
    ["exp(I)", (i, j) => Math.exp(eye(i, j))], ["(I + 1)", (i, j) => eye(i, j) + 1], ["max(I, S)", (i, j) => Math.max(eye(i, j), S(i, j))], ["I % 2", eye],
    ["(I + 1)^2", (i, j) => eye(i, j) + 5],
  ] as readonly (readonly [string, (i: number, j: number) => number])[])("trace(T*(S + %s))", (text, M) => {
    const { context, codes } = read(`trace(T*(S + ${text}))`);
    expect(codes).toEqual([]);
    expect(context && evaluate(context.expression, environment).data[0]).toBeCloseTo(traceWith(M), 10);
  });
  it.each(["total(I.^2)*a", "total(I)", "trace(I*2)", "sq_norm(I ./ 2)", "logdet(I + 2)", "trace(inv(I + a))", "total(square(I))"])("%s says no size", (text) => {
    expect(read(text).codes).toEqual(["SRR2009"]);
  });
  it.each([["1/I", "SRR2006"], ["I^0.5", "SRR2006"]])("trace(T*(S + %s)) is refused", (text, code) => {
    expect(read(`trace(T*(S + ${text}))`).codes).toEqual([code]);
  });
  it("is 1 beside a 1×1 product of matrices", () => {
    const { context } = read("logdet(I + 2*Z'*Z) + trace(inv(I + Z'*S*Z))");
    const z = values.get("Z")?.data as Float64Array;
    const square = (f: (i: number, j: number) => number): number => [0, 1, 2].flatMap((i) => [0, 1, 2].map((j) => (z[i] as number) * f(i, j) * (z[j] as number))).reduce((a, b) => a + b, 0);
    expect(context && evaluate(context.expression, environment).data[0]).toBeCloseTo(Math.log(1 + 2 * square(eye)) + 1 / (1 + square(S)), 10);
  });
  it.each([
    ["logdet(I + exp(-Z'*Z))", (q) => Math.log(1 + Math.exp(-q))], ["logdet(I + 2*(Z'*Z + 1))", (q) => Math.log(3 + 2 * q)], ["logdet(I + (Z'*Z)^2)", (q) => Math.log(1 + q * q)],
    ["trace(inv(I + a*inv(Z'*Z + I)))", (q, a) => 1 / (1 + a / (q + 1))], ["trace(inv(I + softmax(Z'*Z)))", () => 0.5], ["logdet(I + diag(colnorm(Z)))", (q) => Math.log(1 + Math.sqrt(q))],
  ] as readonly (readonly [string, (q: number, a: number) => number])[])("%s, which n columns may take, may take one", (text, wanted) => {
    const { context, codes } = read(text);
    expect(codes).toEqual([]);
    const square = [...(values.get("Z")?.data ?? [])].reduce((sum, x) => sum + x * x, 0);
    expect(context && evaluate(context.expression, environment).data[0]).toBeCloseTo(wanted(square, values.get("a")?.data[0] as number), 10);
  });
});

describe("options", () => {
  it.each([
    "total(softmax(S, over: rows, foo: 3))", "total(normalize(S, over: rows, bar: 7))", "total(cumsum(S, over: columns, bar: 7))", "total(cumsum(S, reverse: 3))",
    "total(cumsum(S, over: columns, over: rows))", "total(exp(S, over: rows))", "total(pad(S, before: 1, before: 2))", "total(pad(S, before: -1))", "total(square(S, over: rows))",
  ])("%s is refused", (text) => {
    expect(read(text).codes).toEqual(["SRR2006"]);
  });
});

describe("a printed gradient, read again, has the gradient's value", () => {
  it.each([
    "sq_norm(cumsum(W, over: columns))", "sq_norm(cumsum(W, reverse: true))", "sq_norm(W[:, 2..3])", "sq_norm(W[2, :])", "sq_norm(pad(W, before: 1, above: 2))",
    "norm_nuc(W)", "norm_spec(W)", "norm_inf(W)", "sq_norm(diag(W[:, 1]))", "total(S % a)", "trace(S + a*I)*total(W)", "total(upper_triangle(W*W'))", "total(gelu(W))",
  ])("%s", (text) => {
    const { context } = read(text);
    const of = text.includes("% a") || text.includes("a*I") ? "a" : "W";
    const wrt = context?.variables.find((v) => v.name === of);
    if (!context || !wrt) throw new Error(text);
    const slope = gradient(context.expression, wrt);
    const weights = of === "a" ? showExpr(slope) : `total(sqrt(W) .* (${showExpr(slope)}))`;
    const again = read(weights);
    expect(again.codes).toEqual([]);
    const found = again.context && evaluate(again.context.expression, environment).data[0];
    const direct = evaluate(slope, environment).data;
    const root = of === "a" ? [1] : [...(values.get("W")?.data ?? [])].map(Math.sqrt);
    expect(found).toBeCloseTo(root.reduce((sum, r, i) => sum + r * (direct[i] as number), 0), 10);
  });
});
