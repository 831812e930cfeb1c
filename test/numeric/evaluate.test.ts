import { describe, expect, it } from "vitest";
import { dimAdd, dimDivide, dimMultiply, dimNumber, dimSymbol, one } from "../../src/expression/dim.js";
import {
  add, apply, dimExpr, divide, hadamard, identity, indexSum, inverse, multiply, number, ones, power, scalarShape,
  slice, softmaxFamily, subtract, symbol, transpose,
} from "../../src/expression/expr.js";
import { type FunctionName, functions, type OptionValue, type Shape } from "../../src/expression/functions.js";
import { type Environment, evaluate, evaluateDim, evaluateScalar, evaluator, MissingValue } from "../../src/numeric/evaluate.js";
import { directionalDerivative, numericGradient } from "../../src/numeric/finite-difference.js";
import { inverseValue, matmul, } from "../../src/numeric/linalg.js";
import {
  addValues, identityValue, matrix, relativeError, scalarValue, scaleValue, subtractValues, sumSquares, transposeValue, type Value, value,
} from "../../src/numeric/matrix.js";
import { rules } from "../../src/numeric/rules.js";
import { createGenerator, randomValue } from "../../src/numeric/sample.js";

const generator = createGenerator(11);
const [d, n, K, p] = [dimSymbol("d"), dimSymbol("n"), dimSymbol("K"), dimSymbol("p")];
const sizes: Record<string, number> = { d: 5, n: 4, K: 3, p: 2 };
const Z = symbol("Z", "var", [d, n]);
const U = symbol("U", "param", [d, p], { kind: "variable", name: "k" });
const beta = symbol("beta", "const", scalarShape);
const values: Record<string, Value> = { Z: randomValue([5, 4], generator), beta: scalarValue(0.45) };
const family = Array.from({ length: 3 }, () => randomValue([5, 2], generator));
const env: Environment = {
  dims: (name) => sizes[name] ?? Number.NaN,
  lookup: (name, member) => (name === "U" && member !== undefined ? family[member - 1] : values[name]),
};
const utz = multiply(transpose(U), Z);
const gram = multiply(transpose(utz), utz);

/** The function at plain values: each becomes a symbol of its shape. */
function call(fn: FunctionName, args: readonly Value[], options: Record<string, OptionValue> = {}): Value {
  const shapes: Shape[] = args.map((a) => a.shape.map(dimNumber));
  const symbols = args.map((_, i) => symbol(`argument${i}`, "param", shapes[i] as Shape));
  return evaluate(apply(fn, symbols, options), { ...env, lookup: (name) => args[Number(name.slice("argument".length))] });
}
const flat = (v: Value): number[] => [...v.data];
const vector = (...xs: number[]): Value => value([xs.length, 1], xs);
const scalar = scalarValue;

