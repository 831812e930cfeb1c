import { readFileSync } from "node:fs";
import { parse } from "../src/quick-parse.js";
import { elaborate } from "../src/semantics/elaborate.js";
import { Reporter } from "../src/diagnostics/declare.js";
import { positionOf } from "../src/diagnostics/span.js";
import { derive, type Derivation } from "../src/calculus/derive.js";
import { derivationDiagnostic } from "../src/calculus/diagnostics.js";
import { checkExpectations, checkIdentities } from "../src/audit/identities.js";
import { unroll } from "../src/network/unroll.js";
import type { TypedStep } from "../src/semantics/program.js";
import { readSafetensors } from "../src/runtime/safetensors.js";
export function compileText(text: string, settings: Record<string, number> = {}, preset?: string) {
  const reporter = new Reporter();
  const parsed = parse(text, "main");
  parsed.diagnostics.forEach((d) => reporter.report(d));
  const { program } = elaborate(parsed.file, text, { file: "main", ...(preset ? { preset } : {}), settings: new Map(Object.entries(settings)), parse, loadImport: (p) => ({ file: p, text: readFileSync(`src/${p}.srr`, "utf8") }) }, reporter);
  const nets = (reporter.hasErrors ? [] : program!.networks).map((typed) => {
    const sizes = new Map(typed.indices.map((i) => [i.name, i.size]));
    const derivations = new Map<TypedStep, Derivation>();
    for (const l of typed.statements) for (const s of l.kind === "layer" ? l.body : [l]) if (s.kind === "step") {
      try { derivations.set(s, derive(s, typed.variables, sizes, () => undefined)); } catch (e) { const d = derivationDiagnostic(e, s); if (d) reporter.report(d); else throw e; }
    }
    checkExpectations(typed, derivations.values(), reporter);
    return { typed, derivations, unrolled: reporter.hasErrors ? undefined! : unroll(typed, derivations, reporter) };
  });
  checkIdentities(program!.lemmas, reporter);
  for (const d of reporter.diagnostics) { const p = positionOf(text, d.span.start); console.log(`${d.span.file}:${p.line}:${p.column} ${d.code} ${d.message} | ${d.hint ?? ""}`, d.labels.map((l) => l.text)); }
  return nets[0]!;
}
export const spec = (name: string) => readFileSync(`examples/${name}.srr`, "utf8");
export const fixture = (c: string) => ({ t: readSafetensors(readFileSync(`test/fixtures/${c}/tensors.safetensors`), c), j: JSON.parse(readFileSync(`test/fixtures/${c}/case.json`, "utf8")) });
export const err = (a: ArrayLike<number>, b: ArrayLike<number>) => { let m = 0, s = 0; for (let i = 0; i < b.length; i++) { m = Math.max(m, Math.abs((a[i] as number) - (b[i] as number)) || (Number.isNaN(a[i]) ? Infinity : 0)); s = Math.max(s, Math.abs(b[i] as number)); } return a.length !== b.length ? `LENGTH ${a.length} ${b.length}` : (m / s).toExponential(2); };
