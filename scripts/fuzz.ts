/**
 * The long runs of the fuzz tests. `npm run fuzz -- --language 100000 --meaning 2000 --kill 50 --report`; any of them, in any order;
 * --seed N begins elsewhere. --report writes the measured figures to docs/reliability.md.
 */
import { type ChildProcess, fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Networks } from "./fuzz-networks.js";
import { killTest } from "./kill.js";

const root = resolve(fileURLToPath(import.meta.url), "..", "..");
const { values: options } = parseArgs({ options: {
  language: { type: "string" }, meaning: { type: "string" }, kill: { type: "string" }, seed: { type: "string", default: "1" }, report: { type: "boolean", default: false },
} });
const seed = Number(options.seed);
const wanted = (name: "language" | "meaning" | "kill"): number => {
  const n = Number(options[name] ?? 0);
  if (!Number.isSafeInteger(n) || n < 0) throw new Error(`--${name} wants a whole number`);
  return n;
};
const say = (text: string): void => { process.stderr.write(`${text}\n`); };
type Figures = readonly (readonly [what: string, figure: string])[];
let faults = 0;
const fault = (text: string): void => { faults += 1; say(`FAULT ${text}`); };

/** A text may take two seconds of work; this is when its process is ended, on a machine that does other things too. */
const patience = 20_000, longest = 2000, most = 500 * 2 ** 20;
interface Judged { readonly seed: number; readonly outcome: string; readonly milliseconds: number; readonly memory: number; readonly detail?: string }

