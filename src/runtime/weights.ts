/** Weights of a file for the parameters of a model: by own names, or by alias with an axis pattern (language, section 10). */
import { type HostTensor, type ParameterDescription, type TensorMap, valueFault } from "./contract.js";
import { DataError, readMetadata, readSafetensors } from "./safetensors.js";

export type StoredParameter = Pick<ParameterDescription, "name" | "shape" | "positive" | "alias">;
export interface WeightFault {
  readonly parameter: string;
  readonly reason: string;
}
export interface ResolvedWeights {
  /** By full name, in declared layout; empty if anything is missing or misshaped. */
  readonly values: TensorMap;
  readonly faults: readonly WeightFault[];
  /** Tensors of the file that nothing uses. */
  readonly unused: readonly string[];
}
const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const show = (sizes: readonly number[]): string => `[${sizes.join(", ")}]`;

export function resolveStored(parameters: readonly StoredParameter[], file: TensorMap): ResolvedWeights {
  const values: Record<string, HostTensor> = Object.create(null);
  const faults: WeightFault[] = [];
  const used = new Set<string>();
  for (const p of parameters) {
    const found = findTensor(p, file);
    if (!found) {
      const names = p.alias ? `${p.name} or ${p.alias.name}` : p.name;
      faults.push({ parameter: p.name, reason: `the file has no tensor ${names}` });
      continue;
    }
    used.add(found.name);
    const read = found.aliased ? readAliased(p, found.tensor) : readOwn(p, found.tensor);
    const fault = typeof read === "string" ? read : valueFault(p, read);
    if (typeof read === "string" || fault !== undefined) faults.push({ parameter: p.name, reason: `${found.name}: ${fault}` });
    else values[p.name] = read;
  }
  return { values: faults.length > 0 ? {} : values, faults, unused: Object.keys(file).filter((name) => !used.has(name)) };
}
function findTensor(p: StoredParameter, file: TensorMap): { name: string; tensor: HostTensor; aliased: boolean } | undefined {
  if (Object.hasOwn(file, p.name)) return { name: p.name, tensor: file[p.name] as HostTensor, aliased: false };
  if (p.alias && Object.hasOwn(file, p.alias.name)) return { name: p.alias.name, tensor: file[p.alias.name] as HostTensor, aliased: true };
  return undefined;
}
function readOwn(p: StoredParameter, tensor: HostTensor): HostTensor | string {
  const wanted = p.shape;
  const squeeze = (sizes: readonly number[]): string => sizes.filter((n) => n !== 1).join(",");
  if (squeeze(wanted) !== squeeze(tensor.shape)) return `shape ${show(tensor.shape)}, wanted ${show(wanted)}`;
  return { shape: wanted, data: tensor.data };
}
function readAliased(p: StoredParameter, tensor: HostTensor): HostTensor | string {
  const wanted = p.shape;
  const axes = p.alias?.axes;
  if (axes === undefined) {
    if (product(wanted) !== product(tensor.shape)) return `${product(tensor.shape)} entries in shape ${show(tensor.shape)}, wanted ${product(wanted)} for ${show(wanted)}`;
    return { shape: wanted, data: tensor.data };
  }
  const groups = parsePattern(axes.pattern);
  if (!groups) return `the axis pattern "${axes.pattern}" is not understood`;
  const own = axes.names.map((names, i) => ({ names, size: wanted[i] ?? 1 }));
  const places = groups.map((g) => g.map((name) => own.findIndex((a) => a.names.includes(name))));
  if (places.flat().some((i) => i < 0) || new Set(places.flat()).size !== places.flat().length) return `the axis pattern "${axes.pattern}" does not name the axes ${own.map((a) => a.names[0]).join(", ")}`;
  const named = new Set(places.flat());
  if (own.some((a, i) => a.size !== 1 && !named.has(i))) return `the axis pattern "${axes.pattern}" leaves out an axis of ${show(wanted)}`;
  const sizes = places.map((g) => product(g.map((i) => own[i]?.size ?? 1)));
  const given = tensor.shape.filter((n) => n !== 1).join(",");
  if (given !== sizes.filter((n) => n !== 1).join(",")) return `shape ${show(tensor.shape)}, wanted ${show(sizes)} for "${axes.pattern}"`;
  const order = places.flat();
  return { shape: wanted, data: rearrange(tensor.data, order.map((i) => own[i]?.size ?? 1), order, own.length) };
}
/** `(k p) d` → [["k", "p"], ["d"]]. */
function parsePattern(text: string): readonly (readonly string[])[] | undefined {
  const groups: string[][] = [];
  const pattern = /\(([^()]*)\)|([^\s()]+)|\s+/gy;
  let end = 0;
  for (let m = pattern.exec(text); m; m = pattern.exec(text)) {
    end = pattern.lastIndex;
    if (m[1] !== undefined) groups.push(m[1].trim().split(/\s+/).filter(Boolean));
    else if (m[2] !== undefined) groups.push([m[2]]);
  }
  return end === text.length ? groups : undefined;
}
/** Data whose axes stand in `order` (places among the declared axes), put into declared order. */
function rearrange(data: HostTensor["data"], sizes: readonly number[], order: readonly number[], rank: number): HostTensor["data"] {
  if (order.every((place, i) => i === 0 || (order[i - 1] as number) < place)) return data;
  const declared = Array.from({ length: rank }, (_, place) => { const at = order.indexOf(place); return at < 0 ? 1 : (sizes[at] as number); });
  const strides = declared.map((_, i) => product(declared.slice(i + 1)));
  const result = data.slice();
  const position = sizes.map(() => 0);
  for (let from = 0; from < data.length; from++) {
    let to = 0;
    for (let a = 0; a < order.length; a++) to += (position[a] as number) * (strides[order[a] as number] as number);
    result[to] = data[from] as number;
    for (let a = sizes.length - 1; a >= 0; a--) {
      position[a] = (position[a] as number) + 1;
      if ((position[a] as number) < (sizes[a] as number)) break;
      position[a] = 0;
    }
  }
  return result;
}

