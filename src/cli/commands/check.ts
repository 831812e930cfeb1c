import type { Diagnostic } from "../../diagnostics/declare.js";
import { toJson } from "../../diagnostics/render.js";
import { SpecFault, UserFault } from "../faults.js";
import { resultJson, say, showDiagnostics } from "../report.js";
import { isWrong, namedNetworks, readAndCompile, type SpecOptions } from "../session.js";

/** Diagnostics of every file, those that cannot be read among them; exit 1 if any has errors. */
export function check(files: readonly string[], options: SpecOptions): void {
  const diagnostics: Diagnostic[] = [];
  const sources = new Map<string, string>();
  const others: UserFault[] = [];
  for (const name of files) {
    try {
      const { compilation, file } = readAndCompile(name, options);
      diagnostics.push(...compilation.diagnostics);
      compilation.sources.forEach((text, of) => sources.set(of, text));
      if (isWrong(compilation)) continue;
      const networks = namedNetworks(compilation, file, options.network);
      if (!options.json) say(`${file}: ${networks.map((n) => `network ${n.typed.name}`).join(", ") || "no network"} checked`);
    } catch (error) {
      if (!(error instanceof UserFault)) throw error;
      others.push(error);
    }
  }
  if (others.length > 0 || diagnostics.some((d) => d.severity === "error")) throw new SpecFault(diagnostics, sources, others);
  if (options.json) resultJson({ diagnostics: diagnostics.map((d) => toJson(d, sources)) });
  else showDiagnostics(diagnostics, sources);
}
