import { describe, expect, it } from "vitest";
import { at, type Diagnostic, type Label } from "../../src/diagnostics/declare.js";
import { editDistance, nearest } from "../../src/diagnostics/nearest.js";
import { compareByPlace, render, toJson } from "../../src/diagnostics/render.js";

const file = "lasso.srr";
const span = (text: string, part: string, from = 0, name = file) => {
  const start = text.indexOf(part, from);
  return { file: name, start, end: start + part.length };
};
const make = (first: Label, ...more: Label[]): Diagnostic => ({
  code: "SRR2003", severity: "error", message: "cannot form A'*x: real[q, m] beside real[q]", span: first.span,
  labels: [first, ...more].filter((label) => label.text !== ""), hint: "A*x fits",
});
const shown = (text: string, ...labels: [Label, ...Label[]]): string => render(make(...labels), new Map([[file, text]]));

describe("a frame", () => {
  it("labels two places of one line", () => {
    const text = `${"\n".repeat(8)}      minimize 0.5*sq_norm(y - A'*x) + lambda*norm1(x)\n`;
    const x = text.indexOf("*x)") + 1;
    expect(shown(text, at(span(text, "A'"), "real[6, 4]"), at({ file, start: x, end: x + 1 }, "real[6]"))).toBe(`error SRR2003: cannot form A'*x: real[q, m] beside real[q]
  lasso.srr:9:32
   9 │       minimize 0.5*sq_norm(y - A'*x) + lambda*norm1(x)
     │                                ─┬ ┬
     │                                 │ └ real[6]
     │                                 └ real[6, 4]
  hint: A*x fits`);
  });
  it("underlines a place without a label", () => {
    expect(shown("a bcd\n", at(span("a bcd", "bcd"))).split("\n").slice(2, 4)).toEqual(["   1 │ a bcd", "     │   ───"]);
  });
  it("shows the lines of several places, and what is left out between them", () => {
    const text = "one\ntwo\nthree\nfour\n";
    expect(shown(text, at(span(text, "four"), "last"), at(span(text, "one"), "first"), at(span(text, "two"), "next")).split("\n").slice(1, -1)).toEqual([
      "  lasso.srr:4:1", "   1 │ one", "     │ ──┬", "     │   └ first", "   2 │ two", "     │ ──┬", "     │   └ next", "   ⋮", "   4 │ four", "     │ ───┬", "     │    └ last",
    ]);
  });
  it("shows places in several files, the mistake's own first", () => {
    const sources = new Map([[file, "abc"], ["other.srr", "xyz"]]);
    const text = render(make(at(span("abc", "b"), "here"), at(span("xyz", "z", 0, "other.srr"), "there")), sources);
    expect(text.split("\n").filter((line) => /srr:/.test(line))).toEqual(["  lasso.srr:1:2", "  other.srr:1:3"]);
  });
  it("makes control characters visible and spreads tabs and wide letters", () => {
    const text = "\ta\0\u202e字b";
    expect(shown(text, at(span(text, "b"))).split("\n").slice(2, 4)).toEqual(["   1 │     a␀<U+202E>字b", `     │ ${" ".repeat(16)}─`]);
    expect(render({ ...make(at(span(text, "b"))), message: "no \x1b[31m here" }, new Map())).not.toContain("\x1b");
  });
  it("cuts a long line to a window round the place", () => {
    const text = `${"a".repeat(500_000)}X${"b".repeat(500_000)}`;
    const [, place, line, mark] = shown(text, at(span(text, "X"))).split("\n");
    expect(place).toBe("  lasso.srr:1:500001");
    expect(line!.length).toBeLessThan(120);
    expect(line!.indexOf("X")).toBe(mark!.indexOf("─"));
  });
  it("points behind the end of a text, and of an empty one", () => {
    expect(shown("ab", at({ file, start: 2, end: 2 })).split("\n")[3]).toBe("     │   ─");
    expect(shown("", at({ file, start: 0, end: 0 })).split("\n")[2]).toBe("   1 │");
  });
  it("stops at the end of the first line of a place that has several", () => {
    expect(shown("ab\r\ncd", at({ file, start: 1, end: 6 })).split("\n").slice(2, 4)).toEqual(["   1 │ ab", "     │  ─"]);
  });
  it("is left out where the text is not known", () => {
    expect(render(make(at({ file: "gone.srr", start: 5, end: 6 })), new Map()).split("\n").length).toBe(3);
  });
  it("is coloured by the caller", () => {
    const styles = new Set<string>();
    render(make(at({ file, start: 0, end: 1 }, "x")), new Map([[file, "a"]]), { colour: (style, text) => { styles.add(style); return text; } });
    expect([...styles].sort()).toEqual(["error", "gutter", "hint", "place"]);
  });
});

describe("diagnostics for programs", () => {
  it("have lines and columns from 1", () => {
    const text = "a\nbc d";
    expect(toJson(make(at(span(text, "d"))), new Map([[file, text]]))).toEqual({
      code: "SRR2003", severity: "error", message: "cannot form A'*x: real[q, m] beside real[q]", file, line: 2, column: 4, endLine: 2, endColumn: 5, hint: "A*x fits",
    });
  });
  it("are sorted by file and place", () => {
    const places = [["b", 1], ["a", 9], ["a", 2]] as const;
    const sorted = places.map(([name, start]) => make(at({ file: name, start, end: start }))).sort(compareByPlace);
    expect(sorted.map((d) => [d.span.file, d.span.start])).toEqual([["a", 2], ["a", 9], ["b", 1]]);
  });
});

describe("the nearest word", () => {
  it("is at most a third of its letters away", () => {
    expect(nearest("minimise", ["maximize", "minimize"])).toBe("minimize");
    expect(nearest("lamdba", ["lambda", "eta"])).toBe("lambda");
    expect(nearest("frobnicate", ["dim", "step"])).toBeUndefined();
    expect(editDistance("ab", "ba")).toBe(1);
  });
});
