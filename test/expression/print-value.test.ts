import { expect, it } from "vitest";
import { children, contains, type Expr, mapChildren, resetExpressions, rewrite, transpose } from "../../src/expression/expr.js";
import { showExpr } from "../../src/expression/print.js";
import { latexExpr } from "../../src/explain/latex-expr.js";
import { type Environment, evaluate } from "../../src/numeric/evaluate.js";
import { relativeError, transposeValue, type Value } from "../../src/numeric/matrix.js";
import { names, randomExpr, sizes } from "./random-expr.js";
import { Ambiguous, readValue } from "./read-value.js";

const env: Environment = {
  dims: (s) => sizes[s] as number,
  lookup: (name, member) => names[member === undefined ? name : `${name}[${member}]`],
};
const seeds = Array.from({ length: 2500 }, (_, i) => i);
const samples = (): { expr: Expr; value: Value; seed: number }[] => seeds.flatMap((seed) => {
  const { expr, value } = randomExpr(seed, 1 + (seed % 5));
  const expected = value(0);
  // Only well-scaled values tell a wrong text from rounding.
  return expected.data.every((x) => Number.isFinite(x) && Math.abs(x) < 1e6) ? [{ expr, value: expected, seed }] : [];
});
const closeTo = (a: Value, b: Value): boolean =>
  relativeError(a, b) < 1e-8 || a.data.every((x, i) => Math.abs(x - (b.data[i] as number)) < 1e-9);

it("the normal form keeps the value: what is evaluated is what was built", () => {
  resetExpressions();
  const all = samples();
  expect(all.length).toBeGreaterThan(1000);
  const wrong = all.filter(({ expr, value }) => !closeTo(evaluate(expr, env), value));
  expect(wrong.slice(0, 5).map(({ seed, expr }) => [seed, showExpr(expr)])).toEqual([]);
});

it("the transpose has the transposed value, and undoes itself", () => {
  resetExpressions();
  for (const { expr, value, seed } of samples()) {
    const turned = transpose(expr);
    expect([seed, closeTo(evaluate(turned, env), transposeValue(value))]).toEqual([seed, true]);
    expect([seed, transpose(turned).id]).toEqual([seed, expr.id]);
  }
});

it("rebuilding by the constructors changes nothing", () => {
  resetExpressions();
  const changed = samples().filter(({ expr }) => {
    const rebuilt = contains(expr, () => false) ? expr : rewrite(expr, (e) => mapChildren(e, (c) => c));
    return rebuilt.id !== expr.id || children(rebuilt).length !== children(expr).length;
  });
  expect(changed.slice(0, 5).map(({ seed, expr }) => [seed, showExpr(expr)])).toEqual([]);
});

it("the text, read by the language's precedences, has the expression's value", () => {
  resetExpressions();
  let read = 0;
  const wrong: unknown[] = [];
  for (const { expr, value, seed } of samples()) {
    const text = showExpr(expr);
    try {
      const found = readValue(text, { values: names, sizes });
      // A zero matrix is written 0 and ones beside a matrix 1; the size is then the reader's to know.
      if (!closeTo(found.data.length === value.data.length ? found : { shape: value.shape, data: value.data.map(() => found.data[0] as number) }, value)) wrong.push([seed, text]);
      read += 1;
    } catch (error) {
      if (!(error instanceof Ambiguous)) wrong.push([seed, text, String(error)]);
    }
  }
  expect(wrong.slice(0, 5)).toEqual([]);
  expect(read).toBeGreaterThan(800);
});

it("LaTeX of any of them is balanced", () => {
  resetExpressions();
  for (const { expr, seed } of samples()) {
    const text = latexExpr(expr);
    expect([seed, text.split("{").length, text.split("\\left").length]).toEqual([seed, text.split("}").length, text.split("\\right").length]);
  }
});
