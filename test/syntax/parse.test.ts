import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Expression } from "../../src/syntax/ast.js";
import { format } from "../../src/syntax/format.js";
import { parse, parseExpression, parseHole } from "../../src/syntax/parse.js";
import { withoutSpans } from "../support/plain-tree.js";

/** An expression with a bracket round every operation. */
function show(e: Expression): string {
  switch (e.kind) {
    case "number": return e.text;
    case "name": return e.name;
    case "string": return `"${e.value}"`;
    case "call": return `${e.callee.name}(${e.args.map((a) => (a.name ? `${a.name.name}: ` : "") + show(a.value)).join(", ")})`;
    case "index": return `${show(e.object)}[${e.indices.map((i) => (i.kind === "all" ? ":" : i.kind === "at" ? show(i.value) : `${show(i.from)}..${show(i.to)}`)).join(", ")}]`;
    case "negate": return `{-${show(e.operand)}}`;
    case "transpose": return `${show(e.operand)}'`;
    case "binary": return `{${show(e.left)} ${e.op} ${show(e.right)}}`;
    case "sum": return `{sum ${e.index.name} ${show(e.body)}}`;
    case "group": return `(${show(e.inner)})`;
    case "quantity": return `${e.text} ${e.unit}`;
    case "missing": return "?";
  }
}
const members = (body: string) => {
  const { file, diagnostics } = parse(`network N {\n${body}\n}`, "n.srr");
  expect(diagnostics).toEqual([]);
  const [network] = file.declarations;
  if (network?.kind !== "network") throw new Error("no network");
  return network.members;
};

describe("an expression", () => {
  it.each([
    ["-a^b^c*d", "{{-{a ^ {b ^ c}}} * d}"],
    ["2^-1*x", "{{2 ^ {-1}} * x}"],
    ["2^-a^b", "{2 ^ {-{a ^ b}}}"],
    ["a*-b", "{a * {-b}}"],
    ["a - b - c", "{{a - b} - c}"],
    ["a/b*c", "{{a / b} * c}"],
    ["-sum(k) c*U[k]*X[k] - b", "{{-{sum k {{c * U[k]} * X[k]}}} - b}"],
    ["0.5*sum(k) -x*y + z", "{{0.5 * {sum k {{-x} * y}}} + z}"],
    ["X |> f(a) |> g", "{{X |> f(a)} |> g}"],
    ["a + 1 == b |> f", "{{{a + 1} == b} |> f}"],
    ["U[k]'*Z'", "{U[k]' * Z'}"],
    ["(a')'.^2", "{(a')' .^ 2}"],
    ["Z[:, 2..n + 1]", "Z[:, 2..{n + 1}]"],
    ["2.*A./B.^2", "{{2 .* A} ./ {B .^ 2}}"],
    ["Z[1..K]", "Z[1..K]"],
    ["f(rate: rate, by: -by)", "f(rate: rate, by: {-by})"],
    ["λ*norm1(η)", "{λ * norm1(η)}"],
    ["sum + real*class", "{sum + {real * class}}"],
  ])("%s is read as %s", (text, tree) => {
    const { expression, diagnostics } = parseExpression(text, "e");
    expect(diagnostics).toEqual([]);
    expect(show(expression)).toBe(tree);
    expect(expression.span).toEqual({ file: "e", start: 0, end: text.length });
  });
  it("knows a name however its accents are composed", () => {
    const { expression } = parseExpression("e\u0301 - \u00e9", "e");
    expect(expression.kind === "binary" && show(expression.left) === show(expression.right)).toBe(true);
  });
});

