import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { UserFault } from "../faults.js";
import { writeFolder, type OutputFile } from "../files.js";
import { packageRoot, packageVersion } from "../root.js";
import { resultJson, say } from "../report.js";

/** A folder with an example's spec, a package.json and the commands to go on with. */
export function init(directory: string, options: { readonly example: string; readonly force?: boolean; readonly json?: boolean }): void {
  const examples = join(packageRoot(), "examples");
  const names = readdirSync(examples).filter((f) => f.endsWith(".srr")).map((f) => f.slice(0, -4)).sort();
  if (!names.includes(options.example)) throw new UserFault(`there is no example ${options.example}; there are ${names.join(", ")}`);
  const target = resolve(directory);
  if (existsSync(target) && statSync(target).isDirectory() && readdirSync(target).length > 0 && !options.force) throw new UserFault(`${directory} is not empty; nothing was written (--force writes into it)`);
  const spec = `${options.example}.srr`;
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  const name = basename(target).toLowerCase().replace(/[^a-z0-9._-]+/g, "-").replace(/^[._-]+/, "") || "network";
  const manifest = {
    name, version: "0.1.0", private: true, type: "module",
    scripts: {
      check: `crate-compile check ${spec}`, explain: `crate-compile explain ${spec}`,
      build: `crate-compile build ${spec} --target tfjs --out package`, onnx: `crate-compile build ${spec} --target onnx --out model.onnx`,
    },
    devDependencies: { "crate-compile": `^${packageVersion()}` },
  };
  const files: OutputFile[] = [
    { path: spec, bytes: readFileSync(join(examples, spec)) },
    { path: "package.json", bytes: encode(`${JSON.stringify(manifest, null, 2)}\n`) },
    { path: "README.md", bytes: encode(`# ${name}\n\nMade from the example \`${options.example}\`.\n\n    npx crate-compile explain ${spec}\n    npx crate-compile build ${spec} --target tfjs --out package\n`) },
    { path: ".gitignore", bytes: encode("node_modules\npackage\n*.onnx\n") },
  ];
  writeFolder(files, directory, true);
  const paths = files.map((f) => f.path);
  if (options.json) resultJson({ directory, files: paths });
  else say(`${directory}: ${paths.join(", ")}`);
}
