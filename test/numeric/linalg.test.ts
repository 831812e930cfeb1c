import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inverseValue, logDeterminant, matmul, matmulChain, solve } from "../../src/numeric/linalg.js";
import {
  addValues, filled, frobenius, identityValue, matrix, relativeError, scaleValue, subtractValues, sumSquares, transposeValue, type Value, value,
} from "../../src/numeric/matrix.js";
import { createGenerator, randomValue } from "../../src/numeric/sample.js";
import {
  leadingSingular, nuclearNorm, polarFactor, singularSoftThreshold, spectralNorm, svd, symmetricEigen,
} from "../../src/numeric/spectral.js";

const generator = createGenerator(7);
const random = (n: number, m: number): Value => randomValue([n, m], generator);
const size = fc.integer({ min: 1, max: 9 });
const seed = fc.integer({ min: 0, max: 1e6 });

function naive(a: Value, b: Value): Value {
  const [n, inner, m] = [a.shape[0]!, a.shape[1]!, b.shape[1]!];
  return value([n, m], Array.from({ length: n * m }, (_, e) =>
    Array.from({ length: inner }, (_, k) => a.data[Math.floor(e / m) * inner + k]! * b.data[k * m + (e % m)]!).reduce((s, x) => s + x, 0)));
}
const diagonal = (v: ArrayLike<number>): Value =>
  value([v.length, v.length], Array.from({ length: v.length ** 2 }, (_, e) => (e % (v.length + 1) === 0 ? v[e % v.length]! : 0)));

describe("products and systems", () => {
  it("multiplies as the definition says, for every shape", () => {
    fc.assert(fc.property(size, size, size, seed, (n, k, m, s) => {
      const g = createGenerator(s);
      const [a, b] = [randomValue([n, k], g), randomValue([k, m], g)];
      expect(relativeError(matmul(a, b), naive(a, b))).toBeLessThan(1e-13);
    }), { numRuns: 60 });
  });
  it("multiplies where the panels of the inner axis end in the middle", () => {
    const [a, b] = [random(2, 70), random(70, 9000)];
    expect(relativeError(matmul(a, b), naive(a, b))).toBeLessThan(1e-12);
  });
  it("refuses factors that do not fit", () => {
    expect(() => matmul(random(2, 3), random(2, 3))).toThrow(RangeError);
  });
  it("brackets a chain without changing its value", () => {
    const chain = [random(7, 2), random(2, 9), random(9, 1), random(1, 5)];
    expect(relativeError(matmulChain(chain), chain.reduce(naive))).toBeLessThan(1e-13);
  });
  it("solves systems and inverts, also where pivots must be exchanged", () => {
    fc.assert(fc.property(size, seed, (n, s) => {
      const g = createGenerator(s);
      const a = addValues(randomValue([n, n], g), scaleValue(identityValue(n), 1e-3));
      const b = randomValue([n, 2], g);
      expect(relativeError(matmul(a, solve(a, b)), b)).toBeLessThan(1e-8);
      expect(relativeError(matmul(inverseValue(a), a), identityValue(n))).toBeLessThan(1e-7);
    }), { numRuns: 60, seed: 5 });
    expect(inverseValue(matrix([[0, 2], [4, 0]])).data).toEqual(Float64Array.of(0, 0.25, 0.5, 0));
  });
  it("gives NaN for the inverse of a singular matrix", () => {
    expect(inverseValue(matrix([[1, 2], [2, 4]])).data.every(Number.isNaN)).toBe(true);
  });
});

