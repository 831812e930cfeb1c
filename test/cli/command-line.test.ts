/** What the command line promises: exit codes, streams, nothing overwritten, nothing half-written. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it, vi } from "vitest";
import { writeFolder } from "../../src/cli/files.js";
import { exampleNames } from "../../src/cli/examples.js";
import { describe as describeModel } from "../../src/network/describe.js";
import { loadData } from "../../src/runtime/data/load.js";
import { fixedValues } from "../../src/runtime/random.js";
import { writeSafetensors } from "../../src/runtime/safetensors.js";
import { compileSpec, example } from "../support/build.js";
import { command, spawned, workFolder } from "../support/command-line.js";

const good = "network N {\n  dim d = 3\n  input x: real[d]\n  output z: real[d] = 2*x\n}\n";
const wrong = good.replace("2*x", "2*y");
/** A folder with these files; gives the path of one of them. */
function files(all: Readonly<Record<string, string | Uint8Array>>): (name: string) => string {
  const folder = workFolder();
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return (name) => join(folder, name);
}

describe("a proof log of a spec without steps", () => {
  it("is written and taken, and says that there is nothing to check", async () => {
    const place = files({ "good.srr": good });
    for (const words of [["verify", place("good.srr"), "--log", place("log.json")], ["verify", "--check-log", place("log.json")]]) {
      const ran = await command(...words);
      expect([ran.code, ran.err]).toEqual([0, `${place("log.json")}: the log has no step, so there is nothing to check\n`]);
    }
  });
});
describe("exit codes", () => {
  it.each<readonly [number, string, readonly string[]]>([
    [0, "a spec that is right", ["check", "GOOD"]],
    [0, "--help", ["--help"]],
    [0, "--version", ["--version"]],
    [0, "help of a command", ["build", "--help"]],
    [1, "a spec that is wrong", ["check", "WRONG"]],
    [1, "one wrong among right ones", ["check", "GOOD", "WRONG"]],
    [1, "a file that is not there", ["check", "GOOD.not"]],
    [1, "a folder", ["check", "FOLDER"]],
    [1, "a preset that is not there", ["check", "GOOD", "--preset", "huge"]],
    [1, "a network that is not there", ["build", "GOOD", "--network", "M", "--target", "onnx", "-o", "OUT"]],
    ...[["check"], ["explain"], ["verify"], ["inspect"], ["explain", "--format", "html"]].map(([name = "", ...more]): readonly [number, string, readonly string[]] =>
      [1, `a network that is not there, in ${[name, ...more].join(" ")}`, [name, "GOOD", "--network", "M", ...more]]),
    [1, "weights that are not there", ["build", "GOOD", "--target", "onnx", "-o", "OUT", "--weights", "GOOD.not"]],
    [1, "weights that are none", ["build", "GOOD", "--target", "onnx", "-o", "OUT", "--weights", "GOOD"]],
    [1, "a model that is none", ["inspect", "FOLDER"]],
    [1, "a step that is not there", ["explain", "GOOD", "--step", "a.b"]],
    [2, "no command", []],
    [2, "an unknown command", ["compile", "GOOD"]],
    [2, "an unknown option", ["check", "GOOD", "--fast"]],
    [2, "a missing argument", ["check"]],
    [2, "one argument too many", ["build", "GOOD", "GOOD", "--target", "onnx", "-o", "OUT"]],
    [2, "a target that is not there", ["build", "GOOD", "--target", "pytorch", "-o", "OUT"]],
    [2, "no target", ["build", "GOOD", "-o", "OUT"]],
    [2, "a setting without a value", ["check", "GOOD", "--set", "d"]],
    [2, "a setting that is no number", ["check", "GOOD", "--set", "d=three"]],
    [2, "a seed that is no whole number", ["build", "GOOD", "--target", "onnx", "-o", "OUT", "--seed", "1.5"]],
    [1, "values that no memory holds", ["audit", "GOOD", "--data", "random", "--set", "d=1000000000", "--samples", "1000000"]],
    [2, "a page that is to be JSON", ["explain", "GOOD", "--format", "html", "--json", "-o", "OUT"]],
    [2, "a seed beyond 32 bits", ["build", "GOOD", "--target", "onnx", "-o", "OUT", "--seed", "4294967297"]],
    [2, "an opset below those that models are written for", ["build", "GOOD", "--target", "onnx", "-o", "OUT", "--opset", "3"]],
    [2, "an opset above them", ["build", "GOOD", "--target", "onnx", "-o", "OUT", "--opset", "99"]],
    [2, "an opset for a package", ["build", "GOOD", "--target", "tfjs", "-o", "OUT", "--opset", "18"]],
    [2, "a stream for a model", ["build", "GOOD", "--target", "onnx", "-o", "-"]],
    [2, "a variable that is not declared", ["grad", "a", "--var", "a: real", "--wrt", "b"]],
    [2, "a const without a value", ["grad", "a", "--var", "a: real", "--wrt", "a", "--const", "b"]],
    [1, "a variable of a size below 1", ["grad", "total(a)", "--var", "a: real[-1]", "--wrt", "a"]],
    [2, "a level that is not there", ["build", "GOOD", "--target", "onnx", "-o", "OUT", "-O", "9"]],
  ])("%i for %s", async (code, _, argv) => {
    const place = files({ "good.srr": good, "wrong.srr": wrong });
    const words: Readonly<Record<string, string>> = { GOOD: place("good.srr"), WRONG: place("wrong.srr"), "GOOD.not": place("not.srr"), FOLDER: place("."), OUT: place("out.onnx") };
    const ran = await command(...argv.map((w) => words[w] ?? w));
    expect([ran.code, ran.err], ran.err).toEqual([code, ran.err]);
    if (code !== 0) expect(ran.err + (argv.includes("--json") ? ran.out : "")).not.toBe("");
    expect(ran.err).not.toContain("    at ");
    expect(existsSync(place("out.onnx"))).toBe(false);
  });
  it.each(["onnx", "onnx-train", "tfjs"])("1 for a value that is not positive where it must be, built for %s", async (target) => {
    const spec = good.replace("output", "target y: real[d]\n  param t: real positive init constant(1)\n  output").replace("2*x", "t*x")
      .replace(/}\n$/, "  train { data mnist loss mse(z, y) optimizer sgd(rate: 0.1) batch 2 steps 1 }\n}\n");
    const place = files({ "spec.srr": spec, "w.safetensors": writeSafetensors({ t: { shape: [], data: Float32Array.of(-0.5) } }) });
    const ran = await command("build", place("spec.srr"), "--target", target, "-o", place("out"), "--weights", place("w.safetensors"));
    expect([ran.code, ran.err]).toEqual([1, expect.stringContaining("t: must be positive, and has -0.5")]);
    expect(existsSync(place("out"))).toBe(false);
  });
  it("70 for a defect of ours, with the request to report it", async () => {
    vi.doMock("../../src/cli/commands/doctor.js", () => ({ doctor: () => { throw new TypeError("made up by the test"); } }));
    const ran = await command("doctor");
    vi.doUnmock("../../src/cli/commands/doctor.js");
    expect(ran.code).toBe(70);
    expect(ran.err).toContain("Please report it");
    expect(ran.err).toContain("made up by the test");
  });
});