describe("evaluate", () => {
  it("computes a coding rate against a family, and its closed-form gradient agrees with differences", () => {
    const rate = multiply(number(0.5), indexSum("k", K, apply("logdet", [add([identity(n), multiply(beta, gram)])])));
    const gradient = multiply(beta, indexSum("k", K, multiply(U, utz, inverse(add([identity(n), multiply(beta, gram)])))));
    const at = (x: Float64Array): number =>
      evaluateScalar(rate, { ...env, lookup: (name, m) => (name === "Z" ? value([5, 4], x) : env.lookup(name, m)) });
    const numeric = numericGradient(at, (values["Z"] as Value).data);
    expect(relativeError(evaluate(gradient, env), value([5, 4], numeric))).toBeLessThan(1e-10);
  });
  it("keeps indices apart that nest, and gives a sum over a free index of each value", () => {
    const j = { kind: "variable", name: "j" } as const;
    const Uj = symbol("U", "param", [d, p], j);
    const nested = indexSum("k", K, indexSum("j", K, apply("total", [multiply(transpose(U), Uj)])));
    const total = family.reduce(addValues);
    expect(evaluateScalar(nested, env)).toBeCloseTo(matmul(transposeValue(total), total).data.reduce((s, x) => s + x, 0), 12);
    const free = apply("sq_norm", [subtract(U, Uj)]);
    expect(evaluateScalar(free, { ...env, indices: new Map([["k", 1], ["j", 3]]) }))
      .toBeCloseTo(sumSquares(subtractValues(family[0] as Value, family[2] as Value)), 12);
  });
  it("takes the softmax across a family so that its members sum to one", () => {
    const score = apply("colsum", [utz]);
    const member = (m: number): Value => evaluate(softmaxFamily(score, "k", K, { kind: "number", value: m }), env);
    const parts = [1, 2, 3].map(member);
    expect(flat(parts.reduce(addValues)).every((x) => Math.abs(x - 1) < 1e-14)).toBe(true);
    const raw = evaluate(score, { ...env, indices: new Map([["k", 2]]) }).data[0] as number;
    const all = [1, 2, 3].map((k) => Math.exp(evaluate(score, { ...env, indices: new Map([["k", k]]) }).data[0] as number));
    expect(parts[1]?.data[0]).toBeCloseTo(Math.exp(raw) / all.reduce((s, x) => s + x, 0), 13);
    const weighted = indexSum("k", K, softmaxFamily(score, "k", K, { kind: "variable", name: "k" }));
    expect(flat(evaluate(weighted, env)).every((x) => Math.abs(x - 1) < 1e-14)).toBe(true);
  });
  it("spreads a scalar in a sum, keeps powers of scalars, divides", () => {
    const e = divide(multiply(power(beta, number(2)), add([Z, multiply(beta, ones([d, n]))])), dimExpr(n));
    expect(relativeError(evaluate(e, env), scaleValue(addValues(values["Z"] as Value, scalar(0.45)), 0.45 ** 2 / 4))).toBeLessThan(1e-15);
    expect(relativeError(evaluate(add([Z, beta]), env), addValues(values["Z"] as Value, scalar(0.45)))).toBe(0);
  });
  it("slices rows and columns, counted from 1", () => {
    const part = slice(Z, { from: dimNumber(2), to: d }, { from: n, to: n });
    expect(flat(evaluate(part, env))).toEqual([7, 11, 15, 19].map((i) => values["Z"]?.data[i]));
  });
  it("inverts exactly, whatever the count of iterations", () => {
    const e = inverse(add([identity(n), gram]), 1);
    const u = family[0] as Value;
    const g = matmul(transposeValue(u), values["Z"] as Value);
    expect(relativeError(evaluate(e, { ...env, indices: new Map([["k", 1]]) }), inverseValue(addValues(identityValue(4), matmul(transposeValue(g), g))))).toBeLessThan(1e-12);
  });
  it("gives a name without a value as an error that names it", () => {
    expect(() => evaluate(symbol("W", "param", [d, p]), env)).toThrow(new MissingValue("no value for W"));
    expect(() => evaluate(U, env)).toThrow("the index k");
  });
  it("evaluates sizes: polynomials and quotients", () => {
    expect(evaluateDim(dimAdd(dimMultiply(dimDivide(d, n) ?? one, n), one), env.dims)).toBe(6);
    expect(evaluateDim(dimDivide(dimMultiply(d, d), dimNumber(2)) ?? one, env.dims)).toBe(12.5);
  });
  it("shares what expressions have in common", () => {
    let asked = 0;
    const counting: Environment = { ...env, lookup: (name, m) => { asked += 1; return env.lookup(name, m); } };
    const at = evaluator(counting);
    at(hadamard([Z, apply("exp", [Z])]));
    at(apply("total", [apply("exp", [Z])]));
    expect(asked).toBe(1);
  });
});

