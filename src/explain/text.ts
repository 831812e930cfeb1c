/** Derivations as plain text, one line of mathematics a step. */
import type { ExplainedLine, ExplainedStep } from "./derivation.js";

function left(line: ExplainedLine, variable: string): string {
  switch (line.subject) {
    case "function": return `f(${variable})`;
    case "smooth": return `g(${variable})`;
    case "nonsmooth": return `h(${variable})`;
    case "gradient": return `∇f(${variable})`;
    case "update": return variable;
  }
}
const joint = (line: ExplainedLine): string => (line.subject === "update" ? (line.relation === "~" ? "≈>" : "<-") : "=");

export function explainText(steps: readonly ExplainedStep[]): string {
  return steps.map((step) => {
    const width = Math.max(...step.lines.map((l) => l.rule.length));
    const body = step.lines.flatMap((line) => {
      const main = `  ${line.rule.padEnd(width)}  ${left(line, step.variable)} ${joint(line)} ${step.show(line.expression)}`;
      const detail = line.replaced.map((r) => {
        const condition = r.when ? `   when ${step.show(r.when)}` : "";
        return `  ${"".padEnd(width)}    ${step.show(r.before)} ${line.relation} ${step.show(r.after)}${condition}`;
      });
      return [main, ...detail];
    });
    const head = `${step.network} · ${step.name}: ${step.clause}`;
    const doc = step.doc ? [`  ${step.doc.split("\n").join("\n  ")}`] : [];
    const where = step.where.map((d) => `  ${"where".padEnd(width)}  ${step.show(d.name)} = ${step.show(d.value)}`);
    return [head, ...doc, ...body, ...where, ...step.remarks.map((r) => `  (${r})`)].join("\n");
  }).join("\n\n") + "\n";
}
export function explainJson(steps: readonly ExplainedStep[]): string {
  const value = steps.map((s) => ({
    network: s.network, step: s.name, variable: s.variable, clause: s.clause, ...(s.doc === undefined ? {} : { doc: s.doc }),
    lines: s.lines.map((l) => ({
      subject: l.subject, rule: l.rule, relation: l.relation, expression: s.show(l.expression),
      replaced: l.replaced.map((r) => ({ before: s.show(r.before), after: s.show(r.after), ...(r.when ? { when: s.show(r.when) } : {}) })),
    })),
    where: s.where.map((d) => ({ name: s.show(d.name), value: s.show(d.value) })), remarks: s.remarks,
  }));
  return `${JSON.stringify({ generator: "crate-compile", steps: value }, null, 2)}\n`;
}
