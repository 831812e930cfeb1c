/** Data of one's own, of any kind: safetensors files that hold a tensor for each input and target, under its name, samples along the first axis. */
import { join, resolve } from "node:path";
import { existsSync, statSync } from "node:fs";
import { type HostTensor, isNeeded, type ModelDescription, type PlainCall, type TensorMap, type WireTensor } from "../contract.js";
import { DataError, readSafetensors } from "../safetensors.js";
import { type DataSet, pathOption, readFile, rows, type SourceContext, type Split } from "./dataset.js";

/** Does a tensor have the axes of the wire? Named ones are free. */
export const hasShape = ({ shape: declared }: WireTensor, shape: readonly number[]): boolean =>
  shape.length === declared.length && declared.every((n, i) => typeof n === "string" || n === shape[i]);

type Rows = Parameters<typeof rows>[1];

/** What a model must be given: inputs that training does not draw by itself, and targets that are read; of a file that has it, what audits read too. */
const wanted = (model: ModelDescription, file: TensorMap): readonly WireTensor[] => [
  ...model.inputs.filter((w) => !(model.training?.feed ?? []).some((f) => f.input === w.name)),
  ...model.targets.filter((w) => isNeeded(w, Object.hasOwn(file, w.name))),
];
function entries(t: HostTensor, wire: WireTensor, file: string): Float32Array | Int32Array {
  const size = t.data.length / Math.max(t.shape[0] ?? 0, 1);
  const wrong = (at: number, problem: string): never => {
    throw new DataError(`${file}: ${wire.name}, sample ${Math.floor(at / size) + 1}, has ${String(t.data[at])}; ${problem}`);
  };
  if (wire.kind === "real") {
    const data = Float32Array.from(t.data);
    const at = data.findIndex((x) => !Number.isFinite(x));
    return at < 0 ? data : wrong(at, "entries must be finite, as float32 too");
  }
  const classes = wire.classes ?? 0;
  const at = t.data.findIndex((x) => !Number.isInteger(x) || x < 0 || x >= classes);
  return at < 0 ? Int32Array.from(t.data) : wrong(at, `${wire.kind === "class" ? "labels" : "symbols"} are whole numbers from 0 to ${classes - 1}`);
}
function readRows(file: string, model: ModelDescription): { readonly count: number; readonly tensors: Rows } {
  const found = readSafetensors(readFile(file), file);
  const wires = wanted(model, found);
  const missing = wires.filter((w) => !Object.hasOwn(found, w.name)).map((w) => w.name);
  if (missing.length > 0) throw new DataError(`${file} has no tensor ${missing.join(", ")}; it has ${Object.keys(found).join(", ") || "none"}`);
  const counts = new Map<string, number>();
  const tensors = wires.map((wire) => {
    const t = found[wire.name] as HostTensor;
    if (!hasShape(wire, t.shape)) throw new DataError(`${file}: ${wire.name} is [${t.shape.join(", ")}], wanted [${["samples", ...wire.shape.slice(1)].join(", ")}]`);
    counts.set(wire.name, t.shape[0] as number);
    return [wire.name, { shape: t.shape.slice(1), data: entries(t, wire, file) }] as const;
  });
  const [count = 0] = counts.values();
  if ([...counts.values()].some((n) => n !== count)) throw new DataError(`${file}: its tensors disagree on the count of samples: ${[...counts].map(([name, n]) => `${name} has ${n}`).join(", ")}`);
  if (count === 0) throw new DataError(`${file} has no samples`);
  return { count, tensors: Object.fromEntries(tensors) };
}
const oneInTen = 10;
/** Every tenth sample is for the test, so that samples in the order of their classes leave some of each. */
function divided(file: string, model: ModelDescription): { readonly train: Split; readonly test: Split } {
  const { count, tensors } = readRows(file, model);
  if (count < oneInTen) throw new DataError(`${file} has ${count} samples, and every tenth is for the test: it needs 10, or a folder with train.safetensors and test.safetensors`);
  const part = (keep: (i: number) => boolean): Split => {
    const samples = Array.from({ length: count }, (_, i) => i).filter(keep);
    const all = rows(count, tensors);
    return { size: samples.length, batch: (indices) => all.batch(indices.map((i) => samples[i] as number)) };
  };
  const isTest = (i: number): boolean => i % oneInTen === oneInTen - 1;
  return { train: part((i) => !isTest(i)), test: part(isTest) };
}
/** A file, or a folder with `train.safetensors` and `test.safetensors`. */
export function tensors(call: PlainCall, { model, baseDirectory }: SourceContext): DataSet {
  const path = resolve(baseDirectory, pathOption(call));
  if (!(statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false)) return { name: "tensors", ...divided(path, model) };
  const names = ["train.safetensors", "test.safetensors"] as const;
  const missing = names.filter((name) => !existsSync(join(path, name)));
  if (missing.length > 0) throw new DataError(`${path} has no ${missing.join(" and no ")}; a folder of tensors holds ${names.join(" and ")}`);
  const whole = (name: string): Split => {
    const { count, tensors } = readRows(join(path, name), model);
    return rows(count, tensors);
  };
  return { name: "tensors", train: whole(names[0]), test: whole(names[1]) };
}