describe("functions", () => {
  const column = vector(-2, 0.5, 3);
  const x = matrix([[1, -2, 3], [4, 5, -6]]);
  it.each<[string, Value, number[]]>([
    ["relu", call("relu", [column]), [0, 0.5, 3]],
    ["sign", call("sign", [vector(-2, 0, 3)]), [-1, 0, 1]],
    ["soft_threshold", call("soft_threshold", [column, scalar(1)]), [-1, 0, 2]],
    ["hard_threshold", call("hard_threshold", [vector(-2, 1, 3), scalar(1)]), [-2, 0, 3]],
    ["huber", call("huber", [column, scalar(1)]), [1.5, 0.125, 2.5]],
    ["max", call("max", [column, scalar(0)]), [0, 0.5, 3]],
    ["min", call("min", [column, vector(0, 1, 2)]), [-2, 0.5, 2]],
    ["equal", call("equal", [vector(1, 2, 1), scalar(1)]), [1, 0, 1]],
    ["less", call("less", [column, scalar(0.5)]), [1, 0, 0]],
    ["less_equal", call("less_equal", [column, scalar(0.5)]), [1, 1, 0]],
    ["greater", call("greater", [column, scalar(0.5)]), [0, 0, 1]],
    ["greater_equal", call("greater_equal", [column, scalar(0.5)]), [0, 1, 1]],
    ["remainder", call("remainder", [vector(-1, 4, 5), scalar(3)]), [2, 1, 2]],
    ["power by a matrix", call("power", [vector(1, 2, 3), vector(2, 3, -1)]), [1, 8, 1 / 3]],
    ["hadamard", call("hadamard", [column, column, vector(1, 2, 3)]), [4, 0.5, 27]],
    ["trace", call("trace", [matrix([[1, 2], [3, 4]])]), [5]],
    ["mean", call("mean", [x]), [5 / 6]],
    ["norm0", call("norm0", [vector(0, 1, -2)]), [2]],
    ["norm1", call("norm1", [x]), [21]],
    ["norm21", call("norm21", [matrix([[3, 0], [4, 2]])]), [7]],
    ["norm_inf", call("norm_inf", [x]), [6]],
    ["colsum", call("colsum", [x]), [5, 3, -3]],
    ["colmean", call("colmean", [x]), [2.5, 1.5, -1.5]],
    ["rowsum", call("rowsum", [x]), [2, 3]],
    ["rowmean", call("rowmean", [x]), [2 / 3, 1]],
    ["colnorm", call("colnorm", [matrix([[3, 0], [4, 2]])]), [5, 2]],
    ["rownorm", call("rownorm", [matrix([[3, 4], [0, 2]])]), [5, 2]],
    ["diag", call("diag", [vector(1, 2)]), [1, 0, 0, 2]],
    ["diagonal", call("diagonal", [matrix([[1, 2], [3, 4]])]), [1, 4]],
    ["causal", call("causal", [matrix([[1, 2], [3, 4]])]), [1, 2, Number.NEGATIVE_INFINITY, 4]],
    ["upper_triangle", call("upper_triangle", [matrix([[1, 2], [3, 4]])]), [1, 2, 0, 4]],
    ["cumsum", call("cumsum", [x]), [1, -1, 2, 4, 9, 3]],
    ["cumsum in reverse", call("cumsum", [x], { reverse: true }), [2, 1, 3, 3, -1, -6]],
    ["cumsum over columns", call("cumsum", [x], { over: "columns" }), [1, -2, 3, 5, 3, -3]],
    ["normalize", call("normalize", [matrix([[3, 0], [4, 0]])]), [0.6, 0, 0.8, 0]],
    ["normalize over rows", call("normalize", [matrix([[3, 4], [0, 2]])], { over: "rows" }), [0.6, 0.8, 0, 1]],
    ["standardize", call("standardize", [vector(1, 3)], { eps: 3 }), [-0.5, 0.5]],
    ["rms_standardize", call("rms_standardize", [vector(1, 1)], { eps: 3 }), [0.5, 0.5]],
    ["project_simplex", call("project_simplex", [vector(2, 1.5, -1)]), [0.75, 0.25, 0]],
    ["peak_sign", call("peak_sign", [x]), [0, 0, 0, 0, 0, -1]],
    ["columns", call("columns", [vector(1, 2), matrix([[3, 4], [5, 6]])]), [1, 3, 4, 2, 5, 6]],
    ["pad", call("pad", [vector(1, 2)], { before: one, above: one }), [0, 0, 0, 1, 0, 2]],
    ["dropout outside training", call("dropout", [column], { rate: 0.5 }), [-2, 0.5, 3]],
    ["embedding", call("embedding", [vector(2, 1), matrix([[1, 2], [3, 4]])]), [2, 1, 4, 3]],
  ])("%s has its defined value", (_, actual, expected) => {
    expect(flat(actual).map((v) => Object.is(v, -0) ? 0 : v)).toEqual(expected.map((v) => expect.closeTo(v, 12)));
  });

  it("indicators are 0 inside and infinite outside, with room for rounding", () => {
    const inf = Number.POSITIVE_INFINITY;
    const table: [FunctionName, Value[], number][] = [
      ["nonnegative", [vector(0, -1e-12)], 0], ["nonnegative", [vector(1, -1e-3)], inf],
      ["box", [vector(0, 1), scalar(0), scalar(1)], 0], ["box", [vector(0, 2), scalar(0), scalar(1)], inf],
      ["ball", [matrix([[0.6, 0], [0.8, 0]]), scalar(1)], 0], ["ball", [vector(1, 1), scalar(1)], inf],
      ["sphere", [vector(0.6, 0.8), scalar(1)], 0], ["sphere", [vector(0.5, 0.5), scalar(1)], inf],
      ["simplex", [vector(0.25, 0.75)], 0], ["simplex", [vector(0.5, 0.6)], inf], ["simplex", [vector(1.5, -0.5)], inf],
      ["orthonormal", [matrix([[1, 0], [0, -1], [0, 0]])], 0], ["orthonormal", [matrix([[1, 0, 0], [0, 1, 0]])], 0],
      ["orthonormal", [matrix([[1, 0], [1, 1]])], inf],
    ];
    for (const [fn, args, expected] of table) expect([fn, call(fn, args).data[0]]).toEqual([fn, expected]);
  });

  it("softmax sums to one per column or row, and survives large and infinite entries", () => {
    const big = matrix([[1000, -5], [1001, Number.NEGATIVE_INFINITY]]);
    const result = call("softmax", [big]);
    expect(result.data[0]).toBeCloseTo(1 / (1 + Math.E), 14);
    expect([result.data[1], result.data[3]]).toEqual([1, 0]);
    expect(relativeError(call("softmax", [transposeValue(big)], { over: "rows" }), transposeValue(result))).toBe(0);
  });

  it("patches are read in the order given, in raster order, and unpatch undoes them", () => {
    const image = value([2, 4, 6], Array.from({ length: 48 }, (_, i) => i));
    const first = (order: string): number[] => {
      const m = call("patches", [image], { size: dimNumber(2), order });
      expect(m.shape).toEqual([8, 6]);
      return Array.from({ length: 8 }, (_, f) => m.data[f * 6] as number);
    };
    expect(first("p1 p2 c")).toEqual([0, 24, 1, 25, 6, 30, 7, 31]);
    expect(first("c p1 p2")).toEqual([0, 1, 6, 7, 24, 25, 30, 31]);
    expect(first("p2 p1 c")).toEqual([0, 24, 6, 30, 1, 25, 7, 31]);
    const patches = call("patches", [image], { size: dimNumber(2) });
    expect(patches.data.slice(0, 6)).toEqual(Float64Array.of(0, 2, 4, 12, 14, 16));
    const options = { size: dimNumber(2), channels: dimNumber(2), height: dimNumber(4), width: dimNumber(6) };
    expect(call("unpatch", [patches], options)).toEqual(image);
  });

  it("cross entropy smooths its target and averages over columns", () => {
    const logits = matrix([[1, 0], [2, 0], [0.5, 0]]);
    const logSoftmax = (i: number): number => (logits.data[2 * i] as number) - Math.log(Math.E + Math.exp(2) + Math.exp(0.5));
    expect(call("cross_entropy", [logits, vector(2, 3)]).data[0]).toBeCloseTo((-logSoftmax(1) + Math.log(3)) / 2, 13);
    const smooth = -(0.9 * logSoftmax(1) + (0.1 / 3) * (logSoftmax(0) + logSoftmax(1) + logSoftmax(2)));
    expect(call("cross_entropy", [matrix([[1], [2], [0.5]]), scalar(2)], { smoothing: 0.1 }).data[0]).toBeCloseTo(smooth, 13);
    expect(() => call("cross_entropy", [logits, vector(0, 3)])).toThrow("label 0");
  });

  it("dropout in training zeroes at its rate and keeps the mean", () => {
    const g = createGenerator(3);
    const big = value([100, 100], new Float64Array(10_000).fill(1));
    const dropped = evaluate(apply("dropout", [symbol("X", "var", [dimNumber(100), dimNumber(100)])], { rate: 0.25 }),
      { ...env, lookup: () => big, random: g.uniform });
    const zeros = dropped.data.filter((v) => v === 0).length;
    expect(zeros).toBeGreaterThan(2300);
    expect(zeros).toBeLessThan(2700);
    expect(dropped.data.every((v) => v === 0 || v === 1 / 0.75)).toBe(true);
  });

  it("obeys Moreau: v is its soft threshold plus its clipping", () => {
    const v = randomValue([50, 1], generator);
    const clipped = call("max", [call("min", [v, scalar(0.4)]), scalar(-0.4)]);
    expect(relativeError(addValues(call("soft_threshold", [v, scalar(0.4)]), clipped), v)).toBeLessThan(1e-15);
  });

  it("projects on the simplex: the result is in it, and no random point of it is nearer", () => {
    const v = randomValue([6, 5], generator);
    const projected = call("project_simplex", [v]);
    expect(call("simplex", [projected]).data[0]).toBe(0);
    for (let i = 0; i < 50; i++) {
      const other = call("softmax", [scaleValue(randomValue([6, 5], generator), 3)]);
      expect(sumSquares(subtractValues(other, v))).toBeGreaterThan(sumSquares(subtractValues(projected, v)));
    }
  });

  it("has a row for every function", () => {
    expect(Object.keys(rules).sort()).toEqual(Object.keys(functions).sort());
  });
});