describe("with --json", () => {
  const cases: readonly { readonly what: string; readonly argv: readonly string[]; readonly code?: number }[] = ([
    ...["check", "explain", "verify", "audit", "inspect"].flatMap((name): readonly (readonly [string, readonly string[]])[] => [
      [`${name} of a file that is not there`, [name, "MISSING"]], [`${name} of a folder`, [name, "FOLDER"]], [`${name} of a wrong spec`, [name, "WRONG"]],
    ]),
    ["an explanation that is asked for as JSON", ["explain", "WRONG", "--format", "json"]],
    ["diff with a wrong second spec", ["diff", "GOOD", "WRONG"]],
    ["a file that is not there beside a wrong one", ["check", "WRONG", "MISSING"]],
    ["a network that is not there", ["build", "GOOD", "--network", "M", "--target", "onnx", "-o", "OUT"]],
    ["weights that do not fit", ["build", "WEIGHED", "--target", "onnx", "-o", "OUT", "--weights", "OTHER"]],
    ["a model where a folder stands", ["build", "GOOD", "--target", "onnx", "-o", "FOLDER"]],
    ["a model that is none", ["inspect", "NOTES"]],
    ["a construction of nothing", ["construct", "GOOD", "-o", "OUT"]],
    ["formatting what cannot be read", ["fmt", "BROKEN"]],
    ["a project where a file stands", ["init", "NOTES"]],
    ["an option's value", ["check", "GOOD", "--set", "d"], 2],
    ["a missing option", ["build", "GOOD", "-o", "OUT"], 2],
    ["an expression that cannot be read", ["grad", "a +", "--var", "a: real", "--wrt", "a"]],
  ] satisfies readonly (readonly [string, readonly string[], number?])[]).map(([what, argv, code]) => ({ what, argv, ...(code === undefined ? {} : { code }) }));
  it.each(cases)("$what is told as diagnostics", async ({ argv, code = 1 }) => {
    const place = files({ "good.srr": good, "wrong.srr": wrong, "notes.onnx": "notes", "broken.srr": "network {", "weighed.srr": good.replace("output z: real[d] = 2*x", "param A: real[d, d]\n  output z: real[d] = A*x"), "other.safetensors": writeSafetensors({ B: { shape: [1], data: Float32Array.of(1) } }, {}) });
    const words: Readonly<Record<string, string>> = {
      GOOD: place("good.srr"), WRONG: place("wrong.srr"), MISSING: place("missing.srr"), FOLDER: place("."), OUT: place("out"), NOTES: place("notes.onnx"), BROKEN: place("broken.srr"), WEIGHED: place("weighed.srr"), OTHER: place("other.safetensors"),
    };
    const ran = await command(...argv.map((w) => words[w] ?? w), ...(argv.includes("--format") ? [] : ["--json"]));
    const { diagnostics } = JSON.parse(ran.out) as { diagnostics: { severity: string; message: string }[] };
    expect(ran.code).toBe(code);
    expect(diagnostics.length).toBeGreaterThan(0);
    for (const d of diagnostics) expect([d.severity, d.message]).toEqual(["error", expect.stringMatching(/./)]);
  });
  it("fmt, init and doctor give results", async () => {
    const place = files({ "good.srr": good, "messy.srr": good.replaceAll("  ", "    ") });
    const formatted = await command("fmt", "--check", "--json", place("good.srr"), place("messy.srr"));
    expect([formatted.code, formatted.err, JSON.parse(formatted.out)]).toEqual([1, "", {
      diagnostics: [], files: [{ file: place("good.srr"), formatted: true }, { file: place("messy.srr"), formatted: false }],
    }]);
    expect(JSON.parse((await command("init", place("p"), "--example", "ista", "--json")).out)).toMatchObject({ directory: place("p"), files: expect.arrayContaining(["ista.srr"]) });
    expect(JSON.parse((await command("doctor", "--json")).out)).toMatchObject({ findings: expect.arrayContaining([expect.objectContaining({ what: "Node.js" })]) });
    // All that these tests run on is installed, whether or not it exports its manifest.
    const { findings } = JSON.parse((await command("doctor", "--json")).out) as { findings: readonly { what: string; state: string }[] };
    for (const what of ["@tensorflow/tfjs-backend-wasm", "onnxruntime-node", "sharp"]) expect(findings).toContainEqual(expect.objectContaining({ what, state: "ok" }));
  });
});

