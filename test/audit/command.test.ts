/** The audit from the command line: which weights, which data, what is said. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Random } from "../../src/runtime/random.js";
import { writeSafetensors } from "../../src/runtime/safetensors.js";

const folder = mkdtempSync(join(tmpdir(), "audit-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const command = (...args: string[]): string =>
  execFileSync(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 });
const failing = (...args: string[]): { status: number | null; stderr: string } =>
  spawnSync(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...args], { encoding: "utf8" });

const spec = `import "std/rates"
import "std/lemmas"
network Check {
  dim d = 16, n = 25, K = 4, p = 4
  index k in 1..K
  let beta = p/(n*0.5^2)
  input X: real[d, n]
  param U[k]: real[d, p] init orthonormal
  var Z: real[d, n] = X
  step compress { minimize Rc(Z, U, beta) by gradient(rate: 0.5) using neumann, softmax_membership(beta: beta) }
  output out: real[d, n] = Z
}`;
const file = join(folder, "check.srr");
writeFileSync(file, spec);
const random = Random.named(1, "tokens");
const tokens = { shape: [2, 25, 16], data: Float64Array.from({ length: 800 }, () => 5 * random.normal()) };
writeFileSync(join(folder, "tokens.safetensors"), writeSafetensors({ X: tokens }, {}));

describe("crate-compile audit", () => {
  it("says in words which lemma left its domain, from seeded values and a file of tokens", () => {
    const text = command("audit", file, "--data", join(folder, "tokens.safetensors"));
    expect(text).toContain("neumann is outside of its domain");
    expect(text).toMatch(/exact step\s+−/);
  });
  it("gives the same numbers as JSON, the same each time", () => {
    const args = ["audit", file, "--data", join(folder, "tokens.safetensors"), "--samples", "1", "--json"];
    const [a, b] = [command(...args), command(...args)];
    expect(a).toBe(b);
    const { network, samples, runs } = JSON.parse(a);
    expect({ network, samples, runs: runs.length }).toEqual({ network: "Check", samples: 1, runs: 1 });
    expect(runs[0].steps[0].stages.map((s: { name: string }) => s.name)).toEqual(["exact", "neumann", "softmax_membership", "built"]);
  });
  it("names what is missing in the data", () => {
    writeFileSync(join(folder, "other.safetensors"), writeSafetensors({ Y: tokens }, {}));
    const run = failing("audit", file, "--data", join(folder, "other.safetensors"));
    expect(run.status).toBe(1);
    expect(run.stderr).toContain("no tensor X; it has Y");
    expect(failing("audit", file).stderr).toContain("--data");
  });
  it("makes data from the dictionary that each file of weights holds", () => {
    const lasso = join(folder, "lasso.srr");
    writeFileSync(lasso, `network Lasso { dim m = 6, q = 9 input y: real[m] target t: real[q] param A: real[m, q] fixed init normal(0.4) var x: real[q] = 0
      step shrink { minimize 0.5*sq_norm(y - A*x) + 0.1*norm1(x) by proximal_gradient(rate: 0.1) } output z: real[q] = x
      train { data synthetic sparse_codes(dictionary: A, sparsity: 0.3, noise: 0.01, size: 40) loss mse(z, t) seed 1 } }`);
    const weights = ["a", "b"].map((name) => {
      const path = join(folder, `${name}.safetensors`);
      writeFileSync(path, writeSafetensors({ A: { shape: [6, 9], data: Float64Array.from({ length: 54 }, () => random.normal()) } }, {}));
      return path;
    });
    const runs = (...files: string[]) => JSON.parse(command("audit", lasso, "--json", ...files.flatMap((f) => ["--weights", f]))).runs;
    expect(runs(...weights)).toEqual(weights.flatMap((w) => runs(w)));
  });
  it("says which target the data lacks where the exact step needs one", () => {
    writeFileSync(join(folder, "points.safetensors"), writeSafetensors({ x: { shape: [6, 2], data: Float64Array.from({ length: 12 }, () => random.normal()) } }, {}));
    const run = failing("audit", "examples/redunet.srr", "--set", "L=1", "--data", join(folder, "points.safetensors"));
    expect(run.status).toBe(1);
    expect(run.stderr).toContain("label");
  });
});
