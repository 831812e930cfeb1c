/** Each wrong spec gives one diagnostic, of its code, at its place. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { declaredRows } from "../../src/diagnostics/declare.js";
import { memoryHost } from "../support/build.js";
import { marked } from "../support/marked.js";
import { wrongSpecs } from "../support/wrong-specs.js";

describe("wrong specs", () => {
  it.each(wrongSpecs.map((w) => [`${w.code}: ${w.what}`, w] as const))("%s", (_, { code, text }) => {
    const [start, end] = [text.indexOf("⟦"), text.indexOf("⟧") - 1];
    const { diagnostics } = compile(text.replace("⟦", "").replace("⟧", ""), { file: "spec.srr" }, memoryHost);
    expect(diagnostics.map((d) => ({ code: d.code, start: d.span.start, end: d.span.end }))).toEqual([{ code, start, end }]);
  });
  it("covers every row of semantics, calculus and network but those that need a caller or a size", () => {
    const elsewhere = new Set([
      "SRR2008", "SRR2018", "SRR2019", "SRR2020", "SRR2021", "SRR3011", "SRR3012", "SRR4005", "SRR4006", "SRR4007",
    ]);
    const codes = [...declaredRows().keys()].filter((c) => /^SRR[234]/.test(c) && !elsewhere.has(c));
    expect(codes.length).toBeGreaterThan(30);
    expect(codes.filter((c) => !wrongSpecs.some((w) => w.code === c))).toEqual([]);
  });
  it.each([
    "param H: real[d, d] init from(g[⟦k⟧]*ones(d)*ones(d)')", "let a = U[⟦k⟧]*U[k]'*X let b = a + X", "Z = g[⟦k⟧]*Z", "objective o: minimize g[⟦k⟧]*total(X)", "var Y: real[d, n] = ⟦k⟧*X",
    "Z = Z + linear(g[⟦k⟧]*Z, d)", "layer l repeat 1 { step s { minimize g[⟦k⟧]*sq_norm(Z) by gradient(rate: 1) } }", "layer l repeat 1 { step s { minimize sq_norm(Z) by gradient(rate: g[⟦k⟧]) } }",
    "layer l repeat 1 { step s { minimize sq_norm(Z) by gradient(rate: 1) then g[⟦k⟧]*Z } }", "Z = softmax(g[⟦k⟧], over: k)*Z",
    "var V[k]: real[d, n] = X step s { minimize sq_norm(V[⟦k⟧] - X) wrt V by gradient(rate: 1) }", "var V[k]: real[d, n] = X step s { minimize sum(k) sq_norm(V[k]) wrt V as sq_norm(V[⟦k⟧]) by gradient(rate: 1) }",
    "step s { minimize 0.5*sq_norm(Z) by gradient(rate: 0.1) using put(A: U[⟦k⟧], c: 0.1) }", "step s { minimize 0.5*sq_norm(Z) by gradient(rate: 0.1) using put(A: U[1], c: g[⟦k⟧]) }",
  ])("an index runs in a sum or in its own family's declaration only: %s", (member) => {
    const { text, marks } = marked(`lemma put(A: real[d, p], X: real[d, n], c: real): X - c*X ~ A*A'*X network N { dim d = 4, n = 3, K = 2, p = 2 index k in 1..K input X: real[d, n] param U[k]: real[d, p] param g[k]: real var Z: real[d, n] = X ${member} output z: real[d, n] = Z }`);
    expect(compile(text, { file: "spec.srr" }, memoryHost).diagnostics.map((d) => [d.code, [d.span.start, d.span.end]])).toEqual([["SRR2011", marks[0]]]);
  });
  it("a family has its own index in its value, its start, its steps and its captures", () => {
    const text = `network N { dim d = 4, n = 3, K = 2 index k in 1..K input X: real[d, n] param U[k]: real[d, d] param g[k]: real param H[k]: real[d, d] init from(g[k]*ones(d)*ones(d)')
      let a[k] = g[k]^2 var Z[k]: real[d, n] = U[k]*X Z[k] = a[k]*Z[k]
      layer l repeat 1 { step s { minimize 0.5*sum(k) sq_norm(Z[k] - H[k]*X) by gradient(rate: g[k]) then softmax(a[k], over: k)*Z[k] } } output z: real[d, n] = sum(k) Z[k] }`;
    expect(compile(text, { file: "spec.srr" }, memoryHost).diagnostics.map((d) => d.message)).toEqual([]);
  });
  const taught = (members: string): string => `network N { dim d = 4 input x: real[d] target y: real[d] target c: class[3] param W: real[d, d] var Z: real[d] = W*x ${members} output o: real[d] = Z }`;
  it.each(["Z = Z + ⟦y⟧", "let g = total(y) ⟦Z⟧ = g*Z", "layer l repeat 2 { Z = Z + ⟦y⟧ }", "layer l repeat 2 { step s { minimize 0.5*sq_norm(Z - ⟦y⟧) by gradient(rate: 0.1) } }", "layer l repeat 1 { step s { minimize sq_norm(Z) by gradient(rate: total(⟦y⟧)) } }", "var Y: real[d] = 2*⟦y⟧ Z = Z + Y", "Z = ⟦c⟧*Z"])(
    "a target does not reach an output: %s", (members) => {
      const { text, marks } = marked(taught(members));
      expect(compile(text, { file: "spec.srr" }, memoryHost).diagnostics.map((d) => [d.code, [d.span.start, d.span.end]])).toEqual([["SRR4001", marks[0]]]);
    });
  it.each(["objective fit: minimize sq_norm(Z - y)", "var Y: real[d] = 2*y train { data mnist loss mse(Z, Y) }", "layer l repeat 1 { step s { minimize 0.5*sq_norm(Z) by gradient(rate: 0.1) } } var Y: real[d] = y"])(
    "a target may stand in what outputs are not computed from: %s", (members) => {
      expect(compile(taught(members), { file: "spec.srr" }, memoryHost).diagnostics.map((d) => d.message)).toEqual([]);
    });
  const gathered = (members: string, output = "Z"): string => `network N { dim d = 4, m = batch let alpha = 1/m input x: real[d, m] var Z: real[d, m] = x ${members} ${output.startsWith("output") ? output : `output o: real[d, m] = ${output}`} }`;
  it.each([
    gathered("layer l repeat 2 { step ⟦s⟧ when layer == 2 { maximize 0.5*logdet(I + Z*Z') by gradient(rate: 0.1) } }"), gathered("layer l repeat 3 { step ⟦s⟧ { minimize 0.5*alpha*sq_norm(Z) by gradient(rate: 0.1, momentum: 0.5) } }"),
    gathered("layer l repeat 2 { step ⟦s⟧ { minimize 0.5*sq_norm(Z) by gradient(rate: 0.1) then Z - Z*ones(m)*ones(m)'/m } }"),
    gathered("layer l repeat 1 { step ⟦s⟧ { minimize 0.5*sq_norm(Z) by gradient(rate: 0.1) then Z*diag(colsum(Z))*Z'*Z } }"),
  ])("an update mixes no samples, in any copy: %s", (spec) => {
    const { text, marks } = marked(spec);
    expect(compile(text, { file: "spec.srr" }, memoryHost).diagnostics.map((d) => [d.code, [d.span.start, d.span.end]])).toEqual([["SRR4002", marks[0]]]);
  });
  it.each(["objective fit: minimize sq_norm(Z*Z')", "var Y: real[d, d] = Z*Z'", "layer l repeat 2 { step s { maximize 0.5*logdet(I + Z*Z') by gradient(rate: 0.1) capture E = inv(I + Z*Z') } }", "Z = Z*Z'*Z", "var Y: real[d, m] = x - x*ones(m)*ones(m)'/m Z = Z + Y", "Z = Z .* (ones(d)*colsum(Z)') Z = Z |> layernorm Z = Z + linear(Z, d)"])(
    "samples may be mixed in captures, in what outputs are not computed from, and where that is written out: %s", (members) => {
      expect(compile(gathered(members), { file: "spec.srr" }, memoryHost).diagnostics.map((d) => d.message)).toEqual([]);
    });
  const positive = (member: string): string => `network N { dim d = 4 const c = 0 input x: real[d] ${member} output o: real[d] = t*x }`;
  it.each(["param t: real positive init ⟦zeros⟧", "param t: real positive init ⟦normal(0.1)⟧", "param t: real positive init ⟦uniform(1)⟧", "param ⟦t⟧: real positive"])("a positive parameter that may start at 0 is warned of: %s", (member) => {
    const { text, marks } = marked(positive(member));
    const { diagnostics, networks } = compile(text, { file: "spec.srr" }, memoryHost);
    expect(diagnostics.map((d) => [d.code, d.severity, [d.span.start, d.span.end]])).toEqual([["SRR2022", "warning", marks[0]]]);
    expect(networks).toHaveLength(1);
  });
  it.each(["param t: real positive init ⟦constant(-1)⟧", "param t: real positive init ⟦constant(1e-60)⟧", "param t: real positive init ⟦identity(scale: 0)⟧", "param t: real positive init ⟦from(2*c)⟧", "param t: real positive init ⟦zero⟧"])(
    "a positive parameter starts above 0: %s", (member) => {
      const { text, marks } = marked(positive(member));
      expect(compile(text, { file: "spec.srr" }, memoryHost).diagnostics.map((d) => [d.code, [d.span.start, d.span.end]])).toEqual([[member.includes("⟦zero⟧") ? "SRR2001" : "SRR2006", marks[0]]]);
    });
  it.each(["⟦from(0.25 - 0.1*layer)⟧", "⟦from(s - 0.1*layer)⟧"])("a positive parameter starts above 0 in each copy of its layer: %s", (init) => {
    const { text, marks } = marked(`network N { dim d = 4 const s = 0.25 input x: real[d] var Z: real[d] = x layer l repeat 3 { param t: real positive init ${init} Z = t*Z } output o: real[d] = Z }`);
    expect(compile(text, { file: "spec.srr" }, memoryHost).diagnostics.map((d) => [d.code, [d.span.start, d.span.end]])).toEqual([["SRR2006", marks[0]]]);
    expect(compile(text.replace("repeat 3", "repeat 2"), { file: "spec.srr" }, memoryHost).diagnostics).toEqual([]);
  });
  it.each(["param t[k]: real positive init ⟦from(0.25 - 0.1*k)⟧", "let own = 0.25 - 0.1*layer param t[k]: real positive init ⟦from(own)⟧", "let own[k] = (0.45 - 0.1*layer - 0.1*k)*c param t[k]: real positive init ⟦from(own[k])⟧"])(
    "a positive parameter starts above 0 in each member of its family, whatever lets it is given by: %s", (members) => {
      const { text, marks } = marked(`network N { dim d = 4, K = 2 index k in 1..K const c = 1 input x: real[d] var Z: real[d] = x layer l repeat 3 { ${members} Z = t[1]*t[2]*Z } output o: real[d] = Z }`);
      expect(compile(text.replace("K = 2", "K = 3"), { file: "spec.srr" }, memoryHost).diagnostics.map((d) => [d.code, [d.span.start, d.span.end]])).toEqual([["SRR2006", marks[0]]]);
      expect(compile(text.replace("repeat 3", "repeat 2"), { file: "spec.srr" }, memoryHost).diagnostics).toEqual([]);
    });
  it.each(["input ⟦X⟧: real[d] var Z: real[d] = X dim m = batch", "dim m = batch input ⟦X⟧: token[5, d] var Z: real[d] = 0*(X == 1)", "dim m = batch target ⟦t⟧: real[d] input X: real[d, m] target s: class[2] input c: real var Z: real[d] = 0"])(
    "inputs and targets have the axis of samples, where the network names it: %s", (body) => {
      const { text, marks } = marked(`network N { dim d = 2 ${body} output o: real[d] = Z }`);
      expect(compile(text, { file: "spec.srr" }, memoryHost).diagnostics.map((d) => [d.code, [d.span.start, d.span.end]])).toEqual([["SRR2004", marks[0]]]);
    });
  it.each(["param W: real[d] init ⟦from(2*x)⟧", "var Z: real[d] = x param W: real[d] init ⟦from(Z)⟧", "target t: class[2] let s = t/2 param W: real[d] init ⟦from(s*ones(d))⟧"])(
    "an initial value is not made of data: %s", (body) => {
      const { text, marks } = marked(`network N { dim d = 2 input x: real[d] ${body} output o: real[d] = W + x }`);
      expect(compile(text, { file: "spec.srr" }, memoryHost).diagnostics.map((d) => [d.code, [d.span.start, d.span.end]])).toEqual([["SRR2006", marks[0]]]);
    });
  it("a fixed parameter is not said to be trained", () => {
    const [warning] = compile(positive("param t: real fixed positive init zeros"), { file: "spec.srr" }, memoryHost).diagnostics;
    expect([warning?.code, warning?.message.includes("train")]).toEqual(["SRR2022", false]);
  });
  it("an initialiser that is no call is one mistake, with its mend", () => {
    const { text, marks } = marked(positive("param t: real positive init ⟦0.1⟧"));
    const { diagnostics } = compile(text, { file: "spec.srr" }, memoryHost);
    expect(diagnostics.map(({ code, span, hint }) => [code, [span.start, span.end], hint])).toEqual([["SRR1024", marks[0], "write init from(0.1)"]]);
  });
  it.each(["ones", "identity", "constant(0.1)", "from(1 + c)"])("a positive parameter may start from %s", (init) => {
    expect(compile(positive(`param t: real positive init ${init}`), { file: "spec.srr" }, memoryHost).diagnostics).toEqual([]);
  });
  it("finds every error of a file in one run, sorted by place", () => {
    const text = "network N { dim d = 3 input X: real[d] param W: real[d, e] var Z: real[d] = Y layer l repeat 1 { step s { minimize sq_norm(Q*Z) by gradient(rate: 0.1) } } output z: real[d] = Z }";
    const { diagnostics } = compile(text, { file: "spec.srr" }, memoryHost);
    const starts = diagnostics.map((d) => d.span.start);
    expect(diagnostics.map((d) => d.code)).toEqual(["SRR2001", "SRR2001", "SRR2001"]);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
  });
});
