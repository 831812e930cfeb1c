/** What commands share: compiling a file and showing what is wrong with it, colours, JSON. */
import pc from "picocolors";
import { compile, type Compilation, type CompiledNetwork } from "../compile.js";
import type { Diagnostic } from "../diagnostics/declare.js";
import { render, toJson } from "../diagnostics/render.js";
import { Reported, UsageFault, UserFault } from "./faults.js";
import { nodeHost, readSpec } from "./host.js";

export interface SpecOptions {
  readonly preset?: string;
  readonly set?: readonly string[];
  readonly network?: string;
  readonly json?: boolean;
}
export const say = (text: string): void => { process.stderr.write(`${text}\n`); };
export const result = (text: string): void => { process.stdout.write(text); };

/** `name=value` pairs; values are numbers. */
export function readSettings(pairs: readonly string[] = []): ReadonlyMap<string, number> {
  return new Map(pairs.map((pair) => {
    const at = pair.indexOf("=");
    const [name, text] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    const number = Number(text);
    if (at < 1 || text === "" || !Number.isFinite(number)) throw new UsageFault(`--set ${pair}: wants name=number, such as --set d=192`);
    return [name, number] as const;
  }));
}

const colours: Readonly<Record<string, (text: string) => string>> = {
  error: (t) => pc.bold(pc.red(t)), warning: (t) => pc.bold(pc.yellow(t)), note: pc.blue, place: pc.dim, gutter: pc.dim, hint: pc.cyan, label: pc.red,
};
export function showDiagnostics(diagnostics: readonly Diagnostic[], sources: ReadonlyMap<string, string>, json: boolean | undefined): void {
  if (json) {
    result(`${JSON.stringify({ diagnostics: diagnostics.map((d) => toJson(d, sources)) }, null, 2)}\n`);
    return;
  }
  const colour = process.stderr.isTTY && !process.env["NO_COLOR"] ? (style: string, text: string): string => colours[style]?.(text) ?? text : undefined;
  for (const d of diagnostics) say(render(d, sources, colour ? { colour } : {}));
}

/** Compiles a file and shows its diagnostics; throws Reported where there are errors. */
export function compileFile(file: string, options: SpecOptions): { compilation: Compilation; text: string; file: string } {
  const spec = readSpec(file);
  const compilation = compile(spec.text, {
    file: spec.file, settings: readSettings(options.set),
    ...(options.preset === undefined ? {} : { preset: options.preset }),
    ...(options.network === undefined ? {} : { network: options.network }),
  }, nodeHost(file));
  const failed = compilation.diagnostics.some((d) => d.severity === "error");
  // With --json a failure's diagnostics are the result; beside a result, warnings go to stderr as text.
  showDiagnostics(compilation.diagnostics, compilation.sources, failed && options.json);
  if (failed) throw new Reported();
  return { compilation, text: spec.text, file: spec.file };
}
/** The network meant: the one named, or the only one. */
export function chooseNetwork(compilation: Compilation, name: string | undefined): CompiledNetwork {
  const { networks } = compilation;
  const names = networks.map((n) => n.typed.name).join(", ");
  if (name !== undefined) {
    const found = networks.find((n) => n.typed.name === name);
    if (!found) throw new UserFault(`there is no network ${name} in the file; it has ${names || "none"}`);
    return found;
  }
  const [only] = networks;
  if (!only) throw new UserFault("the file has no network");
  if (networks.length > 1) throw new UserFault(`the file has several networks (${names}); choose one with --network`);
  return only;
}
