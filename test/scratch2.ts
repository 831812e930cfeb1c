import { readFileSync } from "node:fs";
import { parse } from "../src/quick-parse.js";
import { elaborate } from "../src/semantics/elaborate.js";
import { Reporter } from "../src/diagnostics/declare.js";
import { positionOf } from "../src/diagnostics/span.js";
import { derive } from "../src/calculus/derive.js";
import { derivationDiagnostic } from "../src/calculus/diagnostics.js";
import { explainStep } from "../src/explain/derivation.js";
import { explainText } from "../src/explain/text.js";
import { checkExpectations, checkIdentities } from "../src/audit/identities.js";
import { unroll } from "../src/network/unroll.js";
const trainableCount = (u: any) => u.parameters.filter((p: any) => p.trainable).reduce((s: number, p: any) => s + p.shape.slice(0, p.rank).reduce((a: number, d: any) => a * Number(d.key), p.family?.size ?? 1), 0);
for (const f of process.argv.slice(2)) {
  const [name, preset] = f.split("@");
  const text = readFileSync(`examples/${name}.srr`, "utf8");
  const reporter = new Reporter();
  const parsed = parse(text, name!);
  parsed.diagnostics.forEach((d) => reporter.report(d));
  const { program } = elaborate(parsed.file, text, { file: name!, ...(preset ? { preset } : {}), settings: new Map(), parse, loadImport: (p) => ({ file: p, text: readFileSync(`src/${p}.srr`, "utf8") }) }, reporter);
  checkIdentities(program!.lemmas, reporter);
  for (const net of program!.networks) {
    const sizes = new Map(net.indices.map((i) => [i.name, i.size]));
    const ds = new Map();
    for (const l of net.statements) if (l.kind === "layer") for (const s of l.body) if (s.kind === "step") {
      try { const d = derive(s, net.variables, sizes, () => undefined); ds.set(s, d); console.log(explainText([explainStep(net, l.name, s, d)])); }
      catch (e) { const d = derivationDiagnostic(e, s); if (d) reporter.report(d); else throw e; }
    }
    checkExpectations(net, ds.values(), reporter);
    if (!reporter.hasErrors) { const u = unroll(net, ds, reporter); console.log(name, "parameters", trainableCount(u), "statements", u.statements.length, u.freeDims); }
  }
  for (const d of reporter.diagnostics) { const p = positionOf(text, d.span.start); console.log(`${d.span.file}:${p.line}:${p.column} ${d.code} ${d.message} ${d.hint ?? ""}`, d.labels.map((l) => l.text)); }
}
