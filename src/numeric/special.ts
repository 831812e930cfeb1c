/** Scalar functions that JavaScript lacks, to full double precision. */

// Rational Chebyshev approximations of W. J. Cody, Math. Comp. 23 (1969), as in SPECFUN's CALERF.
const small = {
  over: [3.1611237438705656, 113.864154151050156, 377.485237685302021, 3209.37758913846947, 0.185777706184603153],
  under: [23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062],
};
const middle = {
  over: [0.564188496988670089, 8.88314979438837594, 66.1191906371416295, 298.635138197400131, 881.95222124176909,
    1712.04761263407058, 2051.07837782607147, 1230.33935479799725, 2.15311535474403846e-8],
  under: [15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019, 3290.79923573345963,
    4362.61909014324716, 3439.36767414372164, 1230.33935480374942],
};
const large = {
  over: [0.305326634961232344, 0.360344899949804439, 0.125781726111229246, 0.0160837851487422766, 6.58749161529837803e-4, 0.0163153871373020978],
  under: [2.56852019228982242, 1.87295284992346047, 0.527905102951428412, 0.0605183413124413191, 0.00233520497626869185],
};
const inverseSqrtPi = 0.56418958354775628695;

/** Numerator and denominator by Horner, the numerator's leading coefficient last in its list. */
function rational({ over, under }: { over: readonly number[]; under: readonly number[] }, x: number): number {
  let top = over.at(-1)! * x;
  let bottom = x;
  for (let i = 0; i < under.length - 1; i++) {
    top = (top + over[i]!) * x;
    bottom = (bottom + under[i]!) * x;
  }
  return (top + over[under.length - 1]!) / (bottom + under.at(-1)!);
}
/** exp(−y²), with y² split so that its rounding does not grow. */
function gaussian(y: number): number {
  const head = Math.trunc(y * 16) / 16;
  return Math.exp(-head * head) * Math.exp(-(y - head) * (y + head));
}
/** 1 − erf(y) for y > 0.46875. */
function upperTail(y: number): number {
  if (y > 27) return 0;
  if (y <= 4) return gaussian(y) * rational(middle, y);
  const z = 1 / (y * y);
  return (gaussian(y) * (inverseSqrtPi - z * rational(large, z))) / y;
}
export function erf(x: number): number {
  const y = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (y <= 0.46875) return x * rational(small, y * y);
  return Math.sign(x) * (1 - upperTail(y));
}
/** 1 − erf(x), without cancellation for large x. */
export function erfc(x: number): number {
  const y = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (y <= 0.46875) return 1 - erf(x);
  return x > 0 ? upperTail(y) : 2 - upperTail(y);
}
/** x·Φ(x), Φ the normal distribution function. */
export function gelu(x: number): number {
  return x === Number.NEGATIVE_INFINITY ? 0 : 0.5 * x * erfc(-x / Math.SQRT2);
}
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}
