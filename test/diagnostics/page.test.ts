/** `docs/diagnostics.md`: every wrong spec with its frame, as people see it; accepted with `vitest -u`, reviewed like code. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { render } from "../../src/diagnostics/render.js";
import { memoryHost } from "../support/build.js";
import { wrongSpecs } from "../support/wrong-specs.js";

describe("the page of diagnostics", () => {
  it("shows a wrong spec and its frame for every code that a spec alone can raise", async () => {
    const byCode = new Map<string, string[]>();
    for (const { code, what, text } of wrongSpecs) {
      const spec = text.replace(/[⟦⟧]/g, "");
      const result = compile(spec, { file: "spec.srr" }, memoryHost);
      const frames = result.diagnostics.map((d) => render(d, result.sources)).join("\n");
      byCode.set(code, [...(byCode.get(code) ?? []), `**${what[0]?.toUpperCase()}${what.slice(1)}**\n\n${frames.split("\n").map((l) => `    ${l}`.trimEnd()).join("\n")}`]);
    }
    expect(byCode.size).toBeGreaterThan(30);
    const page = [
      "# Diagnostics", "Mistakes of specs, by code, with the frame that the compiler shows. Codes by room: 1xxx syntax, 2xxx names, shapes and clauses, 3xxx calculus,\n4xxx network and weights, 5xxx emission. Not all codes are here: those of syntax (SRR1…), of `--set` and `--preset` and a few\nothers are missing. `crate-compile check FILE` reports all mistakes of a file at once.",
      ...[...byCode].sort(([a], [b]) => (a < b ? -1 : 1)).map(([code, parts]) => `## ${code}\n\n${parts.join("\n\n")}`),
    ].join("\n\n");
    await expect(`${page}\n`).toMatchFileSnapshot("../../docs/diagnostics.md");
  });
});
