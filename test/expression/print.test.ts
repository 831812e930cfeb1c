import { describe, expect, it } from "vitest";
import { dimAdd, dimNumber, dimSymbol, one } from "../../src/expression/dim.js";
import {
  add, apply, dimExpr, divide, type Expr, hadamard, identity, indexSum, inverse, multiply, negate, number, ones, power, reciprocal, scale,
  slice, softmaxFamily, subtract, symbol, transpose, zero,
} from "../../src/expression/expr.js";
import { showExpr } from "../../src/expression/print.js";

const [d, n, p, K] = [dimSymbol("d"), dimSymbol("n"), dimSymbol("p"), dimSymbol("K")];
const k = { kind: "variable", name: "k" } as const;
const Z = symbol("Z", "var", [d, n]);
const X = symbol("X", "var", [d, n]);
const Y = symbol("Y", "var", [d, n]);
const U = symbol("U", "param", [d, p], k);
const a = symbol("a", "const", [one, one]);
const b = symbol("b", "const", [one, one]);
const eps = symbol("eps", "const", [one, one]);
const x = symbol("x", "var", [d, one]);
const y = symbol("y", "var", [d, one]);
const A = symbol("A", "param", [d, d]);
const over = (e: Expr, by: Expr): Expr => divide(e, by);
const gram = multiply(transpose(Z), Z);

