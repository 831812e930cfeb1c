/** Random expressions, each beside its value computed directly: what the normal form, the evaluator and the printer are held against. */
import { dimSymbol, type Dim, one } from "../../src/expression/dim.js";
import {
  add, apply, divide, type Expr, hadamard, identity, indexSum, inverse, multiply, negate, number, ones, power, scalarShape, scale, slice,
  softmaxFamily, subtract, symbol, transpose,
} from "../../src/expression/expr.js";
import { inverseValue, logDeterminant, matmul } from "../../src/numeric/linalg.js";
import {
  addValues, filled, identityValue, mapEntries, scalarValue, scaleValue, sliceValue, subtractValues, sumEntries, sumSquares, toNumber,
  transposeValue, type Value, zipEntries,
} from "../../src/numeric/matrix.js";
import { softmaxColumns } from "../../src/numeric/column-wise.js";
import { createGenerator, type Generator, randomValue } from "../../src/numeric/sample.js";

export const sizes: Readonly<Record<string, number>> = { d: 3, n: 4, one: 1, K: 3 };
export const names: Readonly<Record<string, Value>> = (() => {
  const g = createGenerator(99);
  const table: Record<string, Value> = {};
  for (const a of ["d", "n"]) for (const b of ["d", "n", "one"]) for (const i of [1, 2]) {
    table[`M${a}${b}${i}`] = scaleValue(randomValue([sizes[a] as number, sizes[b] as number], g), 0.5);
  }
  for (const s of ["a", "b", "c"]) table[s] = randomValue([1, 1], g, "positive");
  for (const a of ["d", "n"]) for (const b of ["d", "n", "one"]) for (const m of [1, 2, 3]) {
    table[`F${a}${b}[${m}]`] = scaleValue(randomValue([sizes[a] as number, sizes[b] as number], g), 0.5);
  }
  return table;
})();

type Size = "d" | "n" | "one";
/** `value` is a function of the free index k. */
export interface Sample { readonly expr: Expr; readonly value: (k: number) => Value }

const dims: Readonly<Record<Size, Dim>> = { d: dimSymbol("d"), n: dimSymbol("n"), one };
const both = (f: (...v: Value[]) => Value, ...of: Sample[]) => (k: number): Value => f(...of.map((s) => s.value(k)));
const named = (name: string, shape: readonly Dim[]): Sample =>
  ({ expr: symbol(name, "param", shape), value: () => names[name] as Value });

