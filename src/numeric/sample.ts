/** Test points that are random but always the same: a seed gives one sequence on every machine. */
import { count, type Value } from "./matrix.js";

export interface Generator {
  /** Uniform on [0, 1). */
  readonly uniform: () => number;
  /** Standard normal. */
  readonly normal: () => number;
  /** A whole number from 1 to `most`. */
  readonly label: (most: number) => number;
}

/** sfc32, started from a seed through splitmix32. */
export function createGenerator(seed: number): Generator {
  let state = seed >>> 0;
  const mixed = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let [a, b, c, counter] = [mixed(), mixed(), mixed(), 1];
  const word = (): number => {
    const result = (a + b + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + result) >>> 0;
    return result;
  };
  for (let i = 0; i < 12; i++) word();
  const uniform = (): number => ((word() >>> 5) * 0x4000000 + (word() >>> 6)) / 2 ** 53;
  return {
    uniform,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    label: (most) => 1 + Math.floor(uniform() * most),
  };
}

/** normal: standard; positive: between ½ and 1½; unit: uniform on [0, 1); small: normal, a tenth in size. */
export type SampleKind = "normal" | "positive" | "unit" | "small" | { readonly label: number };

export function randomValue(shape: readonly number[], generator: Generator, kind: SampleKind = "normal"): Value {
  return { shape, data: Float64Array.from({ length: count(shape) }, () => draw(generator, kind)) };
}
function draw(generator: Generator, kind: SampleKind): number {
  switch (kind) {
    case "normal": return generator.normal();
    case "positive": return 0.5 + generator.uniform();
    case "unit": return generator.uniform();
    case "small": return 0.1 * generator.normal();
    default: return generator.label(kind.label);
  }
}