const cases: readonly (readonly [string, Expr])[] = [
  ["2*a*Z*inv(I + a*Z'*Z)", multiply(number(2), a, Z, inverse(add([identity(n), multiply(a, gram)])))],
  ["p/(n*eps^2)*Z'*Z", multiply(dimExpr(p), reciprocal(dimExpr(n)), power(eps, number(-2)), gram)],
  ["p/(n*eps^2)", over(dimExpr(p), multiply(dimExpr(n), power(eps, number(2))))],
  ["Z'*Z/sqrt(p)", over(gram, apply("sqrt", [symbol("lemma.p", "dim", [one, one])]))],
  ["0.5*Z/n", over(scale(0.5, Z), dimExpr(n))],
  ["Z/3", scale(1 / 3, Z)],
  ["1 - a", subtract(number(1), a)],
  ["1 - a", add([negate(a), number(1)])],
  ["-(a + b)", negate(add([a, b]))],
  ["-a - b", add([negate(a), negate(b)])],
  ["A*(X - Y)", multiply(A, subtract(X, Y))],
  ["-A*(X - Y)", negate(multiply(A, subtract(X, Y)))],
  ["A'*X", multiply(transpose(A), X)],
  ["X .* Y", hadamard([X, Y])],
  ["X .* (X - Y)", hadamard([X, subtract(X, Y)])],
  ["a*X .* Y", multiply(a, hadamard([X, Y]))],
  ["(X .* Y)/n", over(hadamard([X, Y]), dimExpr(n))],
  ["A*(X .* Y)", multiply(A, hadamard([X, Y]))],
  ["X ./ Y", hadamard([X, power(Y, number(-1))])],
  ["X ./ Y.^2", hadamard([X, power(Y, number(-2))])],
  ["1 ./ Y", power(Y, number(-1))],
  ["2*a ./ Y", multiply(number(2), a, power(Y, number(-1)))],
  ["X.^2", power(X, number(2))],
  ["(X - Y).^2", power(subtract(X, Y), number(2))],
  ["(X + 1).^a", power(add([X, ones([d, n])]), a)],
  ["I + ones(n)*ones(n)'", add([identity(n), ones([n, n])])],
  ["1 + a*X", add([ones([d, n]), multiply(a, X)])],
  ["1 - 2*a/n*X", subtract(ones([d, n]), multiply(number(2), a, reciprocal(dimExpr(n)), X))],
  ["total(X)^2", power(apply("total", [X]), number(2))],
  ["a^1.5", power(a, number(1.5))],
  ["(a + 1)^2", power(add([a, number(1)]), number(2))],
  ["a^(b + 1)", apply("power", [a, add([b, number(1)])])],
  ["sum(k) U[k]*U[k]'*Z", indexSum("k", K, multiply(U, transpose(U), Z))],
  ["Z - a*sum(k) U[k]*U[k]'*Z", subtract(Z, multiply(a, indexSum("k", K, multiply(U, transpose(U), Z))))],
  ["(sum(k) U[k]*U[k]'*Z) + b*Z", add([indexSum("k", K, multiply(U, transpose(U), Z)), multiply(b, Z)])],
  ["1/n*sum(k) U[k]*U[k]'*Z", over(indexSum("k", K, multiply(U, transpose(U), Z)), dimExpr(n))],
  ["(sum(k) U[k]*U[k]')*Z", multiply(indexSum("k", K, multiply(U, transpose(U))), Z)],
  ["a*x'*y", multiply(a, transpose(x), y)],
  ["(x'*y)*Z", multiply(transpose(x), y, Z)],
  ["Z/(x'*y)", over(Z, multiply(transpose(x), y))],
  ["softmax(X, over: rows)", apply("softmax", [X], { over: "rows" })],
  ["softmax(U[k], over: k)", softmaxFamily(U, "k", K, k)],
  ["softmax(U[j], over: j)", softmaxFamily(U, "k", K, { kind: "variable", name: "j" })],
  ["softmax(U[k], over: k)[2]", softmaxFamily(U, "k", K, { kind: "number", value: 2 })],
  ["standardize(X, eps: 1e-5)", apply("standardize", [X], { eps: 1e-5 })],
  ["patches(image, P, order: \"p1 p2 c\")", apply("patches",
    [symbol("image", "input", [dimNumber(3), dimNumber(8), dimNumber(8)])], { size: dimSymbol("P"), order: "p1 p2 c" })],
  ["x == a", apply("equal", [x, a])],
  ["(a <= b)*X", multiply(apply("less_equal", [a, b]), X)],
  ["(a % 2)*X", multiply(apply("remainder", [a, number(2)]), X)],
  ["Z[:, 1]", slice(Z, undefined, { from: one, to: one })],
  ["Z[:, 2..n]'", transpose(slice(Z, undefined, { from: dimNumber(2), to: n }))],
  ["Z[1, :]", slice(Z, { from: one, to: one }, undefined)],
  ["(A*Z)[:, 1]", slice(multiply(A, Z), undefined, { from: one, to: one })],
  ["b*x*ones(n)'", multiply(b, x, ones([one, n]))],
  ["ones(d)*ones(n)'", ones([d, n])],
  ["ones(n + 1)", ones([dimAdd(n, one), one])],
  ["0", zero([d, n])],
  ["softmax(0*ones(d)*ones(n)')", apply("softmax", [zero([d, n])])],
  ["softmax(diag(ones(n)))", apply("softmax", [identity(n)])],
  ["inv(A, iterations: 12)", inverse(A, 12)],
  ["(X .* Y)'", transpose(hadamard([X, Y]))],
  ["relu(X - a)", apply("relu", [subtract(X, multiply(a, ones([d, n])))])],
  ["soft_threshold(X - a*A'*(A*X - Y), a*b)", apply("soft_threshold", [
    subtract(X, multiply(a, transpose(A), subtract(multiply(A, X), Y))), multiply(a, b)])],
  ["2.4e-4*a", scale(2.4e-4, a)],
  ["-0.5", number(-0.5)],
  ["1e21*X", scale(1e21, X)],
  ["U[3]", symbol("U", "param", [d, p], { kind: "number", value: 3 })],
  ["diag(x)*Z", multiply(apply("diag", [x]), Z)],
];

describe("showExpr", () => {
  it.each(cases)("writes %s", (text, e) => {
    expect(showExpr(e)).toBe(text);
  });

  it("leaves the rounding of a reckoning out", () => {
    expect([1 - 0.6, 0.7 * 0.2, -1.1 * 1.1, 7.000000000000001e-10].map((v) => showExpr(scale(v, Z)))).toEqual(["0.4*Z", "0.14*Z", "-1.21*Z", "7e-10*Z"]);
  });
  it("writes every number so that it reads back as the same number", () => {
    for (const value of [0.1, 1 / 3, 2 / 3, 5 / 7, 1e-300, Math.PI, 123456789.123, 4096]) {
      const [over, under] = showExpr(number(value)).split("/");
      expect(Number(over) * (1 / Number(under ?? 1))).toBe(value);
    }
  });

  it("cuts an expression that would be exponentially long", () => {
    let e: Expr = A;
    for (let i = 0; i < 60; i++) e = multiply(apply("exp", [e]), apply("tanh", [e]));
    const text = showExpr(e, 1000);
    expect(text).toContain("…");
    expect(text.length).toBeLessThan(20_000);
  });
});
