/** Data for training: two splits, batches in wire format, sources as rows of a table. */
import { readFileSync } from "node:fs";
import type { Batch, HostTensor, ModelDescription, PlainCall, TensorMap, WireTensor } from "../contract.js";
import type { Random } from "../random.js";
import { DataError } from "../safetensors.js";

export interface Split {
  /** How many samples. */
  readonly size: number;
  /** Samples by number; `random` is given in training only, where a source may draw (text windows). */
  batch(indices: readonly number[], random?: Random): Batch;
}
export interface DataSet {
  readonly name: string;
  readonly train: Split;
  readonly test: Split;
  /** Of text: the symbols in the order of their tokens; without it tokens are bytes. */
  readonly vocabulary?: readonly string[];
}
export interface SourceContext {
  readonly model: ModelDescription;
  /** Where relative paths start. */
  readonly baseDirectory: string;
  /** What a source may refer to: values that the network holds. */
  readonly parameters: TensorMap;
  /** The characters that the network's symbols stand for, where that is settled; else a text settles it. */
  readonly vocabulary?: readonly string[];
}
/** Images and labels as most sources have them: rows of one tensor each. */
export interface Labelled {
  /** Sizes of one sample: [channels, rows, columns]. */
  readonly shape: readonly number[];
  readonly images: Float32Array;
  readonly labels: Int32Array;
  /** Where a sample's label stands, for messages: file and place. */
  readonly placeOf?: (sample: number) => string;
}

export function option(call: PlainCall, name: string, position: number, otherwise?: number): number {
  const value = call.named[name] ?? call.positional[position] ?? otherwise;
  if (typeof value !== "number") throw new DataError(`data ${call.name}: ${name} must be a number`);
  return value;
}
/** An option that counts something, so that a typing error does not become an allocation of terabytes. */
export function countOption(call: PlainCall, name: string, otherwise: number, least = 1): number {
  const n = option(call, name, 9, otherwise);
  if (!Number.isInteger(n) || n < least || n > largestCount) throw new DataError(`data ${call.name}: ${name} must be a whole number from ${least} to ${largestCount}, not ${n}`);
  return n;
}
const largestCount = 100_000_000;
/** Widths must agree before samples are made: an engine's message about shapes would name neither source nor input. */
export function checkWidth(wire: WireTensor, width: number, source: string): void {
  const wanted = wire.shape.slice(1);
  if (wanted.length !== 1 || wanted[0] !== width) throw new DataError(`data ${source} gives vectors of ${width} entries, and ${wire.name} takes [${wanted.join(", ")}]`);
}
export function readFile(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new DataError(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}
export function pathOption(call: PlainCall): string {
  const [path] = call.positional;
  if (typeof path !== "string") throw new DataError(`data ${call.name} needs a path: ${call.name}("…")`);
  return path;
}
/** The first input or target of that kind. */
export function slot(wires: readonly WireTensor[], kind: WireTensor["kind"], source: string, what: string): WireTensor {
  const found = wires.find((w) => w.kind === kind);
  if (!found) throw new DataError(`data ${source} gives ${what}, and the network takes none`);
  return found;
}
/** A split whose samples lie one after the other in memory. `shape` is that of one sample, without the batch axis. */
export const rows = (count: number, tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array | Int32Array }>>): Split => ({
  size: count,
  batch: (indices) => Object.fromEntries(Object.entries(tensors).map(([name, { shape, data }]): [string, HostTensor] => {
    const size = shape.reduce((a, b) => a * b, 1);
    const chosen = data instanceof Int32Array ? new Int32Array(indices.length * size) : new Float32Array(indices.length * size);
    indices.forEach((index, i) => chosen.set(data.subarray(index * size, (index + 1) * size), i * size));
    return [name, { shape: [indices.length, ...shape], data: chosen }];
  })),
});

/** A split of labelled images; the label is left out where the network asks for none. */
export function labelledSplit(data: Labelled, image: WireTensor, label: WireTensor | undefined, source: string): Split {
  const wanted = image.shape.slice(1);
  if (wanted.join() !== data.shape.join()) throw new DataError(`data ${source} has images [${data.shape.join(", ")}], and input ${image.name} takes [${wanted.join(", ")}]`);
  const count = data.labels.length;
  if (count === 0) throw new DataError(`data ${source} has no samples`);
  if (label?.classes !== undefined) {
    const at = data.labels.findIndex((l) => l < 0 || l >= (label.classes as number));
    if (at >= 0) throw new DataError(`${data.placeOf?.(at) ?? `data ${source}: sample ${at + 1}`} has label ${data.labels[at]}, and ${label.name} has ${label.classes} classes, 0 to ${label.classes - 1}`);
  }
  return rows(count, { [image.name]: { shape: data.shape, data: data.images }, ...(label ? { [label.name]: { shape: [], data: data.labels } } : {}) });
}
export function labelledSet(name: string, train: Labelled, test: Labelled, { model }: SourceContext): DataSet {
  const image = model.inputs.find((w) => w.kind === "real" && w.shape.length === 4) ?? slot(model.inputs, "real", name, "images");
  const label = model.targets.find((w) => w.kind === "class");
  return { name, train: labelledSplit(train, image, label, `${name} (training split)`), test: labelledSplit(test, image, label, `${name} (test split)`) };
}