describe("streams", () => {
  it("results on stdout, all else on stderr", async () => {
    const place = files({ "good.srr": good, "wrong.srr": wrong });
    const checked = await command("check", place("good.srr"));
    expect([checked.out, checked.err]).toEqual(["", `${place("good.srr")}: network N checked\n`]);
    const failed = await command("check", place("wrong.srr"));
    expect(failed.out).toBe("");
    expect(failed.err).toContain("error SRR2001");
    const grad = await command("grad", "sq_norm(A*x)", "--var", "A: real[m, q]", "--var", "x: real[q]", "--wrt", "x");
    expect([grad.code, grad.out.trim(), grad.err]).toEqual([0, "2*A'*A*x", ""]);
  });
  it("--json gives diagnostics with code, place and message, and nothing else", async () => {
    const place = files({ "good.srr": good, "wrong.srr": wrong });
    const ran = await command("check", "--json", place("good.srr"), place("wrong.srr"));
    const { diagnostics } = JSON.parse(ran.out) as { diagnostics: { code: string; file: string; message: string }[] };
    expect(diagnostics.map((d) => d.code)).toEqual(["SRR2001"]);
    expect(JSON.stringify(diagnostics)).toContain("wrong.srr");
    expect([ran.code, ran.err]).toEqual([1, ""]);
    expect(JSON.parse((await command("check", "--json", place("good.srr"))).out)).toEqual({ diagnostics: [] });
    const built = await command("build", place("good.srr"), "--target", "onnx", "-o", place("m.onnx"), "--json");
    expect(JSON.parse(built.out)).toMatchObject({ network: "N", target: "onnx" });
    const notBuilt = await command("build", place("wrong.srr"), "--target", "onnx", "-o", place("w.onnx"), "--json");
    expect([notBuilt.code, (JSON.parse(notBuilt.out) as { diagnostics: unknown[] }).diagnostics.length]).toEqual([1, 1]);
  });
  it("- is standard input, for check and fmt", () => {
    expect(spawned(["check", "-"], { input: wrong }).err).toContain("<stdin>:4:");
    const formatted = spawned(["fmt", "-"], { input: good.replaceAll("  ", "    ") });
    expect([formatted.code, formatted.out]).toEqual([0, good]);
    expect(spawned(["check", "-"], { input: "" }).code).toBe(0);
  });
  it("colours only a terminal, and never with NO_COLOR", () => {
    const place = files({ "wrong.srr": wrong });
    for (const env of [{}, { NO_COLOR: "1" }]) expect(spawned(["check", place("wrong.srr")], { env }).err).not.toContain("\u001b[");
  });
});