/** Texts from…to in a process of its own; gives the number to go on from. */
function texts(from: number, to: number, hear: (j: Judged) => void): Promise<number> {
  return new Promise((done) => {
    let [current, next] = [from, from];
    let timer: NodeJS.Timeout | undefined;
    const child: ChildProcess = fork(join(root, "scripts", "fuzz-texts.ts"), { cwd: root, execArgv: ["--import", "tsx", "--max-old-space-size=600"], stdio: ["ignore", "ignore", "ignore", "ipc"] });
    child.on("message", (m: { begin?: number; done?: boolean } & Partial<Judged>) => {
      clearTimeout(timer);
      if (m.begin !== undefined) {
        current = m.begin;
        timer = setTimeout(() => { fault(`text ${current} takes more than ${patience / 1000} s`); child.kill("SIGKILL"); }, patience);
      } else if (m.done) { next = to; child.disconnect(); } else { next = (m.seed ?? current) + 1; hear(m as Judged); }
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (next >= to) return done(to);
      if (signal === null) fault(`text ${current} ended its process with ${code}`);
      done(current + 1);
    });
    child.send({ from, to });
  });
}
async function language(count: number): Promise<Figures> {
  const outcomes: Record<string, number> = {};
  let [slowest, largest] = [0, 0];
  const hear = (j: Judged): void => {
    outcomes[j.outcome] = (outcomes[j.outcome] ?? 0) + 1;
    slowest = Math.max(slowest, j.milliseconds);
    largest = Math.max(largest, j.memory);
    if (j.outcome === "defect") fault(`text ${j.seed}: ${j.detail}`);
    if (j.milliseconds > longest) fault(`text ${j.seed} takes ${Math.round(j.milliseconds)} ms`);
    if (j.memory > most) fault(`text ${j.seed} takes ${j.memory >> 20} MB`);
  };
  const first = seed * 10_000_000;
  // A fresh process now and then: memory is that of a few thousand texts, not of all.
  for (let next = first; next < first + count;) next = await texts(next, Math.min(next + 5000, first + count), hear);
  return [["random texts", `${count}: ${outcomes["model"] ?? 0} models, ${outcomes["diagnostics"] ?? 0} with diagnostics, ${outcomes["defect"] ?? 0} defects`],
    ["longest work on one text", `${(slowest / 1000).toFixed(1)} s`], ["most memory of the process", `${largest >> 20} MB`]];
}
/** Networks in a process of their own: what they compute keeps it busy, and texts are timed here. */
function meaning(count: number): Promise<Figures> {
  return new Promise((done, failed) => {
    let judged: Networks | undefined;
    const child = fork(join(root, "scripts", "fuzz-networks.ts"), { cwd: root, execArgv: ["--import", "tsx"], stdio: ["ignore", "ignore", "ignore", "ipc"] });
    child.on("message", (m: { readonly said?: string; readonly fault?: string; readonly judged?: Networks }) => {
      if (m.said !== undefined) say(m.said);
      if (m.fault !== undefined) fault(m.fault);
      if (m.judged) {
        judged = m.judged;
        child.disconnect();
      }
    });
    child.on("exit", (code) => {
      if (!judged) return failed(new Error(`the process that judges networks ended with ${code}`));
      done([["random networks", `${count}: ${judged.agrees} agree in derivation, passes, ONNX Runtime and TensorFlow.js, ${judged.refused} refused with a diagnostic, ${judged.differs} differ`],
        ["largest error of an output, as a part of its largest entry", `${judged.largest.toExponential(1)}; of what float32 may lose there, ${judged.part.toFixed(2)}; ${judged.loose} networks cancel so much that it may lose over 1e-3, and are left out of the first figure`]]);
    });
    child.send({ first: seed * 1_000_000, count });
  });
}
async function kill(count: number): Promise<Figures> {
  const report = await killTest(count, seed, Math.max(20, count));
  if (!report.equal) fault("the killed run ended with other bytes");
  if (report.unreadable > 0) fault(`${report.unreadable} checkpoints were unreadable`);
  return [["kill -9 of a training run", `${report.kills}, of them ${report.inWrites} within a write; ${report.unreadable} checkpoints unreadable; the last bytes ${report.equal ? "equal" : "DIFFER"}`]];
}
const order = new Map<string, Figures>();
/** The figures of one part, kept together whichever part ends first. */
async function part(name: "language" | "meaning" | "kill", run: (count: number) => Promise<Figures>): Promise<void> {
  if (wanted(name) > 0) order.set(name, await run(wanted(name)));
}
// Each in processes of its own: two cores have work.
await Promise.all([part("language", language), part("meaning", meaning)]);
await part("kill", kill);
const figures = ["language", "meaning", "kill"].flatMap((name) => order.get(name) ?? []);
const table = ["| what | measured |", "| --- | --- |", ...figures.map(([what, figure]) => `| ${what} | ${figure} |`)].join("\n");
process.stdout.write(`${table}\n`);
if (options.report) {
  const given = (["language", "meaning", "kill"] as const).filter((n) => wanted(n) > 0).map((n) => `--${n} ${wanted(n)}`).join(" ");
  writeFileSync(join(root, "docs", "reliability.md"), `# Reliability, measured

Written by \`npm run fuzz -- ${given} --seed ${seed} --report\`; the same command gives the same texts and networks again (times, memory and the moments of the kills are this run's).

${table}

A text's outcome is a model or diagnostics: a thrown error, more than 2 s of work or more than 500 MB would be a fault, and the command would
end with 1. A random network's derivation is held against finite differences and numeric minimisation, every pass of the
optimiser against the graph before it (values and gradients, float64), its ONNX models and its TensorFlow.js model (plain and optimised)
against the float64 run of its statements; what float32 may lose is 1e-5 and thirty times what a change of all inputs, or of all
results on the way, by half a unit in the last place does. \`npm test\` runs the same with 2,000 texts, 100 networks (ten in TensorFlow.js) and 3 kills.

Bad data, lying weights files, damaged checkpoints, full disks, hostile names and strings, and equal bytes from two folders, languages and
time zones are tests of their own: \`test/runtime\`, \`test/cli\`, \`test/hostile\`.

## Found so, and mended

What the fuzz tests found is in \`test/fuzz/found.test.ts\`: specs whose algebra never ended; a matrix inverse that was NaN in one sample of
some two thousand; an expression of the compiler's own that could be taken for one of the spec; \`stop\` in an exact step; a rate that
\`verify\` did not know; a product of two plain numbers along an axis that called itself for ever. Two of seed 1's networks had a kink between
the points of a finite difference, which move closer since.
`);
}
process.exit(faults > 0 ? 1 : 0);
