/** Writing results: all files or none, never over what the compiler did not make. */
import { createHash, randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, realpathSync, renameSync, rmSync, type Stats, statSync, writeSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { UsageFault, UserFault } from "./faults.js";
import { worldFault } from "./host.js";

export interface OutputFile {
  /** Relative to the output folder, with forward slashes. */
  readonly path: string;
  readonly bytes: Uint8Array;
}
/** Stands in every folder that the compiler made. */
const marker = ".crate-compile";

function writeWhole(path: string, bytes: Uint8Array): void {
  const file = openSync(path, "wx");
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, Math.min(bytes.length - at, 1 << 28));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
/** What a failed write has left; below a file there is nothing to remove. */
const discard = (path: string): void => { if (existsSync(path)) rmSync(path, { recursive: true, force: true }); };
const temporaryBeside = (path: string): string => join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);

const noStream = (): UsageFault => new UsageFault("- is standard input or output elsewhere; what is written here needs a name");

/** What a command may write over. */
export interface Overwriting {
  readonly force: boolean | undefined;
  /** Whether a file that begins so was written by us, as the file that is to be written. */
  readonly isOurs: (beginning: string) => boolean;
  /** Files that the result is made of: they stay, forced or not. */
  readonly sources: Iterable<string>;
}
function beginning(path: string): string {
  const bytes = Buffer.alloc(1024);
  const file = openSync(path, "r");
  try {
    return bytes.toString("utf8", 0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}
/** The same file, whatever it is called. */
function isSame(a: string, b: string): boolean {
  const [x, y] = [a, b].map((path) => statSync(path, { throwIfNoEntry: false }));
  return x !== undefined && y !== undefined && x.dev === y.dev && x.ino === y.ino;
}
/** One file (and files beside it), replaced whole. Overwrites only what is ours, unless forced, and never a source. */
export function writeFiles(files: readonly OutputFile[], folder: string, { force, isOurs, sources }: Overwriting): void {
  if (files.some((f) => f.path === "-")) throw noStream();
  const targets = files.map((f) => ({ ...f, target: join(folder, f.path) }));
  for (const { target } of targets) {
    if (!existsSync(target)) continue;
    if (lstatSync(target).isDirectory()) throw new UserFault(`${target} is a folder; nothing was written`);
    if ([...sources].some((source) => isSame(source, target))) throw new UserFault(`${target} is a file that this command reads; nothing was written. Name another one`);
    if (!force && !isOurs(beginning(target))) throw new UserFault(`${target} exists and was not made by crate-compile; nothing was written (--force overwrites it)`);
  }
  const made: string[] = [];
  try {
    mkdirSync(folder, { recursive: true });
    const moves = targets.map(({ target, bytes }) => {
      const temporary = temporaryBeside(target);
      made.push(temporary);
      writeWhole(temporary, bytes);
      return { temporary, target };
    });
    for (const { temporary, target } of moves) renameSync(temporary, target);
  } catch (error) {
    made.forEach(discard);
    throw worldFault(error, `cannot write to ${folder}; nothing was changed`);
  }
}

/** What stands at a path itself, a link not followed. */
function standing(path: string): Stats | undefined {
  try {
    return lstatSync(resolve(path), { throwIfNoEntry: false });
  } catch (error) {
    throw worldFault(error, `cannot write ${path}`);
  }
}
/** Refuses what is no folder of one's own to write into: a stream, a file, a link to elsewhere. Gives whether it is there. */
export function checkFolder(folder: string): boolean {
  if (folder === "-") throw noStream();
  const found = standing(folder);
  if (found?.isSymbolicLink()) throw new UserFault(`${folder} is a symbolic link; nothing was written`);
  if (found && !found.isDirectory()) throw new UserFault(`${folder} is a file; nothing was written`);
  return found !== undefined;
}
const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
/** Says whose the folder is, and what was written into it. */
const markerOf = (files: readonly OutputFile[]): OutputFile => ({
  path: marker,
  bytes: new TextEncoder().encode(["This folder was made by crate-compile and may be made anew.", ...files.map((f) => `${hashOf(f.bytes)}  ${f.path}`), ""].join("\n")),
});
/** What an earlier build wrote into a folder, is as it was then, and is not among these files. */
function staleFiles(target: string, files: readonly OutputFile[]): readonly string[] {
  if (!existsSync(join(target, marker))) return [];
  const [written, root] = [new Set(files.map((f) => f.path)), realpathSync(target)];
  return readFileSync(join(target, marker), "utf8").split("\n").flatMap((line) => {
    const [, hash, path] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
    if (path === undefined || written.has(path)) return [];
    const file = resolve(root, path);
    const isThere = file.startsWith(root + sep) && existsSync(file) && realpathSync(file) === file && lstatSync(file).isFile();
    return isThere && hashOf(readFileSync(file)) === hash ? [file] : [];
  });
}
/** A whole folder, put in place at once. Of a folder that the compiler made, what an earlier build left and this one does not write goes, unless `keeps`. */
export function writeFolder(files: readonly OutputFile[], folder: string, force: boolean, keeps = false): void {
  const exists = checkFolder(folder);
  const target = resolve(folder);
  const foreign = exists && readdirSync(target).length > 0 && !existsSync(join(target, marker));
  if (foreign && !force) throw new UserFault(`${folder} exists and was not made by crate-compile; nothing was written (--force writes into it)`);
  const staging = temporaryBeside(target);
  try {
    mkdirSync(dirname(target), { recursive: true });
    mkdirSync(staging);
    for (const f of [...files, markerOf(files)]) {
      const path = resolve(staging, f.path);
      if (!path.startsWith(staging + sep)) throw new UserFault(`refusing to write ${f.path} outside of ${folder}`);
      mkdirSync(dirname(path), { recursive: true });
      writeWhole(path, f.bytes);
    }
    const stale = keeps ? [] : staleFiles(target, files);
    if (!exists) renameSync(staging, target);
    else mergeInto(staging, target);
    stale.forEach(discard);
  } catch (error) {
    discard(staging);
    throw worldFault(error, `cannot write ${folder}`);
  }
}
/** File by file, each replaced whole; what stands there beside ours (checkpoints, installed packages) stays. */
function mergeInto(staging: string, target: string): void {
  for (const entry of readdirSync(staging, { withFileTypes: true })) {
    const [from, to] = [join(staging, entry.name), join(target, entry.name)];
    if (entry.isDirectory()) {
      if (existsSync(to) && (!lstatSync(to).isDirectory() || lstatSync(to).isSymbolicLink())) throw new UserFault(`${to} is not a folder`);
      mkdirSync(to, { recursive: true });
      mergeInto(from, to);
    } else renameSync(from, to);
  }
  rmSync(staging, { recursive: true, force: true });
}
