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
  }, 300_000);
  it("are all run, and have their pages", () => {
    const specs = readdirSync("examples").filter((f) => f.endsWith(".srr")).map((f) => f.slice(0, -4));
    expect(specs.filter((s) => !rows.some((r) => r.name === s))).toEqual([]);
    expect(rows.filter((r) => !readdirSync("examples").includes(`${r.name}.md`)).map((r) => r.name)).toEqual([]);
  });
});
