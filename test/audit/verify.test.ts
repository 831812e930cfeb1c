/** Verification: right derivations pass wherever their objectives are defined, wrong ones fail there too. */
import { describe, expect, it } from "vitest";
import { type Check, verifyLemmas, verifyNetwork } from "../../src/audit/verify.js";
import type { Derivation } from "../../src/calculus/derive.js";
import type { CompiledNetwork } from "../../src/compile.js";
import { compile } from "../../src/compile.js";
import { contains, negate, ones, scale, subtract } from "../../src/expression/expr.js";
import { compileSpec, memoryHost } from "../support/build.js";

const head = "dim d = 5, n = 7, q = 3 input X: real[d, n] param A: real[d, d] param w: real[d] param y: real[d] var Z: real[d, n] = X";
const spec = (objective: string, by = "gradient(rate: 0.1)"): CompiledNetwork =>
  compileSpec(`network N { ${head} layer l repeat 1 { step s { minimize ${objective} by ${by} } } output z: real[d, n] = Z }`);
const columnSpec = (objective: string): CompiledNetwork => compileSpec(
  `network N { dim d = 5, q = 4 input y: real[d] param A: real[d, q] param w: real[d] param u: real[q] var x: real[q] = 0 layer l repeat 1 { step s { minimize ${objective} by exact } } output z: real[q] = x }`);
const checked = (n: CompiledNetwork): readonly Check[] => verifyNetwork(n.typed, n.derivations, { trials: 4, seed: 1 });
/** The same with a derivation bent. */
function bent(n: CompiledNetwork, bend: (d: Derivation) => Derivation): readonly Check[] {
  return verifyNetwork(n.typed, new Map([...n.derivations].map(([step, d]) => [step, bend(d)])), { trials: 4, seed: 1 });
}
const wrongSlope = (d: Derivation): Derivation => ({ ...d, lines: d.lines.map((l) => (l.kind === "gradient" ? { ...l, expression: negate(l.expression) } : l)) });
const wrongMinimum = (d: Derivation): Derivation => ({ ...d, exact: scale(1.1, d.exact) });

describe("gradients", () => {
  it.each([
    "0.5*sq_norm(Z - A*Z) - 0.1*total(log(Z))", "total(sqrt(colsum(Z)))", "total((Z + 0.1).^0.5)", "logdet(I + Z'*A*Z)", "-total(log(3 - A*Z))", "total(Z .* log(Z))",
    "0.5*sq_norm(Z[:, 2..6])", "0.5*sq_norm(Z[:, 7]) + sq_norm(Z[5, :])", "sq_norm(Z[:, 2..n] - Z[:, 1..n-1])", "sq_norm(causal(Z'*Z) |> softmax)",
  ])("%s: right where it is defined, and a wrong one is seen there", (objective) => {
    const network = spec(objective);
    expect(checked(network)).toEqual([expect.objectContaining({ kind: "finite differences", ok: true })]);
    expect(bent(network, wrongSlope)).toEqual([expect.objectContaining({ kind: "finite differences", ok: false })]);
  });
  it("says where it could not look", () => {
    expect(checked(spec("total(log(-Z.^2))"))).toEqual([expect.objectContaining({ kind: "not checked", ok: true, note: expect.stringContaining("is the function defined") })]);
    expect(checked(compileSpec("network N { dim d = 2, n = 99 input X: real[d, n] var Z: real[d, n] = X layer l repeat 1 { step s { minimize sq_norm(Z[:, 80]) by gradient(rate: 0.1) } } output z: real[d, n] = Z }")))
      .toEqual([expect.objectContaining({ kind: "not checked", note: "no small sizes fit its shapes" })]);
  });
});

describe("exact steps", () => {
  it.each([
    "0.5*sq_norm(diag(w)*(y - A*x)) + 0.1*sq_norm(x)", "0.5*x'*diag(u)*x + 0.5*sq_norm(y - A*x)", "0.5*sq_norm(diag(u)*x) + sq_norm(x - 2) + total(x)",
    "0.5*(y - A*x)'*diag(w.^2)*(y - A*x) + 0.2*x'*x", "0.5*sq_norm(w .* (y - A*x)) + 0.1*sq_norm(x)",
  ])("%s: a weighted quadratic has its minimum, and a wrong one is seen", (objective) => {
    const network = columnSpec(objective);
    expect(checked(network)).toEqual([expect.objectContaining({ kind: "minimality", ok: true })]);
    expect(bent(network, wrongMinimum)).toEqual([expect.objectContaining({ kind: "minimality", ok: false })]);
  });
});

