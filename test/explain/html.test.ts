/** The explained page: self-contained, well-formed, whatever the spec's texts hold. */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { verifyNetwork } from "../../src/audit/verify.js";
import { explainHtml } from "../../src/explain/html.js";
import { graphOf } from "../../src/targets.js";
import { costValue, graphCost } from "../../src/tensor/cost.js";
import { compileSpec, example } from "../support/build.js";
import { markupFaults, requests } from "../support/markup.js";

function pageOf(text: string, file = "spec.srr", preset?: string): string {
  const network = compileSpec(text, {}, preset);
  const sizes = { batch: 1, ...Object.fromEntries(network.unrolled.freeDims.map((d) => [d, 1])) };
  const costs = [...graphCost(graphOf(network, {})).places].map(([place, cost]) => ({ place, ...costValue(cost, sizes) }));
  return explainHtml({ network, file, compiler: "test", costs, checks: verifyNetwork(network.typed, network.derivations, { trials: 1, seed: 1 }) });
}
const names = readdirSync("examples").filter((f) => f.endsWith(".srr")).map((f) => f.slice(0, -4));

describe("the explained page", () => {
  it.each(names)("of %s is well-formed and fetches nothing", (name) => {
    const html = pageOf(example(name));
    expect(markupFaults(html)).toEqual([]);
    expect(requests(html)).toEqual([]);
    for (const id of ["objective", "derivation", "algorithm", "parameters", "cost", "graph"]) expect(html).toContain(`id="${id}"`);
    expect(html).toContain("<math");
    expect(html).toContain("<svg");
  });
  it("shows rule, source equation and numeric check with the lines, and the papers' count of parameters", () => {
    const html = pageOf(example("crate"), "crate.srr", "tiny");
    expect(html).toContain("The Matrix Cookbook, eq. 57 (logdet)");
    expect(html).toContain("Yu et al. 2023, eq. 17");
    expect(html).toContain("First-order Neumann series.");
    expect(html).toMatch(/holds<\/span> by finite differences/);
    expect(html).toContain("6,090,856 learned");
    expect(html).toContain("4·K·d·n·p");
  });
  it("lets no text of the spec out of its place", () => {
    const evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)> \" ' & <!-- ";
    const text = `/// ${evil}
network N {
  dim n = 3
  const lambda = 0.1
  input y: real[n]
  var x: real[n] = 0
  objective f: minimize 0.5*sq_norm(y - x) + lambda*norm1(x)
  layer ista repeat 2 {
    /// ${evil}
    step shrink { minimize f by proximal_gradient(rate: 0.1) using same }
  }
  output o: real[n] = x
}
/// ${evil}
lemma same(a: real[q]): a ~ a`;
    const html = pageOf(text, `${evil}\u202e.srr`);
    expect(markupFaults(html)).toEqual([]);
    expect(requests(html)).toEqual([]);
    expect(html).not.toContain("\u202e");
    expect(html).toContain("&lt;script&gt;");
  });
});
