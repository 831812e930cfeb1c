import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { render } from "../../src/diagnostics/render.js";
import { format } from "../../src/syntax/format.js";
import { parse } from "../../src/syntax/parse.js";
import { withoutSpans } from "../support/plain-tree.js";
import { randomSpec } from "./random-spec.js";

const specs = ["examples", "src/std"].flatMap((folder) => readdirSync(folder).filter((f) => f.endsWith(".srr")).map((f) => `${folder}/${f}`));
function formatted(text: string): string {
  const { file, diagnostics } = parse(text, "f.srr");
  expect(diagnostics, text).toEqual([]);
  return format(file, text);
}
const meaning = (text: string): unknown => withoutSpans(parse(text, "f.srr").file);

describe("the formatter", () => {
  it("has specs to try", () => expect(specs.length).toBeGreaterThan(9));
  it.each(specs)("keeps the meaning of %s, and changes nothing the second time", (name) => {
    const text = readFileSync(name, "utf8");
    const once = formatted(text);
    expect(meaning(once)).toEqual(meaning(text));
    expect(formatted(once)).toBe(once);
    expect(Math.max(...once.split("\n").filter((line) => !line.includes(" alias ") && !line.includes("//")).map((line) => line.length))).toBeLessThanOrEqual(120);
  });
  it("keeps the meaning of any file, and changes nothing the second time", () => {
    fc.assert(fc.property(randomSpec, (text) => {
      const once = formatted(text);
      expect(meaning(once)).toEqual(meaning(text));
      expect(formatted(once)).toBe(once);
    }), { numRuns: 400 });
  }, 60_000);
  it("lays a file out", () => {
    const text = [
      "/// Title.", "", "/// Doc of N.", "network   N{dim d=4,K = 3   // sizes", "index k in 1 .. K // heads", "", "", "param A:real[d,d]fixed init ones",
      "param longer:real[d] init zeros alias \"a\":\"1\"", "// own line", "step short{minimize f  by exact}",
      "step s when layer%2==0{minimize -0.5*sq_norm( y-A * x )+ x.^-1 wrt x by exact", "using a,b(U:U)}",
      "train{data mnist", "batch 3 epochs 4", "seed 1}", "var Z:real[d]=x", "|>f(3)|>g", "}",
    ].join("\n");
    expect(formatted(text)).toBe([
      "/// Title.", "", "/// Doc of N.", "network N {", "  dim d = 4, K = 3 // sizes", "  index k in 1..K  // heads", "",
      "  param A: real[d, d] fixed  init ones", "  param longer: real[d]      init zeros  alias \"a\" : \"1\"", "  // own line",
      "  step short { minimize f  by exact }", "  step s when layer%2 == 0 {", "    minimize -0.5*sq_norm(y - A * x) + x.^-1 wrt x", "    by exact",
      "    using a, b(U: U)", "  }", "  train {", "    data mnist", "    batch 3  epochs 4", "    seed 1", "  }",
      "  var Z: real[d] = x", "    |> f(3) |> g", "}", "",
    ].join("\n"));
  });
  it("breaks a line that is too long at its outermost sum", () => {
    const term = "sq_norm(some_long_name - another_long_name + a_third_name)";
    const lines = formatted(`fn f(x: real) = ${term} + ${term} + ${term}`).split("\n");
    expect(lines.map((line) => line.slice(0, 5))).toEqual(["fn f(", "  + s", "  + s", ""]);
  });
  it("reads carriage returns as ends of lines, alone or before a line feed", () => {
    const lines = ["/// Title.", "", "/// Doc of N.", "network N { // sizes", "  // own line", "  dim d = 4 /* of two", "  lines */", "", "  const c = 2 // two", "  input x: real[d]", "  output z: real[d] = c*x", "}", ""];
    const plain = formatted(lines.join("\n"));
    expect(plain).toContain("/// Doc of N.\nnetwork N {");
    for (const end of ["\r", "\r\n"]) {
      expect(formatted(lines.join(end))).toBe(plain);
      const wrong = lines.join(end).replace("c*x", "c*/x");
      const [first] = parse(wrong, "f.srr").diagnostics;
      expect(render(first as NonNullable<typeof first>, new Map([["f.srr", wrong]]))).toMatch(/f\.srr:11:\d+\n +11 │ {3}output z: real\[d\] = c\*\/x\n/);
    }
  });
  it("gives an empty file for one", () => expect(formatted("  \n\n")).toBe(""));
});
