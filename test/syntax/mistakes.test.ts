import { describe, expect, it } from "vitest";
import { declaredRows } from "../../src/diagnostics/declare.js";
import { render } from "../../src/diagnostics/render.js";
import { largestFile } from "../../src/syntax/diagnostics.js";
import { parse, parseExpression, parseHole } from "../../src/syntax/parse.js";
import { marked } from "../support/marked.js";
import { wrongTexts } from "./mistakes.js";

describe("mistakes in a text", () => {
  it.each(wrongTexts.map(({ codes, text }) => [`${codes.join(" ")} in ${JSON.stringify(text.slice(0, 60))}`, codes, text] as const))(
    "%s give one message each, at the marked places",
    (_, codes, text) => {
      const { text: plain, marks } = marked(text);
      const found = parse(plain, "w.srr").diagnostics;
      expect(found.map((d) => d.code)).toEqual(codes);
      expect(found.map((d) => [d.span.start, Math.max(d.span.start, d.span.end)])).toEqual(marks);
    },
  );
  it("raise every code of the table somewhere", () => {
    const raised = new Set(wrongTexts.flatMap((wrong) => wrong.codes));
    const elsewhere = ["SRR1007", "SRR1010"]; // by size; tested below
    const declared = [...declaredRows().keys()].filter((code) => code.startsWith("SRR1"));
    expect(declared.length).toBeGreaterThan(20);
    expect(declared.filter((code) => !raised.has(code) && !elsewhere.includes(code))).toEqual([]);
  });
  it("are shown as the golden frames have them", async () => {
    const frames = wrongTexts.filter(({ text }) => text.length < 400).map(({ text }) => {
      const { text: plain } = marked(text);
      return parse(plain, "w.srr").diagnostics.map((d) => `${render(d, new Map([["w.srr", plain]]))}\n`).join("");
    });
    await expect(frames.join("\n")).toMatchFileSnapshot("frames.txt");
  });
  it("leave what stands beside them readable", () => {
    const { file } = parse("network N {\n  let a = b +\n  param W real[d]\n  step s { minimise f by exact }\n  output x: real = 3\n}", "w");
    const [network] = file.declarations;
    expect(network?.kind === "network" && network.members.map((m) => m.kind)).toEqual(["let", "param", "step", "output"]);
  });
  it("in an expression alone or a signature are found too", () => {
    expect(parseExpression("a +", "e").diagnostics.map((d) => d.code)).toEqual(["SRR1011"]);
    expect(parseExpression("a b", "e").diagnostics.map((d) => d.code)).toEqual(["SRR1020"]);
    expect(parseExpression("", "e").diagnostics.map((d) => d.code)).toEqual(["SRR1011"]);
    expect(parseHole("Z real[d]", "h").diagnostics.map((d) => d.code)).toEqual(["SRR1011"]);
    expect(parseHole("", "h").diagnostics.map((d) => d.code)).toEqual(["SRR1011"]);
  });
});

describe("hostile texts", () => {
  const hostile: readonly (readonly [string, string, string | undefined])[] = [
    ["a chain of 250 000 sums on one line", `fn f() = ${"a + ".repeat(250_000)}a`, "SRR1009"],
    ["100 000 minus signs", `fn f() = ${"-".repeat(100_000)}a`, "SRR1008"],
    ["100 000 transposes", `fn f() = a${"'".repeat(100_000)}`, "SRR1009"],
    ["100 000 open brackets", "(".repeat(100_000), "SRR1008"],
    ["100 000 braces", `network N ${"{".repeat(100_000)}`, "SRR1008"],
    ["100 000 powers", `fn f() = ${"a^".repeat(100_000)}a`, "SRR1008"],
    ["240 brackets with 240 minus signs", `fn f() = ${"(".repeat(240)}${"-".repeat(240)}a${")".repeat(240)}`, undefined],
    ["20 000 closing braces", "}".repeat(20_000), "SRR1010"],
    ["100 000 words", "foo ".repeat(100_000), "SRR1011"],
    ["100 000 stray characters", "@ ".repeat(100_000), "SRR1001"],
    ["100 000 NULs", "\0 ".repeat(100_000), "SRR1002"],
    ["a number of 100 000 digits", `fn f() = ${"9".repeat(100_000)}`, "SRR1006"],
    ["a file over the limit", " ".repeat(largestFile + 1), "SRR1007"],
  ];
  it.each(hostile)("%s: a message, in bounded time", (_, text, code) => {
    const before = performance.now();
    const codes = parse(text, "h").diagnostics.map((d) => d.code);
    expect(performance.now() - before).toBeLessThan(20_000);
    expect(codes.length).toBeLessThan(110);
    if (code === undefined) expect(codes).toEqual([]);
    else expect(codes).toContain(code);
  }, 30_000);
});
