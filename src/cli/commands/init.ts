import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve, sep } from "node:path";
import type { CompiledNetwork } from "../../compile.js";
import { own } from "../../runtime/contract.js";
import { exampleNames, examplePresets, examplesFolder } from "../examples.js";
import { UserFault } from "../faults.js";
import { writeFolder, type OutputFile } from "../files.js";
import { packageRoot, packageVersion } from "../root.js";
import { resultJson, say } from "../report.js";
import { chooseNetwork, compileFile } from "../session.js";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A file of data that the spec names, at its place beside the spec. */
function dataOf(network: CompiledNetwork, folder: string): readonly OutputFile[] {
  const [path] = network.unrolled.training?.data.positional ?? [];
  return typeof path === "string" && existsSync(join(folder, path)) ? [{ path, bytes: readFileSync(join(folder, path)) }] : [];
}
/** Where a project finds the compiler: an installed one by its version, else the folder that it runs from. */
function compilerFound(): { readonly dependency: string; readonly note: string } {
  const root = packageRoot();
  if (root.split(sep).includes("node_modules")) return { dependency: `^${packageVersion()}`, note: "" };
  const folder = root.replaceAll(sep, "/");
  return {
    dependency: `file:${folder}`,
    note: `\nThe compiler is not on the npm registry. \`package.json\` names the folder of the one that made this project, \`${folder}\`, where \`npm install\` and\n` +
      "`npm run build` must have been run. On another machine: `npm link` in the compiler's folder there, then `npm link crate-compile` here in place of `npm install`.\n",
  };
}
interface Task {
  readonly script: string;
  readonly command: string;
  readonly what: string;
}
/** What can be done with a network of this kind, in the order in which it is done. */
function tasksOf({ unrolled }: CompiledNetwork, spec: string): { readonly tasks: readonly Task[]; readonly after: readonly string[] } {
  const looks: readonly Task[] = [
    { script: "check", command: `check ${spec}`, what: "is the spec right?" },
    { script: "explain", command: `explain ${spec}`, what: "the derivation, line by line" },
  ];
  const model = (weights?: string): string => `build ${spec} --target onnx${weights === undefined ? "" : ` --weights ${weights}`} --out model.onnx`;
  if (unrolled.parameters.some((p) => p.captured)) {
    return {
      tasks: [...looks, { script: "construct", command: `construct ${spec} --out run`, what: "builds the network from data, in run/" }, { script: "onnx", command: model("run/weights.safetensors"), what: "then a model of it, model.onnx" }],
      after: [],
    };
  }
  if (unrolled.training?.optimizer === undefined) return { tasks: [...looks, { script: "onnx", command: model(), what: "a model of it, model.onnx" }], after: [] };
  return {
    tasks: [...looks, { script: "build", command: `build ${spec} --target onnx-train --out package`, what: "package/, which trains" }, { script: "onnx", command: model("package/weights.safetensors"), what: "when it is trained and exported: model.onnx" }],
    after: ["cd package", "npm install", "npm run train                 # package/README.md names its options", "npm run export                # package/weights.safetensors"],
  };
}

/** A folder with an example's spec and data, a package.json and the commands to go on with. */
export function init(directory: string, options: { readonly example: string; readonly force?: boolean; readonly json?: boolean }): void {
  const names = exampleNames();
  if (!names.includes(options.example)) throw new UserFault(`there is no example ${options.example}; there are ${names.join(", ")}`);
  const target = resolve(directory);
  if (existsSync(target) && statSync(target).isDirectory() && readdirSync(target).length > 0 && !options.force) throw new UserFault(`${directory} is not empty; nothing was written (--force writes into it)`);
  const [spec, preset, folder] = [`${options.example}.srr`, own(examplePresets, options.example), examplesFolder()];
  const { compilation } = compileFile(join(folder, spec), preset === undefined ? {} : { preset });
  const network = chooseNetwork(compilation, spec, undefined);
  const { tasks, after } = tasksOf(network, preset === undefined ? spec : `${spec} --preset ${preset}`);
  const { dependency, note } = compilerFound();
  const name = basename(target).toLowerCase().replace(/[^a-z0-9._-]+/g, "-").replace(/^[._-]+/, "") || "network";
  const manifest = {
    name, version: "0.1.0", private: true, type: "module",
    scripts: Object.fromEntries(tasks.map((t) => [t.script, `crate-compile ${t.command}`])), devDependencies: { "crate-compile": dependency },
  };
  const lines = ["npm install", ...tasks.flatMap((t) => [...(t.script === "onnx" && after.length > 0 ? [...after, "cd .."] : []), `npm run ${t.script}`.padEnd(30) + `# ${t.what}`])];
  const form = preset === undefined ? "" : `, preset \`${preset}\``;
  const files: OutputFile[] = [
    { path: spec, bytes: readFileSync(join(folder, spec)) }, ...dataOf(network, folder),
    { path: "package.json", bytes: encode(`${JSON.stringify(manifest, null, 2)}\n`) },
    { path: "README.md", bytes: encode(`# ${name}\n\nMade from the example \`${options.example}\`${form}.\n\n${lines.map((l) => `    ${l}\n`).join("")}${note}`) },
    { path: ".gitignore", bytes: encode("node_modules\npackage\nrun\n*.onnx\n") },
  ];
  // A project is its owner's to work on.
  writeFolder(files, directory, true, true);
  const paths = files.map((f) => f.path);
  if (options.json) resultJson({ directory, files: paths });
  else say(`${directory}: ${paths.join(", ")}`);
}
