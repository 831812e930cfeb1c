import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError, readMetadata, readSafetensors, writeSafetensors } from "../../src/runtime/safetensors.js";
import { expectDataError } from "./model.js";

/** A file with this header, whatever it claims, and `size` bytes of data. */
function lying(header: unknown, size = 16, claimed?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + size);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}
const entry = (begin: number, end: number, shape = [(end - begin) / 4], dtype = "F32") => ({ dtype, shape, data_offsets: [begin, end] });
const whole = { a: entry(0, 16) };

describe("safetensors that lie", () => {
  it.each<readonly [string, Uint8Array, readonly string[]]>([
    ["no bytes at all", new Uint8Array(0), ["0 bytes"]],
    ["seven bytes", new Uint8Array(7), ["7 bytes"]],
    ["a header longer than the file", lying(whole, 16, 1000n), ["1000 bytes"]],
    ["a header of 2^63 bytes", lying(whole, 16, 2n ** 63n), ["9223372036854775808"]],
    ["a header of 2^64 - 1 bytes", lying(whole, 16, 2n ** 64n - 1n), ["18446744073709551615"]],
    ["a header that ends early", lying(whole, 16, 10n), ["not JSON"]],
    ["a header that is no JSON", lying("{{"), ["not JSON"]],
    ["a header that is no UTF-8", (() => { const b = lying(whole); b[9] = 0xff; return b; })(), ["not JSON"]],
    ["a header that is a list", lying([1, 2]), ["not an object"]],
    ["a header that is null", lying("null"), ["not an object"]],
    ["offsets past the end", lying({ a: entry(0, 32) }), ["\"a\"", "0..32", "16 bytes"]],
    ["offsets in the wrong order", lying({ a: { dtype: "F32", shape: [0], data_offsets: [8, 4] } }), ["\"a\"", "8..4"]],
    ["negative offsets", lying({ a: { dtype: "F32", shape: [5], data_offsets: [-4, 16] } }), ["\"a\"", "offsets"]],
    ["offsets of 2^63", lying(`{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,${2n ** 63n}]}}`), ["\"a\"", "offsets"]],
    ["fractional offsets", lying({ a: { dtype: "F32", shape: [1], data_offsets: [0, 4.5] } }), ["\"a\"", "offsets"]],
    ["three offsets", lying({ a: { dtype: "F32", shape: [4], data_offsets: [0, 16, 16] } }), ["\"a\"", "offsets"]],
    ["no offsets", lying({ a: { dtype: "F32", shape: [4] } }), ["\"a\"", "offsets"]],
    ["sizes of 2^63", lying(`{"a":{"dtype":"F32","shape":[${2n ** 63n}],"data_offsets":[0,16]}}`), ["\"a\"", "shape"]],
    ["sizes whose product overflows", lying({ a: { dtype: "F32", shape: [2 ** 52, 2 ** 52, 2 ** 52], data_offsets: [0, 16] } }), ["\"a\"", "shape"]],
    ["2^32 × 2^32 entries, which are 0 in 64 bits", lying({ a: { dtype: "F32", shape: [2 ** 32, 2 ** 32], data_offsets: [0, 16] } }), ["\"a\"", "needs"]],
    ["a negative size", lying({ a: { dtype: "F32", shape: [-4], data_offsets: [0, 16] } }), ["\"a\"", "shape"]],
    ["a shape that is text", lying({ a: { dtype: "F32", shape: "4", data_offsets: [0, 16] } }), ["\"a\"", "shape"]],
    ["a shape of fewer entries", lying({ a: entry(0, 16, [3]) }), ["\"a\"", "12 bytes"]],
    ["an unknown type", lying({ a: entry(0, 16, [4], "F8_E4M3") }), ["\"a\"", "F8_E4M3"]],
    ["a type that every object has", lying({ a: entry(0, 16, [4], "constructor") }), ["\"a\"", "constructor"]],
    ["a tensor that is null", lying({ a: null }), ["\"a\""]],
    ["a tensor that is a number", lying({ a: 3 }), ["\"a\""]],
    ["tensors that overlap", lying({ a: entry(0, 12), b: entry(8, 16) }), ["\"b\"", "overlaps"]],
    ["two tensors on one place", lying({ a: entry(0, 16), b: entry(0, 16) }), ["overlaps"]],
    ["a hole between tensors", lying({ a: entry(0, 4), b: entry(8, 16) }), ["4 bytes before tensor \"b\""]],
    ["bytes after the last tensor", lying({ a: entry(0, 12) }), ["4 bytes at the end"]],
    ["a name twice", lying(`{"a":${JSON.stringify(entry(0, 8))},"a":${JSON.stringify(entry(8, 16))}}`), ["\"a\"", "twice"]],
    ["a name twice, once escaped", lying(`{"a":${JSON.stringify(entry(0, 8))},"\\u0061":${JSON.stringify(entry(8, 16))}}`), ["\"a\"", "twice"]],
    ["metadata that is a list of nothing", lying({ __metadata__: null, a: entry(0, 16) }), ["__metadata__"]],
  ])("%s: refused, the file named", async (_, bytes, words) => {
    await expectDataError(() => readSafetensors(bytes, "folder/w.safetensors"), "folder/w.safetensors: ", ...words);
  });
  it("with 100,000 tensors or very deep JSON are read or refused in bounded time", () => {
    const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`t${i}`, { dtype: "F32", shape: [0], data_offsets: [0, 0] }]));
    const begin = performance.now();
    expect(Object.keys(readSafetensors(lying(many, 0), "w")).length).toBe(100_000);
    expect(() => readSafetensors(lying(`{"a":${"[".repeat(1_000_000)}`), "w")).toThrow(DataError);
    expect(() => readSafetensors(lying(`{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}`), "w")).toThrow(DataError);
    expect(performance.now() - begin).toBeLessThan(60_000); // a guard against squares of the count, not a speed
  });
  it("of any bytes at all give tensors or a DataError", () => {
    const good = writeSafetensors({ a: { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }, b: { shape: [2], data: Int32Array.of(7, 8) } });
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }), fc.nat(good.length), (edits, length) => {
      const bytes = Uint8Array.from(good);
      for (const [place, byte] of edits) bytes[place] = byte;
      try {
        for (const t of Object.values(readSafetensors(bytes.subarray(0, length), "w"))) expect(t.data.length).toBe(t.shape.reduce((p, q) => p * q, 1));
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
      }
    }), { numRuns: 2000 });
  });
});

