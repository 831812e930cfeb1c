/** Every row of the proximal table, with factors, shifts and scalings: against numeric minimisation, and Moreau's identity for norms. */
import { describe, expect, it } from "vitest";
import { runNetwork } from "../../src/audit/run-network.js";
import { proximalTable } from "../../src/calculus/proximal.js";
import { value } from "../../src/numeric/matrix.js";
import { createGenerator, type Generator } from "../../src/numeric/sample.js";
import { nuclearNorm, polarFactor, spectralNorm } from "../../src/numeric/spectral.js";
import { compileSpec } from "../support/build.js";

const rows = 4, cols = 3, size = rows * cols;
type Point = Float64Array;
const of = (f: (i: number) => number): Point => Float64Array.from({ length: size }, (_, i) => f(i));
const total = (x: Point, f: (v: number) => number): number => x.reduce((s, v) => s + f(v), 0);
const dot = (x: Point, y: Point): number => x.reduce((s, v, i) => s + v * (y[i] as number), 0);
const columnNorms = (x: Point): number[] => Array.from({ length: cols }, (_, j) => Math.sqrt(Array.from({ length: rows }, (_u, i) => (x[i * cols + j] as number) ** 2).reduce((a, b) => a + b)));
const byColumn = (x: Point, factor: (norm: number, sum: number) => number): Point => {
  const norms = columnNorms(x);
  const sums = Array.from({ length: cols }, (_, j) => Array.from({ length: rows }, (_u, i) => x[i * cols + j] as number).reduce((a, b) => a + b));
  return of((i) => (x[i] as number) * factor(norms[i % cols] as number, sums[i % cols] as number));
};
const frobenius = (x: Point): number => Math.sqrt(dot(x, x));
const abs = (x: Point): Point => x.map(Math.abs);
const huber = (r: number, d: number): number => (Math.abs(r) <= d ? r * r / 2 : d * (Math.abs(r) - d / 2));

