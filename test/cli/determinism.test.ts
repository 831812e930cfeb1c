/** Same input, options and seed: the same bytes, in another process, folder, language, time zone and at another time. */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { command, spawned, workFolder } from "../support/command-line.js";

function digests(folder: string): Readonly<Record<string, string>> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => join(f.parentPath, f.name)).sort();
  return Object.fromEntries(files.map((f) => [relative(folder, f), createHash("sha256").update(readFileSync(f)).digest("hex")]));
}
const small = ["--set", "d=16", "--set", "K=2", "--set", "p=8", "--set", "L=2"];
const builds = (out: string): readonly (readonly string[])[] => [
  ["build", "crate.srr", "--preset", "mnist", ...small, "--target", "onnx", "-o", join(out, "crate.onnx")],
  ["build", "crate.srr", "--preset", "mnist", ...small, "--target", "tfjs", "-o", join(out, "package")],
  ["explain", "crate.srr", "--format", "html", "-o", join(out, "crate.html")],
];

describe("what is built", () => {
  it("is the same in two folders, two languages and two time zones", () => {
    const found = ([["C", "UTC"], ["tr_TR.UTF-8", "Pacific/Chatham"]] as const).map(([language, zone], i) => {
      const folder = join(workFolder(), i === 0 ? "a" : "another folder");
      mkdirSync(folder, { recursive: true });
      copyFileSync("examples/crate.srr", join(folder, "crate.srr"));
      for (const argv of builds("out")) {
        const ran = spawned(argv, { cwd: folder, env: { LANG: language, LC_ALL: language, TZ: zone, HOME: folder } });
        expect([argv.slice(0, 2), ran.code], ran.err).toEqual([argv.slice(0, 2), 0]);
      }
      return digests(join(folder, "out"));
    });
    expect(Object.keys(found[0] ?? {}).length).toBeGreaterThan(5);
    expect(found[1]).toEqual(found[0]);
  }, 300_000);
  it("is the same after other compilations in the same process, and differs with the seed", async () => {
    const folder = workFolder();
    const build = async (name: string, ...more: string[]): Promise<string> => {
      const file = join(folder, `${name}.onnx`);
      expect((await command("build", "examples/lista.srr", "--target", "onnx", "-o", file, ...more)).code).toBe(0);
      return createHash("sha256").update(readFileSync(file)).digest("hex");
    };
    const first = await build("a");
    await command("check", "examples/tost.srr");
    await command("explain", "examples/crate.srr");
    expect(await build("b")).toBe(first);
    expect(await build("c", "--seed", "7")).not.toBe(first);
  });
});
