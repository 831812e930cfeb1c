import { expect, it } from "vitest";
import { createGenerator, randomValue } from "../../src/numeric/sample.js";
import { matmul } from "../../src/numeric/linalg.js";
import { spectralNorm, svd } from "../../src/numeric/spectral.js";
import { filled, value } from "../../src/numeric/matrix.js";

it("gives the largest singular value that the whole decomposition gives, whatever the shape, rank and size", () => {
  const g = createGenerator(7);
  for (const [m, n] of [[1, 1], [1, 5], [7, 1], [3, 3], [12, 5], [5, 12], [40, 40]] as const) {
    for (const size of [1e-150, 1, 1e150]) {
      const a = randomValue([m, n], g);
      const scaled = { shape: a.shape, data: a.data.map((x) => x * size) };
      expect(spectralNorm(scaled) / size).toBeCloseTo(svd(a).values[0] as number, 11);
    }
  }
  const thin = randomValue([20, 2], g);
  const low = matmul(thin, randomValue([2, 30], g));
  expect(spectralNorm(low)).toBeCloseTo(svd(low).values[0] as number, 10);
  expect(spectralNorm(value([3, 3], [2, 0, 0, 0, 2, 0, 0, 0, 2]))).toBe(2);
  expect(spectralNorm(filled([4, 3], 0))).toBe(0);
  expect(spectralNorm(value([1, 2], [Number.NaN, 1]))).toBeNaN();
});
