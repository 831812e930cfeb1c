/**
 * How fast is what the compiler makes? `npm run bench [-- --quick] [--only WORD] [--torch PYTHON]` measures compile time, inference and
 * training steps, beside PyTorch where a Python with torch, onnx, onnxscript and onnxruntime is named, and writes docs/performance.json and
 * docs/performance.md; with --only, that part is measured anew there. -O2 against -O0 in one runtime is the figure that holds on any machine.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { createRequire } from "node:module";
import { schedule } from "../src/tensor/schedule.js";
import { optimisedGraphOf } from "../src/targets.js";
import { authorsGraph } from "./bench/authors-graph.js";
import { batchFor, compileText, describeNetwork, exampleText, inferenceOf, modelBytesOf, ortEngine, type Runner, trainingOf, weightsFor } from "./bench/cases.js";
import { interleaved, logSlope, median, roundTrip } from "./bench/measure.js";
import { markdown, merged, type Report, type Result, type Scaling } from "./bench/report.js";
import { tfjsEngine } from "./bench/tfjs.js";
import { againstTorch } from "./bench/torch.js";

const quick = process.argv.includes("--quick");
const only = process.argv.includes("--only") ? process.argv[process.argv.indexOf("--only") + 1] : undefined;
const rounds = quick ? 7 : 31;
const wanted = (title: string): boolean => only === undefined || title.toLowerCase().includes(only.toLowerCase());

interface Network {
  readonly title: string;
  readonly example: string;
  readonly preset?: string;
  readonly settings?: Readonly<Record<string, number>>;
  readonly inferenceBatches: readonly number[];
  readonly trainingBatch?: number;
  readonly tfjs?: boolean;
}
const networks: readonly Network[] = [
  { title: "CRATE tiny", example: "crate", preset: "tiny", inferenceBatches: [1, 8], trainingBatch: 8 },
  { title: "CRATE digits", example: "crate", preset: "mnist", inferenceBatches: [1, 64], trainingBatch: 64, tfjs: true },
  { title: "LISTA", example: "lista", inferenceBatches: [1, 64], trainingBatch: 64, tfjs: true },
  { title: "ToST", example: "tost", inferenceBatches: [1, 8], trainingBatch: 8 },
];
const networkOf = (n: Network): ReturnType<typeof compileText> => compileText(exampleText(n.example), n.settings ?? {}, n.preset);

async function compiling(n: Network): Promise<Result> {
  const run = (level: 0 | 2): Runner => async () => schedule(optimisedGraphOf(networkOf(n), {}, level).graph, { flatRows: level > 0 });
  return { what: "compile", network: n.title, engine: "spec to plan", timings: await interleaved(new Map([["-O0", run(0)], ["-O2", run(2)]]), Math.min(rounds, 7), 1) };
}
async function inference(n: Network, batch: number, threads: number): Promise<Result> {
  const network = networkOf(n);
  const description = describeNetwork(network);
  const data = batchFor(description, batch);
  const variants = new Map<string, Uint8Array>([
    ["-O0", modelBytesOf(network, 0)], ["-O1", modelBytesOf(network, 1)], ["-O2", modelBytesOf(network, 2)], ["-O2, opset 23", modelBytesOf(network, 2, 23)],
  ]);
  const authors = n.example === "crate" ? [["authors' operators", authorsGraph(network, weightsFor(description))] as const] : [];
  const runners = new Map<string, Runner>();
  for (const [name, bytes] of [...authors, ...variants]) runners.set(name, await inferenceOf(bytes, description, data, threads));
  return { what: "inference", network: n.title, engine: "onnxruntime", batch, threads, timings: await interleaved(runners, rounds) };
}
async function training(n: Network, batch: number, threads: number): Promise<Result> {
  const network = networkOf(n);
  const description = describeNetwork(network);
  const data = batchFor(description, batch);
  const runners = new Map<string, Runner>();
  for (const level of [0, 1, 2] as const) runners.set(`-O${level}`, await trainingOf(await ortEngine(network, level, threads), description, data));
  return { what: "training step", network: n.title, engine: "onnxruntime", batch, threads, timings: await interleaved(runners, rounds) };
}
async function trainingInTfjs(n: Network, batch: number): Promise<Result> {
  const network = networkOf(n);
  const description = describeNetwork(network);
  const runners = new Map<string, Runner>();
  for (const level of [0, 2] as const) runners.set(`-O${level}`, await trainingOf(await tfjsEngine(network, level), description, batchFor(description, batch)));
  return { what: "training step", network: n.title, engine: "tfjs, WebAssembly", batch, timings: await interleaved(runners, Math.ceil(rounds / 2)) };
}

/** One step on tokens alone, for a free count of them. */
const pairwise = `import "std/rates"
import "std/lemmas"
network MSSA {
  dim d = 32, K = 2, p = 16, n
  index k in 1..K
  const kappa = 1
  let beta = 1
  input X: real[d, n]
  var Z: real[d, n] = X
  layer mssa repeat 1 {
    param U[k]: real[d, p] init kaiming_uniform(a: sqrt(5))
    param W[k]: real[d, p] init kaiming_uniform(a: sqrt(5))
    param b: real[d] init zeros
    objective rate: minimize Rc(Z, U, beta)
    step compress {
      minimize Rc(Z, U, beta) by gradient(rate: kappa)
      using neumann, softmax_membership(beta: beta), orthonormal(U: U), unit_decay, free_output(U: U, W: W, b: b)
    }
  }
  output attention: real[d, n] = Z - X
}`;
async function scaling(attention: string, text: string): Promise<Scaling> {
  const network = compileText(text, attention.startsWith("ToST") ? { d: 32, K: 2, p: 16 } : {});
  const description = describeNetwork(network);
  const bytes = modelBytesOf(network, 2);
  const points: { size: number; ms: number }[] = [];
  for (const size of quick ? [256, 1024, 4096] : [256, 512, 1024, 2048, 4096, 8192]) {
    const run = await inferenceOf(bytes, description, batchFor(description, 1, size), 1);
    const [timing] = await interleaved(new Map([["-O2", run]]), size > 2048 ? 5 : 15, 1);
    points.push({ size, ms: timing?.median ?? Number.NaN });
  }
  return { attention, points, slope: logSlope(points.slice(-4)) };
}

