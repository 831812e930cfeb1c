/** Every data source, with data as it should be and with data that is broken: what is wrong, in which file, at which place. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { HostTensor } from "../../src/runtime/contract.js";
import { loadData, parseDataOption } from "../../src/runtime/data/load.js";
import { Random } from "../../src/runtime/random.js";
import { writeSafetensors } from "../../src/runtime/safetensors.js";
import { call, classOf, context, expectDataError, model, real, temporaryFolder, tokens } from "./model.js";

/** An IDX file of bytes with these sizes. */
function idxBytes(sizes: readonly number[], entry: (i: number) => number, type = 8): Buffer {
  const count = sizes.reduce((a, b) => a * b, 1);
  const bytes = Buffer.alloc(4 + 4 * sizes.length + count);
  bytes[2] = type;
  bytes[3] = sizes.length;
  sizes.forEach((s, i) => bytes.writeUInt32BE(s, 4 + 4 * i));
  for (let i = 0; i < count; i++) bytes[4 + 4 * sizes.length + i] = entry(i);
  return bytes;
}
const idxNames = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] as const;
/** A whole IDX folder; `changes` replaces files by other bytes (or takes them away). */
function idxFolder(changes: Readonly<Partial<Record<(typeof idxNames)[number], Buffer | null>>> = {}, gzip = false): string {
  const folder = temporaryFolder();
  const good = [idxBytes([6, 3, 2], (i) => i), idxBytes([6], (i) => i % 4), idxBytes([2, 3, 2], (i) => 255 - i), idxBytes([2], (i) => 3 - i)];
  idxNames.forEach((name, i) => {
    const bytes = name in changes ? changes[name] : good[i];
    if (bytes) writeFileSync(join(folder, gzip ? `${name}.gz` : name), gzip ? gzipSync(bytes) : bytes);
  });
  return folder;
}
const digits = model([real("image", 1, 3, 2)], [classOf("label", 4)]);
const idx = (folder: string, m = digits) => loadData(call("idx", [folder]), context(m));

describe("IDX files", () => {
  it.each([["plain", false], ["gzipped", true]])("%s: pixels from 0 to 1, labels from 0", async (_, gzip) => {
    const { train, test } = await idx(idxFolder({}, gzip));
    expect([train.size, test.size]).toEqual([6, 2]);
    const { image, label } = train.batch([5, 0]);
    expect(image?.shape).toEqual([2, 1, 3, 2]);
    expect([...(image?.data ?? [])]).toEqual([30, 31, 32, 33, 34, 35, 0, 1, 2, 3, 4, 5].map((b) => Math.fround(b / 255)));
    expect([label?.shape, [...(label?.data ?? [])]]).toEqual([[2], [1, 0]]);
    expect([...(test.batch([0]).image?.data.subarray(0, 2) ?? [])]).toEqual([1, Math.fround(254 / 255)]);
  });
  const images = idxBytes([6, 3, 2], (i) => i);
  it.each<readonly [string, (typeof idxNames)[number], Buffer | null, readonly string[]]>([
    ["a file that is missing", "t10k-labels-idx1-ubyte", null, ["there is no"]],
    ["an empty file", "train-images-idx3-ubyte", Buffer.alloc(0), ["not an IDX file"]],
    ["a wrong magic number", "train-images-idx3-ubyte", Buffer.concat([Buffer.from([1, 2]), images.subarray(2)]), ["not an IDX file", "1 2 8 3"]],
    ["entries of another type", "train-images-idx3-ubyte", idxBytes([6, 3, 2], (i) => i, 13), ["type 13"]],
    ["a header cut short", "train-images-idx3-ubyte", images.subarray(0, 9), ["header"]],
    ["data cut short", "train-images-idx3-ubyte", images.subarray(0, images.length - 1), ["36 entries", "35 follow"]],
    ["bytes after the end", "train-images-idx3-ubyte", Buffer.concat([images, Buffer.alloc(2)]), ["36 entries", "38 follow"]],
    ["sizes whose product overflows", "train-images-idx3-ubyte", Buffer.from([0, 0, 8, 3, ...Array(12).fill(255)]), ["follow"]],
    ["255 axes", "train-images-idx3-ubyte", Buffer.concat([Buffer.from([0, 0, 8, 255]), Buffer.alloc(1020, 255)]), ["follow"]],
    ["images of two axes", "train-images-idx3-ubyte", idxBytes([6, 6], (i) => i), ["2 axes"]],
    ["fewer labels than images", "train-labels-idx1-ubyte", idxBytes([5], () => 0), ["5 labels for 6 images"]],
    ["a label out of range", "train-labels-idx1-ubyte", idxBytes([6], (i) => (i === 2 ? 4 : 0)), ["entry 3 has label 4", "4 classes"]],
  ])("with %s are refused", async (_, name, bytes, words) => {
    await expectDataError(() => idx(idxFolder({ [name]: bytes })), name, ...words);
  });
  it("whose gzip is damaged, cut short or holds something else are refused", async () => {
    const folder = idxFolder({}, true);
    const file = join(folder, "train-images-idx3-ubyte.gz");
    const packed = gzipSync(images);
    for (const bytes of [packed.subarray(0, packed.length - 5), Buffer.concat([packed.subarray(0, 14), Buffer.from([0xff, 0xff]), packed.subarray(16)]), Buffer.from("not gzip"), Buffer.alloc(0)]) {
      writeFileSync(file, bytes);
      await expectDataError(() => idx(folder), "train-images-idx3-ubyte.gz", "damaged");
    }
  });
  it("without samples, of another size than the input, or in no folder are refused", async () => {
    await expectDataError(() => idx(idxFolder({ "t10k-images-idx3-ubyte": idxBytes([0, 3, 2], () => 0), "t10k-labels-idx1-ubyte": idxBytes([0], () => 0) })), "no samples", "test");
    await expectDataError(() => idx(idxFolder(), model([real("image", 1, 3, 3)])), "[1, 3, 2]", "[1, 3, 3]", "image");
    await expectDataError(() => idx("/nowhere/at/all"), "/nowhere/at/all");
    await expectDataError(() => idx(idxFolder(), model([tokens("t", 4, 3)])), "takes none");
    await expectDataError(() => loadData(call("idx"), context(digits)), "needs a path");
  });
});

