import { describe, expect, it } from "vitest";
import { erf, erfc, gelu, sigmoid } from "../../src/numeric/special.js";

/** The Maclaurin series, summed from the small end; good for |x| < 2. */
function series(x: number): number {
  const terms: number[] = [];
  let term = x;
  for (let n = 0; n < 60; n++) {
    terms.push(term / (2 * n + 1));
    term *= (-x * x) / (n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * terms.reverse().reduce((s, t) => s + t, 0);
}
/** Laplace's continued fraction; good for x > 2. */
function fraction(x: number): number {
  let f = x;
  for (let n = 400; n > 0; n--) f = x + n / 2 / f;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / f;
}

describe("erf", () => {
  it("agrees with its series", () => {
    for (let x = -1.5; x <= 1.5; x += 0.01) expect(Math.abs(erf(x) - series(x))).toBeLessThan(3e-16 * 4);
  });
  it("has a complement that agrees with the continued fraction, far out too", () => {
    for (let x = 2; x <= 25; x += 0.05) expect(Math.abs(erfc(x) / fraction(x) - 1)).toBeLessThan(2e-13);
  });
  it("knows table values to the last digit", () => {
    expect(erf(0.5)).toBeCloseTo(0.5204998778130465, 15);
    expect(erf(1)).toBeCloseTo(0.8427007929497149, 15);
    expect(erf(2)).toBeCloseTo(0.9953222650189527, 15);
    expect(erfc(5) / 1.5374597944280349e-12).toBeCloseTo(1, 14);
    expect(erf(-1)).toBe(-erf(1));
    expect([erf(0), erf(Infinity), erfc(-Infinity), erf(NaN)]).toEqual([0, 1, 2, NaN]);
  });
});

it("gelu keeps its tail", () => {
  expect(gelu(1)).toBeCloseTo(0.8413447460685429, 15);
  expect(gelu(-10) / (-10 * 0.5 * fraction(10 / Math.SQRT2))).toBeCloseTo(1, 12);
  expect(gelu(40)).toBe(40);
});
it("sigmoid does not overflow", () => {
  expect([sigmoid(0), sigmoid(800), sigmoid(-800)]).toEqual([0.5, 1, 0]);
});
