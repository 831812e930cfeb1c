import { basename, dirname } from "node:path";
import type { Compilation, CompiledNetwork } from "../../compile.js";
import { explainNetwork } from "../../explain/derivation.js";
import { isOurPage } from "../../explain/page.js";
import { explainLatex } from "../../explain/latex.js";
import { explainJson, explainText } from "../../explain/text.js";
import { freeSizeNames, sampleAxis } from "../../network/size-names.js";
import { refusing, UsageFault, UserFault } from "../faults.js";
import { writeFiles } from "../files.js";
import { packageVersion } from "../root.js";
import { result } from "../report.js";
import { chooseNetwork, compileFile, namedNetworks, type SpecOptions } from "../session.js";

interface ExplainOptions extends SpecOptions {
  readonly step?: string;
  readonly format: "text" | "latex" | "html" | "json";
  readonly out?: string;
  readonly force?: boolean;
}
type Format = ExplainOptions["format"];
/** How what we wrote begins, in each format: it may be written anew. */
const isOurs: { readonly [F in Format]: (head: string) => boolean } = {
  text: (head) => /^\S+ · \S+: (minimize|maximize) by \w+\n {2}/.test(head), latex: (head) => /^% Derived by crate-compile\.\n/.test(head), html: isOurPage,
  json: (head) => /^\{\n {2}"generator": "crate-compile",\n {2}"steps": \[\n/.test(head),
};
const writers = { text: explainText, latex: explainLatex, json: explainJson } as const;

export async function explain(file: string, options: ExplainOptions): Promise<void> {
  if (options.json && options.format !== "json" && options.format !== "text") throw new UsageFault(`--json does not go with --format ${options.format}: it writes the steps as JSON; leave one of the two out`);
  const { compilation } = compileFile(file, options);
  const format = options.json ? "json" : options.format;
  if (format === "html") {
    if (options.step !== undefined) throw new UsageFault("--step goes with text, latex and json; the page shows all steps");
    write(await refusing(compilation.sources, () => page(chooseNetwork(compilation, file, options.network), file)), format, compilation, options);
    return;
  }
  const all = namedNetworks(compilation, file, options.network).flatMap((n) => explainNetwork(n.typed, n.derivations));
  const steps = options.step === undefined ? all : all.filter((s) => s.name === options.step);
  if (steps.length === 0) {
    throw new UserFault(options.step === undefined ? `${file} has no step` : `there is no step ${options.step}; the file has ${all.map((s) => s.name).join(", ") || "none"}`);
  }
  write(writers[format](steps), format, compilation, options);
}
function write(text: string, format: Format, { sources }: Compilation, options: ExplainOptions): void {
  if (options.out === undefined || options.out === "-") result(text);
  else writeFiles([{ path: basename(options.out), bytes: new TextEncoder().encode(text) }], dirname(options.out), { force: options.force, isOurs: isOurs[format], sources: sources.keys() });
}

async function page(network: CompiledNetwork, file: string): Promise<string> {
  const [{ explainHtml }, { verifyNetwork }, { graphOf }, { costValue, graphCost }] = await Promise.all([
    import("../../explain/html.js"), import("../../audit/verify.js"), import("../../targets.js"), import("../../tensor/cost.js"),
  ]);
  const sizes = Object.fromEntries([sampleAxis, ...freeSizeNames(network.unrolled)].map((name) => [name, 1]));
  const costs = [...graphCost(graphOf(network, {})).places].map(([place, cost]) => ({ place, ...costValue(cost, sizes) }));
  const checks = verifyNetwork(network.typed, network.derivations, { trials: 3, seed: 1 });
  return explainHtml({ network, checks, costs, file: basename(file), compiler: packageVersion() });
}