describe("keywords", () => {
  it("are names wherever no clause may begin", () => {
    const read = members(`
      dim data = 4, text = data, size = 2  const rate = 0.1, batch = 2
      param step: real[data]  param layer_2: real positive
      let index = step*rate  step = step + rate  rate = data
      layer layer repeat batch { step step when layer % 2 == 0 { minimize rate*from wrt step by gradient(rate: rate) capture by = when using using(by: as) } }
      by[k] = in + init
      output output: real = then`);
    expect(read.map((m) => m.kind)).toEqual(["dim", "const", "param", "param", "let", "assign", "assign", "layer", "assign", "output"]);
  });
  it("begin clauses right behind a complete expression, on the same line", () => {
    const [train] = members("train { data synthetic gaussians(dim: 2) loss sq_norm(data - text) batch 64 epochs 10 seed 1 rate warmup(100 steps) then cosine feed data random(ratio: 0.5) construct metric f(a), g(b) }");
    expect(train?.kind === "train" && train.clauses.map((c) => [c.keyword.name, c.words.map((w) => w.name), c.values.map(show)])).toEqual([
      ["data", ["synthetic"], ["gaussians(dim: 2)"]], ["loss", [], ["sq_norm({data - text})"]], ["batch", [], ["64"]], ["epochs", [], ["10"]],
      ["seed", [], ["1"]], ["rate", [], ["warmup(100 steps)", "cosine"]], ["feed", ["data"], ["random(ratio: 0.5)"]], ["construct", [], []],
      ["metric", [], ["f(a)", "g(b)"]],
    ]);
  });
  it("of a step stand in any order", () => {
    const step = (body: string): unknown => withoutSpans(members(`step s { ${body} }`)[0]);
    expect(step("by exact over A[k]: real[q] from 0 then Z + A prenorm input layernorm minimize f expect g as h"))
      .toEqual(step("minimize f over A[k]: real[q] from 0 as h by exact prenorm input layernorm then Z + A expect g"));
  });
});

describe("a file", () => {
  it("keeps documentation with its declaration and other comments apart", () => {
    const { file } = parse("/// Title.\n\n/// Doc\n///  of f.\nfn f() = 1 /// not doc\n// plain\nimport \"x\"\n/// dangling\n", "c");
    const [fn] = file.declarations;
    expect(fn?.kind === "fn" && fn.doc).toBe("Doc\n of f.");
    expect(file.comments.map((c) => c.text)).toEqual(["/// Title.", "/// not doc", "// plain", "/// dangling"]);
  });
  it("gives each part the place where it stands", () => {
    const text = "network N {\n  param U[k]: real[d, p] init f(1) alias \"a\" : \"b\"\n}";
    const [param] = members(text.slice(12, -2));
    if (param?.kind !== "param") throw new Error("no param");
    const at = (span: { start: number; end: number }): string => text.slice(span.start, span.end);
    expect([param.span, param.name.span, param.type.span, param.init!.span, param.alias!.span, param.alias!.axesSpan!].map(at))
      .toEqual(["param U[k]: real[d, p] init f(1) alias \"a\" : \"b\"", "U", "real[d, p]", "f(1)", "alias \"a\" : \"b\"", "\"b\""]);
  });
  it("may begin with a byte order mark and end its lines as Windows does", () => {
    const { file, diagnostics } = parse("\ufeff/// Doc.\r\nfn f() = 1\r\n", "c");
    expect(diagnostics).toEqual([]);
    expect(file.declarations[0]).toMatchObject({ kind: "fn", doc: "Doc." });
  });
  it("never makes the parser throw, however it is broken", () => {
    const text = readFileSync("examples/crate.srr", "utf8").slice(0, 2500) + readFileSync("examples/redunet.srr", "utf8");
    const scraps = ["", "(", ")", "[", "]", "{", "}", "=", ":", "'", "\"", "/*", "..", "step", "by", "sum(", " x ", "\0", ";", "1e999", "-", "~", "///"];
    const edit = fc.record({ at: fc.integer({ min: 0, max: text.length }), remove: fc.integer({ min: 0, max: 30 }), insert: fc.constantFrom(...scraps) });
    fc.assert(fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
      const broken = edits.reduce((t, e) => t.slice(0, e.at) + e.insert + t.slice(e.at + e.remove), text);
      const { file, diagnostics } = parse(broken, "b");
      expect(new Set(diagnostics.map((d) => `${d.code} ${d.span.start}`)).size).toBe(diagnostics.length);
      for (const d of diagnostics) expect(d.span.start >= 0 && d.span.start <= d.span.end && d.span.end <= broken.length).toBe(true);
      if (diagnostics.length === 0) expect(withoutSpans(parse(format(file, broken), "b").file)).toEqual(withoutSpans(file));
    }), { numRuns: 300 });
  }, 60_000);
});

describe("a declaration of the command line", () => {
  it("is read as a signature has it", () => {
    const { hole, diagnostics } = parseHole("U[k]: real[8, 3]", "v");
    expect(diagnostics).toEqual([]);
    expect([hole?.name.name, hole?.index?.name, hole?.type.base, hole?.type.dims.map(show)]).toEqual(["U", "k", "real", ["8", "3"]]);
  });
});
