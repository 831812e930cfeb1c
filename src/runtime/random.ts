/** Seeded random numbers, the same on every machine, and the initial values of parameters. */
import type { HostTensor, Init, ModelDescription, ParameterDescription, TensorMap } from "./contract.js";
import { DataError } from "./safetensors.js";

/** A stream takes 32 bits of a seed: a larger one would be the same run as a smaller one. */
export const largestSeed = 2 ** 32 - 1;
/** sfc32. A stream is named, so that adding one does not move the others. */
export class Random {
  private constructor(private a: number, private b: number, private c: number, private counter: number) {}

  static named(seed: number, name: string): Random {
    let h = 0x811c9dc5 ^ (seed >>> 0);
    const mix = (byte: number): void => { h = Math.imul(h ^ byte, 0x01000193) >>> 0; };
    for (const c of name) {
      const point = c.codePointAt(0) ?? 0;
      mix(point & 255);
      mix((point >> 8) & 255);
      mix(point >> 16);
    }
    const next = (): number => {
      h = (h + 0x9e3779b9) >>> 0;
      let z = h;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    const random = new Random(next(), next(), next(), 1);
    for (let i = 0; i < 12; i++) random.word();
    return random;
  }
  static from(state: readonly number[]): Random {
    const [a = 0, b = 0, c = 0, counter = 1] = state;
    return new Random(a >>> 0, b >>> 0, c >>> 0, counter >>> 0);
  }
  state(): readonly number[] {
    return [this.a, this.b, this.c, this.counter];
  }
  private word(): number {
    const result = (this.a + this.b + this.counter) >>> 0;
    this.counter = (this.counter + 1) >>> 0;
    this.a = (this.b ^ (this.b >>> 9)) >>> 0;
    this.b = (this.c + (this.c << 3)) >>> 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + result) >>> 0;
    return result;
  }
  /** Uniform on [0, 1), 53 bits. */
  uniform(): number {
    return ((this.word() >>> 5) * 0x4000000 + (this.word() >>> 6)) / 2 ** 53;
  }
  /** Standard normal (Box and Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }
  /** 0 … below − 1. */
  integer(below: number): number {
    return Math.floor(this.uniform() * below);
  }
  /** In place (Fisher and Yates). */
  shuffle<T>(list: T[]): T[] {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [list[i], list[j]] = [list[j] as T, list[i] as T];
    }
    return list;
  }
}

/** Orthonormal columns (or rows, whichever are fewer) by modified Gram–Schmidt, twice, in double. */
function orthonormal(rows: number, cols: number, random: Random): Float64Array {
  const [long, short] = rows >= cols ? [rows, cols] : [cols, rows];
  const vectors: Float64Array[] = [];
  while (vectors.length < short) {
    const v = Float64Array.from({ length: long }, () => random.normal());
    for (let pass = 0; pass < 2; pass++) {
      for (const u of vectors) {
        const dot = v.reduce((s, x, i) => s + x * (u[i] as number), 0);
        for (let i = 0; i < long; i++) v[i] = (v[i] as number) - dot * (u[i] as number);
      }
    }
    const norm = Math.sqrt(v.reduce((s, x) => s + x * x, 0));
    if (norm > 1e-8) vectors.push(v.map((x) => x / norm));
  }
  const result = new Float64Array(rows * cols);
  vectors.forEach((v, j) => v.forEach((x, i) => { result[rows >= cols ? i * cols + j : j * cols + i] = x; }));
  return result;
}

/** A plain loop: `Float32Array.from` walks an iterator, several times slower on large parameters. */
function drawn(size: number, draw: () => number): Float32Array {
  const data = new Float32Array(size);
  for (let i = 0; i < size; i++) data[i] = draw();
  return data;
}
function fill(init: Init, shape: readonly number[], size: number, random: Random): Float32Array | undefined {
  switch (init.kind) {
    case "constant": return new Float32Array(size).fill(init.value);
    case "normal": return drawn(size, () => init.std * random.normal());
    case "uniform": return drawn(size, () => init.bound * (2 * random.uniform() - 1));
    case "value": return Float32Array.from(init.data);
    case "orthonormal": case "identity": {
      const [rows = 1, cols = 1] = shape.length > 1 ? shape.slice(-2) : [shape[0] ?? 1, 1];
      const members = size / (rows * cols);
      const result = new Float32Array(size);
      for (let m = 0; m < members; m++) {
        if (init.kind === "orthonormal") result.set(orthonormal(rows, cols, random), m * rows * cols);
        else for (let i = 0; i < Math.min(rows, cols); i++) result[m * rows * cols + i * cols + i] = init.scale;
      }
      return result;
    }
    case "file": return undefined;
  }
}
/** Entries of one parameter: as float32 2^32 bytes, the largest buffer of Node 20, and all that WebAssembly can address. */
export const largestParameter = 2 ** 30;
/** Each parameter draws from a stream of its own name. Those that come from a file are left out. */
export function initialise(parameters: readonly ParameterDescription[], seed: number, fixedSeed = seed): TensorMap {
  const result: Record<string, HostTensor> = Object.create(null);
  for (const p of parameters) {
    const size = p.shape.reduce((a, b) => a * b, 1);
    if (size > largestParameter) throw new DataError(`parameter ${p.name} [${p.shape.join(", ")}] has ${size} entries, and one of more than ${largestParameter} fits no array`);
    const data = fill(p.init, p.shape, size, Random.named(p.trainable ? seed : fixedSeed, p.name));
    if (data) result[p.name] = { shape: p.shape, data };
  }
  return result;
}
/** Fixed parameters are part of the problem, as its data are: they are drawn with the spec's seed, whatever seed a run has. */
export const problemSeed = ({ training }: Pick<ModelDescription, "training">): number => training?.seed ?? 1;
export const fixedValues = (model: Pick<ModelDescription, "parameters" | "training">): TensorMap => initialise(model.parameters.filter((p) => !p.trainable), problemSeed(model));
/** Values to start from; the seed speaks of what is learned. */
export const startingValues = (model: Pick<ModelDescription, "parameters" | "training">, seed: number): TensorMap => initialise(model.parameters, seed, problemSeed(model));
