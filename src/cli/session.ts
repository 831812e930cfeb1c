/** What commands on specs share: settings, compiling a file, choosing a network. */
import { compile, type Compilation, type CompiledNetwork } from "../compile.js";
import type { SpecSource } from "../runtime/contract.js";
import { SpecFault, UsageFault, UserFault } from "./faults.js";
import { nodeHost, readSpec } from "./host.js";
import { showDiagnostics } from "./report.js";

export interface SpecOptions {
  readonly preset?: string;
  readonly set?: readonly string[];
  readonly network?: string;
  readonly json?: boolean;
}
/** `name=value` pairs of an option; values are numbers. */
export function readSettings(pairs: readonly string[] = [], option = "--set", example = "d=192"): ReadonlyMap<string, number> {
  return new Map(pairs.map((pair) => {
    const at = pair.indexOf("=");
    const [name, text] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    const number = Number(text);
    if (at < 1 || text === "" || !Number.isFinite(number)) throw new UsageFault(`${option} ${pair}: wants name=number, such as ${option} ${example}`);
    return [name, number] as const;
  }));
}
/** The spec as it was named, and what was chosen of it besides the preset. */
export const sourceOf = (file: string, { networks }: Compilation, { set, network }: SpecOptions): SpecSource =>
  ({ file, ...(networks.length > 1 && network !== undefined ? { network } : {}), settings: Object.fromEntries(readSettings(set)) });

/** What a spec says; whatever is wrong with it is in the compilation's diagnostics. */
export function readAndCompile(file: string, options: SpecOptions): { compilation: Compilation; text: string; file: string } {
  const spec = readSpec(file);
  const compilation = compile(spec.text, {
    file: spec.file, settings: readSettings(options.set), ...(options.preset === undefined ? {} : { preset: options.preset }),
  }, nodeHost(file));
  return { compilation, text: spec.text, file: spec.file };
}
export const isWrong = ({ diagnostics }: Compilation): boolean => diagnostics.some((d) => d.severity === "error");

/** Compiles a file; what is wrong with it is thrown, warnings are shown beside the result. */
export function compileFile(file: string, options: SpecOptions): ReturnType<typeof readAndCompile> {
  const read = readAndCompile(file, options);
  const { compilation } = read;
  if (isWrong(compilation)) throw new SpecFault(compilation.diagnostics, compilation.sources);
  showDiagnostics(compilation.diagnostics, compilation.sources);
  return read;
}
/** The network named, or all of them. */
export function namedNetworks({ networks }: Compilation, file: string, name: string | undefined): readonly CompiledNetwork[] {
  const found = networks.filter((n) => name === undefined || n.typed.name === name);
  if (name !== undefined && found.length === 0) throw new UserFault(`there is no network ${name} in ${file}; it has ${networks.map((n) => n.typed.name).join(", ") || "none"}`);
  return found;
}
/** The network meant: the one named, or the only one. */
export function chooseNetwork(compilation: Compilation, file: string, name: string | undefined): CompiledNetwork {
  const [only, ...others] = namedNetworks(compilation, file, name);
  if (!only) throw new UserFault(`${file} has no network`);
  if (others.length > 0 && name === undefined) throw new UserFault(`${file} has several networks (${compilation.networks.map((n) => n.typed.name).join(", ")}); choose one with --network`);
  return only;
}
