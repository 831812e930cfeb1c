#!/usr/bin/env node
/** The command line: options only; each command's work lies in commands/, loaded when it is called. */
import { existsSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { highestOpset, lowestOpset } from "../emit/onnx/opsets.js";
import { largestSeed } from "../runtime/random.js";
import { report } from "./report.js";
import { languageVersion } from "../syntax/language-version.js";
import { packageVersion } from "./root.js";

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
function wholeNumber(text: string): number {
  const n = Number(text);
  if (!Number.isSafeInteger(n) || n < 0) throw new InvalidArgumentError("a whole number is wanted.");
  return n;
}
function seed(text: string): number {
  const n = wholeNumber(text);
  if (n > largestSeed) throw new InvalidArgumentError(`a whole number from 0 to ${largestSeed} is wanted.`);
  return n;
}
const withSpec = (command: Command): Command => command
  .option("--preset <name>", "take the dims and consts of this preset")
  .option("--set <name=value>", "set a dim or const; may be given several times", collect)
  .option("--network <name>", "which network, where the file has several")
  .option("--json", "machine-readable diagnostics and results");

export function program(): Command {
  const main = new Command("crate-compile")
    .description("Compiles networks that are unrolled optimisation algorithms: objectives in, TensorFlow.js packages and ONNX models out.")
    .version(`${packageVersion()} (language ${languageVersion})`, "-V, --version")
    .showHelpAfterError("(add --help for the options)")
    .exitOverride();
  const add = (spec: string, description: string): Command => main.command(spec).description(description).exitOverride();

  withSpec(add("check <file...>", "diagnostics only; also verifies identities and expects"))
    .action(async (files, options) => (await import("./commands/check.js")).check(files, options));
  withSpec(add("build <file>", "compile a network to a package or model"))
    .addOption(new Option("--target <target>", "what to make").choices(["tfjs", "onnx", "onnx-train"]).makeOptionMandatory())
    .requiredOption("-o, --out <path>", "where to write it: a folder (tfjs, onnx-train) or a file (onnx)")
    .option("--weights <file>", "weights.safetensors, by the parameters' names or their aliases")
    .option("--seed <n>", "seed of the initial values", seed)
    .option("--probe", "add the variable after every step as an output (onnx)")
    .addOption(new Option("-O, --optimize <level>", "how much to rewrite the tensor graph").choices(["0", "1", "2"]).default("2"))
    .option("--explain-passes", "print what each pass of the optimiser saved, and why")
    .option("--opset <n>", `ONNX operator set, ${lowestOpset} (default) to ${highestOpset} (onnx)`, wholeNumber)
    .option("--force", "overwrite what the compiler did not make")
    .action(async (file, options) => (await import("./commands/build.js")).build(file, options));
  withSpec(add("explain <file>", "the derivation of every step, line by line"))
    .option("--step <layer.step>", "one step only")
    .addOption(new Option("--format <format>", "how to write it").choices(["text", "latex", "html", "json"]).default("text"))
    .option("-o, --out <path>", "write to a file")
    .option("--force", "overwrite what the compiler did not make")
    .action(async (file, options) => (await import("./commands/explain.js")).explain(file, options));
  add("grad <expression>", "the gradient of a scalar expression, simplified")
    .requiredOption("--var <declaration>", "a variable, as a spec declares it: \"Z: real[d, n]\" or \"U[k]: real[8, 3]\"; several times", collect)
    .option("--index <name=count>", "an index and how many values it has", collect)
    .option("--const <name=value>", "a number by name", collect)
    .requiredOption("--wrt <name>", "the variable to differentiate by")
    .addOption(new Option("--format <format>", "how to write it").choices(["text", "latex", "json"]).default("text"))
    .option("--at <file>", "evaluate value and gradient at the tensors of a safetensors file, in float64")
    .option("--json", "machine-readable diagnostics and results")
    .action(async (expression, options) => (await import("./commands/grad.js")).grad(expression, options));
  withSpec(add("verify [file]", "numeric check of every derivation step"))
    .option("--trials <n>", "random points for each check", wholeNumber)
    .option("--seed <n>", "seed of the points", seed)
    .option("--log <file>", "write a proof log: rule, before, after, test points and values")
    .option("--check-log <file>", "check a proof log without the calculus; a changed line is refused")
    .option("--force", "overwrite what the compiler did not make")
    .action(async (file, options) => (await import("./commands/verify.js")).verify(file, options));
  withSpec(add("audit <file>", "what every step does on real tokens: exact, after each lemma, as built"))
    .option("--weights <file>", "weights.safetensors; without it the seeded initial values; several times to compare", collect)
    .option("--data <source>", "mnist, text:FILE, images:DIR, …, random, or a safetensors file of the inputs; else the spec's own")
    .option("--samples <n>", "how many samples", wholeNumber)
    .option("--seed <n>", "seed of the initial values and of the choice of samples", seed)
    .option("--report <file>", "write a page with plots; the initial values are plotted beside the weights given")
    .option("--figures <folder>", "write the plots as SVG files, and their numbers as CSV")
    .option("--csv <file>", "write all numbers as a table")
    .option("--force", "overwrite what the compiler did not make")
    .action(async (file, options) => (await import("./commands/audit.js")).audit(file, options));
  withSpec(add("construct <file>", "build a network forward from data (captures), in float64, without back-propagation"))
    .requiredOption("-o, --out <directory>", "where weights and checkpoint go")
    .option("--data <source>", "in place of the spec's own")
    .option("--samples <n>", "how many samples", wholeNumber)
    .option("--seed <n>", "seed of the choice of samples", seed)
    .action(async (file, options) => (await import("./commands/construct.js")).construct(file, options));
  withSpec(add("diff <a> <b>", "are two specs one network: the same, the same up to a lemma, or different by a term; exit 1 if different"))
    .action(async (a, b, options) => (await import("./commands/diff.js")).diff(a, b, options));
  add("fmt <file...>", "format specs in place; - reads standard input")
    .option("--check", "change nothing; exit 1 if a file is not formatted")
    .option("--json", "machine-readable diagnostics and results")
    .action(async (files, options) => (await import("./commands/fmt.js")).fmt(files, options));
  add("inspect <file>", "what an ONNX model, weights file or spec holds")
    .option("--preset <name>", "of a spec: this preset")
    .option("--set <name=value>", "of a spec: set a dim or const", collect)
    .option("--network <name>", "of a spec: which network, where it has several")
    .option("--cost", "of a spec: FLOPs, memory and parameters, step by step")
    .option("--json", "machine-readable diagnostics and results")
    .action(async (file, options) => (await import("./commands/inspect.js")).inspect(file, options));
  add("init <directory>", "start a project from an example")
    .option("--example <name>", "which example", "crate")
    .option("--force", "write into a folder that is not empty")
    .option("--json", "machine-readable diagnostics and results")
    .action(async (directory, options) => (await import("./commands/init.js")).init(directory, options));
  add("doctor", "what this machine offers (Node, backends), and what to do about what is missing")
    .option("--install-native", "build the native TensorFlow binding where its download fails (Linux x86_64)")
    .option("--json", "machine-readable diagnostics and results")
    .action(async (options) => (await import("./commands/doctor.js")).doctor(options));
  return main;
}

/** Failures are told as JSON where the results would be. */
const wantsJson = (words: readonly string[]): boolean => {
  const end = words.indexOf("--");
  const options = end < 0 ? words : words.slice(0, end);
  return options.some((w, i) => w === "--json" || w === "--format=json" || (w === "json" && options[i - 1] === "--format"));
};
/** `grad "-a^2"`: an expression that begins with a minus is no option, so it goes behind `--`. */
function expressionLast(words: readonly string[]): readonly string[] {
  if (words[0] !== "grad" || words.includes("--")) return words;
  const at = words.findIndex((w, i) => /^-[^-]/.test(w) && w !== "-h" && !/^--(?!json$)[^=]*$/.test(words[i - 1] ?? ""));
  return at < 0 ? words : [...words.slice(0, at), ...words.slice(at + 1), "--", words[at] as string];
}
/** Runs the command line; gives the exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  // -O2 is written as one word, as compilers have it.
  const words = expressionLast(argv.map((w) => (/^-O[0-2]$/.test(w) ? `--optimize=${w.slice(2)}` : w)));
  try {
    await program().parseAsync(words, { from: "user" });
    return 0;
  } catch (error) {
    return report(error, wantsJson(words));
  }
}

/** True where Node was started with this file (npm's link to it followed), not where a test imports it. */
function startedHere(): boolean {
  const [, started] = process.argv;
  return started !== undefined && existsSync(started) && realpathSync(started) === fileURLToPath(import.meta.url);
}
if (startedHere()) {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => { if (error.code === "EPIPE") process.exit(0); });
  run(process.argv.slice(2)).then((code) => { process.exitCode = code; });
}
