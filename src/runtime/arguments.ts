/** The command line of a generated package's programs. */
import { parseArgs } from "node:util";
import { parseDataOption } from "./data/load.js";
import type { PlainCall } from "./contract.js";
import { largestSeed } from "./random.js";
import { DataError } from "./safetensors.js";

/** Those of TensorFlow.js, in the order in which they are tried. */
export const backendNames = ["node-gpu", "node", "wasm", "cpu"] as const;
export const engineNames = ["ort", "tfjs"] as const;

export interface ProgramOptions {
  /** Where a package has both. */
  readonly engine?: (typeof engineNames)[number];
  readonly backend?: (typeof backendNames)[number];
  readonly epochs?: number;
  readonly steps?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly seed?: number;
  readonly threads?: number;
  readonly resume: boolean;
  readonly data?: PlainCall;
  readonly weights?: string;
  readonly out: string;
  /** `--audit every:100`: steps between audits of a training run. */
  readonly auditEvery?: number;
  /** Of `sample`. */
  readonly prompt?: string;
  readonly length?: number;
  readonly temperature?: number;
}
/** A wrong command line; exit code 2. */
export class ArgumentFault extends Error {
  override name = "ArgumentFault";
}
/** What was asked for is the usage. */
export class HelpWanted extends Error {
  override name = "HelpWanted";
}
interface Range {
  readonly fits: (n: number) => boolean;
  readonly wants: string;
}
const whole = (least: number, most = Number.MAX_SAFE_INTEGER): Range => ({
  fits: (n) => Number.isInteger(n) && n >= least && n <= most, wants: `a whole number from ${least}${most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`}`,
});
const numbers = {
  epochs: whole(0), steps: whole(0), "batch-size": whole(1), seed: whole(0, largestSeed), threads: whole(1, 1024), length: whole(0),
  lr: { fits: (n) => n > 0 && n < Number.POSITIVE_INFINITY, wants: "a number above 0" },
  temperature: { fits: (n) => n >= 0 && n < Number.POSITIVE_INFINITY, wants: "a number from 0" },
} satisfies Record<string, Range>;
/** Options that contradict each other: the one would be ignored. `value`: where the second has this value only. */
const contradictions: readonly { readonly options: readonly [string, string]; readonly value?: string; readonly why: string }[] = [
  { options: ["resume", "weights"], why: "a resumed run goes on with the weights of its checkpoint" },
  { options: ["backend", "engine"], value: "ort", why: "backends are of TensorFlow.js" },
  { options: ["epochs", "steps"], why: "either is the length of the run" },
];
export const usage = `options: --engine ${engineNames.join("|")}  --backend ${backendNames.join("|")}  --epochs N  --steps N  --batch-size N  --lr X  --seed N  --threads N  --resume
         --data mnist|idx:DIR|cifar10:DIR|images:DIR|text:FILE|tensors:PATH  --weights FILE.safetensors  --out DIR
         --audit every:N (each step of the network measured while it trains, into audit.csv)
of sample: --prompt TEXT  --length N  --temperature X`;

function dataOption(text: string): PlainCall {
  try {
    return parseDataOption(text);
  } catch (error) {
    throw error instanceof DataError ? new ArgumentFault(`--data ${text}: ${error.message}`) : error;
  }
}
export function parseArguments(argv: readonly string[]): ProgramOptions {
  const text = { type: "string" } as const;
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...argv], strict: true,
      options: {
        engine: text, backend: text, epochs: text, steps: text, "batch-size": text, lr: text, seed: text, threads: text, data: text, weights: text, out: text,
        audit: text, prompt: text, length: text, temperature: text,
        resume: { type: "boolean" }, help: { type: "boolean" },
      },
    }));
  } catch (error) {
    throw new ArgumentFault(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
  if (values["help"]) throw new HelpWanted(usage);
  const number = (name: keyof typeof numbers): number | undefined => {
    const given = values[name];
    if (given === undefined) return undefined;
    // Nothing but spaces would be 0.
    const n = String(given).trim() === "" ? Number.NaN : Number(given);
    if (!numbers[name].fits(n)) throw new ArgumentFault(`--${name} wants ${numbers[name].wants}, not ${JSON.stringify(given)}`);
    return n;
  };
  for (const { options: [a, b], value, why } of contradictions) {
    if (values[a] !== undefined && values[b] !== undefined && (value === undefined || values[b] === value)) {
      throw new ArgumentFault(`--${a} does not go with --${b}${value === undefined ? "" : ` ${value}`}: ${why}; leave one of the two out`);
    }
  }
  const chosen = <T extends string>(name: string, choices: readonly T[]): T | undefined => {
    const given = values[name];
    const found = choices.find((c) => c === given);
    if (given !== undefined && found === undefined) throw new ArgumentFault(`--${name} ${given}: there are ${choices.join(", ")}`);
    return found;
  };
  const path = (name: string): string | undefined => {
    const given = values[name];
    if (given !== undefined && String(given).trim() === "") throw new ArgumentFault(`--${name} wants a path, not ${JSON.stringify(given)}`);
    return given as string | undefined;
  };
  const every = values["audit"] === undefined ? undefined : /^every:([1-9]\d*)$/.exec(String(values["audit"]))?.[1];
  if (values["audit"] !== undefined && every === undefined) throw new ArgumentFault(`--audit ${String(values["audit"])}: wants every:N, such as every:100`);
  const optional = <K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } => (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
  return {
    resume: values["resume"] === true, out: path("out") ?? "run",
    ...optional("engine", chosen("engine", engineNames)), ...optional("backend", chosen("backend", backendNames)), ...optional("epochs", number("epochs")), ...optional("steps", number("steps")),
    ...optional("batchSize", number("batch-size")), ...optional("learningRate", number("lr")), ...optional("seed", number("seed")), ...optional("threads", number("threads")),
    ...optional("data", values["data"] === undefined ? undefined : dataOption(String(values["data"]))), ...optional("weights", path("weights")),
    ...optional("auditEvery", every === undefined ? undefined : Number(every)),
    ...optional("prompt", values["prompt"] as string | undefined), ...optional("length", number("length")), ...optional("temperature", number("temperature")),
  };
}
