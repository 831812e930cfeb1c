import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dimNumber, dimSymbol, one } from "../../src/expression/dim.js";
import {
  add, apply, dimExpr, divide, type Expr, hadamard, identity, indexSum, inverse, multiply, negate, number, ones, power, reciprocal,
  scalarShape, scale, slice, softmaxFamily, subtract, symbol, transpose,
} from "../../src/expression/expr.js";
import { latexExpr } from "../../src/explain/latex-expr.js";
import { escapeLatex, latexName } from "../../src/explain/latex-name.js";

const [d, n, p, K] = [dimSymbol("d"), dimSymbol("n"), dimSymbol("p"), dimSymbol("K")];
const k = { kind: "variable", name: "k" } as const;
const scalar = (name: string): Expr => symbol(name, "const", scalarShape);
const [Z, X, Y] = [symbol("Z", "var", [d, n]), symbol("X", "var", [d, n]), symbol("Y", "var", [d, n])];
const U = symbol("U", "param", [d, p], k);
const A = symbol("A", "param", [d, d]);
const [alpha, lambda, eps] = [scalar("alpha"), scalar("λ"), scalar("eps")];
const x = symbol("x", "var", [d, one]);
const y = symbol("y", "var", [d, one]);
const utz = multiply(transpose(U), Z);

const cases: readonly (readonly [string, Expr])[] = [
  ["U_{k}^{\\top} Z", utz],
  ["\\tfrac{1}{2} \\log\\det\\left(I + \\alpha Z^{\\top} Z\\right)",
    scale(0.5, apply("logdet", [add([identity(n), multiply(alpha, transpose(Z), Z)])]))],
  ["2 \\alpha Z \\left(I + \\alpha Z^{\\top} Z\\right)^{-1}",
    multiply(number(2), alpha, Z, inverse(add([identity(n), multiply(alpha, transpose(Z), Z)])))],
  ["Z - \\lambda \\sum_{k} U_{k} U_{k}^{\\top} Z", subtract(Z, multiply(lambda, indexSum("k", K, multiply(U, utz))))],
  ["\\left(\\sum_{k} U_{k} U_{k}^{\\top} Z\\right) + X", add([indexSum("k", K, multiply(U, utz)), X])],
  ["U_{k} \\operatorname{softmax}\\left(\\frac{Z^{\\top} Z}{\\sqrt{p}}\\right)",
    multiply(U, apply("softmax", [divide(multiply(transpose(Z), Z), apply("sqrt", [dimExpr(p)]))]))],
  ["\\tfrac{p}{n \\varepsilon^{2}} Z", multiply(dimExpr(p), reciprocal(dimExpr(n)), power(eps, number(-2)), Z)],
  ["\\tfrac{1 - \\alpha}{n}", divide(subtract(number(1), alpha), dimExpr(n))],
  ["\\tfrac{2}{3} Z", scale(2 / 3, Z)],
  ["2.4 \\cdot 10^{-4} Z", scale(2.4e-4, Z)],
  ["\\left\\lVert Z - X \\right\\rVert_F^2", apply("sq_norm", [subtract(Z, X)])],
  ["\\left\\lVert x \\right\\rVert_2", apply("norm2", [x])],
  ["\\left\\lVert X \\right\\rVert_{2,1}", apply("norm21", [X])],
  ["X \\odot Y", hadamard([X, Y])],
  ["A \\left(X \\odot Y\\right)", multiply(A, hadamard([X, Y]))],
  ["X \\oslash Y", hadamard([X, power(Y, number(-1))])],
  ["2 \\alpha \\oslash Y", multiply(number(2), alpha, power(Y, number(-1)))],
  ["X^{\\odot 2}", power(X, number(2))],
  ["\\left(X - Y\\right)^{\\odot 2}", power(subtract(X, Y), number(2))],
  ["1 + X", add([ones([d, n]), X])],
  ["\\left(\\operatorname{total}\\left(X\\right)\\right)^{2}", power(apply("total", [X]), number(2))],
  ["\\alpha x^{\\top} y", multiply(alpha, transpose(x), y)],
  ["\\left(x^{\\top} y\\right) Z", multiply(transpose(x), y, Z)],
  ["-\\alpha Z", negate(multiply(alpha, Z))],
  ["A^{-\\top}", inverse(transpose(A))],
  ["x \\mathbf{1}_{n}^{\\top}", multiply(x, ones([one, n]))],
  ["Z_{:, 1}", slice(Z, undefined, { from: one, to: one })],
  ["\\left[U_{k}\\right]_{:, 2:p}", slice(U, undefined, { from: dimNumber(2), to: p })],
  ["\\operatorname{softmax}_{k}\\left(U_{k}\\right)", softmaxFamily(U, "k", K, k)],
  ["\\left[\\operatorname{softmax}_{k}\\left(U_{k}\\right)\\right]_{2}", softmaxFamily(U, "k", K, { kind: "number", value: 2 })],
  ["\\operatorname{softmax}_{\\mathrm{rows}}\\left(X\\right)", apply("softmax", [X], { over: "rows" })],
  ["\\operatorname{soft}_{\\lambda}\\left(X - Y\\right)", apply("soft_threshold", [subtract(X, Y), lambda])],
  ["\\operatorname{ReLU}\\left(X\\right)^{\\top}", transpose(apply("relu", [X]))],
  ["\\left[x = \\alpha\\right]", apply("equal", [x, alpha])],
  ["\\alpha \\, \\mathit{step\\_size} \\, Z", multiply(alpha, scalar("step_size"), Z)],
  ["\\alpha_{j, k}", symbol("alpha_j", "let", scalarShape, k)],
  ["\\iota_{\\ge 0}\\left(X\\right)", apply("nonnegative", [X])],
];

