/** Proof logs are replayed by a checker that shares nothing with the calculus, and refused where a line was changed. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { checkLog, type LoggedLine, type ProofLog } from "../../src/audit/check-log.js";
import { evaluateNotation, readNotation } from "../../src/audit/notation.js";
import { proofLog } from "../../src/audit/proof-log.js";
import type { CompiledNetwork } from "../../src/compile.js";
import { showExpr } from "../../src/expression/print.js";
import { compileSpec, example } from "../support/build.js";

const names = readdirSync("examples").filter((f) => f.endsWith(".srr")).map((f) => f.slice(0, -4));
function logOf(name: string): ProofLog {
  const network = compileSpec(example(name));
  return JSON.parse(JSON.stringify(proofLog(network.typed, network.derivations, { trials: 2, seed: 1 }))) as ProofLog;
}
const refused = (log: ProofLog): readonly string[] => checkLog(log).filter((v) => !v.ok).map((v) => `${v.step} ${v.line} ${v.rule}: ${v.why}`);

describe("the proof log", () => {
  it.each(names)("of %s is accepted by the independent checker", (name) => {
    const log = logOf(name);
    expect(log.steps.length).toBeGreaterThan(0);
    expect(refused(log)).toEqual([]);
  });
  it.each(["0.5*sq_norm(Z) - 0.1*total(log(Z))", "-total(log(3 - A*Z))", "0.5*sq_norm(Z[:, 4])"])("of a step on %s is taken where that is defined", (objective) => {
    const network = compileSpec(`network N { dim d = 3, n = 5 input X: real[d, n] param A: real[d, d] var Z: real[d, n] = X layer l repeat 1 { step s { minimize ${objective} by gradient(rate: 0.1) } } output z: real[d, n] = Z }`);
    const log = JSON.parse(JSON.stringify(proofLog(network.typed, network.derivations, { trials: 3, seed: 1 }))) as ProofLog;
    expect(log.steps.map((s) => s.points.length)).toEqual([3]);
    expect(refused(log)).toEqual([]);
  });
  describe("of a lemma in a product of sums", () => {
    const compiled = (objective: string, lemma: string): CompiledNetwork => compileSpec(`network N { dim d = 4, p = 2, n = 3, K = 2, k3 = 3 index k in 1..K index k2 in 1..3 const t = 0.3 input X: real[d, n] param U[k]: real[d, p] param V[k2]: real[d, p]
      var Z: real[d, n] = X layer l repeat 1 { step s { minimize ${objective} by gradient(rate: t) using m } } output z: real[d, n] = Z } lemma m(${lemma}`);
    const family = "U[k]: real[d, p], Y[k]: real[d, n]";
    it.each([
      ["0.5*(sum(k) (1 + sq_norm(U[k]'*Z)))^2", `${family}): sum(k) Y[k] ~ Y[1]`],
      ["0.5*(sum(k) (1 + sq_norm(U[k]'*Z)))^2", "U[k]: real[d, p], Z: real[d, n], Y: real[d, n]): (sum(k) (1 + sq_norm(U[k]'*Z)))*Y ~ Y"],
      ["0.5*k3*(sum(k) sq_norm(U[k]'*Z))^2", "U[k]: real[d, p], Z: real[d, n]): U[k]*U[k]'*Z ~ Z"],
      ["0.5*(sum(k) sq_norm(U[k]'*Z))^2 + sum(k2) sq_norm(V[k2]'*Z)", `${family}): sum(k) U[k]*U[k]'*Y[k] ~ sum(k) Y[k]`],
      ["0.5*sum(k) sq_norm(U[k]'*Z)", "A: real[d, d], Z: real[d, n]): A*Z ~ A'*Z"],
      ["0.5*sq_norm(U[2]'*Z)", "A[i]: real[d, p], Z: real[d, n]): A[i]*A[i]'*Z ~ Z"],
    ])("%s by m(%s is accepted, and refused with another replacement", (objective, lemma) => {
      const { typed, derivations } = compiled(objective, lemma);
      const log = JSON.parse(JSON.stringify(proofLog(typed, derivations, { trials: 2, seed: 1 }))) as ProofLog;
      expect(refused(log)).toEqual([]);
      const steps = log.steps.map((s) => ({ ...s, lines: s.lines.map((l) => ({ ...l, ...(l.replaced ? { replaced: l.replaced.map((r) => ({ ...r, after: `1.01*(${r.after})` })) } : {}) })) }));
      expect(refused({ ...log, steps })).not.toEqual([]);
    });
    it("names indices that clash by the expression alone, as nothing else is named", () => {
      const told = (): readonly string[] => [...compiled("0.5*k3*(sum(k) sq_norm(U[k]'*Z))^2", "U[k]: real[d, p], Z: real[d, n]): U[k]*U[k]'*Z ~ Z").derivations.values()]
        .flatMap((d) => d.lines.flatMap((l) => [l.expression, ...l.applications.map((a) => a.before)].map((e) => showExpr(e))));
      const first = told();
      expect(first.join()).toContain("U[k4]*U[k4]'*Z");
      expect(told()).toEqual(first);
    });
  });
  it("imports nothing of the compiler where it is checked", () => {
    const imports = (file: string): readonly string[] => [...readFileSync(file, "utf8").matchAll(/from "([^"]+)"/g)].map((m) => m[1] as string);
    expect(imports("src/audit/notation.ts")).toEqual([]);
    expect(imports("src/audit/check-log.ts")).toEqual(["./notation.js"]);
  });

  type Change = (line: LoggedLine) => LoggedLine;
  const changes: readonly (readonly [string, (l: LoggedLine) => boolean, Change])[] = [
    ["a sign in an expression", (l) => / - /.test(l.after), (l) => ({ ...l, after: l.after.replace(" - ", " + ") })],
    ["a factor in front", () => true, (l) => ({ ...l, after: `2*(${l.after})` })],
    ["a value at a point", () => true, (l) => ({ ...l, values: l.values.map((p) => p.map((m) => m.map((x, i) => (i !== 0 ? x : Number.isFinite(x) ? Number(x) + 0.001 : 0)))) })],
    ["what a lemma stands for", (l) => l.context !== undefined, (l) => ({ ...l, replaced: (l.replaced ?? []).map((r) => ({ ...r, after: `2*(${r.after})` })) })],
    ["what a lemma replaced", (l) => l.context !== undefined, (l) => ({ ...l, replaced: (l.replaced ?? []).map((r) => ({ ...r, before: `2*(${r.before})` })) })],
    ["the line before it", (l) => l.before !== undefined, (l) => ({ ...l, before: `${l.before} + 0` })],
    ["an approximation called an identity", (l) => l.relation === "approximation", (l) => ({ ...l, relation: "identity" })],
    ["the method", (l) => l.kind === "update", (l) => ({ ...l, rule: "exact" })],
  ];
  const log = logOf("crate");
  it.each(changes)("is refused where somebody changed %s", (_, applies, change) => {
    let tried = 0;
    log.steps.forEach((step, s) => step.lines.forEach((line, i) => {
      if (!applies(line)) return;
      tried += 1;
      const tampered = { ...log, steps: log.steps.map((x, t) => (t === s ? { ...x, lines: x.lines.map((y, j) => (i === j ? change(y) : y)) } : x)) };
      expect(refused(tampered), `${step.step} line ${i + 1}: ${line.after}`).not.toEqual([]);
    }));
    expect(tried).toBeGreaterThan(0);
  });
  it("is refused where a gradient is doubled and all that follows agrees with it", () => {
    const doubled = (values: LoggedLine["values"]): LoggedLine["values"] => values.map((p) => p.map((m) => m.map((x) => 2 * Number(x))));
    const tampered = { ...log, steps: log.steps.map((s) => ({ ...s, lines: s.lines.map((l) => (l.kind === "gradient" ? { ...l, after: `2*(${l.after})`, values: doubled(l.values) } : l)) })) };
    expect(refused(tampered).join()).toContain("finite differences");
  });
  it("is refused where a lemma says more than its author wrote, though all that follows agrees with it", () => {
    // Every mention of the series is changed alike: the replacement, the line after it, its values.
    const steps = log.steps.map((s) => {
      const at = s.lines.findIndex((l) => l.rule === "neumann");
      if (at < 0) return s;
      const line = s.lines[at] as LoggedLine;
      const twice = (text: string): string => text.replace("I - beta", "I - 2*beta");
      const changed = { ...line, after: twice(line.after), replaced: (line.replaced ?? []).map((r) => ({ ...r, after: twice(r.after) })) };
      // Its values, by the checker's own parser: what a careful forger would write.
      const values = s.points.map((p) => [evaluateNotation(readNotation(changed.after), {
        sizes: new Map(Object.entries(p.sizes)), counts: new Map(Object.entries(p.counts)), indices: new Map(), value: (name, member) => p.values[name]?.[(member ?? 1) - 1],
      }).data]);
      return { ...s, lines: [...s.lines.slice(0, at), { ...changed, values }] };
    });
    expect(refused({ ...log, steps }).join()).toContain("no instance of the lemma's right side");
  });
  it("is refused where a step has not all that it needs", () => {
    expect(refused({ ...log, steps: log.steps.map((s) => ({ ...s, lines: s.lines.filter((l) => l.kind !== "update") })) })).not.toEqual([]);
    expect(refused({ ...log, steps: log.steps.map((s) => ({ ...s, points: [] })) })).not.toEqual([]);
  });
  it.each([
    ["nothing", {}], ["no steps", { format: 1, steps: "x" }], ["a step that is none", { format: 1, steps: [null] }], ["a step without lines", { format: 1, steps: [{ step: "a" }] }],
    ["a matrix too large to hold", { ...log, steps: log.steps.map((s) => ({ ...s, lines: s.lines.map((l) => ({ ...l, after: "ones(1e9)*ones(1e9)'" })) })) }],
    ["brackets without end", { ...log, steps: log.steps.map((s) => ({ ...s, lines: s.lines.map((l) => ({ ...l, after: "(".repeat(20000) })) })) }],
    ["a function of another world", { ...log, steps: log.steps.map((s) => ({ ...s, lines: s.lines.map((l) => ({ ...l, after: "constructor(Z)" })) })) }],
  ])("is refused, and no more, where it is %s", (_, made) => {
    const verdicts = checkLog(made as ProofLog);
    expect(verdicts.length).toBeGreaterThan(0);
    expect(verdicts.some((v) => !v.ok)).toBe(true);
  });
});