describe("exact steps whose numbers have names", () => {
  const named = (objective: string): string => `network N { const al = 0.3, neg = -0.2 dim d = 3, n = 4 input Y: real[d, n] input M: real[d, n] param A: real[d, d] param rho: real init constant(0.5) var X: real[d, n] = Y
    layer l repeat 1 { step s { minimize ${objective} by exact } } output z: real[d, n] = X }`;
  it.each([
    "0.5*sq_norm(X - Y) + 0.4*(1 - al)*norm1(X)", "0.5*sq_norm(X - Y) + (1 - al)*(norm1(X) + sq_norm(X))", "0.5*sq_norm(X - Y) + (1 + neg)*norm1(X)", "sq_norm(X - Y) + neg*sq_norm(X) + norm1(X)",
    "-neg*sq_norm(A*X - Y) + (1 - al)*sq_norm(X)", "0.5*sq_norm(X - Y) + (1 - rho)*norm1(X)",
  ])("%s has its minimum, and a wrong one is seen", (objective) => {
    const network = compileSpec(named(objective));
    expect(checked(network)).toEqual([expect.objectContaining({ kind: "minimality", ok: true })]);
    expect(bent(network, wrongMinimum)).toEqual([expect.objectContaining({ kind: "minimality", ok: false })]);
  });
  it.each([
    ["neg*sq_norm(X - Y)", "SRR3006"], ["neg*sq_norm(X - Y) + norm1(X)", "SRR3006"], ["neg*sq_norm(A*X - Y)", "SRR3006"], ["neg*sq_norm(M .* (X - Y))", "SRR3006"],
    ["sq_norm(X - Y) + 6*neg*sq_norm(X)", "SRR3006"], ["sq_norm(X - Y) + 5*neg*sq_norm(X)", "SRR3006"], ["sq_norm(A*X - Y) - (1 + al)*sq_norm(A*X - Y)", "SRR3006"],
    ["0.5*sq_norm(X - Y) + (al - 1)*norm1(X)", "SRR3013"], ["0.5*sq_norm(X - Y) + (-rho - al)*norm1(X)", "SRR3013"],
  ])("%s has none: %s", (objective, code) => {
    expect(compile(named(objective), { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code)).toEqual([code]);
  });
  it("a number of sizes that nothing gives is not known", () => {
    const text = `network N { dim d = 3, n input Y: real[d, n] var Z: real[d, n] = Y step s { minimize 0.5*sq_norm(Z - Y) + trace(inv(diag(ones(n)) + ones(n)*ones(n)'))*norm1(Z) by proximal_gradient(rate: 0.1) } output z: real[d, n] = Z }`;
    expect(compile(text, { file: "l.srr" }, memoryHost).diagnostics).toEqual([]);
  });
});

describe("exact steps on weights entry by entry", () => {
  const masked = (objective: string, expected = ""): string => `network N { dim d = 3, n = 4 index k in 1..2 input M: real[d, n] input Y: real[d, n] param W[k]: real[d, n] init ones param A: real[d, d]
    const rho = 0.3 var X: real[d, n] = Y layer l repeat 1 { step s { minimize ${objective} by exact ${expected} } } output z: real[d, n] = X }`;
  it.each([
    ["0.5*sq_norm(M .* (X - Y)) + 0.5*rho*sq_norm(X - A*Y)", "(M.^2 .* Y + rho*A*Y) ./ (M.^2 + rho)"],
    ["total(W[1] .* (X - Y).^2) + rho*sq_norm(X)", "W[1] .* Y ./ (W[1] + rho)"],
    ["(sum(k) sq_norm(W[k] .* (X - Y))) + sq_norm(X - M)", "((sum(k) W[k].^2 .* Y) + M) ./ ((sum(k) W[k].^2) + 1)"],
    ["sq_norm(M .* (X - Y))", "Y"],
  ])("minimize %s gives %s, and a wrong one is seen", (objective, wanted) => {
    expect(compile(masked(objective, `expect ${wanted}`), { file: "l.srr" }, memoryHost).diagnostics).toEqual([]);
    const network = compileSpec(masked(objective));
    expect(checked(network)).toEqual([expect.objectContaining({ kind: "minimality", ok: true })]);
    expect(bent(network, wrongMinimum)).toEqual([expect.objectContaining({ kind: "minimality", ok: false })]);
  });
  it.each([
    ["sq_norm(M .* (X - Y)) + sq_norm(A*X - Y)", "SRR3005"], ["sq_norm(M .* (A*X - Y)) + sq_norm(X)", "SRR3005"], ["sq_norm(M .* (X - Y)) + norm1(X)", "SRR3005"],
    ["-sq_norm(M .* (X - Y))", "SRR3006"],
  ])("%s has none that is found: %s", (objective, code) => {
    expect(compile(masked(objective), { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code)).toEqual([code]);
  });
});

describe("exact steps of other linear functions", () => {
  const of = (variable: string, objective: string, expected = ""): string => `network N { dim d = 4, n = 3 index k in 1..3 input Y: real[d, n] input y: real[d] param M: real[d, n] param w: real[d] param a: real[d] param b: real[n] param A: real[d, d]
    var ${variable} layer l repeat 1 { step s { minimize ${objective} by exact ${expected} } } output z: real = total(v) }`;
  const [column, row, matrix, scalar] = ["v: real[d] = y", "v: real[1, d] = y'", "v: real[d, n] = Y", "v: real = 1"];
  it.each([
    [column, "0.5*sq_norm(y - v) + 0.1*sq_norm(v[2..d] - v[1..d-1])"], [column, "sq_norm(A*v - y) + 0.1*(total(v) - 1)^2 + sq_norm(v - mean(v)) + sq_norm(v)"], [column, "sq_norm(y - v) + 0.3*(w'*v - 1)^2"],
    [column, "sq_norm(w .* v - a)"], [column, "0.5*sq_norm(y - A*v) + 0.7*sq_norm(w .* v - a)"], [column, "sq_norm(y - A*(w .* v)) + sq_norm(v)"], [column, "(mean(v) - 1)^2 + sq_norm(v - y)"],
    [column, "(v'*w - 1)^2 + (v'*w)*(a'*v) + 3*sq_norm(v - y)"], [column, "sq_norm(A*v - (w'*v)*y) + sq_norm(v - y)"], [row, "sq_norm(w' .* v - y') + sq_norm(v*A)"], [scalar, "sum(k) sq_norm(Y[:, 1] - k*v*w)"],
    [row, "sq_norm(v - y') + (v*w - 1)^2 + sq_norm(a' .* v)"], [matrix, "sq_norm(v - Y) + sq_norm(colmean(v)) + sq_norm(colsum(v) - b) + sq_norm(v'*A - Y')"], [matrix, "sq_norm(v - Y) + sq_norm(rowsum(v) - y)"],
    [matrix, "sq_norm(v - Y) + sq_norm(v[:, 2..n] - v[:, 1..n-1])"], [matrix, "sq_norm(v - Y) + sq_norm(v[2..d, :] - v[1..d-1, :]) + sq_norm(A*v - Y)"],
    [scalar, "0.5*sq_norm(Y - v*M) + 0.05*v^2"], [scalar, "sq_norm(M .* (Y - v)) + sq_norm(v*a - y) + v"], [scalar, "trace((v*A - A)'*(v*A - A)) + v"],
  ])("%s: %s has its minimum", (variable, objective) => {
    const network = compileSpec(of(variable, objective));
    expect(checked(network)).toEqual([expect.objectContaining({ kind: "minimality", ok: true })]);
    expect(bent(network, wrongMinimum)).toEqual([expect.objectContaining({ kind: "minimality", ok: false })]);
  });
  it.each([
    [scalar, "0.5*sq_norm(Y - v*a*b') + 0.05*v^2", "a'*Y*b/(a'*a*(b'*b) + 0.1)"], [matrix, "sq_norm(diag(a)*v - Y) + 0.2*sq_norm(v)", "diag(a ./ (a.^2 + 0.2))*Y"], [scalar, "sq_norm(v - a)", "total(a)/d"],
  ])("%s: %s needs no inverse: %s", (variable, objective, wanted) => {
    const { diagnostics, networks } = compile(of(variable, objective, `expect ${wanted}`), { file: "l.srr" }, memoryHost);
    expect(diagnostics).toEqual([]);
    const [step] = [...(networks[0]?.derivations.values() ?? [])];
    expect(step && contains(step.exact, (e) => e.kind === "inverse")).toBe(false);
  });
  it.each([[scalar, "total(relu(v*M)) + v^2"], [column, "total(relu(v)) + sq_norm(v)"], [matrix, "sq_norm(v[2..d, :]) + sq_norm(v[:, 2..n]) + sq_norm(v)"]])("%s: %s has none that is found", (variable, objective) => {
    expect(compile(of(variable, objective), { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code)).toEqual(["SRR3005"]);
  });
  it.each([[column, "(total(v) - 1)^2"], [column, "-(total(v) - 1)^2"], [column, "-(total(A*v) - 1)^2"], [matrix, "-sq_norm(colsum(v) - b)"], [column, "-sq_norm(w .* v - a)"], [matrix, "-sq_norm(colmean(v))"]])("%s: %s has no minimum, or more than one", (variable, objective) => {
    expect(compile(of(variable, objective), { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code)).toEqual(["SRR3006"]);
  });
});

describe("proximal steps on the variable's transpose and on ranges of its rows", () => {
  const of = (variable: string, objective: string): string => `network N { dim d = 4, n = 3 index k in 1..3 input Y: real[d, n] input y: real[d] param V: real[d, n]
    var ${variable} layer l repeat 1 { step s { minimize ${objective} by proximal(rate: 0.3) } } output z: real = ${variable.startsWith("v[k]") ? "sum(k) total(v[k])" : "total(v)"} }`;
  const [column, matrix] = ["v: real[d] = y", "v: real[d, n] = Y"];
  it.each([
    [matrix, "norm21(v')"], [matrix, "norm1(v') + nonnegative(v')"], [matrix, "norm21(v' - V') + sq_norm(v - 1)"], [matrix, "simplex(v')"], [matrix, "norm_nuc(v')"], [matrix, "norm1(v[1..2, :]) + norm2(v[3..d, :])"],
    [column, "norm1(v[1..2]) + norm2(v[3..d])"], [column, "norm2(v[2..3]) + 0.5*sq_norm(v[2..3] - y[2..3])"], [matrix, "norm21(v[1..2, :]') + norm1(v[3..d, :])"], [matrix, "norm21(v[1..2, :]) + norm1(v[3..d, :])"],
    [matrix, "ball(v[1..2, :], 0.5)"], [matrix, "sphere(v[1..2, :], 0.5)"], [matrix, "ball(v', 0.5)"], [matrix, "ball(v, 0.5) + nonnegative(v')"], [column, "ball(v[1..3], 0.5)"], [matrix, "0.2*norm1(v') + norm21(v)"],
    ["v[k]: real[d] = y", "sum(k) norm2(v[k][1..2])"], ["v[k]: real[d, n] = Y", "sum(k) k*norm2(v[k][:, 1])"], ["v[k]: real[d, n] = Y", "sum(k) norm21(v[k][:, 1..2])"],
  ])("%s: %s has its minimum", (variable, objective) => {
    const network = compileSpec(of(variable, objective));
    expect(checked(network)).toEqual([expect.objectContaining({ kind: "minimality", ok: true })]);
    expect(bent(network, (d) => ({ ...d, exact: subtract(scale(1.1, d.exact), scale(0.2, ones(d.exact.shape))) }))).toEqual([expect.objectContaining({ kind: "minimality", ok: false })]);
  });
  it.each(["norm21(v) + norm21(v')", "norm1(v[:, 1]) + norm1(v[1, :])", "norm1(v[1..2, :]) + nonnegative(v)"])("%s has no row, and is named as it is written", (objective) => {
    const [only] = compile(of(matrix, objective), { file: "l.srr" }, memoryHost).diagnostics;
    expect([only?.code, only?.message]).toEqual(["SRR3004", expect.stringContaining(objective)]);
  });
});

describe("steps whose weights are not defined everywhere", () => {
  it.each([
    ["sq_norm(x - log(b))", "exact"], ["norm1(x - log(b))", "proximal(rate: 0.2)"], ["0.5*sq_norm(x - sqrt(b)) + 0.1*norm1(x)", "proximal_gradient(rate: 0.2)"], ["sq_norm(x - b) + total(log(b))", "exact"],
  ])("minimize %s by %s is looked at where they are", (objective, by) => {
    const network = compileSpec(`network N { dim q = 4 input y: real[q] param b: real[q] var x: real[q] = y layer l repeat 1 { step s { minimize ${objective} by ${by} } } output z: real[q] = x }`);
    expect(checked(network).map((c) => [c.kind, c.ok])).toEqual(by.startsWith("proximal_") ? [["finite differences", true], ["minimality", true]] : [["minimality", true]]);
    expect(bent(network, (d) => ({ ...wrongMinimum(d), lines: d.lines })).some((c) => !c.ok)).toBe(true);
  });
  it("an update that is expected is compared there", () => {
    const text = "network N { dim d = 3, n = 2 input X: real[d, n] var Z: real[d, n] = X layer l repeat 1 { step s { maximize total(Z .* sqrt(Z)) by gradient(rate: 0.1) expect Z + 0.15*exp(0.5*log(Z)) } } output z: real[d, n] = Z }";
    expect(compile(text, { file: "l.srr" }, memoryHost).diagnostics).toEqual([]);
    expect(compile(text.replace("0.15", "0.16"), { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code)).toEqual(["SRR3009"]);
  });
});

describe("lemmas", () => {
  it("of what is never finite are believed, with a word", () => {
    const { program, diagnostics } = compile("lemma odd(x: real[n]): log(-x.^2) = log(-x.^4)\nlemma masked(S: real[n, n]): causal(causal(S)) = causal(S)\nlemma logs(x: real[n]): log(2*x) = log(x) + log(2)", { file: "l.srr" }, memoryHost);
    expect(diagnostics.map((d) => [d.code, d.severity])).toEqual([["SRR3014", "warning"]]);
    expect(verifyLemmas(program?.lemmas ?? [], 3).map((c) => [c.rule, c.kind, c.ok])).toEqual([["odd", "not checked", true], ["masked", "identity", true], ["logs", "identity", true]]);
  });
  it.each([["rate: 0.1", "Z"], ["rate: 0.7", "Z"], ["rate: 1.5", "Z"]])("with %s, Z - c*Z is found in a number times Z", (rate, wanted) => {
    const text = `lemma unit_decay(Z: real[d, n], c: real): Z - c*Z ~ Z\nnetwork N { ${head} layer l repeat 1 { step s { minimize 0.5*sq_norm(Z) by gradient(${rate}) using unit_decay expect ${wanted} } } output z: real[d, n] = Z }`;
    expect(compile(text, { file: "l.srr" }, memoryHost).diagnostics).toEqual([]);
  });
  it("only the variable's own term is opened, as with a named step size", () => {
    const text = (rate: string, objective: string, expect: string): string => `lemma unit_decay(X: real[m, n], c: real): X - c*X ~ X\nnetwork N { const eta = 0.2 dim d = 5, q = 4 input y: real[d] param A: real[d, q] var x: real[q] = 0
      layer l repeat 2 { step s { minimize ${objective} by gradient(rate: ${rate}) using unit_decay ${expect} } } output z: real[q] = x }`;
    const codes = (t: string): readonly string[] => compile(t, { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code);
    for (const rate of ["0.2", "eta"]) {
      expect(codes(text(rate, "0.5*sq_norm(y - A*x) + 0.5*sq_norm(x)", `expect x - ${rate}*A'*A*x + ${rate}*A'*y`))).toEqual([]);
      expect(codes(text(rate, "0.5*sq_norm(y - A*x)", ""))).toEqual(["SRR3001"]);
    }
  });
  /** Z less the update, by f: what is wrong with it. */
  const codes = (update: string, lemma: string, using: string, wanted: string): readonly string[] => compile(`lemma f(${lemma}
    network N { dim d = 4, n = 3, K = 2, p = 2 index k in 1..K index j in 1..K const beta = 0.7 input x: real[d, n] param U[k]: real[d, p] param V[k]: real[d, p] param W[k]: real[d, p] param g[k]: real param h[k]: real
      var Z: real[d, n] = x layer l repeat 1 { step s { minimize total(stop(${update}) .* Z) by gradient(rate: 1) using f(${using}) ${wanted && `expect Z - (${wanted})`} } } output z: real[d, n] = Z }`,
  { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code);
  describe("a coefficient that runs with the lemma's index goes with a parameter of that index, or stays outside", () => {
    const family = "P[k]: real[d, p], Q[k]: real[d, p], X[k]: real[p, n]";
    const both = "P[k]: real[d, p], Q[j]: real[d, p], X[j]: real[p, n]";
    it.each([
      ["sum(k) beta*g[k]*U[k]*V[k]'*Z", `${family}, c: real): sum(k) c*P[k]*X[k] ~ sum(k) Q[k]*X[k]`, "U, W", "sum(k) g[k]*W[k]*V[k]'*Z"],
      ["sum(k) beta*g[k]*U[k]*V[k]'*Z", `${family}, c: real): sum(k) c*P[k]*X[k] ~ sum(k) c^2*Q[k]*X[k].^2`, "U, W", "sum(k) beta^2*g[k]^2*W[k]*(V[k]'*Z).^2"],
      ["sum(k) beta*g[k]*U[k]*V[k]'*Z", `${family}, c: real): sum(k) c*P[k]*X[k] ~ sum(k) Q[k]*X[k]`, "U, W, c: beta", "sum(k) g[k]*W[k]*V[k]'*Z"],
      ["sum(k) beta*g[k]*U[k]*V[k]'*Z", `${family}): sum(k) P[k]*X[k] ~ sum(k) Q[k]*X[k].^2`, "U, W", "beta*sum(k) g[k]^2*W[k]*(V[k]'*Z).^2"],
      ["sum(j) g[j]/h[j]*U[j]*(V[j]'*Z).^2", `${family}, c: real): sum(k) c*P[k]*X[k] ~ sum(k) c*Q[k]*X[k]`, "U, W", "sum(k) g[k]/h[k]*W[k]*(V[k]'*Z).^2"],
      ["sum(k) total(V[k]'*Z)*U[k]*V[k]'*Z", `${family}, c: real): sum(k) c*P[k]*X[k] ~ sum(k) c*Q[k]*X[k].^2`, "U, W", "sum(k) total(V[k]'*Z)^2*W[k]*(V[k]'*Z).^2"],
      ["sum(k) beta*g[k]*U[k]*V[k]'*Z", `${family}, c: real): c*P[k]*X[k] ~ c^2*Q[k]*X[k].^2`, "U, W", "sum(k) beta^2*g[k]*W[k]*(V[k]'*Z).^2"],
      ["sum(k) beta*g[k]*U[k]*V[k]'*Z", `${family}, s[k]: real): sum(k) s[k]*P[k]*X[k] ~ sum(k) s[k]^2*Q[k]*X[k].^2`, "U, W", "sum(k) beta^2*g[k]^2*W[k]*(V[k]'*Z).^2"],
      ["sum(k) beta*g[k]*U[k]*(V[k]'*Z)", `${family.replace("X[k]: real[p, n]", "Y[k]: real[n, p]")}): sum(k) P[k]*Y[k]' ~ sum(k) Q[k]*Y[k]'.^2`, "U, W", "beta*sum(k) g[k]^2*W[k]*(V[k]'*Z).^2"],
      ["sum(k) g[k]*U[k]*V[k]'*Z", "U[k]: real[d, p], V[k]: real[p, d]): sum(k) U[k]*V[k] ~ sum(k) U[k].^2*V[k]", "U: U", "sum(k) g[k]*U[k].^2*V[k]'*Z"],
      ["sum(k) sum(j) beta*g[k]*h[j]*U[k]*U[k]'*V[j]*V[j]'*Z", "P[k]: real[d, d], X[j]: real[d, n], c: real): sum(k) sum(j) c*P[k]*X[j] ~ sum(k) sum(j) c^2*P[k].^2*X[j].^3", "",
        "beta^2*sum(k) sum(j) (g[k]*U[k]*U[k]').^2*(h[j]*V[j]*V[j]'*Z).^3"],
      ["sum(k) sum(j) h[j]*U[k]*V[j]'*Z", `${both}): sum(k) sum(j) P[k]*X[j] ~ sum(j) Q[j]*X[j].^2`, "U, W", "sum(j) h[j]^2*W[j]*(V[j]'*Z).^2"],
      ["sum(k) g[k]*U[k]*V[k]'*Z", "P[k]: real[d, p], V[k]: real[d, p]): sum(k) P[k]*V[k]' ~ sum(k) P[k].^2*V[k]'", "V: V", "sum(k) g[k]^2*U[k].^2*V[k]'*Z"],
    ])("%s by (%s, given %s", (update, lemma, using, wanted) => {
      expect(codes(update, lemma, using, wanted)).toEqual([]);
      expect(codes(update, lemma, using, `1.01*(${wanted})`)).toEqual(["SRR3009"]);
    });
    it.each([
      ["nothing has its index", "sum(k) sum(j) g[k]*U[k]*V[j]'*Z", `${both}): sum(k) sum(j) P[k]*X[j] ~ sum(j) Q[j]*X[j]`, "U, W"],
      ["all of its index are given", "sum(k) g[k]*U[k]*V[k]'*Z", "P[k]: real[d, p], Q[k]: real[d, p]): sum(k) P[k]*Q[k]' ~ I", "U, V"],
      ["what has its index stands twice", "sum(k) g[k]*U[k]*U[k]'*Z", "P[k]: real[d, p]): sum(k) P[k]*P[k]' ~ I", ""],
    ])("no match where %s", (_, update, lemma, using) => expect(codes(update, lemma, using, "")).toEqual(["SRR3001"]));
  });
  it.each([
    ["inv(I + (sum(k) (U[k]*U[k]' + V[k]*V[k]')) + Z*Z')*Z", "U[k]: real[d, p], V[k]: real[d, p], Z: real[d, n]): inv(I + sum(k) (U[k]*U[k]' + V[k]*V[k]') + Z*Z') ~ sum(k) V[k]*U[k]'", "U", "(sum(k) V[k]*U[k]')*Z"],
    ["(sum(j) (U[j]*U[j]' + V[j]*W[j]'))*Z", "U[k]: real[d, p], V[k]: real[d, p], W[k]: real[d, p]): sum(k) (U[k]*U[k]' + V[k]*W[k]') ~ sum(k) W[k]*U[k]'", "", "(sum(k) W[k]*U[k]')*Z"],
    ["(sum(k) (1 + sq_norm(U[k]'*Z)))*Z", "U[k]: real[d, p], Z: real[d, n], Y: real[d, n]): (sum(k) (1 + sq_norm(U[k]'*Z)))*Y ~ Y", "", "Z"],
    ["(sum(k) (1 + g[k]))^3*Z", "c[k]: real, Y: real[d, n]): (sum(k) (1 + c[k]))^2*Y ~ (sum(k) c[k])*Y", "g", "(sum(k) g[k])*(sum(k) (1 + g[k]))*Z"],
    ["(sum(k) (1 + g[k]))*(sum(k) (1 + h[k]))*sum(k) g[k]*U[k]*V[k]'*Z", "a[i]: real, b[j]: real, Y: real[d, n]): (sum(i) (1 + a[i]))*(sum(j) (1 + b[j]))*Y ~ (sum(i) sum(j) a[i]*b[j]^2)*Y", "g, h",
      "(sum(k) g[k])*(sum(k) h[k]^2)*sum(k) g[k]*U[k]*V[k]'*Z"],
    ["-(sum(k) U[k]*V[k]'*Z) - sum(k) V[k]*U[k]'*Z", "P[k]: real[d, p], Q[k]: real[d, p], Z: real[d, n], c: real): sum(k) (c*P[k]*Q[k]'*Z + c*Q[k]*P[k]'*Z) ~ 2*c*Z", "P: U", "-2*Z"],
  ])("a sum over a bracket is found: %s by f(%s, given %s", (update, lemma, using, wanted) => {
    expect(codes(update, lemma, using, wanted)).toEqual([]);
    expect(codes(update, lemma, using, `1.01*(${wanted})`)).toEqual(["SRR3009"]);
  });
  it.each([
    ["a sum of one product", "sum(k) U[k]*U[k]'*Z", "U[k]: real[d, p], V[k]: real[d, p]): sum(k) (U[k]*U[k]' + V[k]*V[k]') ~ I", "U, V"],
    ["a bracket without a sum", "(U[1]*U[1]' + V[1]*V[1]')*Z", "P[k]: real[d, p], Q[k]: real[d, p]): sum(k) (P[k]*P[k]' + Q[k]*Q[k]') ~ I", ""],
    ["a longer bracket", "(sum(k) (1 + g[k] + h[k]))*Z", "c[k]: real, Y: real[d, n]): (sum(k) (1 + c[k]))*Y ~ Y", "g"],
  ])("a sum over a bracket is not %s", (_, update, lemma, using) => expect(codes(update, lemma, using, "")).toEqual(["SRR3001"]));
  it.each([
    ["inv(I + (sum(k) (U[k] + V[k])*(U[k] + V[k])') + Z*Z')*Z", "sum(k) (U[k] + V[k])*(U[k]' + V[k]')", "inv(I + E + Z*Z')*Z"], ["(sum(j) (U[j]*V[j]' + V[j]*U[j]'))*Z", "sum(k) (U[k]*V[k]' + V[k]*U[k]')", "E*Z"],
    ["(sum(k) (1 + g[k]))*Z", "sum(j) (1 + g[j])", "E*Z"],
  ])("in %s, %s is captured", (update, capture, wanted) => {
    const text = `network N { dim d = 4, n = 3, K = 2, p = 2 index k in 1..K index j in 1..K input x: real[d, n] param U[k]: real[d, p] param V[k]: real[d, p] param g[k]: real
      var Z: real[d, n] = x layer l repeat 1 { step s { minimize total(stop(${update}) .* Z) by gradient(rate: 1) capture E = ${capture} expect Z - ${wanted} } } output z: real[d, n] = Z train { construct }}`;
    expect(compile(text, { file: "l.srr" }, memoryHost).diagnostics.map((d) => `${d.code} ${d.message}`)).toEqual([]);
  });
  it.each([
    ["sum(k) g[k]^2*U[k]*V[k]'*Z", "P[k]: real[d, p], X[k]: real[p, n], s[k]: real): s[k]*P[k]*X[k] ~ P[k]*X[k].^2", "s: g, P: U", "sum(k) g[k]*U[k]*(V[k]'*Z).^2"],
    ["sum(k) U[k]*V[k]'*Z/g[k]^3", "P[k]: real[d, p], X[k]: real[p, n], s[k]: real): P[k]*X[k]/s[k]^2 ~ P[k]*X[k].^2", "s: g, P: U", "sum(k) U[k]*(V[k]'*Z).^2/g[k]"],
    ["sum(k) sq_norm(V[k]'*Z)^2*U[k]*V[k]'*Z", "P[k]: real[d, p], X[k]: real[p, n]): sq_norm(X[k])*P[k]*X[k] ~ P[k]*X[k].^2", "P: U", "sum(k) sq_norm(V[k]'*Z)*U[k]*(V[k]'*Z).^2"],
  ])("a member of a given family is taken out of a power: %s by f(%s, given %s", (update, lemma, using, wanted) => {
    expect(codes(update, lemma, using, wanted)).toEqual([]);
    expect(codes(update, lemma, using, `1.01*(${wanted})`)).toEqual(["SRR3009"]);
  });
  it.each([
    ["the power is less", "sum(k) g[k]*U[k]*V[k]'*Z", "s[k]^2*P[k]*X[k]"], ["it stands below", "sum(k) U[k]*V[k]'*Z/g[k]", "s[k]*P[k]*X[k]"],
  ])("no member is taken out where %s", (_, update, left) => expect(codes(update, `P[k]: real[d, p], X[k]: real[p, n], s[k]: real): ${left} ~ P[k]*X[k]`, "s: g, P: U", "")).toEqual(["SRR3001"]));
  it.each([
    ["Z .* (A*Z)", "P: real[a, m], Q: real[a, a]): P .* (Q*P) ~ Q*P", "Q: A", "A*Z"],
    ["max(Z, A*Z)", "P: real[a, m], Q: real[a, a]): max(P, Q*P) ~ Q*P/sqrt(a)*m", "Q: A", "A*Z/sqrt(5)*7"],
    ["min(Z*A, Z)", "Q: real[b, b], P: real[a, b]): min(P*Q, P) ~ ones(a)*ones(b)'*Q", "A", "ones(7)*ones(5)'*A"],
    ["sum(k) U[k] .* (U[k]*A)", "P[k]: real[a, b], Q: real[b, b]): sum(k) P[k] .* (P[k]*Q) ~ sum(k) P[k]*Q", "Q: A", "sum(k) U[k]*A"],
    ["sum(k) U[k] .* (Z*A)", "P[i]: real[a, b], X: real[a, c], Q: real[c, b]): sum(i) P[i] .* (X*Q) ~ sum(i) 2*P[i] + X*Q", "P: U", "sum(k) 2*U[k] + Z*A"],
  ])("%s by f(%s, given only %s", (update, lemma, using, wanted) => {
    const [rows, cols] = update.startsWith("Z .") || update.startsWith("max") ? [5, 7] : [7, 5];
    const text = `lemma f(${lemma}\nnetwork N { dim K = 2 index k in 1..K input X: real[${rows}, ${cols}] param A: real[5, 5] param U[k]: real[7, 5] var Z: real[${rows}, ${cols}] = X layer l repeat 1 { step s { minimize total(stop(${update}) .* Z) by gradient(rate: 1) using f(${using}) expect Z - (${wanted}) } } output z: real[${rows}, ${cols}] = Z }`;
    expect(compile(text, { file: "l.srr" }, memoryHost).diagnostics).toEqual([]);
  });
  it("a given number makes no sum of the lemma a product: a whole term is matched, as with a name", () => {
    const text = (rate: string, c: string, expect: string): string => `lemma unit_decay(X: real[m, n], c: real): X - c*X ~ X\nnetwork N { const eta = 0.3 ${head} layer l repeat 1 { step s { minimize 0.5*sq_norm(Z - X) by gradient(rate: ${rate}) using unit_decay(c: ${c}) ${expect} } } output z: real[d, n] = Z }`;
    const codes = (t: string): readonly string[] => compile(t, { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code);
    for (const c of ["0.3", "eta"]) {
      expect(codes(text(c, c, "expect Z + 0.3*X"))).toEqual([]);
      expect(codes(text(c, "0.2", ""))).toEqual(["SRR3001"]);
    }
  });
  it.each([["0.1", 7, "0.7"], ["0.1", 3, "0.3"], ["0.35", 1, "0.35"], ["0.113", 9, "1.017"]])("a given number is found as it is written, whatever rounding the update has: rate %s, curvature %s", (rate, curvature, c) => {
    for (const [more, wanted] of [["", "Z"], [" + total(X .* Z)", `Z - ${rate}*X`]]) {
      const text = `lemma decay(c: real, X: real[m, n]): X - c*X ~ X\nnetwork N { ${head} step s { minimize 0.5*${curvature}*sq_norm(Z)${more} by gradient(rate: ${rate}) using decay(c: ${c}) expect ${wanted} } output z: real[d, n] = Z }`;
      expect(compile(text, { file: "l.srr" }, memoryHost).diagnostics).toEqual([]);
    }
  });
  it.each([
    ["P[k]: real[d, p], X[k]: real[p, n], b: real): P[k]*X[k] ~ P[k]*X[k].^2 when norm_spec(X[k]) < b", "U", "U, b: beta", ["must be given b: it stands in its condition only", "using f(b: …)"]],
    ["P[k]: real[d, p], X[k]: real[p, n], Q[k]: real[d, p]): P[k]*X[k] ~ Q[k]*X[k]", "", "Q: W", ["must be given Q: it stands in its right side only", "using f(Q: …)"]],
    ["P[k]: real[d, p], X[k]: real[p, n], Q[k]: real[d, p]): P[k]*X[k] ~ P[k]*X[k] when total(Q[1]) < 1", "P: U", "P: U, Q: W", ["must be given Q: it stands in its condition only", "using f(Q: …)"]],
  ])("what only the right side or the condition has must be given: (%s, given %s", (lemma, less, enough, [problem, hint]) => {
    const told = (using: string): readonly (readonly unknown[])[] => compile(`lemma f(${lemma}\nnetwork N { dim d = 4, n = 3, K = 2, p = 2 index k in 1..K const beta = 0.7 input x: real[d, n] param U[k]: real[d, p] param V[k]: real[d, p] param W[k]: real[d, p]
      var Z: real[d, n] = x step s { minimize total(stop(sum(k) U[k]*V[k]'*Z) .* Z) by gradient(rate: 1) using f(${using}) } output z: real[d, n] = Z }`, { file: "l.srr" }, memoryHost).diagnostics.map((d) => [d.code, d.message, d.hint]);
    expect(told(less)).toEqual([["SRR2015", `lemma f ${problem}`, hint]]);
    expect(told(enough)).toEqual([]);
  });
  it.each([
    ["X: real[n, n], B[k]: real): inv(I + X) ~ I - X when norm_spec(X) < sum(k) B[k]"], ["X: real[d, n], W[j]: real[d, d]): X ~ sum(j) W[j]*X"],
  ])("an index that only the right side or the condition has is an error at the lemma: (%s", (lemma) => {
    expect(compile(`lemma f(${lemma}`, { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code)).toEqual(["SRR2015"]);
  });
  it("an identity holds for each member where no sum binds its index", () => {
    const codes = (right: string): readonly string[] => compile(`lemma f(A[k]: real[d, p], s[k]: real, Z: real[d, n]): s[k]*A[k]*A[k]'*Z = ${right}`, { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code);
    expect(codes("A[k]*(s[k]*A[k]'*(2*Z - Z))")).toEqual([]);
    expect(codes("2*A[k]*(s[k]*A[k]'*Z)")).toEqual(["SRR3010"]);
  });
  it.each([
    ["logdet(I + beta*Z*Z')", "", "Z - 0.2*beta*Z*inv(I + beta*Z'*Z)"], ["logdet(I + Z*Z')", "", "Z - 0.2*Z*inv(I + Z'*Z)"], ["logdet(I + beta*Z*Z')", "(c: beta)", "Z - 0.2*beta*Z*inv(I + beta*Z'*Z)"],
    ["logdet(I + A*Z*Z'*A')", "(A*Z, (A*Z)')", "Z - 0.2*A'*A*Z*inv(I + Z'*A'*A*Z)"],
  ])("the library's push_through is found in the gradient of %s, used as %s", (rate, given, wanted) => {
    const text = `import "std/lemmas" network N { const beta = 0.7 ${head} step s { minimize 0.5*${rate} by gradient(rate: 0.2) using push_through${given} expect ${wanted} } output z: real[d, n] = Z }`;
    expect(compile(text, { file: "l.srr" }, memoryHost).diagnostics).toEqual([]);
    expect(compile(text.replace("expect Z", "expect 1.01*Z"), { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code)).toEqual(["SRR3009"]);
  });
  it("a number below 1 is no growth", () => {
    const text = `lemma growth(Z: real[d, n], c: real): Z + c*Z ~ Z\nnetwork N { ${head} layer l repeat 1 { step s { minimize sq_norm(Z - X) by gradient(rate: 0.1) using growth } } output z: real[d, n] = Z }`;
    expect(compile(text, { file: "l.srr" }, memoryHost).diagnostics.map((d) => d.code)).toEqual(["SRR3001"]);
  });
});
