/** Derivations as a LaTeX document that compiles with amsmath alone. */
import type { ExplainedLine, ExplainedStep } from "./derivation.js";
import { escapeLatexText, latexName } from "./latex-name.js";

function symbolOf(variable: string): string {
  const [head = variable, index] = variable.split("[");
  const name = latexName(head);
  const below = [...name.below, index?.replace("]", "")].filter(Boolean).join(", ");
  return below ? `${name.head}_{${below}}` : name.head;
}
function left(line: ExplainedLine, variable: string): string {
  switch (line.subject) {
    case "function": return `f(${variable})`;
    case "smooth": return `g(${variable})`;
    case "nonsmooth": return `h(${variable})`;
    case "gradient": return `\\nabla f(${variable})`;
    case "update": return variable;
  }
}
const joint = (line: ExplainedLine): string => (line.subject === "update" ? (line.relation === "~" ? "\\approx" : "\\leftarrow") : "=");

/** The body only: a section for each step. */
export function latexBody(steps: readonly ExplainedStep[]): string {
  return steps.map((step) => {
    const variable = symbolOf(step.variable);
    const lines = step.lines.map((line) => {
      const replaced = line.replaced.map((r) =>
        `\\[ \\text{where } ${step.latex(r.before)} ${line.relation === "~" ? "\\approx" : "="} ${step.latex(r.after)}${r.when ? ` \\quad\\text{when } ${step.latex(r.when)}` : ""} \\]`);
      return [`\\paragraph{${escapeLatexText(line.rule)}}`, `\\[ ${left(line, variable)} ${joint(line)} ${step.latex(line.expression)} \\]`, ...replaced].join("\n");
    });
    const where = step.where.map((d) => `\\[ \\text{where } ${step.latex(d.name)} = ${step.latex(d.value)} \\]`);
    const doc = step.doc ? [escapeLatexText(step.doc), ""] : [];
    return [`\\subsection*{${escapeLatexText(step.name)}: ${escapeLatexText(step.clause)}}`, ...doc, ...lines, ...where, ...step.remarks.map((r) => `\n${escapeLatexText(r)}`)].join("\n");
  }).join("\n\n");
}
export function explainLatex(steps: readonly ExplainedStep[]): string {
  const title = steps[0]?.network ?? "";
  return [
    "% Derived by crate-compile.", "\\documentclass{article}", "\\usepackage{amsmath,amssymb}", "\\usepackage[landscape,margin=1.5cm]{geometry}",
    "\\usepackage[T1]{fontenc}", "\\usepackage[utf8]{inputenc}", "\\begin{document}", `\\section*{${escapeLatexText(title)}}`, latexBody(steps), "\\end{document}", "",
  ].join("\n");
}
