/**
 * Does a run survive kill -9? A training process is killed at random moments and resumed until it ends; its last checkpoint must be, byte
 * for byte, that of a run that nobody killed. It saves after every step, so many kills fall into a write.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { loadCheckpoint } from "../src/runtime/checkpoint.js";
import { Random } from "../src/runtime/random.js";
import { compileSpec } from "../test/support/build.js";
import { describeTraining, smallSpec } from "../test/support/training.js";

const root = resolve(fileURLToPath(import.meta.url), "..", "..");
export interface KillReport {
  readonly kills: number;
  /** Runs that were killed before their first checkpoint, and began anew. */
  readonly begunAnew: number;
  readonly unreadable: number;
  /** Half-written files found after a kill: the kill fell into a write. */
  readonly inWrites: number;
  readonly equal: boolean;
}
/** What the killed process trains. */
export const killedModel = describeTraining(compileSpec(smallSpec()));
export type KilledEngine = "ort" | "tfjs";
function child(out: string, epochs: number, engine: KilledEngine): ChildProcess {
  return spawn(process.execPath, ["--import", "tsx", join(root, "scripts", "kill-child.ts"), out, String(epochs), engine], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
}
/** Ends by itself, or by `signal` once it has done so many steps and some milliseconds more. */
export function runUntil(out: string, epochs: number, steps: number, delay: number, signal: NodeJS.Signals = "SIGKILL", engine: KilledEngine = "ort"): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((done) => {
    const process_ = child(out, epochs, engine);
    const text = { out: "", err: "" };
    let armed = true;
    process_.stderr?.on("data", (d) => { text.err += String(d); });
    process_.stdout?.on("data", (d) => {
      text.out += String(d);
      if (armed && text.out.split("s\n").length > steps) {
        armed = false;
        setTimeout(() => process_.kill(signal), delay);
      }
    });
    process_.on("exit", (code) => done({ code, ...text }));
  });
}
export async function killTest(kills: number, seed: number, epochs = 20): Promise<KillReport> {
  const random = Random.named(seed, "kill");
  const folder = mkdtempSync(join(tmpdir(), "crate-compile-kill-"));
  const [whole, killed] = [join(folder, "whole"), join(folder, "killed")];
  const report = { kills: 0, begunAnew: 0, unreadable: 0, inWrites: 0 };
  try {
    const reference = await runUntil(whole, epochs, Number.POSITIVE_INFINITY, 0);
    if (reference.code !== 0) throw new Error(`the run itself failed: ${reference.err}`);
    const perKill = Math.max(1, Math.floor((epochs * 6) / (kills + 1)));
    let ended = false;
    while (!ended) {
      const last = report.kills >= kills;
      const run = await runUntil(killed, epochs, last ? Number.POSITIVE_INFINITY : random.integer(2 * perKill), random.uniform() * 6);
      if (run.out.startsWith("begun") && report.kills > 0) report.begunAnew += 1;
      ended = run.code === 0;
      if (ended) break;
      if (last) throw new Error(`a resumed run failed: ${run.err}`);
      report.kills += 1;
      const files = readdirSync(killed);
      if (files.some((f) => f.endsWith(".tmp"))) report.inWrites += 1;
      if (files.includes("last.safetensors")) {
        try {
          loadCheckpoint(killed, killedModel, (text) => { throw new Error(text); });
        } catch {
          report.unreadable += 1;
        }
      }
    }
    const of = (out: string): Buffer => readFileSync(join(out, "last.safetensors"));
    return { ...report, equal: of(whole).equals(of(killed)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