describe("logdet", () => {
  it("knows closed forms", () => {
    expect(logDeterminant(matrix([[4, 1], [1, 3]]))).toBeCloseTo(Math.log(11), 14);
    expect(logDeterminant(matrix([[0, 2], [-3, 0]]))).toBeCloseTo(Math.log(6), 14);
    expect(logDeterminant(matrix([[0, 2], [3, 0]]))).toBeNaN();
    expect(logDeterminant(matrix([[1, 2], [2, 4]]))).toBe(Number.NEGATIVE_INFINITY);
  });
  it("of I + AB is that of I + BA", () => {
    fc.assert(fc.property(size, size, seed, (n, m, s) => {
      const g = createGenerator(s);
      const [a, b] = [randomValue([n, m], g, "small"), randomValue([m, n], g, "small")];
      const left = logDeterminant(addValues(identityValue(n), matmul(a, b)));
      const right = logDeterminant(addValues(identityValue(m), matmul(b, a)));
      expect(Math.abs(left - right)).toBeLessThan(1e-12);
    }), { numRuns: 60 });
  });
});

describe("eigenvalues and singular values", () => {
  it("rebuild a symmetric matrix", () => {
    const a = random(12, 12);
    const s = addValues(a, transposeValue(a));
    const { values, vectors } = symmetricEigen(s);
    expect(relativeError(matmulChain([vectors, diagonal(values), transposeValue(vectors)]), s)).toBeLessThan(1e-13);
    expect(relativeError(matmul(transposeValue(vectors), vectors), identityValue(12))).toBeLessThan(1e-13);
    expect([...values]).toEqual([...values].sort((x, y) => y - x));
  });
  it("rebuild any matrix, tall or wide, with orthonormal factors", () => {
    fc.assert(fc.property(size, size, seed, (n, m, s) => {
      const a = randomValue([n, m], createGenerator(s));
      const { U, values, V } = svd(a);
      expect(relativeError(matmulChain([U, diagonal(values), transposeValue(V)]), a)).toBeLessThan(1e-12);
      expect(relativeError(matmul(transposeValue(U), U), identityValue(values.length))).toBeLessThan(1e-10);
      expect(relativeError(matmul(transposeValue(V), V), identityValue(values.length))).toBeLessThan(1e-10);
    }), { numRuns: 60 });
  });
  it("agree with closed forms", () => {
    const a = matrix([[3, 0], [4, 5]]);
    expect(spectralNorm(a)).toBeCloseTo(Math.sqrt(45), 13);
    expect(nuclearNorm(a)).toBeCloseTo(Math.sqrt(45) + Math.sqrt(5), 13);
    expect(spectralNorm(filled([3, 2], 0))).toBe(0);
  });
  it("give a polar factor that is the nearest orthonormal matrix, and skip what vanishes", () => {
    const a = random(6, 3);
    const q = polarFactor(a);
    expect(relativeError(matmul(transposeValue(q), q), identityValue(3))).toBeLessThan(1e-13);
    const other = polarFactor(random(6, 3));
    expect(frobenius(subtractValues(a, q))).toBeLessThan(frobenius(subtractValues(a, other)));
    expect(relativeError(polarFactor(matrix([[2, 0], [0, 0]])), matrix([[1, 0], [0, 0]]))).toBeLessThan(1e-15);
  });
  it("shrink to the prox of the nuclear norm: no point near it is better", () => {
    const a = random(5, 4);
    const t = 0.7;
    const objective = (x: Value): number => 0.5 * sumSquares(subtractValues(x, a)) + t * nuclearNorm(x);
    const best = singularSoftThreshold(a, t);
    for (let i = 0; i < 20; i++) {
      expect(objective(addValues(best, randomValue([5, 4], generator, "small")))).toBeGreaterThan(objective(best));
    }
  });
  it("give the leading pair as the gradient of the spectral norm", () => {
    const a = random(4, 6);
    const direction = random(4, 6);
    const slope = (spectralNorm(addValues(a, scaleValue(direction, 1e-6))) - spectralNorm(addValues(a, scaleValue(direction, -1e-6)))) / 2e-6;
    const inner = leadingSingular(a).data.reduce((s, x, i) => s + x * direction.data[i]!, 0);
    expect(inner).toBeCloseTo(slope, 7);
  });
});