describe("CIFAR-10", () => {
  const record = (label: number, first = 0): Buffer => Buffer.concat([Buffer.from([label]), Buffer.alloc(3072, first)]);
  const cifar = (files: Readonly<Record<string, Buffer>>) => {
    const folder = temporaryFolder();
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    return loadData(call("cifar10", [folder]), context(model([real("image", 3, 32, 32)], [classOf("label", 10)])));
  };
  it("is read record by record, over all files", async () => {
    const { train, test } = await cifar({ "data_batch_2.bin": record(9, 51), "data_batch_1.bin": Buffer.concat([record(1), record(2, 255)]), "test_batch.bin": record(3) });
    expect([train.size, test.size]).toEqual([3, 1]);
    const { image, label } = train.batch([0, 1, 2]);
    expect([...(label?.data ?? [])]).toEqual([1, 2, 9]);
    expect([0, 3071, 3072, 6143, 6144].map((i) => image?.data[i])).toEqual([0, 0, 1, 1, Math.fround(0.2)]);
  });
  it("of odd size, with a label out of range or files missing is refused", async () => {
    const good = { "data_batch_1.bin": record(1), "test_batch.bin": record(2) };
    await expectDataError(() => cifar({ ...good, "data_batch_1.bin": record(1).subarray(1) }), "data_batch_1.bin", "3072 bytes", "3073");
    await expectDataError(() => cifar({ ...good, "test_batch.bin": Buffer.alloc(0) }), "test_batch.bin", "0 bytes");
    await expectDataError(() => cifar({ ...good, "data_batch_2.bin": Buffer.concat([record(3), record(10)]) }), "data_batch_2.bin: record 2", "label 10");
    await expectDataError(() => cifar({ "data_batch_1.bin": record(1) }), "test_batch.bin");
    await expectDataError(() => cifar({ "test_batch.bin": record(1) }), "data_batch_*.bin");
  });
});

