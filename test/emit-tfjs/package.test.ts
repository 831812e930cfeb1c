/** Whole packages: strict TypeScript, programs that run on their own, a run that resumes to the same numbers. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build } from "../../src/cli/commands/build.js";
import type { ModelDescription } from "../../src/runtime/contract.js";
import { fixedValues, startingValues } from "../../src/runtime/random.js";
import { loadData } from "../../src/runtime/data/load.js";
import { writeSafetensors } from "../../src/runtime/safetensors.js";
import { createTfjsEngine } from "../../src/runtime/tfjs/engine.js";
import { train } from "../../src/runtime/train.js";
import { compileSpec } from "../support/build.js";
import { command, spawned } from "../support/command-line.js";
import { backend, describeNetwork, modelOf } from "../support/tfjs.js";
import { expectDataError } from "../runtime/model.js";
import { quiet, smallSpec } from "../support/training.js";

// Below the project, so that packages find its node_modules as they would find their own.
const folder = resolve("out", `test-packages-${process.pid}`);
const node = (args: readonly string[], cwd = folder) => spawnSync(process.execPath, args, { cwd, encoding: "utf8" });
const packages = [
  { name: "crate", target: "onnx-train", file: "examples/crate.srr", preset: "mnist", set: ["d=16", "K=2", "p=8", "L=2"] },
  { name: "gpt", target: "tfjs", file: "examples/crate-gpt.srr", set: ["d=16", "K=2", "p=8", "L=3", "n=12"] },
  { name: "mae", target: "tfjs", file: "examples/crate-mae.srr", set: ["d=16", "K=2", "p=8", "L=1", "H=16", "P=4"] },
  { name: "lista", target: "tfjs", file: "examples/lista.srr", set: [] },
  { name: "redunet", target: "tfjs", file: "examples/redunet.srr", set: ["L=3"] },
  { name: "tost", target: "tfjs", file: "examples/tost.srr", set: ["d=16", "K=2", "p=8", "L=2"] },
  { name: "weighted", target: "tfjs", file: "examples/lista.srr", set: [], weights: "lista.safetensors" },
] as const;
const pictured = `network N { input image: real[3, 8, 8] target label: class[2]
  output logits: real[2] = image |> patches(4) |> mean_columns |> linear(2)
  train { data images("pictures") loss cross_entropy(logits, label) optimizer sgd(rate: 0.1) batch 2 steps 1 } }`;

describe("generated packages", () => {
  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    const lista = describeNetwork(compileSpec(readFileSync("examples/lista.srr", "utf8")));
    writeFileSync(join(folder, "lista.safetensors"), writeSafetensors(startingValues(lista, 5)));
    for (const p of packages) {
      await build(p.file, {
        target: p.target, out: join(folder, p.name), set: p.set, optimize: "1",
        ...("preset" in p ? { preset: p.preset } : {}), ...("weights" in p ? { weights: join(folder, p.weights) } : {}),
      });
    }
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("are strict TypeScript", () => {
    const { compilerOptions } = JSON.parse(readFileSync(join(folder, "crate", "tsconfig.json"), "utf8"));
    expect(compilerOptions.strict).toBe(true);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...compilerOptions, rootDir: ".", outDir: "built" }, include: ["*/src"] }));
    const { stdout, status } = node([resolve("node_modules/typescript/bin/tsc")]);
    expect(stdout).toBe("");
    expect(status).toBe(0);
    for (const p of packages) expect(readdirSync(join(folder, "built", p.name, "src"))).toContain("train.js");
  }, 300_000);
  it("are not called like what they import, which would be looked for in themselves", async () => {
    const made = async (network: string): Promise<string> => {
      const out = join(folder, "named");
      writeFileSync(join(folder, "named.srr"), readFileSync("examples/lista.srr", "utf8").replace(/network \w+/, `network ${network}`));
      await build(join(folder, "named.srr"), { target: "tfjs", out, set: [], optimize: "0" });
      return JSON.parse(readFileSync(join(out, "package.json"), "utf8")).name as string;
    };
    for (const [network, name] of [["MNIST", "mnist-network"], ["Sharp", "sharp-network"], ["TypeScript", "typescript-network"], ["Lista", "lista"]] as const) expect(await made(network)).toBe(name);
    rmSync(join(folder, "named"), { recursive: true });
    rmSync(join(folder, "named.srr"));
  });
  it("are packed with what their programs need", () => {
    const { files } = JSON.parse(readFileSync(join(folder, "crate", "package.json"), "utf8"));
    expect(files).toEqual(["dist", "!dist/.tsbuildinfo", "tsconfig.json", "README.md", "model.json", "crate.srr", "src", "train.onnx", "evaluate.onnx", "probe.onnx"]);
    expect(JSON.parse(readFileSync(join(folder, "weighted", "package.json"), "utf8")).files).toContain("start.safetensors");
  });
  it("hold no eval, and no name of this machine", () => {
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((f) => /^[^/]+\/.*\.(ts|json|md|srr)$/.test(f) && !f.startsWith("built"));
    expect(files.length).toBeGreaterThan(60);
    for (const f of files) {
      const text = readFileSync(join(folder, f), "utf8");
      expect(text, f).not.toMatch(/\beval\(|new Function\(/);
      expect(text, f).not.toContain(resolve("."));
    }
  });
  it("keep the weights that they are built with where export does not write, and say so", () => {
    expect(readdirSync(join(folder, "weighted"))).toContain("start.safetensors");
    expect(readdirSync(join(folder, "weighted"))).not.toContain("weights.safetensors");
    for (const name of ["train", "evaluate", "export"]) expect(readFileSync(join(folder, "weighted", "src", `${name}.ts`), "utf8")).toContain('join(folder, "start.safetensors")');
    expect(readFileSync(join(folder, "weighted", "README.md"), "utf8")).toContain("built with weights, `start.safetensors`");
    expect(readFileSync(join(folder, "lista", "src", "train.ts"), "utf8")).not.toContain("start.safetensors");
  });
  it("say how they are run: training, building from data, or neither, and the model's command as it was chosen here", async () => {
    await build("examples/ista.srr", { target: "tfjs", out: join(folder, "ista"), set: [], optimize: "1" });
    const use = (name: string): string => readFileSync(join(folder, name, "README.md"), "utf8").split("## What it computes")[0] ?? "";
    const [crate, redunet, ista] = ["crate", "redunet", "ista"].map(use) as [string, string, string];
    expect(crate).toContain("npm run train");
    expect(crate).toContain("preset `mnist`, with `d = 16`, `K = 2`, `p = 8`, `L = 2` set.");
    expect(crate).toContain("    crate-compile build crate.srr --preset mnist --set d=16 --set K=2 --set p=8 --set L=2 --target onnx --weights weights.safetensors --out model.onnx\n");
    expect(crate).toContain("`npm install --omit=optional` leaves them out");
    expect(redunet).toContain("    crate-compile construct redunet.srr --set L=3 --out run ");
    expect(redunet).toContain("npm run evaluate");
    for (const text of [redunet, ista]) expect(text).not.toMatch(/npm run train|--epochs|--resume|while it trains/);
    for (const text of ["evaluate", "export", "| option"]) expect(ista).not.toContain(text);
    rmSync(join(folder, "ista"), { recursive: true });
  });
  it("offer no evaluation where the spec names neither data nor a loss", async () => {
    const [spec, weights, out] = [join(folder, "plain.srr"), join(folder, "plain.safetensors"), join(folder, "plain")];
    writeFileSync(spec, "network P { dim d = 2 input x: real[d] param W: real[d, d] output z: real[d] = W*x }");
    writeFileSync(weights, writeSafetensors({ W: { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) } }));
    expect((await command("build", spec, "--target", "tfjs", "--weights", weights, "-o", out)).code).toBe(0);
    const readme = readFileSync(join(out, "README.md"), "utf8");
    expect(readme).toContain("npm run export");
    expect(readme).toContain("`start.safetensors`: export takes them");
    expect(readme).not.toMatch(/evaluate|construct|--data|--batch-size|\n\n\n\n/);
    for (const path of [spec, weights, out]) rmSync(path, { recursive: true });
  });
  it("hold what their spec imports of one's own, and say what cannot be held", async () => {
    const specs = join(folder, "importing");
    const lista = readFileSync("examples/lista.srr", "utf8");
    const file = (path: string, text: string): void => { mkdirSync(join(specs, path, ".."), { recursive: true }); writeFileSync(join(specs, path), text); };
    file("main.srr", `import "lib/f"\n${lista}`);
    file("lib/f.srr", "import \"../g.srr\"\nfn f(x: real) = 2*x\n");
    file("g.srr", "fn g(x: real) = 3*x\n");
    await build(join(specs, "main.srr"), { target: "tfjs", out: join(folder, "imported"), set: [], optimize: "1" });
    expect(readdirSync(join(folder, "imported"), { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".srr")).sort()).toEqual(["g.srr", "lib/f.srr", "main.srr"]);
    expect((await command("check", join(folder, "imported", "main.srr"))).code).toBe(0);
    expect(readFileSync(join(folder, "imported", "README.md"), "utf8")).not.toContain("on its own");
    file("deep/main.srr", `import "../g"\n${lista}`);
    const ran = await command("build", join(specs, "deep", "main.srr"), "--target", "tfjs", "-o", join(folder, "half"));
    expect([ran.code, ran.err]).toEqual([0, expect.stringContaining("imports ../g, which cannot lie in the package")]);
    expect(readFileSync(join(folder, "half", "README.md"), "utf8")).toContain("does not compile on its own: it imports `../g`");
    for (const name of ["importing", "imported", "half"]) rmSync(join(folder, name), { recursive: true });
  });
  it("name a folder of data by the way from themselves to it", async () => {
    const specs = join(folder, "specs");
    mkdirSync(join(specs, "pictures"), { recursive: true });
    writeFileSync(join(specs, "pictured.srr"), pictured);
    await build(join(specs, "pictured.srr"), { target: "tfjs", out: join(folder, "deep", "pictured"), set: [], optimize: "1" });
    const { training } = JSON.parse(readFileSync(join(folder, "deep", "pictured", "model.json"), "utf8"));
    expect(training.data.positional).toEqual(["../../specs/pictures"]);
    writeFileSync(join(specs, "lost.srr"), pictured.replace('"pictures"', '"nowhere"'));
    const lost = await command("build", join(specs, "lost.srr"), "--target", "tfjs", "-o", join(folder, "deep", "lost"));
    expect([lost.code, lost.err]).toEqual([0, expect.stringMatching(/warning: there is no \S*nowhere, .* at \.\.\/\.\.\/specs\/nowhere/)]);
    rmSync(join(folder, "deep"), { recursive: true });
  });
  it("train, evaluate and export on their own, with both engines", () => {
    const { status } = node([resolve("node_modules/typescript/bin/tsc")], join(folder, "crate"));
    expect(status).toBe(0);
    for (const engine of ["ort", "tfjs"]) {
      const out = join(folder, "crate", `run-${engine}`);
      const trained = node(["dist/train.js", "--engine", engine, ...(engine === "tfjs" ? ["--backend", "wasm"] : []), "--steps", "4", "--batch-size", "16", "--out", out], join(folder, "crate"));
      expect(trained.stderr).toMatch(engine === "ort" ? /on ONNX Runtime/ : /on tfjs WebAssembly/);
      expect(JSON.parse(trained.stdout)).toMatchObject({ steps: 4, stopped: "finished" });
      expect(readdirSync(out).sort()).toEqual(["best.safetensors", "last.safetensors", "log.csv"]);
      const evaluated = node(["dist/evaluate.js", "--engine", engine, "--out", out], join(folder, "crate"));
      expect(JSON.parse(evaluated.stdout).metrics.accuracy).toBeCloseTo(JSON.parse(trained.stdout).metrics.accuracy, 6);
    }
    const exported = node(["dist/export.js", "--out", join(folder, "crate", "run-ort")], join(folder, "crate"));
    expect(exported.status).toBe(0);
    expect(readFileSync(join(folder, "crate", "weights.safetensors")).length).toBeGreaterThan(1000);
    // What export says is what makes the model, from where it was run.
    const [, words = ""] = /crate-compile (build .*) makes a model/.exec(exported.stderr) ?? [];
    const made = spawned(words.split(" "), { cwd: join(folder, "crate") });
    expect([made.code, existsSync(join(folder, "crate", "model.onnx"))], made.err).toEqual([0, true]);
  }, 300_000);
  it("go on where nobody reads what they say, and end in order", () => {
    const sh = (command: string) => spawnSync("bash", ["-o", "pipefail", "-c", command], { cwd: folder, encoding: "latin1", env: { ...process.env, NODE: process.execPath } });
    const out = join(folder, "crate", "run-piped");
    const trained = sh(`"$NODE" crate/dist/train.js --engine ort --steps 4 --batch-size 16 --out ${out} 2>&1 | head -0`);
    expect([trained.status, trained.stderr]).toEqual([0, ""]);
    expect(readdirSync(out).sort()).toEqual(["best.safetensors", "last.safetensors", "log.csv"]);
    const model = JSON.parse(readFileSync(join(folder, "gpt", "model.json"), "utf8")) as ModelDescription;
    writeFileSync(join(folder, "built", "gpt", "model.json"), JSON.stringify(model));
    writeFileSync(join(folder, "gpt.safetensors"), writeSafetensors(startingValues(model, 1)));
    const sampled = sh('"$NODE" built/gpt/src/sample.js --backend cpu --weights gpt.safetensors --prompt abc --length 1000000000 | head -c 20');
    expect([sampled.status, sampled.stdout.length, sampled.stdout.slice(0, 3)], sampled.stderr).toEqual([0, 20, "abc"]);
    expect(sampled.stderr).not.toContain("EPIPE");
  }, 120_000);
  it("show their usage on standard output, refuse a wrong command line with exit code 2, and an engine that they do not have with 1", () => {
    const help = node(["dist/train.js", "--help"], join(folder, "crate"));
    expect([help.status, help.stdout, help.stderr]).toEqual([0, expect.stringContaining("--epochs N"), ""]);
    const wrong = node(["dist/train.js", "--epoch", "3"], join(folder, "crate"));
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toMatch(/--epochs/);
    const none = node(["dist/train.js", "--backend", "webgl"], join(folder, "crate"));
    expect([none.status, none.stderr]).toEqual([2, "--backend webgl: there are node-gpu, node, wasm, cpu\n"]);
    const other = node(["dist/train.js", "--backend", "node-gpu"], join(folder, "crate"));
    expect([other.status, other.stderr]).toEqual([1, expect.stringContaining("backend node-gpu does not work here")]);
  }, 60_000);
});

