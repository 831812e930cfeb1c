import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { killedModel, killTest, runUntil } from "../../scripts/kill.js";
import { loadCheckpoint } from "../../src/runtime/checkpoint.js";

describe("a run in a process of its own", () => {
  it("killed three times and resumed ends with the same bytes; no checkpoint is unreadable", async () => {
    const report = await killTest(3, 1, 10);
    expect(report).toMatchObject({ unreadable: 0, equal: true });
    expect(report.kills).toBeGreaterThan(0);
  }, 300_000);
  it.each(["ort", "tfjs"] as const)("saves at SIGINT, says where, and ends in order, in %s", async (engine) => {
    const out = mkdtempSync(join(tmpdir(), "crate-compile-interrupted-"));
    try {
      const ran = await runUntil(out, 2000, 9, 0, "SIGINT", engine);
      expect(ran.code).toBe(0);
      expect(ran.err).toContain(`is in ${join(out, "last.safetensors")}; --resume goes on from it`);
      expect(loadCheckpoint(out, killedModel, () => undefined).progress.step).toBeGreaterThanOrEqual(9);
      expect(readdirSync(out).some((f) => f.endsWith(".tmp"))).toBe(false);
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  }, 60_000);
});
