/** Two specs compared as networks. */
import { describe, expect, it } from "vitest";
import { type DiffReport, diffNetworks, diffText } from "../../src/audit/diff.js";
import { compileSpec, example } from "../support/build.js";

const diff = (a: string, b: string): DiffReport => {
  const first = compileSpec(a);
  return diffNetworks(first, compileSpec(b));
};
const crate = example("crate");
const lasso = (update: string): string => `network N {
  dim m = 4, q = 6
  const lambda = 0.1, eta = 0.05
  input y: real[m]
  param A: real[m, q]
  var x: real[q] = 0
  layer ista repeat 3 {
    step shrink { ${update} }
  }
  output o: real[q] = x
}`;
const ista = lasso("minimize 0.5*sq_norm(y - A*x) + lambda*norm1(x) by proximal_gradient(rate: eta)");

describe("diff", () => {
  it("finds a network equal to itself", () => {
    expect(diff(crate, crate)).toMatchObject({ verdict: "same", lemmas: [], differences: [] });
  });
  it.each([["crate", "crate-alpha"], ["crate-mae", "crate"], ["tost", "tost-causal"], ["ista", "fista"]])("tells %s and %s apart, whose sizes need not fit each other", (a, b) => {
    expect(diff(example(a), example(b)).verdict).toBe("different");
  });
  it("sees through other names of parameters, indices and sizes", () => {
    const renamed = ista.replaceAll("A", "Dict").replaceAll("lambda", "weight").replace(/\bq\b/g, "atoms");
    const report = diff(ista, renamed);
    expect(report).toMatchObject({ verdict: "same", names: { Dict: "A", atoms: "q", weight: "lambda" } });
    expect(diff(crate, crate.replaceAll("[k]", "[h]").replaceAll("index k", "index h"))).toMatchObject({ verdict: "same" });
  });
  it("sees through another way to write the objective", () => {
    const written = lasso("minimize 0.5*sq_norm(A*x) - x'*(A'*y) + lambda*norm1(x) by proximal_gradient(rate: eta)");
    expect(diff(ista, written)).toMatchObject({ verdict: "same" });
    // x + eta*(x - ...) forms of one step, as the authors' program has it.
    const doubled = lasso("minimize sq_norm(y - A*x) + 2*lambda*norm1(x) by proximal_gradient(rate: eta/2)");
    expect(diff(ista, doubled)).toMatchObject({ verdict: "same" });
  });
  it("names the lemma up to which two networks are the same", () => {
    const without = crate.replace("orthonormal(U: U), unit_decay, free_output(U: U, W: W, b: b)", "orthonormal(U: U), unit_decay");
    const report = diff(crate, without);
    expect(report.verdict).toBe("same up to lemmas");
    expect(report.lemmas).toEqual([{ place: "block.compress", onlyA: ["free_output"], onlyB: [], agreed: "unit_decay" }]);
    expect(diffText(report, "A", "B")).toContain("same network up to free_output");
  });
  it("names the term by which they differ, with numbers where they do", () => {
    const report = diff(ista, lasso("minimize 0.5*sq_norm(y - A*x) + lambda*norm1(x) + 0.5*sq_norm(x) by gradient(rate: eta)".replace("+ lambda*norm1(x) ", "")));
    expect(report.verdict).toBe("different");
    expect(report.differences[0]).toMatchObject({ place: "ista.shrink", part: "update" });
    expect(report.differences[0]?.counterexample?.difference).toBeGreaterThan(1e-3);
    const smooth = (extra: string): string => lasso(`minimize 0.5*sq_norm(y - A*x)${extra} by gradient(rate: eta)`);
    expect(diff(smooth(""), smooth(" + 0.5*sq_norm(x)")).differences[0]?.term).toBe("eta*x");
  });
  it("finds another constant, another depth and another normalisation", () => {
    expect(diff(crate, crate.replace("eta = 0.1", "eta = 0.5")).differences.map((d) => d.place)).toEqual(["block.sparsify"]);
    const shallow = diff(crate, crate.replace("L = 12                        ", "L = 6"));
    expect(shallow.verdict).toBe("different");
    expect(shallow.differences.map((d) => d.part)).toContain("copies");
    expect(diff(crate, crate.replace("prenorm input layernorm(alias", "prenorm input rmsnorm(alias")).differences[0]).toMatchObject({ place: "block.sparsify" });
  });
});
