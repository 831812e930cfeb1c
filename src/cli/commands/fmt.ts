import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { format } from "../../syntax/format.js";
import { parse } from "../../syntax/parse.js";
import type { Diagnostic } from "../../diagnostics/declare.js";
import { Reported, SpecFault } from "../faults.js";
import { readSpec, worldFault } from "../host.js";
import { result, resultJson, say } from "../report.js";

/** Formats in place; a file with syntax errors is left alone. */
export function fmt(files: readonly string[], options: { readonly check?: boolean; readonly json?: boolean }): void {
  const broken: Diagnostic[] = [];
  const sources = new Map<string, string>();
  const read: { readonly file: string; readonly formatted: boolean; readonly text?: string }[] = [];
  const tell = (text: string): void => { if (!options.json) say(text); };
  for (const name of files) {
    const { file, text } = readSpec(name);
    const parsed = parse(text, file);
    if (parsed.diagnostics.some((d) => d.severity === "error")) {
      broken.push(...parsed.diagnostics);
      sources.set(file, text);
      continue;
    }
    const formatted = format(parsed.file, text);
    read.push({ file, formatted: formatted === text, ...(name === "-" ? { text: formatted } : {}) });
    if (options.check) {
      if (formatted !== text) tell(`${file} is not formatted`);
    } else if (name === "-") {
      if (!options.json) result(formatted);
    } else if (formatted !== text) {
      // Through a link its file is formatted, and the link stays one.
      const place = realpathSync(name);
      const temporary = `${place}.${process.pid}.tmp`;
      try {
        writeFileSync(temporary, formatted, { mode: statSync(place).mode, flag: "wx" });
        renameSync(temporary, place);
      } catch (error) {
        rmSync(temporary, { force: true });
        throw worldFault(error, `cannot write ${name}; it is unchanged`);
      }
      tell(`${file} formatted`);
    }
  }
  if (broken.length > 0) throw new SpecFault(broken, sources);
  if (options.json) resultJson({ diagnostics: [], files: read });
  if (options.check && read.some((f) => !f.formatted)) throw new Reported();
}
