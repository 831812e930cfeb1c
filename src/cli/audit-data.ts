/** Samples for an audit: by the runtime's loaders, or tensors of a safetensors file under the inputs' names. */
import { dirname, resolve } from "node:path";
import type { ModelDescription, TensorMap } from "../runtime/contract.js";
import type { DataSet } from "../runtime/data/dataset.js";
import { loadData, namesSource, parseDataOption } from "../runtime/data/load.js";
import { hasShape } from "../runtime/data/tensors.js";
import { feedStreams, prepare } from "../runtime/prepare.js";
import { Random } from "../runtime/random.js";
import type { Held } from "../runtime/weights.js";
import { readTensors } from "./commands/build.js";
import { UserFault } from "./faults.js";

export interface AuditData {
  readonly name: string;
  readonly batch: TensorMap;
  readonly samples: number;
}
export interface AuditDataOptions {
  readonly data?: string;
  readonly samples?: number;
  readonly seed: number;
  /** Where the spec stands: its own data paths are relative to it. */
  readonly specFile: string;
  /** The network has a batch axis of its own: the batch is one, and as large as asked. */
  readonly whole: boolean;
  /** Captures are computed: that is done on the training split, all of it unless asked otherwise. */
  readonly construct: boolean;
  readonly held: Held;
}
const fewSamples = 8;

export async function auditData(model: ModelDescription, options: AuditDataOptions): Promise<AuditData> {
  if (model.inputs.length === 0 && model.targets.length === 0) return { name: "no data", batch: {}, samples: 1 };
  if (options.data?.endsWith(".safetensors") && !namesSource(options.data)) return fromTensors(model, options.data, options.samples);
  if (options.data === "random") return drawn(model, options.samples ?? fewSamples, options.seed);
  const set = await specData(model, options, ", a safetensors file of the inputs, or random");
  const split = options.construct ? set.train : set.test;
  const count = Math.min(split.size, options.samples ?? (options.whole ? split.size : fewSamples));
  const chosen = chooseSamples(split.size, count, Random.named(options.seed, "audit"));
  const batch = prepare(split.batch(chosen), model, undefined, feedStreams(model, options.seed));
  return { name: set.name, batch, samples: count };
}

/** What `--data` names, relative to the working folder, or the spec's own source, relative to the spec. `more`: what else the command reads. */
export async function specData(model: ModelDescription, options: Pick<AuditDataOptions, "data" | "specFile" | "held">, more = ""): Promise<DataSet> {
  const call = options.data === undefined ? model.training?.data : parseDataOption(options.data);
  if (!call || call.name === "none") throw new UserFault(`the spec names no data; name some with --data (mnist, text:FILE, images:DIR, tensors:PATH, …${more})`);
  const { values, vocabulary } = options.held;
  const baseDirectory = options.data === undefined && options.specFile !== "-" ? dirname(resolve(options.specFile)) : process.cwd();
  // A source's calls of the spec keep their options (`gaussians(dim: 2)`) where only its name is given again.
  const wanted = options.data !== undefined && model.training?.data.name === call.name && call.positional.length === 0 ? model.training.data : call;
  return loadData(wanted, { model, baseDirectory, parameters: values, ...(vocabulary ? { vocabulary } : {}) });
}
/** All samples, or so many drawn evenly: sources keep their classes together. */
export function chooseSamples(size: number, count: number, random: Random): readonly number[] {
  const all = Array.from({ length: size }, (_, i) => i);
  return count >= size ? all : random.shuffle(all).slice(0, count);
}

/** As the model takes them, normalised if it wants that; the batch axis may be left out of a single sample. */
function fromTensors(model: ModelDescription, file: string, samples: number | undefined): AuditData {
  const tensors = readTensors(file);
  const missing = model.inputs.filter((w) => !tensors[w.name]).map((w) => w.name);
  if (missing.length > 0) throw new UserFault(`${file} has no tensor ${missing.join(", ")}; it has ${Object.keys(tensors).join(", ") || "none"}`);
  const batch = Object.fromEntries([...model.inputs, ...model.targets].flatMap((w) => {
    const t = tensors[w.name];
    if (!t) return [];
    const shape = t.shape.length === w.shape.length - 1 ? [1, ...t.shape] : t.shape;
    if (!hasShape(w, shape)) throw new UserFault(`${file}: ${w.name} has shape [${t.shape.join(", ")}], wanted [${w.shape.join(", ")}]`);
    return [[w.name, { shape, data: t.data }] as const];
  }));
  const sizes = new Set(Object.values(batch).map((t) => t.shape[0] ?? 1));
  if (sizes.size > 1) throw new UserFault(`${file}: its tensors disagree on the count of samples: ${[...sizes].join(", ")}`);
  const [count = 1] = sizes;
  return { name: file, batch, samples: Math.min(count, samples ?? count) };
}

/** Standard normal numbers and even odds for labels, for networks that have no data of their own. */
function drawn(model: ModelDescription, samples: number, seed: number): AuditData {
  const random = Random.named(seed, "random data");
  const batch = Object.fromEntries([...model.inputs, ...model.targets].map((w) => {
    const sizes = w.shape.slice(1).map((n) => {
      if (typeof n === "string") throw new UserFault(`--data random: ${w.name} has the open size ${n}; fix it with --set ${n}=…`);
      return n;
    });
    const shape = [samples, ...sizes];
    const count = shape.reduce((a, b) => a * b, 1);
    const data = w.kind === "real" ? Float64Array.from({ length: count }, () => random.normal()) : Int32Array.from({ length: count }, () => random.integer(w.classes ?? 1));
    return [w.name, { shape, data }] as const;
  }));
  return { name: "random numbers", batch, samples };
}