interface Row {
  readonly of: string;
  /** In the language. */
  readonly text: string;
  /** The same by hand; on its domain only. */
  readonly h: (x: Point) => number;
  /** Some map into its domain, the same on the domain. */
  readonly into?: (x: Point) => Point;
  readonly convex: boolean;
  /** Of a norm: its dual. */
  readonly dual?: (x: Point) => number;
}
const matrix = (x: Point) => value([rows, cols], x);
const table: readonly Row[] = [
  { of: "norm1", text: "0.7*norm1(Z)", h: (x) => 0.7 * total(x, Math.abs), convex: true, dual: (u) => Math.max(...abs(u)) / 0.7 },
  { of: "norm0", text: "0.4*norm0(Z)", h: (x) => 0.4 * total(x, (v) => Number(v !== 0)), convex: false },
  { of: "norm2", text: "1.3*norm2(Z)", h: (x) => 1.3 * frobenius(x), convex: true, dual: (u) => frobenius(u) / 1.3 },
  { of: "norm21", text: "0.9*norm21(Z)", h: (x) => 0.9 * columnNorms(x).reduce((a, b) => a + b), convex: true, dual: (u) => Math.max(...columnNorms(u)) / 0.9 },
  { of: "norm_nuc", text: "0.8*norm_nuc(Z)", h: (x) => 0.8 * nuclearNorm(matrix(x)), convex: true, dual: (u) => spectralNorm(matrix(u)) / 0.8 },
  { of: "nonnegative", text: "nonnegative(Z)", h: () => 0, into: abs, convex: true },
  { of: "box", text: "box(Z, -0.3, 0.6)", h: () => 0, into: (x) => x.map((v) => Math.min(0.6, Math.max(-0.3, v))), convex: true },
  { of: "ball", text: "ball(Z, 0.8)", h: () => 0, into: (x) => byColumn(x, (n) => (n > 0.8 ? 0.8 / n : 1)), convex: true },
  { of: "sphere", text: "sphere(Z, 0.8)", h: () => 0, into: (x) => byColumn(x, (n) => 0.8 / n), convex: false },
  { of: "simplex", text: "simplex(Z)", h: () => 0, into: (x) => byColumn(abs(x), (_, sum) => 1 / sum), convex: true },
  { of: "orthonormal", text: "orthonormal(Z)", h: () => 0, into: (x) => Float64Array.from(polarFactor(matrix(x)).data), convex: false },
  { of: "huber_total", text: "0.9*total(huber(Z, 0.5))", h: (x) => 0.9 * total(x, (v) => huber(v, 0.5)), convex: true },
  { of: "negative_log", text: "-0.6*total(log(Z))", h: (x) => -0.6 * total(x, Math.log), into: (x) => x.map((v) => Math.max(Math.abs(v), 1e-9)), convex: true },
  { of: "norm1+nonnegative", text: "0.5*norm1(Z) + nonnegative(Z)", h: (x) => 0.5 * total(x, Math.abs), into: abs, convex: true },
  { of: "norm0+nonnegative", text: "0.4*norm0(Z) + nonnegative(Z)", h: (x) => 0.4 * total(x, (v) => Number(v !== 0)), into: abs, convex: false },
  { of: "norm1+box", text: "0.5*norm1(Z) + box(Z, -0.2, 0.7)", h: (x) => 0.5 * total(x, Math.abs), into: (x) => x.map((v) => Math.min(0.7, Math.max(-0.2, v))), convex: true },
  { of: "norm1+norm2", text: "0.3*norm1(Z) + 0.9*norm2(Z)", h: (x) => 0.3 * total(x, Math.abs) + 0.9 * frobenius(x), convex: true },
  { of: "norm1+norm21", text: "0.3*norm1(Z) + 0.9*norm21(Z)", h: (x) => 0.3 * total(x, Math.abs) + 0.9 * columnNorms(x).reduce((a, b) => a + b), convex: true },
  { of: "norm2+nonnegative", text: "0.9*norm2(Z) + nonnegative(Z)", h: (x) => 0.9 * frobenius(x), into: abs, convex: true },
  { of: "norm21+nonnegative", text: "0.9*norm21(Z) + nonnegative(Z)", h: (x) => 0.9 * columnNorms(x).reduce((a, b) => a + b), into: abs, convex: true },
  { of: "ball+nonnegative", text: "ball(Z, 0.8) + nonnegative(Z)", h: () => 0, into: (x) => byColumn(abs(x), (n) => (n > 0.8 ? 0.8 / n : 1)), convex: true },
  // Transformers around any row: a shift, a scaled argument, an added square, a linear term.
  { of: "", text: "0.7*norm1(Z - V)", h: (x) => 0.7 * total(of((i) => (x[i] as number) - Math.sin(i)), Math.abs), convex: true },
  { of: "", text: "0.7*norm1(-2*Z)", h: (x) => 1.4 * total(x, Math.abs), convex: true },
  { of: "", text: "0.5*norm2(3*Z - V)", h: (x) => 0.5 * frobenius(of((i) => 3 * (x[i] as number) - Math.sin(i))), convex: true },
  { of: "", text: "0.7*norm1(Z) + 0.4*sq_norm(Z)", h: (x) => 0.7 * total(x, Math.abs) + 0.4 * dot(x, x), convex: true },
  { of: "", text: "0.4*sq_norm(2*Z - V) + nonnegative(Z)", h: (x) => 0.4 * total(of((i) => 2 * (x[i] as number) - Math.sin(i)), (v) => v * v), into: abs, convex: true },
  { of: "", text: "0.7*norm21(Z) + total(V .* Z)", h: (x) => 0.7 * columnNorms(x).reduce((a, b) => a + b) + dot(x, of(Math.sin)), convex: true },
  { of: "", text: "0.7*total(huber(2*Z - V, 0.5))", h: (x) => 0.7 * total(of((i) => 2 * (x[i] as number) - Math.sin(i)), (v) => huber(v, 0.5)), convex: true },
  // Arguments that differ by a factor, of either sign.
  { of: "", text: "0.5*norm1(Z) + nonnegative(-Z)", h: (x) => 0.5 * total(x, Math.abs), into: (x) => abs(x).map((v) => -v), convex: true },
  { of: "", text: "0.5*norm1(2*Z) + nonnegative(-3*Z)", h: (x) => total(x, Math.abs), into: (x) => abs(x).map((v) => -v), convex: true },
  { of: "", text: "0.4*norm0(Z) + nonnegative(-2*Z)", h: (x) => 0.4 * total(x, (v) => Number(v !== 0)), into: (x) => abs(x).map((v) => -v), convex: false },
  { of: "", text: "ball(-2*Z, 0.8) + nonnegative(Z)", h: () => 0, into: (x) => byColumn(abs(x), (n) => (n > 0.4 ? 0.4 / n : 1)), convex: true },
  { of: "", text: "0.5*norm1(2*Z - V) + nonnegative(Z - 0.5*V)", h: (x) => total(of((i) => (x[i] as number) - Math.sin(i) / 2), Math.abs),
    into: (x) => of((i) => Math.sin(i) / 2 + Math.abs((x[i] as number) - Math.sin(i) / 2)), convex: true },
  { of: "", text: "0.25*norm1(-2*Z) + box(Z, -0.2, 0.7)", h: (x) => 0.5 * total(x, Math.abs), into: (x) => x.map((v) => Math.min(0.7, Math.max(-0.2, v))), convex: true },
  // Brackets, and what `prox` marks, as it stands there.
  { of: "", text: "0.7*norm1(2*(Z - V))", h: (x) => 1.4 * total(of((i) => (x[i] as number) - Math.sin(i)), Math.abs), convex: true },
  { of: "", text: "2*prox(0.35*norm1(Z) + 0.2*sq_norm(Z))", h: (x) => 0.7 * total(x, Math.abs) + 0.4 * dot(x, x), convex: true },
  { of: "", text: "-prox(0.6*total(log(Z)))", h: (x) => -0.6 * total(x, Math.log), into: (x) => x.map((v) => Math.max(Math.abs(v), 1e-9)), convex: true },
  { of: "", text: "prox(0.9*total(huber(Z, 0.5)))", h: (x) => 0.9 * total(x, (v) => huber(v, 0.5)), convex: true },
  // Brackets free of the variable are factors, and equal terms add up: the sign is that of the whole.
  { of: "", text: "0.7*al*norm1(Z) + 0.8*(1 - al)*sq_norm(Z)", h: (x) => 0.21 * total(x, Math.abs) + 0.56 * dot(x, x), convex: true },
  { of: "", text: "(1 - al)*(norm1(Z) + sq_norm(Z))", h: (x) => 0.7 * total(x, Math.abs) + 0.7 * dot(x, x), convex: true },
  { of: "", text: "2*(1 + al - 1.1)*norm1(Z) + nonnegative(Z)", h: (x) => 0.4 * total(x, Math.abs), into: abs, convex: true },
  { of: "", text: "norm21(Z) - al*norm21(Z)", h: (x) => 0.7 * columnNorms(x).reduce((a, b) => a + b), convex: true },
  { of: "", text: "0.3*sq_norm(Z)", h: (x) => 0.3 * dot(x, x), convex: true },
];

