/**
 * `npm run demo`: the whole way of one network on this machine. Installs and builds what is missing, derives CRATE, makes a training
 * package, trains it on the embedded digits, exports an ONNX model and compares both on the test digits.
 * `--quick`: one epoch. `--engine tfjs|ort`: what trains (without it: a native TensorFlow, else ONNX Runtime). `--out DIR`.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { ensureBuilt, ensureInstalled, root } from "./installed.mjs";

const usage = "npm run demo -- [--quick] [--engine tfjs|ort] [--out DIR]";
function options() {
  try {
    return parseArgs({ options: { quick: { type: "boolean" }, engine: { type: "string" }, out: { type: "string" }, help: { type: "boolean" } } }).values;
  } catch (error) {
    console.error(`${error.message}\n${usage}`);
    process.exit(2);
  }
}
const { quick = false, engine, out = join(root, "out", "demo"), help = false } = options();
if (help || (engine !== undefined && !["tfjs", "ort"].includes(engine))) {
  console.error(usage);
  process.exit(help ? 0 : 2);
}

const started = Date.now();
let stage = 0;
const heading = (text) => console.log(`\n── ${++stage}. ${text} ${"─".repeat(Math.max(0, 70 - text.length))}`);
/** Runs a program of ours; its stdout comes back where `capture` is set, else it is shown. */
function node(args, { capture = false, cwd = root } = {}) {
  const done = spawnSync(process.execPath, args, { cwd, encoding: "utf8", stdio: ["ignore", capture ? "pipe" : "inherit", "inherit"] });
  if (done.error) throw done.error;
  if (done.status !== 0) {
    console.error(`the demo stops here: ${args.map((a) => relative(root, a) || a).join(" ")} ended with ${done.status ?? done.signal}`);
    process.exit(done.status ?? 130);
  }
  return done.stdout;
}
const last = (text) => JSON.parse(text.trim().split("\n").at(-1));

ensureInstalled();
heading("The compiler is built");
ensureBuilt();
const cli = join(root, "dist", "src", "cli", "main.js");
const spec = join("examples", "crate.srr");
const preset = ["--preset", "mnist"];
console.log("dist/ is up to date");

heading("From the objective to the layer: both steps, derived");
node([cli, "explain", spec, ...preset]);

heading("A training package");
const folder = resolve(out, "crate-mnist");
node([cli, "build", spec, ...preset, "--target", "onnx-train", "--out", folder]);
node([join(root, "node_modules", "typescript", "bin", "tsc")], { cwd: folder });
console.log(`${folder}: its README has the equations, src/model.ts the model`);

heading(quick ? "Training: one epoch" : "Training: the spec's own program, 10 epochs");
const run = join(folder, "run");
const chosen = engine === undefined ? [] : ["--engine", engine];
node([join(folder, "dist", "train.js"), "--out", run, ...chosen, ...(quick ? ["--epochs", "1"] : [])], { capture: true, cwd: folder });

heading("The trained weights in TensorFlow.js, on the test digits");
const { weights } = last(node([join(folder, "dist", "export.js"), "--out", run], { capture: true, cwd: folder }));
const weightsFile = resolve(folder, weights);

heading("The same weights in an ONNX model, in ONNX Runtime");
const onnxFile = resolve(out, "crate-mnist.onnx");
node([cli, "build", spec, ...preset, "--target", "onnx", "--weights", weightsFile, "--out", onnxFile]);
const { compare } = await import("./demo-compare.mjs");
const found = await compare(pathToFileURL(join(folder, "dist", "index.js")).href, weightsFile, onnxFile);

heading("Result");
const percent = (x) => `${(100 * x).toFixed(2)} %`;
console.log(`test digits                      ${found.count}
accuracy, ${found.engine.padEnd(22)} ${percent(found.packageAccuracy)}
accuracy, ${"ONNX Runtime".padEnd(22)} ${percent(found.onnxAccuracy)}
predictions that differ          ${found.different}
largest difference of a logit    ${found.largest.toExponential(1)}
package                          ${folder}
ONNX model                       ${onnxFile}
time                             ${((Date.now() - started) / 1000).toFixed(0)} s`);
if (!existsSync(onnxFile) || found.different > 0) process.exit(1);
