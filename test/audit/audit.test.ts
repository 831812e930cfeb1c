/** The audit on random orthonormal bases, where it is known which lemma turns the step around (field notes, section 2). */
import { describe, expect, it } from "vitest";
import { type Audit, auditNetwork, type StepAudit } from "../../src/audit/audit.js";
import type { HostTensor, TensorMap } from "../../src/runtime/contract.js";
import { Random } from "../../src/runtime/random.js";
import { compileSpec } from "../support/build.js";

const spec = `import "std/rates"
import "std/lemmas"
network Check {
  dim d = 64, n = 100, K = 8, p = 8
  index k in 1..K
  const eps = 0.5, kappa = 0.5
  let beta = p/(n*eps^2)
  input X: real[d, n]
  param U[k]: real[d, p] init orthonormal
  var Z: real[d, n] = X
  step compress {
    minimize Rc(Z, U, beta)
    by gradient(rate: kappa)
    using neumann, softmax_membership(beta: beta), orthonormal(U: U), unit_decay
  }
  output out: real[d, n] = Z
}`;
const [d, n, K, p] = [64, 100, 8, 8];

/** K·p = d orthonormal columns, dealt out to the K subspaces. */
function bases(random: Random): HostTensor {
  const columns: Float64Array[] = [];
  while (columns.length < K * p) {
    const v = Float64Array.from({ length: d }, () => random.normal());
    for (let pass = 0; pass < 2; pass++) for (const u of columns) {
      const dot = v.reduce((s, x, i) => s + x * (u[i] as number), 0);
      v.forEach((x, i) => { v[i] = x - dot * (u[i] as number); });
    }
    const norm = Math.hypot(...v);
    columns.push(v.map((x) => x / norm));
  }
  const data = new Float64Array(K * d * p);
  columns.forEach((c, j) => c.forEach((x, i) => { data[Math.floor(j / p) * d * p + i * p + (j % p)] = x; }));
  return { shape: [K, d, p], data };
}
function tokens(random: Random, norm: number): HostTensor {
  const data = new Float64Array(n * d);
  for (let i = 0; i < n; i++) {
    const v = Array.from({ length: d }, () => random.normal());
    const length = Math.hypot(...v);
    v.forEach((x, j) => { data[i * d + j] = (norm * x) / length; });
  }
  return { shape: [1, n, d], data };
}
function audited(norm: number, seed: number): StepAudit {
  const random = Random.named(seed, "audit");
  const weights: TensorMap = { U: bases(random) };
  const audit: Audit = auditNetwork(compileSpec(spec), { weights, batch: { X: tokens(random, norm) }, samples: 1 });
  expect(audit.steps).toHaveLength(1);
  return audit.steps[0] as StepAudit;
}
const changeAfter = (step: StepAudit, stage: string): number => step.stages.find((s) => s.name === stage)?.own.change ?? Number.NaN;

describe("the audit of a compression step on random orthonormal bases", () => {
  it.each([1, 2, 3])("finds that unit_decay turns descent into ascent on tokens of unit norm (seed %i)", (seed) => {
    const step = audited(1, seed);
    // Seen over the seeds: within 0.02 of these.
    expect(Math.abs(changeAfter(step, "exact") + 2.17)).toBeLessThan(0.05);
    expect(Math.abs(changeAfter(step, "neumann") + 1.56)).toBeLessThan(0.05);
    expect(Math.abs(changeAfter(step, "softmax_membership") + 3.19)).toBeLessThan(0.05);
    expect(Math.abs(changeAfter(step, "unit_decay") - 0.06)).toBeLessThan(0.03);
    expect(step.turns).toEqual(["unit_decay"]);
    expect(step.blamed).toBe("unit_decay");
    expect(step.outside).toEqual([]);
    expect(changeAfter(step, "built")).toBe(changeAfter(step, "unit_decay"));
    // Σ U Uᵀ = I here, so the lemma that says so costs nothing.
    expect(step.stages.find((s) => s.name === "orthonormal")?.lemma?.error).toBeLessThan(1e-12);
  });
  it.each([1, 2, 3])("finds that neumann is outside its domain on tokens of norm 8 (seed %i)", (seed) => {
    const step = audited(8, seed);
    const when = step.stages.find((s) => s.name === "neumann")?.lemma?.when;
    expect(step.outside).toEqual(["neumann"]);
    expect(step.turns[0]).toBe("neumann");
    expect(when).toMatchObject({ held: false, share: 0, bound: 1 });
    expect(when?.largest).toBeGreaterThan(51);
    expect(when?.largest).toBeLessThan(57);
    expect(Math.abs(changeAfter(step, "neumann") - 111)).toBeLessThan(1.5);
  });
  it("blames nothing where no lemma is used", () => {
    const random = Random.named(1, "audit");
    const bare = spec.replace(/\n {4}using .*/, "");
    const [step] = auditNetwork(compileSpec(bare), { weights: { U: bases(random) }, batch: { X: tokens(random, 1) }, samples: 1 }).steps;
    expect(step?.blamed).toBeUndefined();
    expect(step?.stages.map((s) => s.kind)).toEqual(["exact", "built"]);
  });
});
