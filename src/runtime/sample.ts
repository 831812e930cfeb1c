/** Writing text with a trained language model, symbol by symbol. */
import { setImmediate as turn } from "node:timers/promises";
import type { HostTensor, ModelDescription, TrainingEngine, WireTensor } from "./contract.js";
import type { Random } from "./random.js";
import { DataError } from "./safetensors.js";

export interface SampleOptions {
  readonly prompt: string;
  /** How many symbols are written after the prompt. */
  readonly length: number;
  /** 0: always the likeliest; 1: as the model says. */
  readonly temperature: number;
  /** How many symbols stand for something, where that is fewer than the network has: the others are not written. */
  readonly known?: number;
}
interface Language {
  readonly input: WireTensor;
  /** [batch, n, V]. */
  readonly output: string;
  readonly context: number;
  readonly symbols: number;
}
/** The token input and the output with one score for each symbol at each place. */
export function languageOf(model: ModelDescription): Language | undefined {
  const input = model.inputs.find((w) => w.kind === "token");
  const [, context] = input?.shape ?? [];
  const output = model.outputs.find((w) => w.shape.length === 3 && w.shape[1] === context && w.shape[2] === input?.classes);
  return input && output && typeof context === "number" && input.classes !== undefined
    ? { input, output: output.name, context, symbols: input.classes } : undefined;
}
export function encode(text: string, vocabulary: readonly string[] | undefined): number[] {
  if (!vocabulary) return [...new TextEncoder().encode(text)];
  return [...text].map((c) => {
    const token = vocabulary.indexOf(c);
    if (token < 0) throw new DataError(`the prompt has ${JSON.stringify(c)}, which is not among the ${vocabulary.length} characters that the model knows`);
    return token;
  });
}
export function decode(tokens: readonly number[], vocabulary: readonly string[] | undefined): string {
  return vocabulary ? tokens.map((t) => vocabulary[t] ?? "\ufffd").join("") : new TextDecoder().decode(Uint8Array.from(tokens));
}
function draw(scores: ArrayLike<number>, temperature: number, random: Random): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if ((scores[i] as number) > (scores[best] as number)) best = i;
  if (temperature === 0) return best;
  const weights = Array.from(scores, (s) => Math.exp((s - (scores[best] as number)) / temperature));
  let left = random.uniform() * weights.reduce((a, b) => a + b, 0);
  for (const [i, w] of weights.entries()) {
    left -= w;
    if (left < 0) return i;
  }
  return best;
}
/** Zeros for what the model takes besides the text (targets, masks). */
function rest(model: ModelDescription, input: string): Record<string, HostTensor> {
  return Object.fromEntries([...model.inputs, ...model.targets].filter((w) => w.name !== input).map((w): [string, HostTensor] => {
    const shape = [1, ...w.shape.slice(1).map((s) => (typeof s === "number" ? s : 1))];
    const size = shape.reduce((a, b) => a * b, 1);
    return [w.name, { shape, data: w.kind === "real" ? new Float32Array(size) : new Int32Array(size) }];
  }));
}
/** The prompt's tokens and those written after it. What has left the window is forgotten. `each` hears a token and says whether to go on. */
export async function sample(engine: TrainingEngine, model: ModelDescription, prompt: readonly number[], options: SampleOptions, random: Random, each?: (token: number) => boolean): Promise<readonly number[]> {
  const language = languageOf(model);
  if (!language) throw new DataError(`network ${model.name} writes no text: it needs a token input and an output with a score for each symbol at each place`);
  if (prompt.length === 0) throw new DataError("an empty prompt: give at least one symbol");
  const { input, output, context, symbols } = language;
  const others = rest(model, input.name);
  const tokens = [...prompt];
  for (let i = 0; i < options.length; i++) {
    const window = tokens.slice(-context);
    const data = new Int32Array(context);
    data.set(window);
    const { outputs } = await engine.evaluate({ ...others, [input.name]: { shape: [1, context], data } });
    const at = (window.length - 1) * symbols;
    const token = draw((outputs[output] as HostTensor).data.subarray(at, at + Math.min(symbols, options.known ?? symbols)), options.temperature, random);
    tokens.push(token);
    if (each?.(token) === false) break;
    await turn();
  }
  return tokens;
}