describe("folders of images", () => {
  type Colour = { r: number; g: number; b: number; alpha?: number };
  const picture = (width: number, height: number, background: Colour, kind: "png" | "jpeg" | "webp" = "png"): Promise<Buffer> =>
    sharp({ create: { width, height, channels: background.alpha === undefined ? 3 : 4, background } }).toFormat(kind, { quality: 100 }).toBuffer();
  const red = { r: 255, g: 0, b: 0 };
  const images = (folder: string, channels = 3) => loadData(call("images", [folder]), context(model([real("image", channels, 4, 4)], [classOf("label", 2)])));
  /** Two classes with train and test; `more` adds or replaces files. */
  async function folderOf(more: Readonly<Record<string, Buffer | string>> = {}): Promise<string> {
    const folder = temporaryFolder();
    const files: Record<string, Buffer | string> = { ...Object.fromEntries(await Promise.all(["train/cat/a.png", "train/dog/a.png", "test/cat/a.png", "test/dog/a.png"].map(async (f) => [f, await picture(4, 4, red)] as const))), ...more };
    for (const [name, bytes] of Object.entries(files)) {
      mkdirSync(join(folder, name, ".."), { recursive: true });
      writeFileSync(join(folder, name), bytes);
    }
    return folder;
  }
  it("of differing sizes, formats, depths and transparency become one shape", async () => {
    const grey16 = await sharp(Uint16Array.from({ length: 64 }, () => 65535), { raw: { width: 8, height: 8, channels: 1 } }).toColourspace("grey16").png().toBuffer();
    const folder = await folderOf({
      "train/cat/b.jpg": await picture(9, 5, { r: 0, g: 0, b: 255 }, "jpeg"), "train/cat/c.webp": await picture(3, 8, red, "webp"),
      "train/dog/b.png": await picture(1, 1, { r: 0, g: 255, b: 0, alpha: 1 }), "train/dog/c.png": grey16, "train/dog/notes.txt": "no picture",
    });
    const { train } = await images(folder);
    expect(train.size).toBe(6);
    const { image, label } = train.batch([0, 1, 2, 3, 4, 5]);
    expect(image?.shape).toEqual([6, 3, 4, 4]);
    expect([...(label?.data ?? [])]).toEqual([0, 0, 0, 1, 1, 1]);
    const pixel = (sample: number): number[] => [0, 1, 2].map((c) => Math.round((image?.data[(sample * 3 + c) * 16 + 5] ?? -1) * 100) / 100);
    expect(pixel(0)).toEqual([1, 0, 0]);
    expect(pixel(1)[2]).toBeGreaterThan(0.95);
    expect(pixel(4)).toEqual([0, 1, 0]);
    expect(pixel(5)).toEqual([1, 1, 1]);
    const grey = await images(folder, 1);
    expect(grey.train.batch([0]).image?.shape).toEqual([1, 1, 4, 4]);
  });
  it("without train/ and test/: every tenth picture is for the test", async () => {
    const folder = temporaryFolder();
    for (const name of ["x", "y"]) {
      mkdirSync(join(folder, name));
      for (let i = 0; i < 12; i++) writeFileSync(join(folder, name, `${String(i).padStart(2, "0")}.png`), await picture(4, 4, { r: 20 * i, g: 0, b: 0 }));
    }
    const { train, test } = await images(folder);
    expect([train.size, test.size]).toEqual([22, 2]);
    expect(test.batch([0]).image?.data[0]).toBeCloseTo(180 / 255, 5);
  });
  it("that are broken are refused", async () => {
    await expectDataError(async () => images(await folderOf({ "train/cat/b.png": "not a picture" })), "train/cat/b.png", "cannot be decoded");
    const png = await picture(64, 64, red);
    await expectDataError(async () => images(await folderOf({ "train/cat/b.png": png.subarray(0, png.length - 40) })), "train/cat/b.png", "cannot be decoded");
    await expectDataError(async () => images(await folderOf({ "train/eel/readme.md": "empty" })), "train/eel", "no image");
    await expectDataError(async () => images(await folderOf({ "test/eel/a.png": png })), "test/eel", "eel");
    await expectDataError(async () => images(await folderOf({ "train/eel/a.png": png, "test/eel/a.png": png })), "train/eel", "label 2", "2 classes");
    await expectDataError(() => images(temporaryFolder()), "no folder for a class");
    await expectDataError(() => images("/nowhere"), "/nowhere");
    await expectDataError(async () => images(join(await folderOf(), "train/cat/a.png")), "train/cat/a.png");
    await expectDataError(async () => images(await folderOf(), 2), "a.png", "2");
    const few = temporaryFolder();
    mkdirSync(join(few, "x"));
    writeFileSync(join(few, "x", "a.png"), png);
    await expectDataError(() => images(few), few, "test split");
  });
  it("with a dangling link beside them are read", async () => {
    const folder = await folderOf();
    symlinkSync("/nowhere", join(folder, "train", "link"));
    expect((await images(folder)).train.size).toBe(2);
  });
});

