/** Reads what a package is made of (templates, runtime sources, data of the spec) and puts its folder in place. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, posix, relative, resolve, sep } from "node:path";
import type { Compilation, CompiledNetwork } from "../compile.js";
import { emitPackage, type PackageFile, type PackageSources } from "../emit/tfjs/package.js";
import type { ModelDescription, PlainValue } from "../runtime/contract.js";
import { writeSafetensors } from "../runtime/safetensors.js";
import { type Held, weightNotes } from "../runtime/weights.js";
import type { LowerOptions } from "../tensor/lower.js";
import type { OptimisationLevel } from "../tensor/passes/optimise.js";
import { equations, measuresOf, planOf, trainingModelsOf, withAudits } from "../targets.js";
import { UserFault } from "./faults.js";
import { writeFolder } from "./files.js";
import { say } from "./report.js";
import { packageRoot, packageVersion } from "./root.js";

const largestData = 64 * 1024 * 1024;

function sources(): PackageSources {
  const root = packageRoot();
  const runtime = new Map<string, string>();
  const walk = (folder: string, under: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.isDirectory()) walk(join(folder, entry.name), `${under}${entry.name}/`);
      else if (entry.name.endsWith(".ts")) runtime.set(`${under}${entry.name}`, readFileSync(join(folder, entry.name), "utf8"));
    }
  };
  walk(join(root, "src", "runtime"), "");
  const own = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { dependencies: Record<string, string>; devDependencies: Record<string, string> };
  return {
    runtime, versions: { ...own.dependencies, ...own.devDependencies },
    template: (name) => readFileSync(join(root, "templates", "package", `${name}.hbs`), "utf8"),
  };
}
/**
 * A file of data that the spec names goes into the package, so that it stands alone; folders, and what is large, stay where they are, and the
 * package names the way from itself to them.
 */
function takeData(description: ModelDescription, specFile: string, out: string): { description: ModelDescription; files: readonly PackageFile[] } {
  const { training } = description;
  const [path] = training?.data.positional ?? [];
  if (!training || typeof path !== "string") return { description, files: [] };
  const from = resolve(specFile === "-" ? process.cwd() : dirname(resolve(specFile)), path);
  const taken = existsSync(from) && statSync(from).isFile() && statSync(from).size <= largestData;
  const name = taken ? `data/${basename(path)}` : isAbsolute(path) ? path : relative(resolve(out), from).replaceAll(sep, "/");
  if (!existsSync(from)) say(`warning: there is no ${from}, which the spec takes its data from; the package will look for it at ${name}`);
  const positional: readonly PlainValue[] = [name, ...training.data.positional.slice(1)];
  return {
    description: { ...description, training: { ...training, data: { ...training.data, positional } } },
    files: taken ? [{ path: name, bytes: readFileSync(from) }] : [],
  };
}
/**
 * The texts that the spec imports go into the package as far from the spec as they stand. What an absolute path names, or lies outside of the
 * spec's folder, cannot; nor can what is called like no spec, for it might be called like a file of the package.
 */
function takeImports({ imports }: Compilation, specFile: string, specName: string): { readonly files: readonly PackageFile[]; readonly left: readonly string[] } {
  const places = new Map([[specFile, specName]]);
  const files = new Map<string, PackageFile>();
  const left: string[] = [];
  for (const { path, fromFile, file, text } of imports) {
    const from = places.get(fromFile);
    if (from === undefined) continue; // its importer is left out, and named
    const named = posix.join(posix.dirname(from), path);
    const place = file.endsWith(".srr") && !named.endsWith(".srr") ? `${named}.srr` : named;
    if (isAbsolute(path) || place.startsWith("../") || !place.endsWith(".srr")) left.push(path);
    else {
      places.set(file, place);
      files.set(place, { path: place, bytes: new TextEncoder().encode(text) });
    }
  }
  return { files: [...files.values()], left: [...new Set(left)] };
}
export interface PackageOptions {
  readonly text: string;
  readonly compilation: Compilation;
  /** As given on the command line; `-` is standard input. */
  readonly specFile: string;
  readonly weights: Held | undefined;
  readonly out: string;
  readonly force: boolean;
  /** Also one training step as an ONNX graph, and ONNX Runtime as an engine. */
  readonly onnx: boolean;
  readonly level: OptimisationLevel;
}
export function writePackage(network: CompiledNetwork, described: ModelDescription, options: PackageOptions): void {
  const specName = options.specFile === "-" ? "network.srr" : basename(options.specFile);
  const [data, imports] = [takeData(described, options.specFile, options.out), takeImports(options.compilation, options.specFile === "-" ? "<stdin>" : options.specFile, specName)];
  const hasLoss = network.unrolled.loss !== undefined;
  const probing: LowerOptions = { probe: true, measures: measuresOf(network) };
  const probe = planOf(network, { loss: hasLoss, ...probing }, options.level);
  const description = withAudits({ ...data.description, source: { settings: {}, ...data.description.source, file: specName } }, probe);
  if (options.onnx && (!hasLoss || !description.training?.optimizer)) {
    throw new UserFault(`network ${description.name} has no ${hasLoss ? "optimizer" : "loss"} in its train block, so there is no training step; --target tfjs or onnx makes a model of it`);
  }
  const metadata = { "crate-compile.version": packageVersion(), "crate-compile.spec.sha256": description.specHash, "crate-compile.network": description.name };
  const onnx = (): readonly PackageFile[] => {
    const models = trainingModelsOf(network, { description, metadata, version: packageVersion(), level: options.level, probing });
    return Object.entries(models).map(([name, bytes]: [string, Uint8Array]) => ({ path: `${name}.onnx`, bytes }));
  };
  const parts = emitPackage({
    description, doc: network.typed.doc, equations: equations(network), spec: options.text, specName, left: imports.left,
    captured: network.unrolled.parameters.some((p) => p.captured), version: packageVersion(),
    predict: planOf(network, {}, options.level), loss: hasLoss ? planOf(network, { loss: true, training: true }, options.level) : undefined,
    probe,
    ...(options.onnx ? { onnx: onnx() } : {}),
    ...(options.weights ? { weights: writeSafetensors(options.weights.values, weightNotes(description.specHash, options.weights.vocabulary)) } : {}),
    files: [...data.files, ...imports.files],
  }, sources());
  if (relative(process.cwd(), resolve(options.out)) === "") throw new UserFault("--out names the working folder; name a folder of its own");
  writeFolder(parts, options.out, options.force);
  if (imports.left.length > 0) say(`warning: ${join(options.out, specName)} does not compile on its own: it imports ${imports.left.join(", ")}, which cannot lie in the package; compile ${options.specFile} where it stands`);
}