/** The step as compiled, in float64. */
function compiled(text: string, t: number): (v: Point) => Point {
  const network = compileSpec(`network P { dim r = ${rows}, c = ${cols} const al = 0.3 input X: real[r, c] param V: real[r, c] fixed init zeros var Z: real[r, c] = X
    step s { minimize ${text} by proximal(rate: ${t}) } output z: real[r, c] = Z }`).unrolled;
  const V = { shape: [rows, cols], data: of(Math.sin) };
  return (v) => {
    const onWire = of((w) => v[(w % rows) * cols + Math.floor(w / rows)] as number);
    const z = runNetwork(network, { V }, { X: { shape: [1, cols, rows], data: onWire } }, 0).values.get("z")?.[0];
    if (!z) throw new Error("no z");
    return Float64Array.from(z.data);
  };
}
const drawn = (g: Generator, spread: number): Point => of(() => spread * g.normal());
const points = (g: Generator): Point[] => [0.1, 0.5, 1, 1, 3].map((s) => drawn(g, s));

describe("the proximal table", () => {
  it("has all its rows below", () => {
    const tried = new Set(table.map((r) => r.of));
    expect(proximalTable.map((r) => r.of.join("+")).filter((name) => !tried.has(name))).toEqual([]);
  });
  describe.each(table.map((r) => [r.text, r] as const))("%s", (text, { h, into = (x) => x, convex, dual }) => {
    it.each([0.05, 0.4, 2])("at step %f: its result is in the domain, and nothing near or far is better", (t) => {
      const g = createGenerator(7);
      const prox = compiled(text, t);
      // A column of zeros cannot be scaled into these.
      const scaled = /sphere|simplex|orthonormal|log/.test(text);
      for (const v of points(g)) {
        const p = prox(v);
        expect(Math.max(...into(p).map((x, i) => Math.abs(x - (p[i] as number))))).toBeLessThan(1e-9);
        const score = (x: Point): number => h(x) + dot(of((i) => (x[i] as number) - (v[i] as number)), of((i) => (x[i] as number) - (v[i] as number))) / (2 * t);
        const best = score(p);
        expect(Number.isFinite(best)).toBe(true);
        for (let k = 0; k < 400; k++) {
          const spread = 10 ** -(k % 6);
          const centre = k % 3 === 0 ? v : p;
          // Zeros stay zeros in every second trial: where a counting norm or a kink holds an entry.
          const zeros = (i: number): boolean => !scaled && ((centre[i] === 0 && k % 2 === 0) || (k % 7 === 0 && g.uniform() < 0.5));
          const other = into(of((i) => (zeros(i) ? 0 : (centre[i] as number) + spread * g.normal())));
          expect(score(other)).toBeGreaterThan(best - 1e-9 * Math.max(1, Math.abs(best)));
        }
      }
    });
    if (convex) it("(v - prox)/t is a subgradient there: the minimum is the only one", () => {
      const g = createGenerator(8);
      const t = 0.6;
      const prox = compiled(text, t);
      for (const v of points(g)) {
        const p = prox(v);
        const u = of((i) => ((v[i] as number) - (p[i] as number)) / t);
        for (let k = 0; k < 200; k++) {
          const y = into(of((i) => (p[i] as number) + 10 ** (1 - (k % 5)) * g.normal()));
          const gap = h(y) - h(p) - dot(u, of((i) => (y[i] as number) - (p[i] as number)));
          expect(gap).toBeGreaterThan(-1e-9 * Math.max(1, Math.abs(h(p)), Math.abs(h(y))));
        }
      }
    });
    if (dual) it("obeys Moreau's identity: v is its prox and a point of the dual ball, aligned", () => {
      const g = createGenerator(9);
      const t = 0.6;
      const prox = compiled(text, t);
      for (const v of points(g)) {
        const p = prox(v);
        const u = of((i) => ((v[i] as number) - (p[i] as number)) / t);
        expect(dual(u)).toBeLessThan(1 + 1e-9);
        expect(dot(u, p)).toBeCloseTo(h(p), 9);
      }
    });
  });
});
