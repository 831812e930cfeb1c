import { wrongSpecs } from "./support/wrong-specs.js";
import { parse } from "../src/quick-parse.js";
import { elaborate } from "../src/semantics/elaborate.js";
import { Reporter } from "../src/diagnostics/declare.js";
import { derive } from "../src/calculus/derive.js";
import { derivationDiagnostic } from "../src/calculus/diagnostics.js";
import { checkExpectations, checkIdentities } from "../src/audit/identities.js";
import { unroll } from "../src/network/unroll.js";
import { readFileSync } from "node:fs";
for (const w of wrongSpecs) {
  const start = w.text.indexOf("⟦"), end = w.text.indexOf("⟧") - 1, text = w.text.replace("⟦", "").replace("⟧", "");
  const r = new Reporter();
  try {
    const p = parse(text, "main"); p.diagnostics.forEach((d) => r.report(d));
    const { program } = elaborate(p.file, text, { file: "main", settings: new Map(), parse, loadImport: (q) => q.startsWith("std/") ? { file: q, text: readFileSync(`src/${q}.srr`, "utf8") } : { missing: "there is no such file" } }, r);
    if (!r.hasErrors) { checkIdentities(program!.lemmas, r); for (const net of program!.networks) {
      const nums = new Map(net.dims.flatMap((d) => d.value === undefined ? [] : [[d.name, d.value] as const]));
      const ds = new Map(); const sizes = new Map(net.indices.map((i) => [i.name, i.size]));
      for (const l of net.statements) for (const s of l.kind === "layer" ? l.body : [l]) if (s.kind === "step") try { ds.set(s, derive(s, net.variables, sizes, (d) => d.terms.length === 1 && d.terms[0]!.powers.length === 1 ? nums.get(d.terms[0]!.powers[0]![0]) : undefined)); } catch (e) { const d = derivationDiagnostic(e, s); if (!d) throw e; r.report(d); }
      checkExpectations(net, ds.values(), r); if (!r.hasErrors) unroll(net, ds, r); } }
  } catch (e: any) { console.log("THROW", w.code, w.what, e.stack.split("\n").slice(0, 3).join(" ")); continue; }
  const d = r.diagnostics; const ok = d.length === 1 && d[0]!.code === w.code && d[0]!.span.start === start && d[0]!.span.end === end;
  if (!ok) console.log("BAD", w.code, w.what, start, end, d.map((x) => `${x.code} ${x.message.slice(0, 90)} ${x.span.start}-${x.span.end} «${text.slice(x.span.start, x.span.end).slice(0, 30)}»`));
}
