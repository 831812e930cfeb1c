import { say } from "../session.js";
import { compile } from "../../compile.js";
import { Reported } from "../faults.js";
import { nodeHost, readSpec } from "../host.js";
import { readSettings, showDiagnostics, type SpecOptions } from "../session.js";
import type { Diagnostic } from "../../diagnostics/declare.js";

/** Diagnostics of every file; exit 1 if any has errors. */
export function check(files: readonly string[], options: SpecOptions): void {
  const diagnostics: Diagnostic[] = [];
  const sources = new Map<string, string>();
  for (const name of files) {
    const spec = readSpec(name);
    const result = compile(spec.text, {
      file: spec.file, settings: readSettings(options.set), ...(options.preset === undefined ? {} : { preset: options.preset }),
    }, nodeHost(name));
    diagnostics.push(...result.diagnostics);
    result.sources.forEach((text, file) => sources.set(file, text));
    const errors = result.diagnostics.filter((d) => d.severity === "error").length;
    if (!options.json && errors === 0) say(`${spec.file}: ${result.networks.map((n) => `network ${n.typed.name}`).join(", ") || "no network"} checked`);
  }
  showDiagnostics(diagnostics, sources, options.json);
  if (diagnostics.some((d) => d.severity === "error")) throw new Reported();
}
