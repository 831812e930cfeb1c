/** Runs one example: compiles it, gives it to its kind, keeps what it reached. */
import { mkdirSync, readFileSync } from "node:fs";
import { examplePresets } from "../../src/cli/examples.js";
import { nodeHost } from "../../src/cli/host.js";
import { type CompiledNetwork, compile } from "../../src/compile.js";
import { describe } from "../../src/network/describe.js";
import type { ModelDescription, TrainingEngine } from "../../src/runtime/contract.js";
import type { DataSet } from "../../src/runtime/data/dataset.js";
import type { Row } from "./rows.js";

/** A curve of a figure: one series, x and y of equal length. */
export interface Curve {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly logarithmic?: boolean;
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
}
export interface Session {
  readonly row: Row;
  readonly network: CompiledNetwork;
  readonly description: ModelDescription;
  readonly full: boolean;
  readonly out: string;
  readonly say: (text: string) => void;
}
export interface Trained extends Session {
  readonly engine: TrainingEngine;
  readonly data: DataSet;
}
export interface Result {
  /** What was reached, in words. */
  readonly reached: string;
  /** Why that is not enough, if it is not. */
  readonly fault?: string;
  readonly curve?: Curve;
  readonly picture?: string;
}
export interface Outcome extends Result {
  readonly seconds: number;
  readonly network?: CompiledNetwork;
}
export function compileExample(row: Row, settings: Readonly<Record<string, number>>): CompiledNetwork {
  const text = readFileSync(`examples/${row.name}.srr`, "utf8");
  const preset = examplePresets[row.name];
  const compilation = compile(text, { file: `examples/${row.name}.srr`, settings: new Map(Object.entries(settings)), ...(preset === undefined ? {} : { preset }) }, nodeHost(`examples/${row.name}.srr`));
  const [network] = compilation.networks;
  if (!network) throw new Error(compilation.diagnostics.map((d) => `${d.code} ${d.message}`).join("; ") || "no network");
  return network;
}

export async function runExample(row: Row, options: { readonly full: boolean; readonly out: string; readonly say: (text: string) => void }): Promise<Outcome> {
  const started = Date.now();
  const seconds = (): number => (Date.now() - started) / 1000;
  try {
    const network = compileExample(row, options.full ? {} : row.small ?? {});
    const description = describe(network.unrolled, { compiler: "examples", specHash: "0".repeat(64), seed: network.unrolled.training?.seed ?? 1 });
    mkdirSync(options.out, { recursive: true });
    const result = await row.kind({ row, network, description, ...options });
    return { ...result, network, seconds: seconds() };
  } catch (error) {
    return { reached: "", fault: error instanceof Error ? error.message : String(error), seconds: seconds() };
  }
}