describe("--set", () => {
  it("changes dims and consts; an unknown name is an error with the nearest", async () => {
    const place = files({ "good.srr": good });
    const built = await command("inspect", place("good.srr"), "--set", "d=5");
    expect(built.code).toBe(0);
    const ran = await command("check", place("good.srr"), "--set", "dd=5");
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(/\bdd\b[\s\S]*\bd\b/);
    for (const value of ["0", "-1", "1.5", "1e400"]) expect((await command("check", place("good.srr"), "--set", `d=${value}`)).code).toBeGreaterThan(0);
  });
  it("says once what is wrong with a size, and that there is nothing to set", async () => {
    const place = files({ "good.srr": good, "bare.srr": good.replace("  dim d = 3\n", "").replaceAll("[d]", "[3]") });
    const codes = async (file: string, setting: string): Promise<readonly (readonly [string, string | null])[]> =>
      (JSON.parse((await command("check", place(file), "--set", setting, "--json")).out) as { diagnostics: { code: string; hint: string | null }[] }).diagnostics.map((d) => [d.code, d.hint]);
    expect(await codes("good.srr", "d=0")).toEqual([["SRR2007", null]]);
    expect(await codes("bare.srr", "zz=1")).toEqual([["SRR2018", "the network has none"]]);
    expect((await command("grad", "a", "--var", "a: real", "--wrt", "a", "--const", "b")).err).toContain("--const b:");
  });
  it("does not know names that every object has", async () => {
    const place = files({ "good.srr": good });
    for (const name of ["constructor", "__proto__", "toString"]) expect((await command("check", place("good.srr"), "--set", `${name}=3`)).code, name).toBe(1);
  });
});

