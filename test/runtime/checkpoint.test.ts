import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import {
  type Checkpoint, checkRows, checkValues, finishSettingAside, identityOf, loadBest, loadCheckpoint, type Owner, type Progress, removeUnfinished, rowHeaders, runFiles, saveCheckpoint, setAside, writeAtomically,
} from "../../src/runtime/checkpoint.js";
import { Random } from "../../src/runtime/random.js";
import { readMetadata, readSafetensors, writeSafetensors } from "../../src/runtime/safetensors.js";
import { expectDataError, model, temporaryFolder } from "./model.js";

/** The disk, but for this: after so many operations that change a folder the program is killed, in the midst of a removal. */
const disk = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY, readOnly: false }));
vi.mock("node:fs", async (original) => {
  const real = await original<typeof import("node:fs")>();
  const killable = <A extends unknown[], R>(operation: (...args: A) => R, half?: (...args: A) => void) => (...args: A): R => {
    if (disk.left-- < 1) {
      half?.(...args);
      throw new Error("killed");
    }
    return operation(...args);
  };
  // As Node does on a read-only disk: of a folder whose way is to be made too it says only that it is not there.
  const makeFolder: typeof real.mkdirSync = (path, options) => {
    if (!disk.readOnly || real.existsSync(path)) return real.mkdirSync(path, options as { recursive: true });
    throw Object.assign(new Error("mkdir"), { code: typeof options === "object" && options?.recursive ? "ENOENT" : "EROFS" });
  };
  return { ...real, mkdirSync: killable(makeFolder), renameSync: killable(real.renameSync), rmSync: killable(real.rmSync, (path) => real.rmSync(join(String(path), real.readdirSync(path)[0] as string))) };
});
const hash = "a".repeat(64);
const owner: Owner = { specHash: hash, name: "Small", constants: { d: 8, eta: 0.1 } };
const checkpoint = (step: number): Checkpoint => ({
  progress: { step, epoch: 1, position: 2, epochRandom: [1, 2, 3, 4], random: [4294967295, 0, 7, 9], best: 0.5, loss: 0.25, evaluated: 2, specHash: hash, network: identityOf(owner), seed: 1, batch: 16 },
  parameters: { "block.1.U": { shape: [2, 2], data: Float32Array.of(1, 2, 3, step) }, constructor: { shape: [], data: Float32Array.of(9) } },
  state: { "block.1.U/m": { shape: [2, 2], data: Float32Array.of(5, 6, 7, 8) } },
});
const said: string[] = [];
const load = (folder: string, of = owner): Checkpoint => loadCheckpoint(folder, of, (t) => said.push(t));

