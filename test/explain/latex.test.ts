/** The LaTeX of every example compiles; so does that of a spec with hostile names and documentation. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { explainNetwork } from "../../src/explain/derivation.js";
import { explainLatex } from "../../src/explain/latex.js";
import { escapeLatexText } from "../../src/explain/latex-name.js";
import { compileSpec, example } from "../support/build.js";

const hasLatex = spawnSync("pdflatex", ["--version"]).status === 0;
const hostile = `
/// \\input{/etc/passwd} $x^2$ %comment {brace} ~tilde^hat_under Δ → 漢字 "quotes" \\end{document}
network N_é {
  input y: real[4]
  var x_Δ: real[4] = 0
  layer l repeat 2 { step s_1 { /// 100 % of \\write18{ls}
    minimize 0.5*sq_norm(y - x_Δ) by gradient(rate: 0.1) } }
  output o: real[4] = x_Δ
}`;
const latexOf = (text: string): string => {
  const network = compileSpec(text);
  return explainLatex(explainNetwork(network.typed, network.derivations));
};

describe("an inverse that is left in an update", () => {
  const remarks = (text: string): readonly string[] => {
    const { typed, derivations } = compileSpec(text);
    return explainNetwork(typed, derivations).flatMap((s) => s.remarks).filter((r) => r.includes("inverse"));
  };
  const coded = (clauses: string): string => `network N { dim d = 4, n = 6 input X: real[d, n] param D: real[d, d] var Z: real[d, n] = X
    layer l repeat 1 { step s { ${clauses} } } output z: real[d, n] = Z }`;
  it("comes with the condition up to which it is accurate", () => {
    expect(remarks(coded("maximize 0.5*logdet(I + Z*Z') by gradient(rate: 0.1)"))).toEqual([expect.stringContaining("condition number of about 1e3")]);
    expect(remarks(coded("minimize 0.5*sq_norm(X - D*Z) + 0.5*sq_norm(Z) by exact"))).toHaveLength(1);
    expect(latexOf(coded("maximize 0.5*logdet(I + Z*Z') by gradient(rate: 0.1)"))).toContain("Newton--Schulz");
  });
  it("is said of none that is formed once, in float64, and of none that a lemma or a capture takes away", () => {
    expect(remarks(coded("minimize 0.5*sq_norm(X - D*Z) + 0.5*sq_norm(Z) by exact").replace("param D: real[d, d]", "param D: real[d, d] fixed"))).toEqual([]);
    for (const name of ["crate", "redunet"]) expect(remarks(example(name))).toEqual([]);
  });
});
describe("LaTeX of derivations", () => {
  it("leaves no command of a spec's text alive", () => {
    expect(escapeLatexText("\\input{x} $ % ~ ^ _ & #")).toBe("\\textbackslash{}input\\{x\\} \\$ \\% \\textasciitilde{} \\textasciicircum{} \\_ \\& \\#");
    expect(escapeLatexText("Δ漢\u202e")).toBe("\\ensuremath{\\Delta}\\texttt{U+6F22}\\texttt{U+202E}");
  });
  it("names sizes as the spec does", () => {
    expect(latexOf(example("crate"))).toContain("b \\mathbf{1}_{n}^{\\top}");
  });
  const cases = [...readdirSync("examples").filter((f) => f.endsWith(".srr")).map((f) => [f, readFileSync(`examples/${f}`, "utf8")] as const), ["a hostile spec", hostile] as const];
  it.skipIf(!hasLatex).each(cases)("compiles with pdflatex (skipped where it is not installed): %s", (_name, text) => {
    const folder = mkdtempSync(join(tmpdir(), "latex-"));
    writeFileSync(join(folder, "d.tex"), latexOf(text));
    const run = spawnSync("pdflatex", ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "d.tex"], { cwd: folder, encoding: "utf8" });
    rmSync(folder, { recursive: true });
    expect(run.stdout.split("\n").filter((l) => l.startsWith("!"))).toEqual([]);
    expect(run.status).toBe(0);
  });
});
