/** What happens to a batch before the network sees it: augmentation, inputs that training draws by itself. */
import type { Batch, HostTensor, ModelDescription, PlainCall } from "./contract.js";
import { option } from "./data/dataset.js";
import { Random } from "./random.js";
import { DataError } from "./safetensors.js";

type Augmentation = (image: HostTensor, call: PlainCall, random: Random | undefined) => HostTensor;

/** Moves each image by up to `padding` pixels; what comes in is 0. */
const randomCrop: Augmentation = (t, call, random) => {
  if (!random) return t;
  const [count = 0, channels = 1, height = 1, width = 1] = t.shape;
  const padding = option(call, "padding", 0, 4);
  if (!Number.isInteger(padding) || padding < 0) throw new DataError(`random_crop: padding must be a whole number from 0, not ${padding}`);
  const data = new Float32Array(t.data.length);
  for (let s = 0; s < count; s++) {
    const [dy, dx] = [random.integer(2 * padding + 1) - padding, random.integer(2 * padding + 1) - padding];
    for (let c = 0; c < channels; c++) for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
      const [fy, fx] = [y + dy, x + dx];
      if (fy >= 0 && fy < height && fx >= 0 && fx < width) {
        data[((s * channels + c) * height + y) * width + x] = t.data[((s * channels + c) * height + fy) * width + fx] as number;
      }
    }
  }
  return { shape: t.shape, data };
};
const horizontalFlip: Augmentation = (t, _call, random) => {
  if (!random) return t;
  const [count = 0, channels = 1, height = 1, width = 1] = t.shape;
  const data = Float32Array.from(t.data);
  for (let s = 0; s < count; s++) {
    if (random.uniform() < 0.5) continue;
    for (let row = 0; row < channels * height; row++) data.subarray((s * channels * height + row) * width, (s * channels * height + row + 1) * width).reverse();
  }
  return { shape: t.shape, data };
};
/** In evaluation too: the network takes the normalised input. */
const normalize: Augmentation = (t, call) => {
  const [mean, std] = [option(call, "mean", 0), option(call, "std", 1)];
  if (!(std > 0)) throw new DataError(`normalize: std must be positive, not ${std}`);
  const data = new Float32Array(t.data.length);
  for (let i = 0; i < data.length; i++) data[i] = ((t.data[i] as number) - mean) / std;
  return { shape: t.shape, data };
};
const augmentations: Readonly<Record<string, Augmentation>> = { random_crop: randomCrop, horizontal_flip: horizontalFlip, normalize };

/** Hides exactly n − floor(n·(1 − ratio)) places of each sample: 1 is hidden. */
export function hide(count: number, places: number, ratio: number, random: Random): Float32Array {
  const hidden = places - Math.floor(places * (1 - ratio));
  const data = new Float32Array(count * places);
  for (let s = 0; s < count; s++) {
    for (const place of random.shuffle(Array.from({ length: places }, (_, i) => i)).slice(0, hidden)) data[s * places + place] = 1;
  }
  return data;
}

type Feed = (call: PlainCall, input: string, count: number, places: number, random: Random) => Float32Array;
/** Inputs that are drawn anew for each sample. */
const feeds: Readonly<Record<string, Feed>> = {
  random: (call, input, count, places, random) => {
    const ratio = option(call, "ratio", 0, 0.75);
    if (!(ratio >= 0 && ratio <= 1)) throw new DataError(`feed ${input}: ratio must lie between 0 and 1, not ${ratio}`);
    return hide(count, places, ratio, random);
  },
  normal: (call, _input, count, places, random) => {
    const std = option(call, "std", 0, 1);
    const data = new Float32Array(count * places);
    for (let i = 0; i < data.length; i++) data[i] = std * random.normal();
    return data;
  },
};

/** Where the input of this name draws from. */
export type FeedStreams = (input: string) => Random;
/**
 * A stream for each drawn input: what a sample is given depends neither on how samples are batched nor on the inputs beside it. The first has the
 * plain name, as when there was one stream for all: numbers of networks with one drawn input stand.
 */
export function feedStreams(model: ModelDescription, seed: number): FeedStreams {
  const streams = new Map((model.training?.feed ?? []).map(({ input }, i) => [input, Random.named(seed, i === 0 ? "feed" : `feed ${input}`)]));
  return (input) => streams.get(input) as Random;
}
/** `training`: the stream that augmentation draws from; `fed`: those of drawn inputs (fixed ones in evaluation). */
export function prepare(batch: Batch, model: ModelDescription, training: Random | undefined, fed: FeedStreams): Batch {
  const program = model.training;
  const result: Record<string, HostTensor> = Object.assign(Object.create(null), batch);
  for (const call of program?.augment ?? []) {
    const row = Object.hasOwn(augmentations, call.name) ? augmentations[call.name] : undefined;
    if (!row) throw new DataError(`there is no augmentation ${call.name}`);
    for (const wire of model.inputs) {
      const t = result[wire.name];
      if (t && wire.kind === "real" && wire.shape.length >= 3) result[wire.name] = row(t, call, training);
    }
  }
  const count = Object.values(batch)[0]?.shape[0] ?? 0;
  for (const { input, source } of program?.feed ?? []) {
    const shape = model.inputs.find((w) => w.name === input)?.shape.slice(1) ?? [];
    if (shape.some((size) => typeof size !== "number")) throw new DataError(`input ${input} cannot be drawn: its size is not fixed`);
    const row = Object.hasOwn(feeds, source.name) ? feeds[source.name] : undefined;
    if (!row) throw new DataError(`feed ${input}: there is no way ${source.name}; there are ${Object.keys(feeds).join(", ")}`);
    const sizes = shape as readonly number[];
    result[input] = { shape: [count, ...sizes], data: row(source, input, count, sizes.reduce((a, b) => a * b, 1), fed(input)) };
  }
  return result;
}