describe("writing", () => {
  it("never over a file that is not ours, unless forced; over ours it is", async () => {
    const place = files({ "good.srr": good, "thesis.onnx": "years of work", "notes.txt": "mine" });
    const build = (...more: string[]) => command("build", place("good.srr"), "--target", "onnx", "-o", place("thesis.onnx"), ...more);
    const refused = await build();
    expect([refused.code, readFileSync(place("thesis.onnx"), "utf8")]).toEqual([1, "years of work"]);
    expect(refused.err).toContain("--force");
    expect((await build("--force")).code).toBe(0);
    expect((await build()).code).toBe(0);
    expect((await command("explain", "examples/ista.srr", "-o", place("notes.txt"))).code).toBe(1);
    expect(readFileSync(place("notes.txt"), "utf8")).toBe("mine");
    expect(readdirSync(place(".")).sort()).toEqual(["good.srr", "notes.txt", "thesis.onnx"]);
  });
  it.each(["text", "latex", "html", "json"])("over an explanation that is ours, in %s too", async (format) => {
    const place = files({ "notes.txt": "mine" });
    const explain = (to: string) => command("explain", "examples/ista.srr", "--format", format, "-o", place(to));
    expect((await explain("e")).code).toBe(0);
    expect((await explain("e")).code).toBe(0);
    expect([(await explain("notes.txt")).code, readFileSync(place("notes.txt"), "utf8")]).toEqual([1, "mine"]);
  });
  it("never over what is like ours, in whichever format", async () => {
    const place = files({ "good.srr": good });
    const explain = (format: string, to: string) => command("explain", "examples/ista.srr", "--format", format, "-o", place(to));
    const formats = ["text", "latex", "html", "json"];
    for (const f of formats) expect((await explain(f, f)).code).toBe(0);
    expect((await command("build", place("good.srr"), "--target", "onnx", "-o", place("onnx"))).code).toBe(0);
    expect((await command("verify", place("good.srr"), "--trials", "1", "--log", place("log"))).code).toBe(0);
    const likeOurs = { "mine.md": "Checked by crate-compile on Monday", "mine.html": "<p>Made by crate-compile 1</p>", "mine.json": '{\n  "steps": [\n  ]\n}\n', "log.json": '{\n "format": 1,\n "mine": 2\n}\n' };
    for (const [name, text] of Object.entries(likeOurs)) writeFileSync(place(name), text);
    const before = new Map(readdirSync(place(".")).map((name) => [name, readFileSync(place(name), "utf8")]));
    for (const f of formats) for (const to of before.keys()) if (to !== f) expect([(await explain(f, to)).code, readFileSync(place(to), "utf8")], `${f} over ${to}`).toEqual([1, before.get(to)]);
    for (const to of before.keys()) {
      if (to !== "onnx") expect([(await command("build", place("good.srr"), "--target", "onnx", "-o", place(to))).code, readFileSync(place(to), "utf8")], to).toEqual([1, before.get(to)]);
      if (to !== "log") expect([(await command("verify", place("good.srr"), "--trials", "1", "--log", place(to))).code, readFileSync(place(to), "utf8")], to).toEqual([1, before.get(to)]);
    }
  });
  it("never over what it reads, forced or not", async () => {
    const place = files({ "good.srr": `import "own"\n${example("ista")}`, "own.srr": "fn own(X: real[d, n]) = 2*X", "plain.srr": good });
    for (const to of ["good.srr", "own.srr"]) for (const argv of [["explain"], ["build", "--target", "onnx"], ["verify", "--trials", "1"]]) {
      const text = readFileSync(place(to), "utf8");
      const ran = await command(argv[0] ?? "", place("good.srr"), ...argv.slice(1), argv[0] === "verify" ? "--log" : "-o", place(to), "--force");
      expect([ran.code, ran.err.includes("this command reads"), readFileSync(place(to), "utf8")], ran.err).toEqual([1, true, text]);
    }
    writeFileSync(place("w.safetensors"), writeSafetensors({}));
    const ran = await command("build", place("plain.srr"), "--target", "onnx", "--weights", place("w.safetensors"), "-o", place("w.safetensors"), "--force");
    expect([ran.code, ran.err.includes("this command reads")], ran.err).toEqual([1, true]);
  });
  it("never into a folder that is not ours", async () => {
    const place = files({ "good.srr": good, "work/precious.txt": "mine" });
    for (const argv of [["init", place("work")], ["build", place("good.srr"), "--target", "onnx", "-o", place("work")], ["build", "examples/lista.srr", "--target", "tfjs", "-o", place("work")]]) {
      const ran = await command(...argv);
      expect([ran.code, ran.err.includes("nothing was written")], ran.err).toEqual([1, true]);
    }
    expect(readdirSync(place("work"))).toEqual(["precious.txt"]);
    expect(readdirSync(place("."))).toEqual(["good.srr", "work"]);
  });
  it("a folder of ours anew: what an earlier build left goes, what is the user's stays", () => {
    const [place, encode] = [files({}), (text: string) => new TextEncoder().encode(text)];
    const all = (...names: readonly string[]) => names.map((path) => ({ path, bytes: encode(path) }));
    writeFolder(all("src/a.ts", "src/old.ts", "data/edited", "linked/b"), place("p"), false);
    writeFileSync(place("p/src/mine.ts"), "src/old.ts");
    writeFileSync(place("p/data/edited"), "mine");
    renameSync(place("p/linked"), place("elsewhere"));
    symlinkSync(place("elsewhere"), place("p/linked"));
    writeFolder(all("src/a.ts", "src/new.ts"), place("p"), false);
    expect(readdirSync(place("p/src")).sort()).toEqual(["a.ts", "mine.ts", "new.ts"]);
    expect([readdirSync(place("p/data")), readdirSync(place("elsewhere"))]).toEqual([["edited"], ["b"]]);
  });
  it("through no link: a folder that is one is refused, a file's link is replaced", async () => {
    const place = files({ "good.srr": good, "elsewhere/file.onnx": "theirs" });
    symlinkSync(place("elsewhere"), place("link"));
    symlinkSync(place("nowhere"), place("dangling"));
    const makers = [["build", "examples/lista.srr", "--target", "tfjs", "--force"], ["construct", "examples/redunet.srr", "--set", "L=1"]];
    for (const argv of makers) for (const link of ["link", "dangling"]) {
      const ran = await command(...argv, "-o", place(link));
      expect([ran.code, ran.err.includes("symbolic link"), readdirSync(place("elsewhere"))], ran.err).toEqual([1, true, ["file.onnx"]]);
    }
    symlinkSync(place("elsewhere/file.onnx"), place("m.onnx"));
    expect((await command("build", place("good.srr"), "--target", "onnx", "-o", place("m.onnx"), "--force")).code).toBe(0);
    expect(readFileSync(place("elsewhere/file.onnx"), "utf8")).toBe("theirs");
  });
  it("where it cannot be: a word, and nothing half-written", async () => {
    const place = files({ "good.srr": good, "file": "" });
    const below = await command("build", place("good.srr"), "--target", "onnx", "-o", place("file/m.onnx"));
    expect([below.code, below.err]).toEqual([1, expect.stringContaining("nothing was changed")]);
    mkdirSync(place("closed"));
    chmodSync(place("closed"), 0o555);
    if (process.getuid?.() !== 0) expect((await command("build", place("good.srr"), "--target", "onnx", "-o", place("closed/m.onnx"))).code).toBe(1);
    expect(readdirSync(place("."))).toEqual(["closed", "file", "good.srr"]);
  });
  it.each([
    ["init", "FILE"], ["init", "FILE/b"], ["build", "GOOD", "--target", "tfjs", "-o", "FILE/b"], ["build", "GOOD", "--target", "onnx", "-o", "FILE/b"], ["build", "GOOD", "--target", "onnx", "-o", "FILE/b/c"],
  ])("where a file stands in the way: %s %s, in words", async (...argv) => {
    const place = files({ "good.srr": good, "file": "mine" });
    const ran = await command(...argv.map((w) => w.replace("FILE", place("file")).replace("GOOD", place("good.srr"))));
    expect([ran.code, ran.err], ran.err).toEqual([1, expect.stringMatching(/is a file|stands where|not a folder/)]);
    expect(ran.err).not.toMatch(/E[A-Z]{4,}/);
    expect(readFileSync(place("file"), "utf8")).toBe("mine");
  });
  it("warns of weights that float32 cannot hold", async () => {
    const place = files({
      "a.srr": good.replace("output z: real[d] = 2*x", "param A: real[d]\n  param B: real[d]\n  param C: real[d]\n  output z: real[d] = A .* x + B .* x + C .* x"),
      "w.safetensors": writeSafetensors({ A: { shape: [3], data: Float64Array.of(1, 1e300, 1) }, B: { shape: [3], data: Float32Array.of(1, Number.NaN, 1) }, C: { shape: [3], data: Float32Array.of(1, 2, 3) } }, {}),
    });
    const ran = await command("build", place("a.srr"), "--target", "onnx", "-o", place("m.onnx"), "--weights", place("w.safetensors"));
    expect([ran.code, ran.err]).toEqual([0, expect.stringMatching(/warning: .*w\.safetensors .*in A, B\n/)]);
  });
  it("starts a project from an example that checks", async () => {
    const place = files({});
    expect((await command("init", place("my project"), "--example", "ista")).code).toBe(0);
    expect((await command("check", place("my project/ista.srr"))).code).toBe(0);
    expect(JSON.parse(readFileSync(place("my project/package.json"), "utf8")).name).toBe("my-project");
    expect((await command("init", place("b"), "--example", "../../../etc/passwd")).code).toBe(1);
  });
});

