/** The command line in this process: exit code, what it wrote to each stream; and in one of its own, where streams matter. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach } from "vitest";
import { run } from "../../src/cli/main.js";

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}
export async function command(...argv: readonly string[]): Promise<Ran> {
  const streams = { out: "", err: "" };
  const { stdout, stderr } = process;
  const [writeOut, writeErr] = [stdout.write, stderr.write];
  stdout.write = ((text: string | Uint8Array) => { streams.out += String(text); return true; }) as typeof stdout.write;
  stderr.write = ((text: string | Uint8Array) => { streams.err += String(text); return true; }) as typeof stderr.write;
  try {
    return { code: await run(argv), ...streams };
  } finally {
    stdout.write = writeOut;
    stderr.write = writeErr;
  }
}
/** A process of its own: slow (over a second), so for what this one cannot show. */
export function spawned(argv: readonly string[], options: { readonly input?: string; readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {}): Ran {
  const root = resolve(".");
  const done = spawnSync(process.execPath, ["--import", join(root, "node_modules/tsx/dist/loader.mjs"), join(root, "src/cli/main.ts"), ...argv], {
    encoding: "utf8", cwd: options.cwd ?? root, input: options.input ?? "", env: { ...process.env, ...options.env },
  });
  return { code: done.status, out: done.stdout, err: done.stderr };
}
const folders: string[] = [];
export function workFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "crate-compile-cli-")));
  folders.push(folder);
  return folder;
}
afterEach(() => folders.splice(0).forEach((f) => rmSync(f, { recursive: true, force: true })));