describe("safetensors", () => {
  it("keep names that objects have of their own", () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty", ""];
    const tensors = Object.fromEntries(names.map((n, i) => [n, { shape: [1], data: Float32Array.of(i) }]));
    Object.defineProperty(tensors, "__proto__", { value: { shape: [1], data: Float32Array.of(0) }, enumerable: true, configurable: true, writable: true });
    const back = readSafetensors(writeSafetensors(tensors), "w");
    expect(Object.keys(back).sort()).toEqual([...names].sort());
    expect(names.map((n) => back[n]?.data[0])).toEqual([0, 1, 2, 3, 4]);
    expect((Object.prototype as Record<string, unknown>)["shape"]).toBeUndefined();
  });
  it("come back as they were, in every type, scalars and empty ones too", () => {
    const tensors = {
      f: { shape: [2, 2], data: Float32Array.of(1.5, -0, Number.POSITIVE_INFINITY, 3e-45) }, d: { shape: [], data: Float64Array.of(Math.PI) },
      i: { shape: [3], data: Int32Array.of(-1, 0, 2 ** 31 - 1) }, none: { shape: [0, 7], data: new Float32Array(0) },
    };
    const bytes = writeSafetensors(tensors, { note: "ü \" \n" });
    expect(readSafetensors(bytes, "w")).toEqual(Object.assign(Object.create(null), tensors));
    expect(readMetadata(bytes, "w")["note"]).toBe("ü \" \n");
    expect(writeSafetensors(Object.fromEntries(Object.entries(tensors).reverse()), { note: "ü \" \n" })).toEqual(bytes);
  });
  it("are read from any place in memory", () => {
    const bytes = writeSafetensors({ a: { shape: [3], data: Float64Array.of(1, 2, 3) } });
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(readSafetensors(shifted.subarray(3), "w")["a"]?.data).toEqual(Float64Array.of(1, 2, 3));
  });
  it("of halves, bytes and 64-bit numbers are widened without loss", () => {
    const view = new DataView(new ArrayBuffer(16));
    [0x3c00, 0xc000, 0x0001, 0x7c00, 0x3f80, 0xff80].forEach((h, i) => view.setUint16(2 * i, h, true));
    const halves = lying({ h: { dtype: "F16", shape: [4], data_offsets: [0, 8] }, b: { dtype: "BF16", shape: [2], data_offsets: [8, 12] }, s: { dtype: "I8", shape: [4], data_offsets: [12, 16] } });
    halves.set(new Uint8Array(view.buffer), halves.length - 16);
    halves[halves.length - 1] = 255;
    const read = readSafetensors(halves, "w");
    expect([...(read["h"]?.data ?? [])]).toEqual([1, -2, 2 ** -24, Number.POSITIVE_INFINITY]);
    expect([...(read["b"]?.data ?? [])]).toEqual([1, Number.NEGATIVE_INFINITY]);
    expect([...(read["s"]?.data ?? [])]).toEqual([0, 0, 0, -1]);
    const wide = lying({ w: { dtype: "I64", shape: [2], data_offsets: [0, 16] } });
    new DataView(wide.buffer).setBigInt64(wide.length - 16, 2n ** 40n, true);
    expect([...(readSafetensors(wide, "w")["w"]?.data ?? [])]).toEqual([2 ** 40, 0]);
  });
});