describe("a run in TensorFlow.js", () => {
  it("resumes to the numbers of a run that was never stopped, positive parameters included", async () => {
    const network = compileSpec(smallSpec());
    const model = { ...describeNetwork(network), specHash: "a".repeat(64) };
    const code = await modelOf(network);
    const data = await loadData(model.training?.data ?? { name: "", positional: [], named: {} },
      { model, baseDirectory: ".", parameters: fixedValues(model) });
    const run = async (out: string, stopAfter: number | undefined, resume: boolean) => {
      const engine = await createTfjsEngine(model, code, await backend());
      let steps = 0;
      const io = quiet(() => stopAfter !== undefined && ++steps >= stopAfter);
      const summary = await train(engine, model, data, { out, resume }, io);
      const values = await engine.parameters();
      const count = engine.tensorCount?.();
      engine.dispose();
      return { summary, values, count };
    };
    const [whole, parts] = [mkdtempSync(join(tmpdir(), "whole-")), mkdtempSync(join(tmpdir(), "parts-"))];
    const expected = await run(whole, undefined, false);
    expect((await run(parts, 9, false)).summary).toMatchObject({ stopped: "interrupted", steps: 9 });
    const resumed = await run(parts, undefined, true);
    expect(resumed.summary.steps).toBe(expected.summary.steps);
    expect(resumed.values).toEqual(expected.values);
    for (const p of [whole, parts]) rmSync(p, { recursive: true });
  }, 60_000);
  it("takes no value that does not fit its parameter", async () => {
    const network = compileSpec(smallSpec());
    const engine = await createTfjsEngine(describeNetwork(network), await modelOf(network), await backend());
    await expectDataError(() => engine.setParameters({ "ista.1.threshold": { shape: [], data: Float32Array.of(0) } }), "ista.1.threshold must be positive, and has 0");
    await expectDataError(() => engine.setParameters({ "ista.1.B": { shape: [3], data: new Float32Array(3) } }), "ista.1.B is [3], wanted [8, 12]");
    engine.dispose();
  }, 60_000);
});