describe("a project", () => {
  const names = exampleNames();
  it.each(names)("from %s is in the form that fits its data, data included, and finds the compiler", async (name) => {
    const place = files({});
    expect((await command("init", place("p"), "--example", name)).code).toBe(0);
    const manifest = JSON.parse(readFileSync(place("p/package.json"), "utf8")) as { scripts: Record<string, string>; devDependencies: Record<string, string> };
    const folder = manifest.devDependencies["crate-compile"]?.replace(/^file:/, "") ?? "";
    expect(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).name).toBe("crate-compile");
    const readme = readFileSync(place("p/README.md"), "utf8");
    for (const script of Object.keys(manifest.scripts)) expect(readme).toContain(`npm run ${script} `);
    const [, preset] = /--preset (\S+)/.exec(manifest.scripts["check"] ?? "") ?? [];
    const network = compileSpec(readFileSync(place(`p/${name}.srr`), "utf8"), {}, preset);
    expect([manifest.scripts["build"] !== undefined, manifest.scripts["construct"] !== undefined])
      .toEqual([network.unrolled.training?.optimizer !== undefined, network.unrolled.parameters.some((p) => p.captured)]);
    const model = describeModel(network.unrolled, { compiler: "test", specHash: "", seed: 1 });
    if (!model.training || model.training.data.name === "none") return;
    const data = await loadData(model.training.data, { model, baseDirectory: place("p"), parameters: fixedValues(model) });
    expect(data.train.size).toBeGreaterThan(0);
  });
  it("runs by its own scripts", async () => {
    const place = files({});
    await command("init", place("p"), "--example", "redunet");
    const { scripts } = JSON.parse(readFileSync(place("p/package.json"), "utf8")) as { scripts: Record<string, string> };
    for (const script of ["check", "construct", "onnx"]) {
      const ran = spawned((scripts[script] ?? "").split(" ").slice(1), { cwd: place("p") });
      expect([script, ran.code], ran.err).toEqual([script, 0]);
    }
    expect(existsSync(place("p/model.onnx"))).toBe(true);
  });
});