describe("latexExpr", () => {
  it.each(cases)("writes %s", (text, e) => {
    expect(latexExpr(e)).toBe(text);
  });

  it("names Greek letters, indices, words and hostile text", () => {
    const shown = (name: string): string => {
      const { head, below } = latexName(name);
      return below.length > 0 ? `${head}_{${below.join(", ")}}` : head;
    };
    expect(["beta", "η", "Z0", "W_out", "lemma.p", "lr", "Ω_1", "_x", "naïve", "a__b"].map(shown)).toEqual([
      "\\beta", "\\eta", "Z_{0}", "W_{\\mathit{out}}", "p", "\\mathit{lr}", "\\Omega_{1}", "\\mathit{\\_x}", "\\text{\\textit{naïve}}", "\\mathit{a\\_\\_b}",
    ]);
  });

  it("leaves no character of a name that TeX would act on", () => {
    fc.assert(fc.property(fc.string(), (text) => {
      const plain = escapeLatex(text).replace(/\\(backslash|hat|sim)\{\}|\\[{}$&#%_]/g, "");
      expect(plain).not.toMatch(/[\\{}$&#%_^~]/);
    }));
  });

  it("balances its braces and its brackets, and never sets two exponents or indices on one thing", () => {
    for (const [, e] of cases) {
      for (const shown of [e, transpose(e), power(e, number(2)), hadamard([e, e]), inverseOf(e)].map((x) => latexExpr(x))) {
        expect(shown.split("{").length).toBe(shown.split("}").length);
        expect(shown.split("\\left").length).toBe(shown.split("\\right").length);
        expect(shown).not.toMatch(/\^(\{[^{}]*\}|\d)\^|_(\{[^{}]*\}|\w)_/);
      }
    }
  });

  it("cuts an expression that would be exponentially long", () => {
    let e: Expr = A;
    for (let i = 0; i < 60; i++) e = multiply(apply("exp", [e]), apply("tanh", [e]));
    expect(latexExpr(e, 1000)).toContain("\\dots");
  });
});

const inverseOf = (e: Expr): Expr => (e.shape[0]?.key === e.shape[1]?.key ? inverse(e) : e);
