/** Every example in its small form; a spec without a row, or a row without a spec, is a fault. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runExample } from "../../scripts/examples/run.js";
import { rows } from "../../scripts/examples/rows.js";

const out = mkdtempSync(join(tmpdir(), "examples-"));
afterAll(() => rmSync(out, { recursive: true, force: true }));

describe("examples", () => {
  it.each(rows)("$name passes in its small form", async (row) => {
    const { fault } = await runExample(row, { full: false, out: join(out, row.name), say: () => {} });
    expect(fault).toBeUndefined();
  }, 120_000);
  it("are all run, but those that only test a fixture", () => {
    const specs = readdirSync("examples").filter((f) => f.endsWith(".srr")).map((f) => f.slice(0, -4));
    // The attention alone has nothing to train; total variation needs its difference matrix from a file.
    expect(specs.filter((s) => !rows.some((r) => r.name === s)).sort()).toEqual(["tost-attention", "total-variation"]);
    expect(readdirSync("examples").filter((f) => f.endsWith(".md")).length).toBeGreaterThanOrEqual(rows.length);
  });
});