describe("fmt", () => {
  it("--check changes nothing and says what is not formatted", async () => {
    const messy = good.replaceAll("  ", "    ");
    const place = files({ "good.srr": good, "messy.srr": messy });
    const ran = await command("fmt", "--check", place("good.srr"), place("messy.srr"));
    expect([ran.code, ran.err]).toEqual([1, `${place("messy.srr")} is not formatted\n`]);
    expect(readFileSync(place("messy.srr"), "utf8")).toBe(messy);
    expect((await command("fmt", place("messy.srr"))).code).toBe(0);
    expect(readFileSync(place("messy.srr"), "utf8")).toBe(good);
    expect((await command("fmt", "--check", place("messy.srr"))).code).toBe(0);
  });
  it("leaves a file with errors alone, keeps its mode, and formats what a link leads to", async () => {
    const place = files({ "broken.srr": "network {", "messy.srr": good.replaceAll("  ", "    ") });
    expect((await command("fmt", place("broken.srr"))).code).toBe(1);
    expect(readFileSync(place("broken.srr"), "utf8")).toBe("network {");
    symlinkSync("messy.srr", place("link.srr"));
    expect((await command("fmt", place("link.srr"))).code).toBe(0);
    expect([readlinkSync(place("link.srr")), readFileSync(place("messy.srr"), "utf8")]).toEqual(["messy.srr", good]);
    expect(readdirSync(place(".")).length).toBe(3);
  });
});