describe("differences", () => {
  it("are right to ten digits on functions with a known gradient", () => {
    const x = Float64Array.of(0.3, -1.2, 20);
    const gradient = numericGradient((v) => Math.exp(v[0]!) * Math.sin(v[1]!) + Math.log(v[2]!) * v[0]!, x);
    const exact = [Math.exp(0.3) * Math.sin(-1.2) + Math.log(20), Math.exp(0.3) * Math.cos(-1.2), 0.3 / 20];
    exact.forEach((g, i) => expect(Math.abs(gradient[i]! - g)).toBeLessThan(1e-10));
    const slope = directionalDerivative((v) => v[0]! ** 3 * v[1]!, Float64Array.of(2, 3), Float64Array.of(1, -2));
    expect(Math.abs(slope - (36 - 16))).toBeLessThan(1e-9);
  });
  it("beside a kink too", () => {
    for (const beside of [1e-3, -1e-3, 3e-4, -1e-5]) {
      const [slope] = numericGradient((v) => Math.max(v[0]!, 0) + v[0]! ** 2, Float64Array.of(beside));
      expect(Math.abs(slope! - (2 * beside + (beside > 0 ? 1 : 0)))).toBeLessThan(1e-8);
    }
  });
});

describe("sampling", () => {
  it("gives the same numbers for the same seed, with the moments asked for", () => {
    expect(randomValue([3, 3], createGenerator(5))).toEqual(randomValue([3, 3], createGenerator(5)));
    expect(randomValue([3, 3], createGenerator(5))).not.toEqual(randomValue([3, 3], createGenerator(6)));
    const many = randomValue([20_000, 1], createGenerator(1)).data;
    expect(Math.abs(many.reduce((s, x) => s + x, 0) / many.length)).toBeLessThan(0.03);
    expect(many.reduce((s, x) => s + x * x, 0) / many.length).toBeCloseTo(1, 1);
    const labels = randomValue([500, 1], createGenerator(2), { label: 3 }).data;
    expect([...new Set(labels)].sort()).toEqual([1, 2, 3]);
  });
});
