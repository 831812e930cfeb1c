/** Weight files: safetensors in and out. Whatever a file claims is checked before it is believed. */
import type { HostTensor, TensorMap } from "./contract.js";

/** The user's data is wrong; the message names the file and the place. */
export class DataError extends Error {
  override name = "DataError";
}

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const largestHeader = 100 * 1024 * 1024;
const bytesPer: Readonly<Record<string, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 };

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}
interface Header {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly start: number;
}

/** Keys that stand twice in the header's outermost object: JSON.parse would keep the last without a word. */
function duplicateKey(json: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const c = json[i];
    if (c === "{" || c === "[") depth += 1;
    else if (c === "}" || c === "]") depth -= 1;
    else if (c === "\"") {
      let end = i + 1;
      while (end < json.length && json[end] !== "\"") end += json[end] === "\\" ? 2 : 1;
      const after = json.slice(end + 1).match(/^\s*:/);
      if (depth === 1 && after) {
        const key: unknown = JSON.parse(json.slice(i, end + 1));
        if (typeof key === "string") {
          if (seen.has(key)) return key;
          seen.add(key);
        }
      }
      i = end;
    }
  }
  return undefined;
}

function readHeader(bytes: Uint8Array, name: string): Header {
  const fault = (problem: string): never => { throw new DataError(`${name}: ${problem}`); };
  if (bytes.length < 8) fault(`not a safetensors file: ${bytes.length} bytes, and a header's length alone has 8`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(bytes.length - 8) || length > BigInt(largestHeader)) {
    fault(`not a safetensors file, or cut short: its header claims ${length} bytes, and ${bytes.length - 8} follow`);
  }
  const start = 8 + Number(length);
  let text = "";
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start));
    header = JSON.parse(text);
  } catch {
    fault("its header is not JSON");
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) fault("its header is not an object");
  const twice = duplicateKey(text);
  if (twice !== undefined) fault(`tensor ${JSON.stringify(twice)} stands twice in the header`);
  const entries = new Map<string, Entry>();
  const metadata: Record<string, string> = Object.create(null);
  for (const [key, value] of Object.entries(header as object)) {
    const wrong = (problem: string): never => fault(`tensor ${JSON.stringify(key)}: ${problem}`);
    if (key === "__metadata__") {
      if (typeof value !== "object" || value === null) wrong("the metadata is not an object");
      for (const [k, v] of Object.entries(value as object)) if (typeof v === "string") metadata[k] = v;
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = (value ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
    const size = typeof dtype === "string" && Object.hasOwn(bytesPer, dtype) ? (bytesPer[dtype] as number) : wrong(`unknown type ${JSON.stringify(dtype)}`);
    if (!Array.isArray(shape) || !shape.every((n) => Number.isSafeInteger(n) && n >= 0)) wrong("its shape is no list of whole numbers");
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every((n) => Number.isSafeInteger(n) && n >= 0)) wrong("its offsets are no two whole numbers");
    const [begin, end] = offsets as [number, number];
    if (begin > end || end > bytes.length - start) wrong(`its offsets ${begin}..${end} lie outside of the ${bytes.length - start} bytes of data`);
    const count = (shape as number[]).reduce((a, b) => a * b, 1);
    if (count * size !== end - begin) wrong(`its shape [${(shape as number[]).join(", ")}] of ${String(dtype)} needs ${count * size} bytes, and it has ${end - begin}`);
    entries.set(key, { dtype: dtype as string, shape: shape as number[], begin, end });
  }
  const ordered = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let last = 0;
  for (const [key, e] of ordered) {
    if (e.begin < last) fault(`tensor ${JSON.stringify(key)} overlaps the one before it`);
    if (e.begin > last) fault(`${e.begin - last} bytes before tensor ${JSON.stringify(key)} belong to nothing`);
    last = e.end;
  }
  if (last !== bytes.length - start) fault(`${bytes.length - start - last} bytes at the end belong to nothing`);
  return { entries, metadata, start };
}

function halfToFloat(bits: number, brain: boolean): number {
  if (brain) return new Float32Array(new Uint32Array([bits << 16]).buffer)[0] as number;
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
function readData(bytes: Uint8Array, e: Entry): HostTensor["data"] {
  if (!littleEndian) throw new DataError("this machine is big-endian, which weight files are not read on");
  // A copy of its own (a Node Buffer's slice would share memory), so that it is aligned.
  const own = Uint8Array.from(bytes.subarray(e.begin, e.end)).buffer;
  switch (e.dtype) {
    case "F64": return new Float64Array(own);
    case "F32": return new Float32Array(own);
    case "F16": return Float32Array.from(new Uint16Array(own), (b) => halfToFloat(b, false));
    case "BF16": return Float32Array.from(new Uint16Array(own), (b) => halfToFloat(b, true));
    case "I64": {
      const wide = new BigInt64Array(own);
      // Numbers past 2^31 would wrap around in an Int32Array, without a word.
      return wide.every((x) => BigInt.asIntN(32, x) === x) ? Int32Array.from(wide, Number) : Float64Array.from(wide, Number);
    }
    case "I32": return new Int32Array(own);
    case "I16": return Int32Array.from(new Int16Array(own));
    case "I8": return Int32Array.from(new Int8Array(own));
    default: return Int32Array.from(new Uint8Array(own));
  }
}

/** All tensors of a file, by name. `name` stands in messages. Throws DataError. */
export function readSafetensors(bytes: Uint8Array, name: string): TensorMap {
  const { entries, start } = readHeader(bytes, name);
  const data = bytes.subarray(start);
  const result: Record<string, HostTensor> = Object.create(null);
  for (const [key, e] of entries) result[key] = { shape: e.shape, data: readData(data, e) };
  return result;
}
/** The file's own notes. */
export function readMetadata(bytes: Uint8Array, name: string): Readonly<Record<string, string>> {
  return readHeader(bytes, name).metadata;
}

const typeOf = (data: HostTensor["data"]): string => (data instanceof Float64Array ? "F64" : data instanceof Float32Array ? "F32" : "I32");

/** The same tensors give the same bytes: names are sorted, wide types first so that all data is aligned. */
export function writeSafetensors(tensors: TensorMap, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const names = Object.keys(tensors).sort((a, b) => {
    const [x, y] = [typeOf((tensors[a] as HostTensor).data), typeOf((tensors[b] as HostTensor).data)];
    return x === y ? (a < b ? -1 : 1) : x === "F64" ? -1 : y === "F64" ? 1 : x < y ? -1 : 1;
  });
  const header: Record<string, unknown> = Object.create(null);
  const notes = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
  if (Object.keys(notes).length > 0) header["__metadata__"] = notes;
  let offset = 0;
  for (const name of names) {
    const { shape, data } = tensors[name] as HostTensor;
    header[name] = { dtype: typeOf(data), shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  let text = JSON.stringify(header);
  while ((new TextEncoder().encode(text).length + 8) % 8 !== 0) text += " ";
  const head = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + head.length + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(head.length), true);
  bytes.set(head, 8);
  let at = 8 + head.length;
  for (const name of names) {
    const { data } = tensors[name] as HostTensor;
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}