describe("text", () => {
  const load = (content: string | Buffer, symbols: number, n = 4) => {
    const file = join(temporaryFolder(), "book.txt");
    writeFileSync(file, content);
    return loadData(call("text", [file]), context(model([tokens("x", symbols, n)], [tokens("y", symbols, n)])));
  };
  const cycle = "abcdefghij".repeat(20);
  it("is cut into windows, the target one symbol further; the last tenth is for the test", async () => {
    const { train, test } = await load(cycle, 10);
    expect([train.size, test.size]).toEqual([44, 4]);
    const { x, y } = test.batch([0, 2]);
    expect([...(x?.data ?? [])]).toEqual([0, 1, 2, 3, 8, 9, 0, 1]);
    expect([...(y?.data ?? [])]).toEqual([1, 2, 3, 4, 9, 0, 1, 2]);
    const random = Random.named(1, "t");
    for (let i = 0; i < 200; i++) {
      const window = train.batch([0], random);
      const [a, b] = [[...(window.x?.data ?? [])], [...(window.y?.data ?? [])]];
      expect(b).toEqual(a.map((s) => (s + 1) % 10));
    }
  });
  it("of 256 symbols is read as bytes, whatever they are; else characters in the order of their code points", async () => {
    const bytes = Buffer.from(Array.from({ length: 400 }, (_, i) => (7 * i) % 256));
    expect([...((await load(bytes, 256)).train.batch([1]).x?.data ?? [])]).toEqual([28, 35, 42, 49]);
    expect([...((await load("zé😀a".repeat(30), 4)).train.batch([0]).x?.data ?? [])]).toEqual([1, 2, 3, 0]);
  });
  it("that is not UTF-8, too short or of too many characters is refused", async () => {
    await expectDataError(() => load(Buffer.concat([Buffer.from("é".repeat(50)), Buffer.from([0xc3, 0x28]), Buffer.from(cycle)]), 10), "book.txt", "UTF-8", "byte 102");
    await expectDataError(() => load(Buffer.concat([Buffer.from(cycle), Buffer.from([0xe2, 0x82])]), 10), "book.txt", "UTF-8");
    await expectDataError(() => load("abc", 10), "book.txt", "3 symbols, the last 1 of them for evaluation", "needs 41 in all");
    await expectDataError(() => load("", 10), "book.txt", "0 symbols");
    await expectDataError(() => load(cycle, 9), "book.txt", "10 characters", "9 symbols");
    await expectDataError(() => loadData(call("text", ["/nowhere"]), context(model([tokens("x", 9, 4)]))), "/nowhere", "ENOENT");
    await expectDataError(() => loadData(call("text", ["/"]), context(model([tokens("x", 9, 4)]))), "EISDIR");
    await expectDataError(() => loadData(call("text", ["/nowhere"]), context(model([{ ...tokens("x", 9, 4), shape: ["batch", "n"] }]))), "fixed length");
  });
});