describe("a checkpoint", () => {
  it("comes back as it was, bit for bit", () => {
    const folder = temporaryFolder();
    saveCheckpoint(folder, "last", checkpoint(3));
    expect(load(folder)).toEqual(checkpoint(3));
    expect(readdirSync(folder)).toEqual(["last.safetensors"]);
    expect(loadBest(folder, owner, () => undefined)).toEqual(checkpoint(3));
  });
  it("has the same bytes, in whatever order its progress was put together", () => {
    const [a, b] = [temporaryFolder(), temporaryFolder()];
    const { best, ...rest } = checkpoint(3).progress;
    const [first, second] = [saveCheckpoint(a, "last", checkpoint(3)), saveCheckpoint(b, "last", { ...checkpoint(3), progress: { ...rest, best } })];
    expect(readFileSync(second)).toEqual(readFileSync(first));
  });
  it("of another network of the same spec is refused, and what differs is named; an older one, which does not know, is read", async () => {
    const folder = temporaryFolder();
    saveCheckpoint(folder, "best", checkpoint(2));
    const file = saveCheckpoint(folder, "last", checkpoint(3));
    await expectDataError(() => load(folder, { ...owner, constants: { d: 8, eta: 0.2 } }), file, "another network of this spec: eta is 0.1 there and 0.2 here. Build");
    await expectDataError(() => load(folder, { ...owner, name: "Other", preset: "mnist", constants: { d: 8 } }), "the network is Small there and Other here", "the preset is not set there and mnist here", "eta is 0.1 there and not set here");
    await expectDataError(() => loadBest(folder, { ...owner, constants: { d: 8, eta: 0.2 } }, () => undefined), "best.safetensors", "eta is 0.1 there");
    const { network, loss, evaluated, ...older } = checkpoint(3).progress;
    saveCheckpoint(folder, "last", { ...checkpoint(3), progress: older as Progress });
    expect(load(folder, { ...owner, constants: {} }).progress).toEqual({ ...older, loss: undefined, evaluated: 3 });
  });
  it("with any bit flipped is refused, or is what it was", () => {
    const folder = temporaryFolder();
    const file = saveCheckpoint(folder, "last", checkpoint(3));
    const good = readFileSync(file);
    const random = Random.named(1, "flip");
    let refused = 0;
    // Every byte of the notes and header, and the tensors.
    for (let place = 0; place < good.length; place++) {
      const bytes = Buffer.from(good);
      bytes[place] = (bytes[place] ?? 0) ^ (1 << random.integer(8));
      writeFileSync(file, bytes);
      try {
        expect(load(folder)).toEqual(checkpoint(3));
      } catch (error) {
        if (!(error instanceof Error) || error.name !== "DataError") throw error;
        expect(error.message).toContain(file);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(good.length * 0.9); // the rest: names of notes that nothing reads, spaces
  });
  it("cut short at any length is refused", async () => {
    const folder = temporaryFolder();
    const file = saveCheckpoint(folder, "last", checkpoint(3));
    const good = readFileSync(file);
    for (let length = 0; length < good.length; length += 13) {
      writeFileSync(file, good.subarray(0, length));
      await expectDataError(() => load(folder), file);
    }
  });
  it("that is damaged leaves the best one, with a word", () => {
    const folder = temporaryFolder();
    saveCheckpoint(folder, "best", checkpoint(2));
    const file = saveCheckpoint(folder, "last", checkpoint(3));
    writeFileSync(file, readFileSync(file).subarray(0, 100));
    said.length = 0;
    expect(load(folder).progress.step).toBe(2);
    expect(said.join()).toContain("last.safetensors");
    expect(said.join()).toContain("going on from");
  });
  it("that is damaged though it is the best one leaves the last one, with a word", () => {
    const folder = temporaryFolder();
    const file = saveCheckpoint(folder, "best", checkpoint(2));
    saveCheckpoint(folder, "last", checkpoint(3));
    const words: string[] = [];
    const best = (): Checkpoint => loadBest(folder, owner, (t) => words.push(t));
    expect(best().progress.step).toBe(2);
    writeFileSync(file, readFileSync(file).subarray(0, 100));
    expect(best().progress.step).toBe(3);
    expect(words.join()).toMatch(/best\.safetensors.*going on from .*last\.safetensors/);
  });
  it("of another spec, of another version, of none, or not there is refused with a word", async () => {
    const folder = temporaryFolder();
    await expectDataError(() => load(folder), "no checkpoint", folder, "--out", "--weights");
    const file = saveCheckpoint(folder, "last", checkpoint(3));
    saveCheckpoint(folder, "best", checkpoint(2));
    await expectDataError(() => load(folder, { ...owner, specHash: "b".repeat(64) }), file, "another spec", "aaaaaaaaaaaa", "bbbbbbbbbbbb");
    const bytes = readFileSync(file);
    for (const format of ["1", "3"]) {
      writeFileSync(file, writeSafetensors(readSafetensors(bytes, file), { ...readMetadata(bytes, file), format }));
      writeFileSync(join(folder, "best.safetensors"), readFileSync(file));
      await expectDataError(() => load(folder), `format ${format}`, "reads format");
    }
    writeFileSync(join(folder, "best.safetensors"), writeSafetensors({ w: { shape: [1], data: Float32Array.of(1) } }));
    rmSync(file);
    await expectDataError(() => loadBest(folder, owner, () => undefined), "best.safetensors", "no checkpoint");
  });
  it("is a folder: refused, with a word", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "last.safetensors"));
    await expectDataError(() => load(folder), "EISDIR");
    await expectDataError(() => saveCheckpoint(folder, "last", checkpoint(1)), "last.safetensors", "untouched");
    expect(readdirSync(folder)).toEqual(["last.safetensors"]);
  });
});