export function randomExpr(seed: number, depth: number): Sample {
  const g: Generator = createGenerator(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(g.uniform() * list.length)] as T;

  function scalar(left: number, indexed: boolean): Sample {
    if (left <= 0) {
      if (g.uniform() < 0.35) {
        const value = pick([2, 0.5, 3, 1 / 3, 1e-4, 1.5]);
        return { expr: number(value), value: () => scalarValue(value) };
      }
      return named(pick(["a", "b", "c"]), scalarShape);
    }
    const s = (): Sample => scalar(left - 1, indexed);
    const m = (): Sample => matrix(pick<Size>(["d", "n"]), pick<Size>(["d", "n", "one"]), left - 1, indexed);
    switch (Math.floor(g.uniform() * 13)) {
      case 11: {
        const x = matrix("d", "one", left - 1, indexed);
        const inside = multiply(scale(3, named("b", scalarShape).expr), transpose(x.expr), x.expr);
        return { expr: apply("sqrt", [inside]), value: both((p) => scalarValue(Math.sqrt(3 * toNumber(names["b"] as Value) * sumSquares(p as Value))), x) };
      }
      case 12: {
        const c = pick([0.5, 2, 3]);
        const [e, f] = [pick([1, 2, -2]), pick([1, -1, 2])];
        const root = apply("sqrt", [scale(c, multiply(named("a", scalarShape).expr, apply("sqrt", [scale(3, named("b", scalarShape).expr)])))]);
        const [a, b] = [names["a"], names["b"]].map((v) => toNumber(v as Value)) as [number, number];
        return {
          expr: multiply(power(root, number(e)), power(named("a", scalarShape).expr, number(f)), power(named("b", scalarShape).expr, number(2 * f))),
          value: () => scalarValue(Math.sqrt(c * a * Math.sqrt(3 * b)) ** e * a ** f * b ** (2 * f)),
        };
      }
      case 0: { const [x, y] = [s(), s()]; return { expr: add([x.expr, y.expr]), value: both(addValues as never, x, y) }; }
      case 1: { const [x, y] = [s(), s()]; return { expr: subtract(x.expr, y.expr), value: both(subtractValues as never, x, y) }; }
      case 2: { const [x, y] = [s(), s()]; return { expr: multiply(x.expr, y.expr), value: both((p, q) => zipEntries(p as Value, q as Value, (u, v) => u * v), x, y) }; }
      case 3: { const x = s(); const y = named(pick(["a", "b", "c"]), scalarShape); return { expr: divide(x.expr, y.expr), value: both((p, q) => zipEntries(p as Value, q as Value, (u, v) => u / v), x, y) }; }
      case 4: { const x = s(); return { expr: negate(x.expr), value: both((p) => scaleValue(p as Value, -1), x) }; }
      case 5: { const x = s(); const e = pick([2, 3]); return { expr: power(x.expr, number(e)), value: both((p) => mapEntries(p as Value, (v) => v ** e), x) }; }
      case 6: { const x = m(); return { expr: apply("total", [x.expr]), value: both((p) => scalarValue(sumEntries(p as Value)), x) }; }
      case 7: { const x = m(); return { expr: apply("sq_norm", [x.expr]), value: both((p) => scalarValue(sumSquares(p as Value)), x) }; }
      case 8: {
        const size = pick<Size>(["d", "n"]);
        const [x, y] = [matrix(size, "one", left - 1, indexed), matrix(size, "one", left - 1, indexed)];
        return { expr: multiply(transpose(x.expr), y.expr), value: both((p, q) => matmul(transposeValue(p as Value), q as Value), x, y) };
      }
      case 9: return indexed ? s() : summed(scalar(left - 1, true));
      default: {
        const x = matrix("d", pick<Size>(["n", "one"]), left - 1, indexed);
        const gram = add([identity(dims.d), multiply(x.expr, transpose(x.expr))]);
        return {
          expr: apply("logdet", [gram]),
          value: both((p) => scalarValue(logDeterminant(addValues(identityValue(3), matmul(p as Value, transposeValue(p as Value))))), x),
        };
      }
    }
  }
  function summed(body: Sample): Sample {
    return { expr: indexSum("k", dimSymbol("K"), body.expr), value: () => [1, 2, 3].map(body.value).reduce(addValues) };
  }
  function matrix(r: Size, c: Size, left: number, indexed: boolean): Sample {
    if (r === "one" && c === "one") return scalar(left, indexed);
    const shape = [dims[r], dims[c]];
    if (r === "one") {
      const x = matrix(c, r, left - 1, indexed);
      return { expr: transpose(x.expr), value: both(transposeValue as never, x) };
    }
    if (left <= 0) {
      const u = g.uniform();
      if (indexed && u < 0.4) {
        const family = `F${r}${c}`;
        return { expr: symbol(family, "param", shape, { kind: "variable", name: "k" }), value: (k) => names[`${family}[${k}]`] as Value };
      }
      if (u < 0.5 && r === c) return { expr: identity(dims[r]), value: () => identityValue(sizes[r] as number) };
      if (u < 0.6) return { expr: ones(shape), value: () => filled([sizes[r] as number, sizes[c] as number], 1) };
      return named(`M${r}${c}${pick([1, 2])}`, shape);
    }
    const m = (a: Size = r, b: Size = c): Sample => matrix(a, b, left - 1, indexed);
    switch (Math.floor(g.uniform() * 13)) {
      case 0: { const [x, y] = [m(), m()]; return { expr: add([x.expr, y.expr]), value: both(addValues as never, x, y) }; }
      case 1: { const [x, y] = [m(), m()]; return { expr: subtract(x.expr, y.expr), value: both(subtractValues as never, x, y) }; }
      case 2: case 3: {
        const inner = pick<Size>(["d", "n", "one"]);
        const [x, y] = [m(r, inner), m(inner, c)];
        return { expr: multiply(x.expr, y.expr), value: both(matmul as never, x, y) };
      }
      case 4: { const [x, s] = [m(), scalar(left - 1, indexed)]; return { expr: multiply(s.expr, x.expr), value: both((p, q) => scaleValue(p as Value, toNumber(q as Value)), x, s) }; }
      case 5: { const x = m(); const s = named(pick(["a", "b"]), scalarShape); return { expr: divide(x.expr, s.expr), value: both((p, q) => scaleValue(p as Value, 1 / toNumber(q as Value)), x, s) }; }
      case 6: { const [x, y] = [m(), m()]; return { expr: hadamard([x.expr, y.expr]), value: both((p, q) => zipEntries(p as Value, q as Value, (u, v) => u * v), x, y) }; }
      case 7: {
        const [x, y] = [m(), m()];
        const positive = apply("exp", [scale(0.1, y.expr)]);
        return { expr: hadamard([x.expr, power(positive, number(-1))]), value: both((p, q) => zipEntries(p as Value, q as Value, (u, v) => u / Math.exp(0.1 * v)), x, y) };
      }
      case 8: { const x = m(); return { expr: power(x.expr, number(2)), value: both((p) => mapEntries(p as Value, (v) => v * v), x) }; }
      case 9: { const x = m(c, r); return { expr: transpose(x.expr), value: both(transposeValue as never, x) }; }
      case 10: { const x = m(); return { expr: apply("softmax", [x.expr]), value: both(softmaxColumns as never, x) }; }
      case 11:
        if (r === c) {
          const x = m(r, pick<Size>(["one", r]));
          const gram = add([identity(dims[r]), multiply(x.expr, transpose(x.expr))]);
          return { expr: inverse(gram), value: both((p) => inverseValue(addValues(identityValue((p as Value).shape[0] as number), matmul(p as Value, transposeValue(p as Value)))), x) };
        }
        return m();
      default: {
        if (c === "one" && g.uniform() < 0.5) {
          const x = m(r, "n");
          return { expr: slice(x.expr, undefined, { from: one, to: one }), value: both((p) => sliceValue(p as Value, 0, (p as Value).shape[0] as number, 0, 1), x) };
        }
        if (indexed) return m();
        const body = matrix(r, c, left - 1, true);
        if (g.uniform() < 0.3) {
          const member = {
            expr: softmaxFamily(body.expr, "k", dimSymbol("K"), { kind: "variable", name: "k" }),
            value: (k: number): Value => {
              const all = [1, 2, 3].map((j) => mapEntries(body.value(j), Math.exp));
              return zipEntries(all[k - 1] as Value, all.reduce(addValues), (u, v) => u / v);
            },
          };
          const [w] = [symbol(`F${r}${c}`, "param", shape, { kind: "variable", name: "k" })];
          return summed({ expr: hadamard([w, member.expr]), value: (k) => zipEntries(names[`F${r}${c}[${k}]`] as Value, member.value(k), (u, v) => u * v) });
        }
        return summed(body);
      }
    }
  }
  return g.uniform() < 0.3 ? scalar(depth, false) : matrix(pick<Size>(["d", "n"]), pick<Size>(["d", "n", "one"]), depth, false);
}
