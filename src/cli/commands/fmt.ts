import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { format } from "../../syntax/format.js";
import { parse } from "../../syntax/parse.js";
import { Reported } from "../faults.js";
import { readSpec, worldFault } from "../host.js";
import { result, say, showDiagnostics } from "../session.js";

/** Formats in place; a file with syntax errors is left alone. */
export function fmt(files: readonly string[], options: { readonly check?: boolean }): void {
  let failed = false;
  for (const name of files) {
    const { file, text } = readSpec(name);
    const parsed = parse(text, file);
    if (parsed.diagnostics.some((d) => d.severity === "error")) {
      showDiagnostics(parsed.diagnostics, new Map([[file, text]]), false);
      failed = true;
      continue;
    }
    const formatted = format(parsed.file, text);
    if (options.check) {
      if (formatted !== text) {
        say(`${file} is not formatted`);
        failed = true;
      }
    } else if (name === "-") result(formatted);
    else if (formatted !== text) {
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
      say(`${file} formatted`);
    }
  }
  if (failed) throw new Reported();
}