describe("made-up data", () => {
  const A = { shape: [3, 5], data: Float32Array.from({ length: 15 }, (_, i) => Math.sin(i)) };
  const signals = model([real("y", 3)], [real("x", 5)]);
  const codes = (named: Parameters<typeof call>[2], m = signals, parameters = { A }) => loadData(call("sparse_codes", [], { dictionary: { reference: "A" }, ...named }), context(m, parameters));
  it("sparse codes are sparse, and their signals are A x", async () => {
    const { train, test } = await codes({ sparsity: 0.25, noise: 0, size: 2000 });
    expect([train.size, test.size]).toEqual([2000, 200]);
    const all = train.batch(Array.from({ length: 2000 }, (_, i) => i));
    const x = all.x?.data ?? [];
    const share = [...x].filter((v) => v !== 0).length / x.length;
    expect(Math.abs(share - 0.25)).toBeLessThan(0.02); // 4.6 standard deviations of 10,000 draws
    for (const s of [0, 7, 1999]) for (let i = 0; i < 3; i++) {
      const wanted = [0, 1, 2, 3, 4].reduce((sum, j) => sum + (A.data[i * 5 + j] as number) * (x[s * 5 + j] as number), 0);
      expect(all.y?.data[s * 3 + i]).toBeCloseTo(wanted, 5);
    }
    expect((await codes({ size: 10 })).train.batch([3])).toEqual((await codes({ size: 10 })).train.batch([3]));
  });
  it("Gaussians lie on the sphere, near their class's direction", async () => {
    const { train } = await loadData(call("gaussians", [], { classes: 3, dim: 4, noise: 0.05, per_class: 50 }), context(model([real("x", 4)], [classOf("c", 3)])));
    expect(train.size).toBe(150);
    const { x, c } = train.batch(Array.from({ length: 150 }, (_, i) => i));
    const row = (i: number): number[] => [...(x?.data.subarray(4 * i, 4 * i + 4) ?? [])];
    const dot = (a: number[], b: number[]): number => a.reduce((s, v, i) => s + v * (b[i] ?? 0), 0);
    for (let i = 0; i < 150; i++) {
      expect(dot(row(i), row(i))).toBeCloseTo(1, 5);
      expect(c?.data[i]).toBe(Math.floor(i / 50));
      expect(dot(row(i), row(50 * Math.floor(i / 50)))).toBeGreaterThan(0.9);
    }
  });
  it("of impossible sizes, or for a network that takes others, is refused", async () => {
    for (const size of [0, -3, 2.5, 1e15]) await expectDataError(() => codes({ size }), "size");
    await expectDataError(() => codes({}, signals, {} as never), "no fixed parameter A");
    await expectDataError(() => codes({ dictionary: { reference: "constructor" } }), "constructor");
    await expectDataError(() => codes({ dictionary: 3 }), "dictionary");
    await expectDataError(() => codes({}, model([real("y", 4)])), "3 entries", "[4]", "y");
    await expectDataError(() => codes({}, model([real("y", 3)], [real("x", 6)])), "5 entries", "[6]", "x");
    await expectDataError(() => codes({}, signals, { A: { shape: [15], data: A.data } }), "[15]");
    const points = (named: Parameters<typeof call>[2]) => loadData(call("gaussians", [], named), context(model([real("x", 4)], [classOf("c", 3)])));
    await expectDataError(() => points({ dim: 3 }), "3 entries", "[4]");
    await expectDataError(() => points({ dim: 4, classes: 4 }), "4 classes");
    await expectDataError(() => points({ dim: 4, per_class: 1e12 }), "per_class");
  });
  it("the embedded digits: 10,000 of them, a tenth of each for the test", async () => {
    const { train, test } = await loadData(call("mnist"), context(model([real("image", 1, 28, 28)], [classOf("label", 10)])));
    expect([train.size, test.size]).toEqual([9_003, 997]);
    const labels = test.batch(Array.from({ length: test.size }, (_, i) => i)).label?.data ?? [];
    expect(new Set(labels).size).toBe(10);
    const pixels = train.batch([0, train.size - 1]).image?.data ?? [];
    expect([Math.min(...pixels), Math.max(...pixels)].every((x) => x >= 0 && x <= 1)).toBe(true);
    expect(Math.max(...pixels)).toBeGreaterThan(0.5);
    await expectDataError(() => loadData(call("mnist"), context(model([real("image", 1, 28, 28)], [classOf("label", 9)]))), "label 9", "9 classes");
  });
});
describe("a data source", () => {
  it("that does not exist is refused, whatever its name", async () => {
    for (const name of ["imagenet", "constructor", "__proto__", "toString", ""]) await expectDataError(() => loadData(parseDataOption(name), context(digits)), "there is no data source");
    await expectDataError(() => loadData(call("none"), context(digits)), "no data");
  });
  it("of the command line is its name and its path, colons and all", () => expect(parseDataOption("idx:C:\\data")).toEqual(call("idx", ["C:\\data"])));
});

