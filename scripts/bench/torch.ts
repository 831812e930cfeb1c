/** The same networks in PyTorch, beside the compiler's graphs in Python's ONNX Runtime: one process, variants in turn (`torch_compare.py`). */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { GraphWriter } from "../../src/emit/onnx/graph-writer.js";
import { modelBytes } from "../../src/emit/onnx/model-bytes.js";
import { dimNumber } from "../../src/expression/dim.js";
import { trainingModelsOf } from "../../src/targets.js";
import { batchFor, compileText, describeNetwork, exampleText, modelBytesOf, ortEngine, trainingOf } from "./cases.js";
import { median, millisecondsOf, ratios, type Timing } from "./measure.js";

export interface TorchResult {
  readonly what: "inference" | "training step";
  readonly network: string;
  readonly batch: number;
  readonly threads: number;
  /** By variant; the first is PyTorch as it is. */
  readonly timings: readonly Timing[];
  /** Memory beyond what the libraries took, in a process of its own, MB. */
  readonly megabytes: Readonly<Record<string, number>>;
  /** The same training graph in Node, by Python's time: 1 is equal. */
  readonly nodeByPython?: number;
}
interface Case {
  readonly what: TorchResult["what"];
  readonly network: string;
  readonly preset: string;
  readonly settings: Readonly<Record<string, number>>;
  readonly batch: number;
}
const cases: readonly Case[] = [
  { what: "inference", network: "CRATE tiny", preset: "tiny", settings: {}, batch: 1 },
  { what: "inference", network: "CRATE tiny", preset: "tiny", settings: {}, batch: 8 },
  { what: "training step", network: "CRATE tiny", preset: "tiny", settings: {}, batch: 8 },
  { what: "training step", network: "CRATE digits (patch 4, 6 layers)", preset: "mnist", settings: { P: 4, L: 6 }, batch: 128 },
];
const folder = resolve("out", "bench", "torch");
const script = fileURLToPath(new URL("torch_compare.py", import.meta.url));

/** Two processes cannot share a round, so they take turns by blocks of rounds: a machine's slow minutes fall on both. */
async function byTurns(node: (rounds: number) => Promise<readonly number[]>, python: (rounds: number) => readonly number[], rounds: number): Promise<number> {
  const blocks = 4;
  const times: Record<"node" | "python", number[]> = { node: [], python: [] };
  for (let block = 0; block < blocks; block++) {
    times.node.push(...await node(Math.ceil(rounds / blocks)));
    times.python.push(...python(Math.ceil(rounds / blocks)));
  }
  return median(times.node) / median(times.python);
}

/** A product of two square matrices, as a model. */
function productModel(): Uint8Array {
  const size = [dimNumber(1024), dimNumber(1024)];
  const value = (name: string) => ({ name, type: "float", shape: size }) as const;
  const writer = new GraphWriter();
  writer.node("MatMul", "c", ["a", "b"], value("c"));
  return modelBytes({
    graphName: "product", nodes: writer.nodes, inputs: [value("a"), value("b")], outputs: [value("c")], values: [], initializers: [], opset: 18, doc: "", metadata: {}, producerVersion: "bench",
  });
}
export interface TorchReport {
  /** Versions, and products' speeds. */
  readonly machine: Readonly<Record<string, string>>;
  readonly results: readonly TorchResult[];
}
/** Throws where the Python has no torch, onnx, onnxruntime or onnxscript. */
export async function againstTorch(python: string, rounds: number, wanted: (title: string) => boolean, say: (line: string) => void): Promise<TorchReport> {
  mkdirSync(folder, { recursive: true });
  const ask = (request: object): Record<string, unknown> => {
    const file = resolve(folder, "case.json");
    writeFileSync(file, JSON.stringify(request));
    const lines = execFileSync(python, [script, file], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 2 ** 26 }).trim().split("\n");
    return JSON.parse(lines.at(-1) ?? "{}") as Record<string, unknown>;
  };
  const product = resolve(folder, "product.onnx");
  writeFileSync(product, productModel());
  const about = ask({ kind: "machine", threads: 2, product }) as { torch: string; onnxruntime: string; gflops: { torch: number; onnxruntime: number } };
  const machine = {
    torch: about.torch, "onnxruntime in Python": about.onnxruntime,
    "GFLOP/s of a product of 1,024², two threads": `torch ${about.gflops.torch.toFixed(0)}, ONNX Runtime ${about.gflops.onnxruntime.toFixed(0)}`,
  };
  const results: TorchResult[] = [];
  for (const c of cases.filter((c) => wanted(`torch ${c.what} ${c.network}`))) {
    const network = compileText(exampleText("crate"), c.settings, c.preset);
    const description = describeNetwork(network);
    const size = (name: string): number => network.unrolled.dims.get(name) as number;
    const sizes = Object.fromEntries(["d", "K", "p", "L", "H", "P", "C", "channels"].map((n) => [n, size(n)]));
    const files: readonly (readonly [string, () => Uint8Array])[] = c.what === "inference"
      ? [["-O2", () => modelBytesOf(network, 2)], ["-O2, opset 23", () => modelBytesOf(network, 2, 23)]]
      : ([0, 2] as const).map((level) => [`-O${level}`, () => trainingModelsOf(network, { description, metadata: {}, version: "bench", level }).train] as const);
    const models = Object.fromEntries(files.map(([name, bytes], i) => {
      const file = resolve(folder, `model${i}.onnx`);
      writeFileSync(file, bytes());
      return [name, file];
    }));
    for (const threads of [1, 2]) {
      const request = { kind: c.what === "inference" ? "inference" : "training", sizes, batch: c.batch, threads, rounds, models };
      const { times } = ask(request) as { times: Record<string, number[]> };
      const timings = ratios(new Map(Object.entries(times)));
      const megabytes: Record<string, number> = threads === 1 ? {} : Object.fromEntries(Object.keys(times).map((alone) => [alone, ask({ ...request, alone })["megabytes"] as number]));
      let nodeByPython: number | undefined;
      if (c.what === "training step") {
        const step = await trainingOf(await ortEngine(network, 2, threads), description, batchFor(description, c.batch));
        nodeByPython = await byTurns(
          async (count) => (await millisecondsOf(new Map([["-O2", step]]), count)).wall.get("-O2") ?? [],
          (count) => (ask({ ...request, rounds: count, only: "-O2" }) as { times: Record<string, number[]> }).times["-O2"] ?? [], rounds,
        );
      }
      results.push({ what: c.what, network: c.network, batch: c.batch, threads, timings, megabytes, ...(nodeByPython === undefined ? {} : { nodeByPython }) });
      for (const t of timings) say(`${c.what} ${c.network} batch ${c.batch} threads ${threads} ${t.variant}: ${t.median.toFixed(1)} ms, ${t.speedup.toFixed(2)}${megabytes[t.variant] === undefined ? "" : `, ${megabytes[t.variant]?.toFixed(0)} MB`}`);
      if (nodeByPython !== undefined) say(`the same graph in Node takes ${nodeByPython.toFixed(2)} of Python's time`);
    }
  }
  return { machine, results };
}