const results: Result[] = [];
const scalings: Scaling[] = [];
/** Measured after every table row; of a whole run, not of a part measured anew. */
const farApart = "from one thread to another and back, ns: shortest, median, longest of the run";
const trips: number[] = [];
const say = async (r: Result): Promise<void> => {
  trips.push(await roundTrip());
  results.push(r);
  for (const t of r.timings) {
    process.stderr.write(`${r.what} ${r.network} ${r.engine} batch ${r.batch ?? ""} threads ${r.threads ?? ""} ${t.variant}: ${t.median.toFixed(2)} ms, ${t.speedup.toFixed(2)} (${t.cpuSpeedup?.toFixed(2)} by CPU time)\n`);
  }
};
for (const n of networks) {
  if (wanted(`${n.title} compile`)) await say(await compiling(n));
  for (const threads of [1, 2]) {
    for (const batch of n.inferenceBatches) if (wanted(`${n.title} inference`)) await say(await inference(n, batch, threads));
    if (n.trainingBatch !== undefined && wanted(`${n.title} training`)) await say(await training(n, n.trainingBatch, threads));
  }
  if (n.tfjs && n.trainingBatch !== undefined && wanted(`${n.title} tfjs`)) await say(await trainingInTfjs(n, n.trainingBatch));
}
if (wanted("scaling")) {
  for (const [name, text] of [["CRATE (pairwise)", pairwise], ["ToST (statistics)", exampleText("tost-attention")]] as const) {
    const s = await scaling(name, text);
    scalings.push(s);
    process.stderr.write(`${name}: ${s.points.map((p) => `${p.size}: ${p.ms.toFixed(2)} ms`).join(", ")}; slope ${s.slope.toFixed(2)}\n`);
  }
}
const python = process.argv.includes("--torch") ? process.argv[process.argv.indexOf("--torch") + 1] : undefined;
const torch = python !== undefined ? await againstTorch(python, quick ? 5 : 15, wanted, (line) => { process.stderr.write(`${line}\n`); }) : undefined;
trips.push(await roundTrip());
const [fastest, usual, slowest] = [Math.min(...trips), median(trips), Math.max(...trips)].map((x) => x.toFixed(0));
const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
const file = "docs/performance.json";
const report: Report = {
  machine: {
    processor: cpus()[0]?.model ?? "unknown", "logical processors": cpus().length, "memory, GB": Math.round(totalmem() / 2 ** 30), node: process.version, onnxruntime: version,
    ...(only === undefined ? { [farApart]: `${fastest}, ${usual}, ${slowest}` } : {}), ...torch?.machine,
  },
  rounds, results, scaling: scalings, ...(torch ? { torch: torch.results } : {}),
};
const kept = only === undefined || !existsSync(file) ? report : merged(JSON.parse(readFileSync(file, "utf8")) as Report, report);
writeFileSync(file, `${JSON.stringify(kept, null, 2)}\n`);
writeFileSync("docs/performance.md", `${markdown(kept)}\n`);
