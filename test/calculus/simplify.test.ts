/** Each simplification fires on its form and keeps the value; all together keep that of any expression. */
import { describe, expect, it } from "vitest";
import { simplifications, simplify } from "../../src/calculus/simplify.js";
import { type Dim, dimSymbol, one } from "../../src/expression/dim.js";
import { add, apply, type Expr, hadamard, multiply, number, ones, power, reciprocal, subtract, symbol, transpose } from "../../src/expression/expr.js";
import { showExpr } from "../../src/expression/print.js";
import { relativeError } from "../../src/numeric/matrix.js";
import { evaluate } from "../../src/numeric/evaluate.js";
import { names, randomExpr, sizes } from "../expression/random-expr.js";

const environment = (k: number) => ({
  dims: (s: string) => sizes[s] ?? Number.NaN, indices: new Map([["k", k]]),
  lookup: (name: string, member: number | undefined) => names[member === undefined ? name : `${name}[${member}]`],
});

const sized = (name: string): Dim => (name === "one" ? one : dimSymbol(name));
const M = (r: string, c: string, i = 1): Expr => symbol(`M${r}${c}${i}`, "param", [sized(r), sized(c)]);
const diag = (v: Expr): Expr => apply("diag", [v]);
const [X, u, u2, v] = [M("d", "n"), M("d", "one"), M("d", "one", 2), M("n", "one")];
const over = (e: Expr, fn: "colsum" | "rowsum"): Expr => diag(power(apply(fn, [e]), number(-1)));
const exp = apply("exp", [X]);
const scalarExp = apply("exp", [multiply(transpose(u), u2)]);
const scalarLogistic = multiply(number(3), scalarExp, reciprocal(add([number(1), scalarExp])), u);
/** For each row its left side, written out. */
const forms: Readonly<Record<string, readonly Expr[]>> = {
  "outer-product": [hadamard([X, multiply(u, transpose(v))])],
  "diagonal-products": [multiply(diag(u), diag(u2)), multiply(M("n", "d"), diag(u), diag(u2), X), multiply(diag(u), ones([sized("d"), one]))],
  "diagonal-of-diagonal": [apply("diagonal", [diag(u)])],
  softmax: [multiply(exp, over(exp, "colsum")), multiply(M("d", "d"), exp, over(exp, "colsum"))],
  "softmax-rows": [multiply(over(exp, "rowsum"), exp)],
  sigmoid: [hadamard([exp, power(add([ones(X.shape), exp]), number(-1))]), hadamard([M("d", "n", 2), exp, power(add([ones(X.shape), exp]), number(-1))]), scalarLogistic],
  signs: [multiply(number(-1), transpose(M("d", "d")), subtract(u, multiply(M("d", "d", 2), u2)))],
  "dot-product": [apply("total", [hadamard([u, u2])])],
};

describe("simplify", () => {
  it.each(simplifications.map((row) => [row.name, row] as const))("%s fires on its own form and keeps its value", (name, row) => {
    const own = forms[name] ?? [];
    expect(own.length).toBeGreaterThan(0);
    for (const e of own) {
      const after = row.run(e);
      expect(after, showExpr(e)).toBeDefined();
      expect(after?.id).not.toBe(e.id);
      expect(relativeError(evaluate(after as Expr, environment(1)), evaluate(e, environment(1))), showExpr(e)).toBeLessThan(1e-12);
    }
  });
  it("keeps the value of 1500 random expressions, and changes nothing the second time", () => {
    let changed = 0;
    for (let seed = 1; seed <= 1500; seed++) {
      const { expr, value } = randomExpr(seed, 4);
      const simple = simplify(expr);
      const wanted = value(1);
      if (wanted.data.some((x) => !Number.isFinite(x) || Math.abs(x) > 1e12)) continue;
      expect(relativeError(evaluate(simple, environment(1)), wanted), `expression ${seed}`).toBeLessThan(1e-8);
      expect(simplify(simple).id, `expression ${seed}`).toBe(simple.id);
      if (simple.id !== expr.id) changed += 1;
    }
    expect(changed).toBeGreaterThan(20);
    expect(simplifications.length).toBeGreaterThan(5);
  });
});
