/** What becomes of a text: a model, diagnostics, or a defect of ours. */
import { compile, type Host } from "../../src/compile.js";
import { DiagnosticError } from "../../src/diagnostics/declare.js";
import { render, toJson } from "../../src/diagnostics/render.js";
import { emitOnnx } from "../../src/emit/onnx/emit.js";
import { explainNetwork } from "../../src/explain/derivation.js";
import { explainText } from "../../src/explain/text.js";
import { describe } from "../../src/network/describe.js";
import { startingValues } from "../../src/runtime/random.js";
import { storedShape } from "../../src/network/weights.js";
import { format } from "../../src/syntax/format.js";
import { parse } from "../../src/syntax/parse.js";
import { planOf } from "../../src/targets.js";

export interface Verdict {
  readonly outcome: "model" | "diagnostics" | "defect";
  readonly milliseconds: number;
  /** Of a defect: its name and the place where it was thrown. */
  readonly detail?: string;
}
/** A parameter count above which no values are drawn: such a model is large because its spec says so. */
const drawable = 200_000;

function outcomeOf(text: string, host: Host): "model" | "diagnostics" {
  const result = compile(text, { file: "fuzz.srr" }, host);
  for (const d of result.diagnostics) {
    if (render(d, result.sources).length === 0) throw new Error("an empty message");
    JSON.stringify(toJson(d, result.sources));
  }
  const errors = result.diagnostics.filter((d) => d.severity === "error").length;
  if (errors > 0 || result.networks.length === 0) {
    if (errors === 0 && result.program === undefined) throw new Error("no program, and no word why");
    return "diagnostics";
  }
  const parsed = parse(text, "fuzz.srr");
  const once = format(parsed.file, text);
  if (format(parse(once, "fuzz.srr").file, once) !== once) throw new Error("formatting a formatted file changes it");
  for (const network of result.networks) {
    explainText(explainNetwork(network.typed, network.derivations));
    try {
      const plan = planOf(network, {});
      const size = network.unrolled.parameters.reduce((sum, p) => sum + storedShape(p).reduce((a, b) => a * b, 1), 0);
      if (size > drawable) continue;
      const description = describe(network.unrolled, { compiler: "fuzz", specHash: "", seed: 1 });
      if (description.parameters.some((p) => p.init.kind === "file")) continue;
      emitOnnx(plan, { description, weights: startingValues(description, 1), metadata: { spec: text }, doc: "", producerVersion: "fuzz", fixed: [] });
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      return "diagnostics";
    }
  }
  return "model";
}
/** Milliseconds of this process's own work: what else the machine does is no fault of a text. */
export function worked(): () => number {
  const begin = process.cpuUsage();
  return () => { const used = process.cpuUsage(begin); return (used.user + used.system) / 1000; };
}
export function judge(text: string, host: Host): Verdict {
  const since = worked();
  try {
    return { outcome: outcomeOf(text, host), milliseconds: since() };
  } catch (error) {
    const lines = error instanceof Error ? (error.stack ?? error.message).split("\n") : [String(error)];
    const place = lines.find((l) => l.includes("/src/") && !l.includes("node_modules"))?.replace(/.*(src\/[^):]+:\d+).*/, "$1") ?? "";
    return { outcome: "defect", milliseconds: since(), detail: `${(lines[0] ?? "").slice(0, 200)} at ${place}` };
  }
}