describe("writing", () => {
  it("to a full disk is a clear error", async () => {
    // /dev/full takes every open and fails every write, as a full disk does. The temporary file stands beside its target, so the
    // target's folder cannot be /dev: a link from the name of the temporary file leads there.
    if (!existsSync("/dev/full")) return;
    const folder = temporaryFolder();
    const file = saveCheckpoint(folder, "last", checkpoint(3));
    const { symlinkSync } = await import("node:fs");
    symlinkSync("/dev/full", `${file}.${process.pid}.tmp`);
    await expectDataError(() => saveCheckpoint(folder, "last", checkpoint(4)), file, "ENOSPC", "untouched");
    expect(readdirSync(folder)).toEqual(["last.safetensors"]);
    expect(load(folder).progress.step).toBe(3);
  });
  it("to a read-only folder, or below a file, is a clear error and keeps the last state", async () => {
    const folder = temporaryFolder();
    const file = saveCheckpoint(folder, "last", checkpoint(3));
    await expectDataError(() => writeAtomically(join(file, "below"), new Uint8Array(3)), file, "untouched");
    if (process.getuid?.() !== 0) {
      chmodSync(folder, 0o555);
      await expectDataError(() => saveCheckpoint(folder, "last", checkpoint(4)), file, "EACCES", "untouched");
      chmodSync(folder, 0o755);
    }
    expect(load(folder).progress.step).toBe(3);
  });
  it("to a disk that is read-only says so", async () => {
    const folder = temporaryFolder();
    disk.readOnly = true;
    try {
      await expectDataError(() => writeAtomically(join(folder, "a", "b", "file"), new Uint8Array(3)), "EROFS");
    } finally {
      disk.readOnly = false;
    }
  });
  it("leaves nothing of a run that was killed while it wrote", () => {
    const folder = temporaryFolder();
    for (const name of ["last.safetensors.123.tmp", "best.safetensors.7.tmp", "notes.tmp", "last.safetensors"]) writeFileSync(join(folder, name), "half");
    removeUnfinished(folder);
    expect(readdirSync(folder).sort()).toEqual(["last.safetensors", "notes.tmp"]);
  });
});

describe("values for a model", () => {
  const wanted = model([], [], { parameters: ["W", "toString"].map((name) => ({ name, shape: [2], trainable: true, positive: false, init: { kind: "constant", value: 0 } })) });
  const t = (n: number) => ({ shape: [n], data: new Float32Array(n) });
  it("must be all there, of the right shape; what is not used is named", async () => {
    await expectDataError(() => checkValues(wanted, {}, "w"), "W is missing", "toString is missing", "nothing was loaded");
    await expectDataError(() => checkValues(wanted, { W: t(3), toString: t(2) }, "w"), "W is [3], wanted [2]");
    const words: string[] = [];
    checkValues(wanted, { W: t(2), toString: t(2), extra: t(1) }, "w", (s) => words.push(s));
    expect(words.join()).toContain("extra");
  });
  it("are positive where the parameter is, as float32 too", async () => {
    const positive = model([], [], { parameters: [{ name: "theta", shape: [2], trainable: true, positive: true, init: { kind: "constant", value: 1 } }] });
    const theta = (...x: number[]) => ({ theta: { shape: [2], data: Float64Array.from(x) } });
    for (const wrong of [[1, -0.5], [0, 1], [1e-60, 1], [Number.NaN, 1]]) await expectDataError(() => checkValues(positive, theta(...wrong), "w"), "theta must be positive", "nothing was loaded");
    checkValues(positive, theta(1, 1e-30), "w");
  });
});

