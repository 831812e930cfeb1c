import { describe, expect, it } from "vitest";
import { apply, number } from "../../src/expression/expr.js";
import { tournament } from "../../src/tensor/jacobi.js";
import { checkGraph } from "../../src/tensor/check-graph.js";
import { evaluateGraph } from "../../src/tensor/evaluate-graph.js";
import { lowerNetwork } from "../../src/tensor/lower.js";
import { NotLowerable } from "../../src/tensor/lowered.js";
import { newtonScalings } from "../../src/tensor/newton-schulz.js";
import { inverseValue } from "../../src/numeric/linalg.js";
import { expectAgrees, N, noise, parameter, single, sym } from "./networks.js";

/** Orthonormal columns by Gram–Schmidt of noise. */
function orthonormal(n: number, random: () => number): number[][] {
  const columns: number[][] = [];
  while (columns.length < n) {
    const v = Array.from({ length: n }, random);
    for (let pass = 0; pass < 2; pass++) for (const u of columns) {
      const dot = u.reduce((s, x, i) => s + x * (v[i] as number), 0);
      u.forEach((x, i) => { v[i] = (v[i] as number) - dot * x; });
    }
    const size = Math.hypot(...v);
    columns.push(v.map((x) => x / size));
  }
  return columns;
}
const f = Math.fround;
function product32(a: Float32Array, b: Float32Array, n: number): Float32Array {
  const out = new Float32Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
    let sum = 0;
    for (let k = 0; k < n; k++) sum = f(sum + f((a[i * n + k] as number) * (b[k * n + j] as number)));
    out[i * n + j] = sum;
  }
  return out;
}
/** The iteration as the graph has it, in float32 throughout; the error against the exact inverse, relative to its largest entry. */
function inverseError(n: number, condition: number, definite: boolean): number {
  const random = noise(n);
  const U = orthonormal(n, random), V = definite ? U : orthonormal(n, random);
  const values = Array.from({ length: n }, (_, i) => condition ** (-i / (n - 1)));
  const entry = (left: number[][], right: number[][]) => (_: unknown, e: number): number =>
    values.reduce((s, x, m) => s + x * (left[m]?.[Math.floor(e / n)] ?? 0) * (right[m]?.[e % n] ?? 0), 0);
  const E = Float32Array.from({ length: n * n }, entry(U, V));
  const exact = inverseValue({ shape: [n, n], data: Float64Array.from(E) }).data;
  const sums = (at: (i: number, j: number) => number): number =>
    Math.max(...Array.from({ length: n }, (_, i) => Array.from({ length: n }, (__, j) => Math.abs(E[at(i, j)] as number)).reduce((s, x) => s + x, 0)));
  const [byRows, byCols] = [sums((i, j) => i * n + j), sums((i, j) => j * n + i)];
  let X = Float32Array.from({ length: n * n }, (_, e) => {
    const [i, j] = [Math.floor(e / n), e % n];
    return definite ? (i === j ? 1 / byRows : 0) : (E[j * n + i] as number) / (byRows * byCols);
  });
  newtonScalings(20).forEach((mu, step) => {
    const polish = step >= 18;
    const scaled = X.map((x) => f(x * mu));
    const rest = product32(E, scaled, n).map((x, e) => f((Math.floor(e / n) === e % n ? (polish ? 1 : 2) : 0) - x));
    const product = product32(scaled, rest, n);
    X = product.map((x, e) => (polish ? f(x + (scaled[e] as number)) : x)) as Float32Array<ArrayBuffer>;
  });
  const largest = Math.max(...exact.map(Math.abs));
  return Math.max(...X.map((x, i) => Math.abs(x - (exact[i] as number)))) / largest;
}

describe("inverses by products", () => {
  it.each([[8, 1e3], [24, 1e3], [24, 10]])("a positive definite matrix of %i rows, condition %f, reaches float32's accuracy in 20 iterations", (n, condition) => {
    expect(inverseError(n, condition, true)).toBeLessThan(condition === 10 ? 1e-6 : 1e-5);
  });
  it.each([[8, 1e3], [24, 1e3], [24, 10]])("a general matrix of %i rows, condition %f, too", (n, condition) => {
    expect(inverseError(n, condition, false)).toBeLessThan(condition === 10 ? 1e-6 : 1e-5);
  });
  it("few iterations are plain Newton–Schulz, more reach further", () => {
    expect(newtonScalings(2)).toEqual([1, 1]);
    // Near 2, so that small eigenvalues grow almost fourfold; not at 2, where one at 1 would be rounded below 0.
    expect(newtonScalings(20)[0]).toBeCloseTo(2 / 1.01, 12);
    expect(newtonScalings(20).at(-1)).toBeCloseTo(1, 6);
  });
});

describe("singular values by rotations", () => {
  it("the tournament lets every pair meet once", () => {
    for (const count of [2, 4, 8, 10]) {
      const met = tournament(count).flatMap(({ first, second }) => first.map((a, i) => [a, second[i] as number].sort((x, y) => x - y).join()));
      expect(new Set(met).size).toBe((count * (count - 1)) / 2);
      expect(met).toHaveLength((count * (count - 1)) / 2);
    }
  });
  const given = (rows: number, cols: number) => ({ parameters: [parameter("E", [N(rows), N(cols)], 2)] });
  it.each([[1, 1], [2, 2], [5, 3], [3, 7], [8, 8], [16, 12], [40, 9]])("all functions of %i×%i agree", (rows, cols) => {
    const E = sym("E", [N(rows), N(cols)], "param");
    for (const e of [apply("norm_nuc", [E]), apply("norm_spec", [E]), apply("singular_soft_threshold", [E, number(0.7)]), apply("polar", [E]), apply("leading_singular", [E])]) {
      expectAgrees({ network: single(e, given(rows, cols)), batch: 1, seed: rows + cols }, 1e-8);
    }
  });
  it("names what it cannot unroll", () => {
    const big = sym("E", [N(50), N(40)], "param");
    expect(() => lowerNetwork(single(apply("norm_nuc", [big]), given(50, 40)))).toThrow(NotLowerable);
    expect(() => lowerNetwork(single(apply("norm_nuc", [big]), given(50, 40)))).toThrow("norm_nuc");
  });
});

describe("projection on the simplex", () => {
  const project = (v: readonly number[]): Float64Array => {
    const E = sym("E", [N(v.length), N(1)], "param");
    const graph = checkGraph(lowerNetwork(single(apply("project_simplex", [E]), { parameters: [parameter("E", [N(v.length), N(1)], 1)] })));
    return evaluateGraph(graph, { inputs: {}, parameters: { E: { shape: [v.length], data: v } }, sizes: { batch: 1 } }).get("out")?.data ?? new Float64Array();
  };
  it.each([[[0.5, 0.5, 0.5]], [[1, 1, -1, 0]], [[3, 3, 3, -2, 2.5]], [[-5, -5]], [[0.2, 0.3, 0.5]], [[10, 0, 0, 9.5, 9.5]]])("agrees with sorting, ties included: %j", (v) => {
    const sorted = [...v].sort((a, b) => b - a);
    let theta = 0, total = 0;
    sorted.forEach((x, i) => {
      total += x;
      if (x > (total - 1) / (i + 1)) theta = (total - 1) / (i + 1);
    });
    const result = project(v);
    for (const [i, x] of v.entries()) expect(result[i]).toBeCloseTo(Math.max(x - theta, 0), 12);
    expect(result.reduce((s, x) => s + x, 0)).toBeCloseTo(1, 12);
  });
});
