/** Text, and data that is made up: sparse codes in a dictionary, Gaussians on the sphere. */
import { resolve } from "node:path";
import type { HostTensor, PlainCall } from "../contract.js";
import { Random } from "../random.js";
import { DataError } from "../safetensors.js";
import { checkWidth, countOption, type DataSet, option, pathOption, readFile, rows, slot, type SourceContext, type Split } from "./dataset.js";

/** Bytes where the network has 256 symbols, else characters: those that the network knows, or those of the file, which must fit. The last tenth is for evaluation. */
export function text(call: PlainCall, { model, baseDirectory, vocabulary: settled }: SourceContext): DataSet {
  const file = resolve(baseDirectory, pathOption(call));
  const input = slot(model.inputs, "token", "text", "tokens");
  const target = model.targets.find((w) => w.kind === "token");
  const n = input.shape[1];
  if (typeof n !== "number") throw new DataError(`data text needs windows of a fixed length, and input ${input.name} has none`);
  const bytes = readFile(file);
  const { tokens, symbols } = input.classes === 256 ? { tokens: Int32Array.from(bytes), symbols: undefined } : characters(bytes, file, input.classes ?? 0, settled);
  const cut = Math.floor(tokens.length * 0.9);
  if (tokens.length - cut < n + 1) {
    throw new DataError(`${file} has ${tokens.length} symbols, the last ${tokens.length - cut} of them for evaluation; a window of ${n} and the symbol after it take ${n + 1}, so a text needs ${10 * n + 1} in all`);
  }
  const windows = (part: Int32Array, starts: readonly number[]): Record<string, HostTensor> => {
    const [x, y] = [new Int32Array(starts.length * n), new Int32Array(starts.length * n)];
    starts.forEach((s, i) => { x.set(part.subarray(s, s + n), i * n); y.set(part.subarray(s + 1, s + 1 + n), i * n); });
    const shape = [starts.length, n];
    return { [input.name]: { shape, data: x }, ...(target ? { [target.name]: { shape, data: y } } : {}) };
  };
  const split = (part: Int32Array): Split => ({
    size: Math.floor((part.length - 1) / n),
    // In training a window starts anywhere; in evaluation windows follow each other.
    batch: (indices, random) => windows(part, indices.map((i) => (random ? random.integer(part.length - n) : i * n))),
  });
  return { name: "text", train: split(tokens.slice(0, cut)), test: split(tokens.slice(cut)), ...(symbols ? { vocabulary: symbols } : {}) };
}
/** How many bytes, from the first, are UTF-8: the longest prefix that decodes. */
function validPrefix(bytes: Uint8Array): number {
  const decodes = (end: number): boolean => {
    try {
      // A character cut by the end of the prefix is no fault of it.
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, end), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  let [good, bad] = [0, bytes.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    if (decodes(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
export function vocabulary(content: string): readonly string[] {
  return [...new Set(content)].sort((a, b) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0));
}
function characters(bytes: Uint8Array, file: string, count: number, settled: readonly string[] | undefined): { tokens: Int32Array; symbols: readonly string[] } {
  let content: string;
  try {
    content = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new DataError(`${file} is not UTF-8 at byte ${validPrefix(bytes) + 1}; with 256 symbols it is read as bytes`);
  }
  const symbols = settled ?? vocabulary(content);
  const known = new Map(symbols.map((c, i) => [c, i]));
  if (known.size > count) throw new DataError(`${settled ? "the vocabulary" : file} has ${known.size} characters, and the network ${count} symbols`);
  const tokens = [...content].map((c, i) => {
    const token = known.get(c);
    if (token === undefined) throw new DataError(`${file}: character ${i + 1} is ${JSON.stringify(c)}, which is not among the ${known.size} characters that the network was trained on`);
    return token;
  });
  return { tokens: Int32Array.from(tokens), symbols };
}

/** y = A x + noise with x sparse: each entry is there with probability `sparsity`, standard normal. */
export function sparseCodes(call: PlainCall, { model, parameters }: SourceContext): DataSet {
  const reference = call.named["dictionary"];
  const name = typeof reference === "object" ? reference.reference : undefined;
  if (name === undefined) throw new DataError("data sparse_codes: dictionary must name a fixed parameter: sparse_codes(dictionary: A)");
  const A = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
  if (!A) throw new DataError(`data sparse_codes: there is no fixed parameter ${name} with values of its own`);
  if (A.shape.length !== 2) throw new DataError(`data sparse_codes: dictionary ${name} is [${A.shape.join(", ")}], and a matrix is wanted`);
  const [m = 0, q = 0] = A.shape;
  const [sparsity, noise, size] = [option(call, "sparsity", 9, 0.1), option(call, "noise", 9, 0.01), countOption(call, "size", 10000)];
  const input = slot(model.inputs, "real", "sparse_codes", "signals");
  const target = model.targets.find((w) => w.kind === "real");
  checkWidth(input, m, "sparse_codes");
  if (target) checkWidth(target, q, "sparse_codes");
  const make = (count: number, seed: number): Split => {
    const random = Random.named(seed, "sparse_codes");
    const [x, y] = [new Float32Array(count * q), new Float32Array(count * m)];
    for (let s = 0; s < count; s++) {
      for (let j = 0; j < q; j++) if (random.uniform() < sparsity) x[s * q + j] = random.normal();
      for (let i = 0; i < m; i++) {
        let sum = noise * random.normal();
        for (let j = 0; j < q; j++) sum += (A.data[i * q + j] as number) * (x[s * q + j] as number);
        y[s * m + i] = sum;
      }
    }
    return rows(count, { [input.name]: { shape: [m], data: y }, ...(target ? { [target.name]: { shape: [q], data: x } } : {}) });
  };
  return { name: "sparse_codes", train: make(size, 1), test: make(Math.max(1, Math.floor(size / 10)), 2) };
}
/** Classes around random directions, with Gaussian noise, on the unit sphere (Chan et al. 2021, section 5.1). */
export function gaussians(call: PlainCall, { model }: SourceContext): DataSet {
  const [classes, dim, noise, each] = [countOption(call, "classes", 2), countOption(call, "dim", 2), option(call, "noise", 9, 0.1), countOption(call, "per_class", 100)];
  const input = slot(model.inputs, "real", "gaussians", "points");
  const target = model.targets.find((w) => w.kind === "class");
  checkWidth(input, dim, "gaussians");
  if (target?.classes !== undefined && classes > target.classes) throw new DataError(`data gaussians has ${classes} classes, and ${target.name} ${target.classes}`);
  const unit = (v: number[]): number[] => { const n = Math.hypot(...v) || 1; return v.map((x) => x / n); };
  const directions = Random.named(1, "directions");
  const means = Array.from({ length: classes }, () => unit(Array.from({ length: dim }, () => directions.normal())));
  const make = (seed: number): Split => {
    const random = Random.named(seed, "gaussians");
    const [x, y] = [new Float32Array(classes * each * dim), new Int32Array(classes * each)];
    means.forEach((mean, c) => {
      for (let i = 0; i < each; i++) {
        x.set(unit(mean.map((a) => a + noise * random.normal())), (c * each + i) * dim);
        y[c * each + i] = c;
      }
    });
    return rows(classes * each, { [input.name]: { shape: [dim], data: x }, ...(target ? { [target.name]: { shape: [], data: y } } : {}) });
  };
  return { name: "gaussians", train: make(1), test: make(2) };
}