describe("a run set aside", () => {
  const write = (folder: string, files: Readonly<Record<string, string>>) => Object.entries(files).forEach(([name, text]) => writeFileSync(join(folder, name), text));
  const contents = (folder: string) => Object.fromEntries(readdirSync(folder, { withFileTypes: true }).filter((e) => e.isFile()).map(({ name }) => [name, readFileSync(join(folder, name), "utf8")]));
  const runOf = (text: string, ...names: readonly (keyof typeof runFiles)[]) =>
    Object.fromEntries(names.map((name) => [runFiles[name], name === "log" || name === "audit" ? `${rowHeaders[name].trimEnd()}\n${text}\n` : text]));
  it("stands whole in `earlier`, in place of the one before; other files stay where they are", () => {
    const folder = temporaryFolder();
    expect(setAside(folder)).toBeUndefined();
    write(folder, { ...runOf("first", "last", "best", "log", "audit"), "notes.txt": "mine" });
    expect(setAside(folder)).toBe(join(folder, "earlier"));
    write(join(folder, "earlier"), { "notes.txt": "mine too" });
    write(folder, { ...runOf("second", "last", "log"), "audit.csv": "of,another,hand\n" });
    setAside(folder);
    expect(contents(folder)).toEqual({ "audit.csv": "of,another,hand\n", "notes.txt": "mine" });
    expect(contents(join(folder, "earlier"))).toEqual({ ...runOf("second", "last", "log"), "notes.txt": "mine too" });
    // A log without a state is of a run that never saved: it does not take the place of one that did.
    write(folder, runOf("third", "log"));
    expect(setAside(folder)).toBeUndefined();
    expect(contents(join(folder, "earlier"))).toMatchObject(runOf("second", "last", "log"));
  });
  it("is whole again, whichever of its file operations it was killed at", () => {
    const second = runOf("second", "last", "best", "log", "audit");
    let kills = 0;
    for (let done = 0; ; done++) {
      const folder = temporaryFolder();
      mkdirSync(join(folder, "earlier"));
      write(join(folder, "earlier"), { ...runOf("first", "last", "best", "log"), "notes.txt": "mine" });
      write(folder, second);
      disk.left = done;
      try {
        setAside(folder);
        break;
      } catch (error) {
        expect(String(error)).toContain("killed");
      } finally {
        disk.left = Number.POSITIVE_INFINITY;
      }
      kills += 1;
      finishSettingAside(folder);
      if (existsSync(join(folder, "last.safetensors"))) setAside(folder);
      expect(readdirSync(folder), `killed after ${done} operations`).toEqual(["earlier"]);
      expect(contents(join(folder, "earlier")), `killed after ${done} operations`).toEqual({ ...second, "notes.txt": "mine" });
    }
    // A folder made, four files and a note moved, the old run removed, the new one put in its place.
    expect(kills).toBe(8);
  });
  it("has nowhere to go where a file is called `earlier`; then nothing is moved", async () => {
    const folder = temporaryFolder();
    write(folder, { ...runOf("first", "last", "log"), earlier: "mine" });
    await expectDataError(() => setAside(folder), join(folder, "earlier"), "--out");
    expect(contents(folder)).toEqual({ ...runOf("first", "last", "log"), earlier: "mine" });
  });
});

describe("rows of another hand", () => {
  it("are refused, with a word; those of a run, with whichever metrics, are not", async () => {
    const folder = temporaryFolder();
    for (const which of ["log", "audit"] as const) {
      checkRows(folder, which);
      writeFileSync(join(folder, runFiles[which]), "ours,is,this\n1,2,3");
      await expectDataError(() => checkRows(folder, which), runFiles[which], "--out");
      writeFileSync(join(folder, runFiles[which]), `${rowHeaders[which].trimEnd()}${which === "log" ? ",nmse" : ""}\n`);
      checkRows(folder, which);
    }
  });
});