describe("inspect", () => {
  it("knows a file by what is in it", async () => {
    const place = files({ "good.srr": good, "w.bin": writeSafetensors({ A: { shape: [1], data: Float32Array.of(1) } }, {}) });
    expect((await command("inspect", place("w.bin"))).out).toContain("Float32");
    expect((await command("build", place("good.srr"), "--target", "onnx", "-o", place("m.safetensors"))).code).toBe(0);
    expect((await command("inspect", place("m.safetensors"))).out).toContain("opset 18");
  });
});

describe("grad", () => {
  it.each([[["-a^2"]], [["--json", "-a^2"]], [["--", "-a^2"]]])("takes an expression that begins with a minus: %j", async (words) => {
    const ran = await command("grad", "--var", "a: real", "--wrt", "a", ...words);
    expect([ran.code, ran.out]).toEqual([0, expect.stringContaining("-2*a")]);
  });
});

describe("opsets", () => {
  it.each([18, 19, 20, 21, 22, 23])("%i runs in ONNX Runtime", async (opset) => {
    const place = files({});
    expect((await command("build", "examples/ista.srr", "--target", "onnx", "-o", place("m.onnx"), "--opset", String(opset))).code).toBe(0);
    expect((await InferenceSession.create(place("m.onnx"))).outputNames.length).toBeGreaterThan(0);
  });
});

describe("imports", () => {
  const fn = "fn f(x: real) = 2*x\n";
  const importing = (path: string): string => `import "${path}"\n${good}`;
  it("are read below the spec's folder", async () => {
    const place = files({ "a.srr": importing("lib/f"), "lib/f.srr": fn });
    expect((await command("check", place("a.srr"))).code).toBe(0);
  });
  it.each(["../secret", "../secret.srr", "/etc/passwd", "lib/../../secret", "link", "folderlink/secret", "lib\\0/f", "std/../../package"])("of %s, outside, are refused", async (path) => {
    const place = files({ "project/a.srr": importing(path), "project/lib/f.srr": fn, "secret.srr": "fn secret(x: real) = 31337*x\n" });
    symlinkSync(place("secret.srr"), place("project/link.srr"));
    symlinkSync(place("."), place("project/folderlink"));
    const ran = await command("check", place("project/a.srr"));
    expect([ran.code, ran.err.includes("SRR2013")], ran.err).toEqual([1, true]);
    expect(ran.err).not.toContain("31337");
    expect(ran.err).not.toContain("root:");
  });
  it("in a circle end", async () => {
    const place = files({ "a.srr": importing("b"), "b.srr": `import "c"\n${fn}`, "c.srr": "import \"b\"\nimport \"a\"\nfn g(x: real) = x\n" });
    const ran = await command("check", place("a.srr"));
    expect([0, 1]).toContain(ran.code);
    const self = files({ "a.srr": importing("a") });
    expect([0, 1]).toContain((await command("check", self("a.srr"))).code);
  });
  it("of what is not text or not small are refused", async () => {
    const place = files({ "a.srr": importing("b"), "b.srr": Uint8Array.of(0x66, 0xff, 0xfe), "c.srr": importing("d"), "d.srr": " ".repeat(5 * 1024 * 1024 + 1) });
    expect((await command("check", place("a.srr"))).err).toContain("not UTF-8");
    expect((await command("check", place("c.srr"))).err).toContain("5 MB");
    expect((await command("check", place("d.srr"))).err).toContain("5 MB");
    expect((await command("check", place("b.srr"))).err).toContain("not UTF-8");
  });
});

describe("what people read", () => {
  it("--help", async () => {
    await expect((await command("--help")).out).toMatchFileSnapshot("golden/help.txt");
    await expect((await command("build", "--help")).out).toMatchFileSnapshot("golden/build-help.txt");
  });
  it("the derivation of CRATE", async () => {
    await expect((await command("explain", "examples/crate.srr")).out).toMatchFileSnapshot("golden/explain-crate.txt");
  });
});