describe("tensors of one's own", () => {
  const m = model([real("y", 2), tokens("t", 5, 3), real("noise", 4)], [classOf("label", 3), { ...real("extra", 7), unread: "always" }], {
    training: { data: call("tensors"), augment: [], construct: false, schedule: [], batch: 2, seed: 1, feed: [{ input: "noise", source: call("normal") }], metrics: [] },
  });
  const good = (count: number): Record<string, HostTensor> => ({
    y: { shape: [count, 2], data: Float64Array.from({ length: 2 * count }, (_, i) => i / 4) },
    t: { shape: [count, 3], data: Int32Array.from({ length: 3 * count }, (_, i) => i % 5) },
    label: { shape: [count], data: Float32Array.from({ length: count }, (_, i) => i % 3) },
  });
  function folderWith(files: Readonly<Record<string, Readonly<Record<string, HostTensor>>>>): string {
    const folder = temporaryFolder();
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), writeSafetensors(content));
    return folder;
  }
  it("of a folder are its two files: one tensor for each input that is not fed and each target that is read", async () => {
    const folder = folderWith({ "train.safetensors": good(4), "test.safetensors": good(2) });
    const { train, test } = await loadData(parseDataOption(`tensors:${folder}`), context(m));
    expect([train.size, test.size]).toEqual([4, 2]);
    const batch = train.batch([3, 0]);
    expect(batch).toEqual({
      y: { shape: [2, 2], data: Float32Array.of(1.5, 1.75, 0, 0.25) }, t: { shape: [2, 3], data: Int32Array.of(4, 0, 1, 0, 1, 2) }, label: { shape: [2], data: Int32Array.of(0, 0) },
    });
  });
  it("of a target that only audits read are taken where they stand", async () => {
    const audited = { ...m, targets: [...m.targets, { ...real("level"), unread: "but in audits" as const }] };
    const level = { shape: [4], data: Float32Array.of(1, 2, 3, 4) };
    for (const [content, found] of [[{ ...good(4), level, extra: level }, ["y", "t", "label", "level"]], [good(4), ["y", "t", "label"]]] as const) {
      const { train } = await loadData(parseDataOption(`tensors:${folderWith({ "train.safetensors": content, "test.safetensors": content })}`), context(audited));
      expect(Object.keys(train.batch([0]))).toEqual(found);
    }
  });
  it("of one file keep every tenth sample for the test", async () => {
    const folder = folderWith({ "all.safetensors": good(21) });
    const { train, test } = await loadData(call("tensors", [join(folder, "all.safetensors")]), context(m));
    expect([train.size, test.size]).toEqual([19, 2]);
    expect([...(test.batch([0, 1]).y?.data ?? [])]).toEqual([4.5, 4.75, 9.5, 9.75]);
    expect([...(train.batch([8, 9]).y?.data ?? [])]).toEqual([4, 4.25, 5, 5.25]);
  });
  it.each<readonly [string, Readonly<Record<string, HostTensor | undefined>>, readonly string[]]>([
    ["without one that is needed", { t: undefined, other: { shape: [1], data: Float32Array.of(1) } }, ["no tensor t", "it has y, label, other"]],
    ["of another shape", { y: { shape: [10, 3], data: new Float32Array(30) } }, ["y is [10, 3]", "[samples, 2]"]],
    ["without an axis for samples", { y: { shape: [2], data: new Float32Array(2) } }, ["y is [2]", "[samples, 2]"]],
    ["of differing counts", { label: { shape: [9], data: new Int32Array(9) } }, ["disagree", "y has 10", "label has 9"]],
    ["of no samples", good(0), ["no samples"]],
    ["of too few samples to divide", good(9), ["9 samples", "train.safetensors"]],
    ["with an entry that is no number", { y: { shape: [10, 2], data: Float32Array.from({ length: 20 }, (_, i) => (i === 7 ? Number.NaN : 0)) } }, ["y, sample 4, has NaN", "finite"]],
    ["too large for float32", { y: { shape: [10, 2], data: Float64Array.from({ length: 20 }, (_, i) => (i === 19 ? 1e300 : 0)) } }, ["y, sample 10, has 1e+300"]],
    ["with a label out of range", { label: { shape: [10], data: Int32Array.of(0, 1, 2, 3, 0, 0, 0, 0, 0, 0) } }, ["label, sample 4, has 3", "0 to 2"]],
    ["with a broken label", { label: { shape: [10], data: Float32Array.of(0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0) } }, ["label, sample 2, has 0.5", "whole numbers"]],
    ["with a symbol below 0", { t: { shape: [10, 3], data: Int32Array.from({ length: 30 }, (_, i) => (i === 3 ? -1 : 0)) } }, ["t, sample 2, has -1", "0 to 4"]],
  ])("%s are refused", async (_, changes, words) => {
    const content = Object.fromEntries(Object.entries({ ...good(10), ...changes }).filter((e): e is [string, HostTensor] => e[1] !== undefined));
    const folder = folderWith({ "all.safetensors": content });
    await expectDataError(() => loadData(call("tensors", [join(folder, "all.safetensors")]), context(m)), "all.safetensors", ...words);
  });
  it("that are not there, are half there or are no safetensors are refused", async () => {
    const folder = folderWith({ "train.safetensors": good(4) });
    await expectDataError(() => loadData(call("tensors", [folder]), context(m)), folder, "no test.safetensors", "holds train.safetensors and test.safetensors");
    await expectDataError(() => loadData(call("tensors", [join(folder, "none.safetensors")]), context(m)), "none.safetensors", "ENOENT");
    writeFileSync(join(folder, "test.safetensors"), "no");
    await expectDataError(() => loadData(call("tensors", [folder]), context(m)), "test.safetensors", "not a safetensors file");
    await expectDataError(() => loadData(call("tensors"), context(m)), "needs a path");
  });
});
