import { basename, dirname } from "node:path";
import { explainNetwork } from "../../explain/derivation.js";
import { explainLatex } from "../../explain/latex.js";
import { explainJson, explainText } from "../../explain/text.js";
import { UserFault } from "../faults.js";
import { writeFiles } from "../files.js";
import { compileFile, result, type SpecOptions } from "../session.js";

interface ExplainOptions extends SpecOptions {
  readonly step?: string;
  readonly format: "text" | "latex" | "json";
  readonly out?: string;
  readonly force?: boolean;
}
const writers = { text: explainText, latex: explainLatex, json: explainJson } as const;

export function explain(file: string, options: ExplainOptions): void {
  const { compilation } = compileFile(file, { ...options, json: false });
  const networks = compilation.networks.filter((n) => options.network === undefined || n.typed.name === options.network);
  const all = networks.flatMap((n) => explainNetwork(n.typed, n.derivations));
  const steps = options.step === undefined ? all : all.filter((s) => s.name === options.step);
  if (steps.length === 0) {
    throw new UserFault(options.step === undefined ? `${file} has no step` : `there is no step ${options.step}; the file has ${all.map((s) => s.name).join(", ") || "none"}`);
  }
  const text = writers[options.json ? "json" : options.format](steps);
  if (options.out === undefined || options.out === "-") result(text);
  else writeFiles([{ path: basename(options.out), bytes: new TextEncoder().encode(text) }], dirname(options.out), options.force ?? false, () => false);
}
