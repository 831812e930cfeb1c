/** Which TensorFlow.js backend is there? The native ones first, then WebAssembly, then plain JavaScript; says which it took. */
import { createRequire } from "node:module";
import { dirname, sep } from "node:path";
import util from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { backendNames } from "../arguments.js";
import { DataError } from "../safetensors.js";

const require = createRequire(import.meta.url);

export interface Backend {
  readonly name: string;
  /** For people: backend, version, device. */
  readonly description: string;
}
interface Row {
  /** Makes the backend ready; undefined where it is not installed or does not load. */
  readonly start: (threads: number | undefined) => Promise<string | undefined>;
  /** In words, for who asked for it by name. */
  readonly wants: string;
}
const reasons = new Map<string, string>();
const versionOf = (name: string): string => (require(`${name}/package.json`) as { version: string }).version;

/** tfjs-node registers itself when it is loaded, and registers all gradients. */
async function native(name: string, device: string): Promise<string | undefined> {
  // Node 23 dropped what tfjs-node 4 still calls.
  (util as { isNullOrUndefined?: (x: unknown) => boolean }).isNullOrUndefined ??= (x) => x === null || x === undefined;
  const level = process.env["TF_CPP_MIN_LOG_LEVEL"];
  process.env["TF_CPP_MIN_LOG_LEVEL"] = level ?? "2";
  try {
    require(name);
  } catch (error) {
    reasons.set(name, (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND" && String(error).includes(`'${name}'`)
      ? `${name} is not installed` : `${name} does not load: ${String(error).split("\n")[0]}`);
    return undefined;
  }
  await tf.setBackend("tensorflow");
  await tf.ready();
  const binding = (tf.backend() as unknown as { binding?: { TF_Version?: string } }).binding;
  return `${name} ${versionOf(name)}, libtensorflow ${binding?.TF_Version ?? "?"}, ${device}`;
}
/** tfjs-node-gpu falls back to the CPU without a word where there is no CUDA device. */
const gpuDevice = (): string => {
  const binding = (tf.backend() as unknown as { isUsingGpuDevice?: boolean }).isUsingGpuDevice;
  return binding === true ? "GPU" : "CPU (no CUDA device was found)";
};
async function webAssembly(threads: number | undefined): Promise<string> {
  require("@tensorflow/tfjs"); // registers the gradients, and plain JavaScript for what WebAssembly lacks
  const wasm = await import("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + sep);
  if (threads !== undefined) wasm.setThreadsCount(threads);
  await tf.setBackend("wasm");
  await tf.ready();
  return `tfjs WebAssembly ${versionOf("@tensorflow/tfjs-backend-wasm")}, CPU, ${wasm.getThreadsCount()} ${wasm.getThreadsCount() === 1 ? "thread" : "threads"}`;
}
async function plain(): Promise<string> {
  require("@tensorflow/tfjs");
  await tf.setBackend("cpu");
  await tf.ready();
  return `tfjs plain JavaScript ${versionOf("@tensorflow/tfjs-core")}, CPU (slow)`;
}
type Name = (typeof backendNames)[number];
export const backends: { readonly [N in Name]: Row } = {
  "node-gpu": {
    start: async () => { const found = await native("@tensorflow/tfjs-node-gpu", ""); return found && `${found}${gpuDevice()}`; },
    wants: "npm install @tensorflow/tfjs-node-gpu",
  },
  node: { start: () => native("@tensorflow/tfjs-node", "CPU"), wants: "npm install @tensorflow/tfjs-node" },
  wasm: { start: webAssembly, wants: "npm install @tensorflow/tfjs-backend-wasm" },
  cpu: { start: plain, wants: "npm install @tensorflow/tfjs" },
};

/** The backend named, or the first that works, in the order of `backendNames`. */
export async function startBackend(wanted?: Name, threads?: number): Promise<Backend> {
  for (const name of wanted === undefined ? backendNames : [wanted]) {
    const description = await backends[name].start(threads);
    if (description !== undefined) return { name, description };
  }
  const why = [...reasons.values()].join("; ");
  throw new DataError(wanted === undefined ? `no TensorFlow.js backend works here: ${why}` : `backend ${wanted} does not work here: ${why}; ${backends[wanted].wants}`);
}
/** Whether a native TensorFlow is installed (without loading it). */
export function hasNative(): boolean {
  return ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"].some((name) => {
    try {
      require.resolve(name);
      return true;
    } catch {
      return false;
    }
  });
}
