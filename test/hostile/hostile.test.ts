/** Names and strings that try to break out: of metadata, generated code, pages, terminals and folders. Nothing is run, nothing strays. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { readOnnx } from "../../src/emit/onnx/inspect.js";
import { compileSpec, runOnnx } from "../support/build.js";
import { command, workFolder } from "../support/command-line.js";

/** What each kind of output is broken out of with. */
const payloads: Readonly<Record<string, string>> = {
  "a comment's end": "*/ globalThis.pwned = 1; /*", "template syntax": "`${globalThis.pwned = 1}`", handlebars: "{{{lookup this 'constructor'}}} {{#with this}}x{{/with}} {{>x}}",
  "a script tag": "</script><script>globalThis.pwned = 1</script><img src=x onerror=pwned>", "a line separator": "a\u2028globalThis.pwned = 1", quotes: "'\"\\\" ' `",
  "a Markdown fence": "```\n/// # not a heading [x](javascript:alert(1))", LaTeX: "\\input{/etc/passwd} \\write18{id} $ } %", "a mathematical script": "]]> <!-- --> &lt;script&gt;",
  "an object's own name": "__proto__ constructor", "a path": "../../../escape", "package.json": "\", \"scripts\": { \"install\": \"id\" }, \"x\": \"",
};
const documented = (doc: string, aside = ""): string => `
${doc.split("\n").map((l) => `/// ${l.replace(/^\/\/\/ /, "")}`).join("\n")}
network Hostile {
  dim m = 4, q = 6
  input y: real[m]
  target x_true: real[q]
  /// ${doc.split("\n")[0]}
  param A: real[m, q] init normal(0.5) alias ${JSON.stringify(aside.replace(/["\\\n{}]/g, "'"))}
  var x: real[q] = 0
  layer l repeat 2 {
    /// ${doc.split("\n")[0]}
    step s { minimize 0.5*sq_norm(y - A*x) + 0.1*norm1(x) by proximal_gradient(rate: 0.1) }
  }
  output z: real[q] = x
  train { data synthetic sparse_codes(dictionary: A, size: 64) loss mse(z, x_true) optimizer adam(rate: 1e-3) batch 8 epochs 1 }
}
`;
/** Names that mean something to JavaScript, to objects, to tensors' containers or to the runtime. */
const names = ["constructor", "__proto__", "toString", "hasOwnProperty", "prototype", "eval", "arguments", "await", "undefined", "NaN", "tf", "require", "process", "parameters", "default", "class_", "λ", "ℓ1", "x_1"];
/** The name in each of its places: a value each that must not be mistaken for what an object has of its own. */
const roles = ["input", "top", "inner", "variable", "result", "step", "layer", "constant"] as const;
const named = (name: string, role: (typeof roles)[number]): string => {
  const at = Object.fromEntries(roles.map((r) => [r, r === role ? name : `my_${r}`])) as Record<(typeof roles)[number], string>;
  return `
network Named {
  dim m = 4, q = 6
  const ${at.constant} = 0.1
  input ${at.input}: real[m]
  param ${at.top}: real[m, q] init normal(0.5)
  var ${at.variable}: real[q] = 0
  layer ${at.layer} repeat 2 {
    param ${at.inner}: real positive init constant(0.1)
    step ${at.step} { minimize 0.5*sq_norm(${at.input} - ${at.top}*${at.variable}) + ${at.constant}*norm1(${at.variable}) by proximal_gradient(rate: ${at.inner}) }
  }
  output ${at.result}: real[q] = ${at.variable}
}`;
};

/** The worst names everywhere, the others where code is made of them. */
const tried = (name: string): readonly (typeof roles)[number][] => (["constructor", "__proto__"].includes(name) ? roles : ["input", "top", "step"]);

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => relative(folder, join(f.parentPath, f.name))).sort();
}
/** The files of ours in a package (not those that it shares with all packages). */
const generatedCode = (folder: string): string[] => filesBelow(folder).filter((f) => /\.(ts|js|mjs)$/.test(f) && !f.includes("node_modules") && !f.includes("runtime"));
/** What a syntax tree says: parses, and neither eval nor Function nor a global of the payload's is called or assigned. */
function suspicious(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  const found: string[] = (source as unknown as { parseDiagnostics: ts.Diagnostic[] }).parseDiagnostics.map((d) => `does not parse: ${ts.flattenDiagnosticMessageText(d.messageText, " ")}`);
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && ["eval", "Function", "pwned"].includes(node.text)) found.push(`${node.text} at ${node.getStart()}`);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
const globals = globalThis as Record<string, unknown>;

describe("documentation and strings that try to break out", () => {
  it.each(Object.entries(payloads))("%s: stay text in every output, and nothing is written outside of --out", async (_, payload) => {
    const folder = workFolder();
    const at = (name: string): string => join(folder, name);
    writeFileSync(at("spec.srr"), documented(payload, payload));
    mkdirSync(at("out"));
    const check = await command("check", at("spec.srr"));
    expect(check.code, check.err).toBe(0);
    for (const argv of [
      ["build", at("spec.srr"), "--target", "onnx", "-o", at("out/m.onnx")], ["build", at("spec.srr"), "--target", "tfjs", "-o", at("out/package")],
      ["explain", at("spec.srr"), "--format", "latex", "-o", at("out/e.tex")], ["explain", at("spec.srr"), "--format", "html", "-o", at("out/e.html")],
    ]) {
      const ran = await command(...argv);
      expect([argv, ran.code], ran.err).toEqual([argv, 0]);
    }
    expect(readOnnx(readFileSync(at("out/m.onnx"))).metadata["crate-compile.spec"]).toBe(readFileSync(at("spec.srr"), "utf8"));
    const code = generatedCode(at("out/package"));
    expect(code.length).toBeGreaterThan(0);
    for (const file of code) expect([file, suspicious(file, readFileSync(at(`out/package/${file}`), "utf8"))]).toEqual([file, []]);
    const manifest = JSON.parse(readFileSync(at("out/package/package.json"), "utf8")) as { scripts: Record<string, string> };
    expect(Object.keys(manifest.scripts)).not.toContain("install");
    const page = readFileSync(at("out/e.html"), "utf8");
    const plain = readFileSync(at("out/e.html"), "utf8").match(/<script/g)?.length ?? 0;
    writeFileSync(at("spec.srr"), documented("plain", "plain"));
    await command("explain", at("spec.srr"), "--format", "html", "-o", at("out/plain.html"));
    expect(plain).toBe(readFileSync(at("out/plain.html"), "utf8").match(/<script/g)?.length ?? 0);
    expect(page).not.toContain("<img src=x");
    const tex = readFileSync(at("out/e.tex"), "utf8");
    expect(tex).not.toContain("\\write18");
    expect(tex).not.toContain("\\input{/etc");
    expect(readdirSync(folder).sort()).toEqual(["out", "spec.srr"]);
    expect(existsSync(join(folder, "..", "escape"))).toBe(false);
    expect(globals["pwned"]).toBeUndefined();
  });
});

describe("names that mean something elsewhere", () => {
  it.each(names.map((n) => [n]))("%s, wherever it stands, compiles to every target and computes what another name would", async (name) => {
    const feeds = { shape: [1, 4], data: Float32Array.of(1, -2, 0.5, 3) };
    const A = { shape: [4, 6], data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)) };
    const run = async (text: string): Promise<readonly number[]> => {
      const network = compileSpec(text);
      const [input, output] = [network.unrolled.inputs[0]?.name ?? "", network.unrolled.outputs[0]?.name ?? ""];
      const values = Object.fromEntries(network.unrolled.parameters.map((p) => [p.name, p.shape.length > 0 && p.name.includes(".") ? { shape: [], data: Float32Array.of(0.1) } : A]));
      return [...((await runOnnx(network, Object.assign(Object.create(null), values), Object.fromEntries([[input, feeds]])))[output] ?? [])];
    };
    const wanted = await run(named("ordinary", "input"));
    expect(wanted.some((x) => x !== 0)).toBe(true);
    for (const role of tried(name)) {
      const folder = workFolder();
      const text = named(name, role);
      // What onnxruntime-node takes and gives are plain objects, which cannot hold this name: such a model runs elsewhere.
      const holdable = name !== "__proto__" || (role !== "input" && role !== "result");
      if (holdable) expect([role, await run(text)]).toEqual([role, wanted]);
      else expect((await command("check", "--json", ...[join(folder, "spec.srr")].map((f) => { writeFileSync(f, text); return f; }))).code).toBe(0);
      if (role !== "input" && role !== "top" && role !== "step") continue;
      writeFileSync(join(folder, "spec.srr"), text);
      const ran = await command("build", join(folder, "spec.srr"), "--target", "tfjs", "-o", join(folder, "package"));
      expect([role, ran.code], ran.err).toEqual([role, 0]);
      const own = name === "eval" ? ["eval"] : [];
      for (const file of generatedCode(join(folder, "package"))) {
        const found = suspicious(file, readFileSync(join(folder, "package", file), "utf8"));
        expect([role, file, found.filter((f) => !own.some((o) => f.startsWith(o)))]).toEqual([role, file, []]);
      }
    }
    expect(({} as Record<string, unknown>)["shape"]).toBeUndefined();
  }, 60_000);
});

describe("characters that a terminal would obey", () => {
  it.each([["escape", "\u001b[31mred\u001b]0;title\u0007"], ["NUL", "a\0b"], ["a bidirectional override", "a\u202eb\u2066c"], ["backspaces", "a\b\b\bb"], ["a carriage return", "a\rb"], ["C1 controls", "a\u009b31mb"]])(
    "%s: never reach it raw, be they in a name, a string or a comment", async (_, text) => {
      const folder = workFolder();
      for (const [i, spec] of [`network ${text} { }`, `import "${text}"\n`, `// ${text}\nnetwork N { dim d = }`, `network N { dim d = 3 let x = nothing // ${text}\n }`].entries()) {
        const file = join(folder, `s${i}.srr`);
        writeFileSync(file, spec);
        const ran = await command("check", file);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
        expect(ran.err).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
        expect([0, 1]).toContain(ran.code);
      }
    });
  it("in a file's name too", async () => {
    const folder = workFolder();
    const file = join(folder, "a\u001b[31m\u202eb.srr");
    writeFileSync(file, "network N { dim d = }");
    const ran = await command("check", file);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    expect(ran.err).not.toMatch(/[\u001b\u202e]/);
  });
});
