/** Derivatives of a function by its values alone: the check that symbolic gradients have to pass. */

/** Step relative to the size of the point; with two extrapolations the error is near 1e-11 of the values' scale. */
const standardStep = 2e-3;

/** Extrapolations that differ by more show a kink between the points: max, relu, a norm. Smooth functions stay below 1e-8. */
const smoothness = 1e-6;
const shrink = 16, mostShrinks = 3;

/**
 * Central differences at h, h/2, h/4, extrapolated to h = 0 (Richardson): the error falls as h⁶. Where a kink lies within h, the points
 * move closer.
 */
function extrapolated(f: (t: number) => number, h: number, shrinks = mostShrinks): number {
  const central = (step: number): number => (f(step) - f(-step)) / (2 * step);
  const [d1, d2, d3] = [central(h), central(h / 2), central(h / 4)];
  const [e1, e2] = [(4 * d2 - d1) / 3, (4 * d3 - d2) / 3];
  const kinked = Math.abs(e2 - e1) > smoothness * Math.max(1, Math.abs(e1), Math.abs(e2));
  return kinked && shrinks > 0 ? extrapolated(f, h / shrink, shrinks - 1) : (16 * e2 - e1) / 15;
}

/** The gradient of f at x, entry by entry. `f` must not keep its argument. */
export function numericGradient(f: (x: Float64Array) => number, x: Float64Array, h: number = standardStep): Float64Array {
  const point = Float64Array.from(x);
  return x.map((value, i) => {
    const slope = extrapolated((t) => {
      point[i] = value + t;
      return f(point);
    }, h * Math.max(1, Math.abs(value)));
    point[i] = value;
    return slope;
  });
}

/** d/dt f(x + t·direction) at t = 0. */
export function directionalDerivative(
  f: (x: Float64Array) => number, x: Float64Array, direction: Float64Array, h: number = standardStep,
): number {
  const size = Math.max(...direction.map(Math.abs), Number.MIN_VALUE);
  const reach = Math.max(1, ...x.map(Math.abs));
  return extrapolated((t) => f(x.map((v, i) => v + t * direction[i]!)), (h * reach) / size);
}
