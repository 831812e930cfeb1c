/** A training package in memory: generated model, programs, description, and the runtime that all packages share. */
import Handlebars from "handlebars";
import { isNeeded, type ModelDescription } from "../../runtime/contract.js";
import { languageOf } from "../../runtime/sample.js";
import { constructCommand, modelCommand } from "../../runtime/source.js";
import { addedNames } from "../../runtime/wire-names.js";
import type { Plan } from "../../tensor/plan.js";
import { type Equation, fileNames, sizeEntries, type StepFunction, writeModel } from "./model-code.js";
import { commentText, Names } from "./names.js";

export interface PackageFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}
/** What is read from disk for a package: templates and the runtime's sources. */
export interface PackageSources {
  /** `model.ts` → the text of its template. */
  readonly template: (name: string) => string;
  /** The runtime's files by path under `runtime/`. */
  readonly runtime: ReadonlyMap<string, string>;
  /** Versions of dependencies, as this project has them. */
  readonly versions: Readonly<Record<string, string>>;
}
export interface ModelInput {
  readonly description: ModelDescription;
  readonly doc: string | undefined;
  readonly equations: readonly (Equation & { readonly path: string })[];
  readonly predict: Plan;
  /** With the outputs and the loss. */
  readonly loss: Plan | undefined;
  /** With the variable after every step and the measures of an audit. */
  readonly probe?: Plan;
  readonly specName: string;
  readonly version: string;
}
export interface PackageInput extends ModelInput {
  /** The spec's text. */
  readonly spec: string;
  /** Imports of the spec that are not in the package, as they are written. */
  readonly left: readonly string[];
  /** The network has captures: it is built from data, not trained. */
  readonly captured: boolean;
  /** Files of the ONNX engine, where the package has it. */
  readonly onnx?: readonly PackageFile[];
  /** A file of weights that training starts from, where the package is built with one. */
  readonly weights?: Uint8Array;
  /** Other files (data). */
  readonly files: readonly PackageFile[];
}
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
/** A property's name; `__proto__: x` would be no property but the object's prototype. */
const quoted = (name: string): string => (name === "__proto__" ? `["__proto__"]` : /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name));
const textOf = (path: string, text: string): PackageFile => ({ path, bytes: encode(text) });
/** Inside Markdown's code and cells: no pipes, no back quotes, no line ends. */
const cell = (text: string): string => commentText(text).replace(/[`|<]/g, (c) => (c === "`" ? "'" : `\\${c}`));
/** Called like something that it imports, a package would be found in that one's place. */
function packageName(name: string, imported: ReadonlySet<string>): string {
  const plain = name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 100) || "network";
  return imported.has(plain) ? `${plain}-network` : plain;
}

/** `src/model.ts`. */
export function emitModel(input: ModelInput, sources: Pick<PackageSources, "template">): string {
  const render = renderer(sources);
  const equations = new Map(input.equations.map((e) => [e.path, e]));
  const names = new Names([...fileNames, "predict", "lossOf", "probe", "RunOptions", "options", "outputs"]);
  const known = new Map<string, StepFunction>();
  const predict = writeModel(input.predict, equations, names, known);
  const loss = input.loss && writeModel(input.loss, equations, names, known);
  const probe = input.probe && writeModel(input.probe, equations, names, known);
  const { loss: lossName } = addedNames(input.description);
  const entries = (outputs: ReadonlyMap<string, string>): string => [...outputs].filter(([name]) => name !== lossName)
    .map(([name, code]) => (name === code ? name : `${quoted(name)}: ${code}`)).join(", ");
  const functions = [...predict.functions, ...(loss?.functions ?? []), ...(probe?.functions ?? [])].map((f) => f.text);
  const body = [...functions, ...predict.body, ...(loss?.body ?? []), ...(probe?.body ?? []), entries(predict.outputs), ...(probe ? [...probe.outputs.values()] : []), ...(loss ? [loss.outputs.get(lossName) ?? ""] : [])].join("\n");
  const { description } = input;
  const sizes = (inputs: ModelDescription["inputs"]): string => [...sizeEntries(inputs)].map(([name, code]) => `${quoted(name)}: ${code}`).join(", ");
  const all = [...description.inputs, ...description.targets.filter((t) => isNeeded(t, false))];
  const imports = kernelNames.filter((n) => new RegExp(`\\b${n}\\(`).test(`${body}\n${sizes(description.inputs)}`));
  const wires = (list: ModelDescription["inputs"]): string => list.map((w) => `${commentText(w.name)} [${w.shape.join(", ")}]`).join(", ");
  return render("model.ts", {
    title: commentText(description.name), intro: (input.doc ?? "").split("\n").filter((l) => l !== "").map(commentText), version: input.version, spec: commentText(input.specName),
    imports: imports.join(", "), sizeTypes: [...sizeEntries(all).keys()].map((n) => `readonly ${quoted(n)}: number`).join("; "), functions, inputs: wires(description.inputs), predictSizes: sizes(description.inputs), predictBody: predict.body, predictOutputs: entries(predict.outputs),
    ...(probe ? { probeSizes: sizes(all), probeBody: probe.body, probeOutputs: [...probe.outputs].map(([name, code]) => `${quoted(name)}: ${code}`) } : {}),
    ...(loss && input.loss ? {
      lossInputs: wires(all), lossSizes: sizes(all), lossBody: loss.body,
      loss: loss.outputs.get(lossName), lossOutputs: entries(loss.outputs),
    } : {}),
  });
}
const kernelNames = ["addRows", "choose", "compare", "cumulate", "dropout", "gelu", "input", "lookUp", "matMul", "parameter", "rmsStandardize", "signOf", "spreadTo", "standardize", "stopGradient", "toInteger"] as const;
type Render = (name: string, context: object) => string;
function renderer(sources: Pick<PackageSources, "template">): Render {
  const handlebars = Handlebars.create();
  return (name, context) => handlebars.compile(sources.template(name), { noEscape: true, preventIndent: true })(context);
}

const programs = {
  train: "Trains by the spec's program; see the README for options.",
  evaluate: "Loss and metrics on the test split.",
  export: "Writes the best weights as safetensors.",
} as const;
const sampler = { sample: "Writes text after a prompt: npm run sample -- --prompt TEXT --length N --temperature X." } as const;
/** Only what reads and writes symbols can write text. */
const programsOf = (description: ModelDescription): Readonly<Record<string, string>> => ({ ...programs, ...(languageOf(description) ? sampler : {}) });

/** `packed`: what of the folder goes with `dist` where npm packs it; without a list .gitignore would rule, and leave `dist` out. */
function packageJson(input: PackageInput, versions: PackageSources["versions"], packed: readonly string[]): string {
  const pick = (names: readonly string[]): Record<string, string> => Object.fromEntries(names.map((n) => [n, versions[n] ?? "*"]));
  const dependencies = pick(["@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm", "@tensorflow/tfjs-core", "mnist", ...(input.onnx ? ["onnxruntime-node"] : []), "sharp"]);
  const optionalDependencies = { "@tensorflow/tfjs-node": "^4.22.0", "@tensorflow/tfjs-node-gpu": "^4.22.0" };
  const devDependencies = pick(["@types/node", "typescript"]);
  const script = (name: string): string => `npm run --silent build && node dist/${name}.js`;
  return `${JSON.stringify({
    name: packageName(input.description.name, new Set(Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies }))), version: "0.1.0", private: true, type: "module",
    description: `${commentText(input.description.name)}, derived by crate-compile`,
    engines: { node: ">=20" },
    exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } }, types: "./dist/index.d.ts",
    files: ["dist", "!dist/.tsbuildinfo", ...packed],
    scripts: { build: "tsc", prepack: "tsc", ...Object.fromEntries(Object.keys(programsOf(input.description)).map((n) => [n, script(n)])) },
    dependencies, optionalDependencies, devDependencies,
  }, null, 2)}\n`;
}
/** Not `weights.safetensors`: that is what export writes. */
const startFile = "start.safetensors";
const compilerOptions = {
  target: "ES2022", lib: ["ES2023"], module: "NodeNext", moduleResolution: "NodeNext", outDir: "dist", rootDir: "src", declaration: true, strict: true,
  noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, verbatimModuleSyntax: true, skipLibCheck: true, types: ["node"],
  incremental: true, tsBuildInfoFile: "dist/.tsbuildinfo",
};

export function emitPackage(input: PackageInput, sources: PackageSources): readonly PackageFile[] {
  const render = renderer(sources);
  const { description } = input;
  const ort = input.onnx !== undefined;
  const learned = description.parameters.filter((p) => p.trainable).reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0);
  const weights = input.weights ? { weights: startFile } : {};
  const trains = description.training?.optimizer !== undefined && !input.captured;
  // Without a train block there is neither data nor a loss.
  const [evaluates, language] = [description.training !== undefined, languageOf(description) !== undefined];
  const readme = render("README.md", {
    ...weights,
    trains, evaluates, computes: evaluates || language, runs: trains || input.captured || input.weights !== undefined, ...(input.captured ? { construct: constructCommand(description, "run") } : {}),
    model: modelCommand(description, "weights.safetensors"), left: input.left.map((path) => `\`${cell(path)}\``).join(", "),
    settings: Object.entries(description.source?.settings ?? {}).map(([key, value]) => `\`${key} = ${value}\``).join(", "),
    sample: language, name: cell(description.name), doc: input.doc && cell(input.doc), version: input.version, spec: input.specName, preset: description.preset, ort,
    counts: `${learned.toLocaleString("en-US")} learned numbers.`,
    equations: input.equations.map((e) => ({ place: cell(e.path), text: commentText(e.text) })),
    loss: description.training?.loss && cell(description.training.loss),
    parameters: description.parameters.map((p) => ({ name: cell(p.name), shape: p.shape.length === 0 ? "number" : p.shape.join(" × "), learned: p.trainable ? (p.positive ? "yes, positive" : "yes") : "no" })),
  });
  const runtime = [...sources.runtime].filter(([path]) => ort || !path.startsWith("ort/"));
  const files = [
    textOf("tsconfig.json", `${JSON.stringify({ compilerOptions, include: ["src"] }, null, 2)}\n`),
    ...(ort ? [textOf(".npmrc", "onnxruntime-node-install=skip\n")] : []),
    textOf(".gitignore", "node_modules\ndist\nrun\n"),
    textOf(".gitattributes", "*.onnx binary\n*.safetensors binary\nsrc/runtime/** linguist-vendored\n"),
    textOf("README.md", readme),
    textOf("model.json", `${JSON.stringify(description, null, 1)}\n`),
    textOf(input.specName, input.spec),
    textOf("src/model.ts", emitModel(input, sources)),
    textOf("src/description.ts", render("description.ts", {})),
    textOf("src/engine.ts", render("engine.ts", { ort })),
    textOf("src/index.ts", render("index.ts", {})),
    ...Object.entries(programsOf(description)).map(([name, what]) => textOf(`src/${name}.ts`, render("program.ts", { name, what, ...weights }))),
    ...runtime.map(([path, text]) => textOf(`src/runtime/${path}`, text)),
    ...(input.onnx ?? []), ...(input.weights ? [{ path: startFile, bytes: input.weights }] : []), ...input.files,
  ];
  const entries = [...new Set(files.map((f) => f.path.split("/")[0] as string))].filter((name) => !name.startsWith("."));
  return [textOf("package.json", packageJson(input, sources.versions, entries)), ...files];
}