/** What a file of weights holds: values by full name, and the characters that its symbols stand for, where it says so. */
export interface Held {
  readonly values: TensorMap;
  readonly vocabulary?: readonly string[];
}
/** Notes of a file of weights: which spec it belongs to, and its vocabulary. */
export function weightNotes(specHash: string, vocabulary: readonly string[] | undefined): Record<string, string> {
  return { specHash, ...(vocabulary ? { vocabulary: JSON.stringify(vocabulary) } : {}) };
}
export function notedVocabulary(bytes: Uint8Array, file: string): readonly string[] | undefined {
  const { vocabulary: text } = readMetadata(bytes, file);
  if (text === undefined) return undefined;
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch { /* said below */ }
  if (!Array.isArray(found) || !found.every((c) => typeof c === "string")) throw new DataError(`${file}: its note vocabulary is no list of characters`);
  return found as readonly string[];
}
/** All values of a model out of a file's bytes, or a DataError that names everything that is missing or misshaped. */
export function readWeights(parameters: readonly StoredParameter[], bytes: Uint8Array, file: string, say: (text: string) => void): Held {
  const { values, faults, unused } = resolveStored(parameters, readSafetensors(bytes, file));
  if (faults.length > 0) throw new DataError(`${file} does not fit, nothing was loaded:\n${faults.map((f) => `  ${f.parameter}: ${f.reason}`).join("\n")}`);
  const lost = Object.entries(values).filter(([, t]) => t.data.some((x) => !Number.isFinite(Math.fround(x)))).map(([name]) => name);
  if (lost.length > 0) say(`warning: ${file} has entries that are NaN, infinite, or beyond float32, in ${lost.join(", ")}`);
  if (unused.length > 0) say(`warning: ${file} has tensors that nothing uses: ${unused.join(", ")}`);
  const vocabulary = notedVocabulary(bytes, file);
  return vocabulary ? { values, vocabulary } : { values };
}
