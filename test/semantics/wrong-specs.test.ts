/** Each wrong spec gives one diagnostic, of its code, at its place. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { declaredRows } from "../../src/diagnostics/declare.js";
import { memoryHost } from "../support/build.js";
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
  it("finds every error of a file in one run, sorted by place", () => {
    const text = "network N { dim d = 3 input X: real[d] param W: real[d, e] var Z: real[d] = Y layer l repeat 1 { step s { minimize sq_norm(Q*Z) by gradient(rate: 0.1) } } output z: real[d] = Z }";
    const { diagnostics } = compile(text, { file: "spec.srr" }, memoryHost);
    const starts = diagnostics.map((d) => d.span.start);
    expect(diagnostics.map((d) => d.code)).toEqual(["SRR2001", "SRR2001", "SRR2001"]);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
  });
});
