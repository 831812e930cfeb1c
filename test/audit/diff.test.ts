/** Two specs compared as networks. */
import fc from "fast-check";
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
  it("compares the values of fixed parameters, which are part of the problem, not those that learning starts from", () => {
    const held = (init: string): string => ista.replace("param A: real[m, q]", `const c = 2 param S: real[m, m] fixed init identity param A: real[m, q] fixed init ${init}`);
    const [first] = diff(held("from(ones(m)*ones(q)')"), held("from(2*ones(m)*ones(q)')")).differences;
    expect(first).toMatchObject({ place: "A", part: "value", a: "ones(m)*ones(q)'", b: "2*ones(m)*ones(q)'" });
    for (const [a, b] of [["from(2*S*ones(m)*ones(q)')", "from(c*S*ones(m)*ones(q)')"], ["ones", "from(ones(m)*ones(q)')"], ["constant(2)", "from(c*ones(m)*ones(q)')"], ["normal(0.1)", "normal(0.1)"], ["orthonormal", "orthonormal"]] as const) {
      expect(diff(held(a), held(b)), `${a}, ${b}`).toMatchObject({ verdict: "same", differences: [] });
    }
    expect(diff(held("normal(0.1)"), held("normal(0.2)")).differences).toEqual([{ place: "A", part: "value", a: "normal(0.1)", b: "normal(0.2)" }]);
    expect(diff(held("orthonormal"), held("ones")).verdict).toBe("different");
    expect(diff(held("ones"), held("ones").replace("fixed init identity", "fixed init identity(scale: 2)")).differences).toMatchObject([{ place: "S", part: "value", a: "I", b: "2*I", term: "-I" }]);
    const scaled = (init: string): string => held("ones").replace("fixed init identity", `fixed init ${init}`);
    expect(diff(scaled("identity(scale: 2)"), scaled("from(c*I)"))).toMatchObject({ verdict: "same", differences: [] });
    expect(diff(held("identity(scale: 2)"), held("identity")).differences).toEqual([{ place: "A", part: "value", a: "identity(2)", b: "identity(1)" }]);
    const learned = (init: string): string => held(init).replace("real[m, q] fixed", "real[m, q]");
    expect(diff(learned("ones"), learned("zeros")).verdict).toBe("same");
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

/** A network with most kinds of statement, and small changes to it: is it the same network afterwards? */
const small = `network N {
  dim d = 4, n = 3
  const t = 0.1
  index k in 1..2
  input y: real[d, n]
  param C: real[d, d]
  var x: real[d, n] = C*y
  layer l repeat 3 {
    param A: real[d, d]
    param U[k]: real[d, 2]
    step s { minimize 0.5*sq_norm(y - A*x) + sum(k) sq_norm(U[k]'*x) by gradient(rate: t, momentum: 0.5) prenorm increment layernorm(eps: 1e-5) }
    x = x + 0.1*softmax(x)
    x = x + mlp(x, 8, relu)
  }
  output z: real[d, n] = linear(x, 4)
}`;
/** Exchanges text for text; fails where there is none of it, so that a change stays one. */
const swap = (...pairs: readonly (readonly [string, string])[]) => (text: string): string => pairs.reduce((now, [from, to]) => {
  if (!now.includes(from)) throw new Error(`there is no ${from}`);
  return now.replace(from, to);
}, text);
type Verdict = DiffReport["verdict"];
interface Change { readonly what: string; readonly verdict: Verdict; readonly change: (text: string) => string; readonly place?: string }
const changes: readonly Change[] = [
  { what: "another name", verdict: "same", change: swap(["A: real[d, d]", "B: real[d, d]"], ["A*x", "B*x"]) },
  { what: "another order of the parameters", verdict: "same", change: swap(["    param A: real[d, d]\n", ""], ["param U[k]: real[d, 2]", "param U[k]: real[d, 2]\n    param A: real[d, d]"]) },
  { what: "another initial value", verdict: "same", change: swap(["param A: real[d, d]", "param A: real[d, d] init normal(0.3)"]) },
  { what: "one matrix for all copies", verdict: "different", change: swap(["param A: real[d, d]", "param A: real[d, d] shared"]), place: "l.A" },
  { what: "a matrix of the network, not of each copy", verdict: "different", change: swap(["    param A: real[d, d]\n", ""], ["  param C: ", "  param A: real[d, d]\n  param C: "]), place: "l.A" },
  { what: "a wider family", verdict: "different", change: swap(["real[d, 2]", "real[d, 3]"]), place: "l.U" },
  { what: "one more member of the family", verdict: "different", change: swap(["1..2", "1..3"]), place: "k" },
  { what: "a wider hidden layer", verdict: "different", change: swap(["mlp(x, 8", "mlp(x, 9"]), place: "l.x.mlp.linear.weight" },
  { what: "a learned step size", verdict: "different", change: swap(["const t = 0.1", "param t: real init constant(0.1)"]), place: "t" },
  { what: "a fixed matrix", verdict: "different", change: swap(["param A: real[d, d]", "param A: real[d, d] fixed init normal(1)"]), place: "l.A" },
  { what: "a matrix that nothing uses", verdict: "different", change: swap(["param A: real[d, d]", "param A: real[d, d]\n    param E: real[d, d]"]), place: "l.E" },
  { what: "no bias", verdict: "different", change: swap(["linear(x, 4)", "linear(x, 4, bias: false)"]), place: "z.linear.bias" },
  { what: "one more input", verdict: "different", change: swap(["input y: real[d, n]", "input y: real[d, n]\n  input q: real[2]"]), place: "q" },
  { what: "assignments in another order", verdict: "different", change: swap(["    x = x + 0.1*softmax(x)\n", ""], ["mlp(x, 8, relu)", "mlp(x, 8, relu)\n    x = x + 0.1*softmax(x)"]), place: "l.x" },
];
const bothWays = (a: string, b: string): readonly [DiffReport, DiffReport] => [diff(a, b), diff(b, a)];
describe("diff, both ways", () => {
  it.each(changes)("$what: $verdict", ({ verdict, change, place }) => {
    const [there, back] = bothWays(small, change(small));
    expect([there.verdict, back.verdict]).toEqual([verdict, verdict]);
    if (place !== undefined) expect(there.differences.map((d) => d.place)).toContain(place);
    const told = (r: DiffReport, a: "a" | "b", b: "a" | "b"): readonly string[] => r.differences.filter((d) => d.part === "parameter").map((d) => `${d[a]} | ${d[b]}`).sort();
    expect(told(back, "b", "a")).toEqual(told(there, "a", "b"));
  });
  it("tells a learned step size from a positive one, with numbers", () => {
    const learned = swap(["const t = 0.1", "param t: real init constant(0.1)"])(small);
    expect(diff(learned, swap(["param t: real", "param t: real positive"])(learned)).differences).toEqual([
      { place: "t", part: "parameter", a: "learned real, 1 number", b: "learned positive real, 1 number" },
    ]);
    expect(diff(small, swap(["param A: real[d, d]", "param A: real[d, d] shared"])(small)).differences).toEqual([
      { place: "l.A", part: "parameter", a: "learned real[4, 4] in each copy, 48 numbers", b: "learned real[4, 4], 16 numbers" },
    ]);
  });
  it("keeps a matrix of two layers apart from two matrices", () => {
    const two = (own: string, of: string): string => `network N { input y: real[4] ${of} var x: real[4] = y
      layer p { ${own} x = A*x } layer q { ${own} x = A*x } output z: real[4] = x }`;
    for (const report of bothWays(two("param A: real[4, 4]", ""), two("", "param A: real[4, 4]"))) expect(report.verdict).toBe("different");
    // One layer has its own, the other two share; which two is a difference.
    const three = (owner: number): string => `network N { input y: real[4] param A: real[4, 4] var x: real[4] = y
      ${["p", "q", "r"].map((l, i) => `layer ${l} { ${i === owner ? "param B: real[4, 4] x = B*x" : "x = A*x"} }`).join(" ")} output z: real[4] = x }`;
    for (const report of bothWays(three(0), three(1))) expect(report.verdict).toBe("different");
  });
  it("keeps statements of one loop together", () => {
    const statements = ["x = 2*x", "x = exp(x)"];
    const one = `network N { input y: real[4] var x: real[4] = y layer p repeat 2 { ${statements.join(" ")} } output z: real[4] = x }`;
    const two = `network N { input y: real[4] var x: real[4] = y ${statements.map((s, i) => `layer p${i} repeat 2 { ${s} }`).join(" ")} output z: real[4] = x }`;
    for (const report of bothWays(one, two)) expect(report.verdict).toBe("different");
  });
  it("takes parameters that a lemma brings in for the lemma's doing", () => {
    const ista = example("lista").replace("using free_matrices(A: A, S: S, B: B), free_threshold(theta: theta)", "").replace(/ {4}param (S|B|theta): .*\n/g, "");
    for (const report of bothWays(example("lista"), ista)) expect(report).toMatchObject({ verdict: "same up to lemmas", differences: [] });
  });
  const names = ["ista", "fista", "lista", "admm", "nonnegative-lasso", "group-lasso", "total-variation", "redunet"];
  it("gives one verdict, whichever spec is the first, of examples and changed networks", () => {
    const specs = [...names.map(example), small, ...changes.map(({ change }) => change(small))];
    const spec = fc.constantFrom(...specs);
    fc.assert(fc.property(spec, spec, (a, b) => {
      const [there, back] = bothWays(a, b);
      expect(back.verdict).toBe(there.verdict);
      if (a === b) expect(there.verdict).toBe("same");
    }), { numRuns: 40, examples: names.map((n) => [example(n), example(n)]) });
  });
});
