/** The world as the compiler may see it: spec files below the working folder or the spec's own, and the standard library. */
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import type { Host } from "../compile.js";
import { packageRoot } from "./root.js";
import { UserFault } from "./faults.js";

const largestSpec = 5 * 1024 * 1024;

function inside(folder: string, file: string): boolean {
  const path = relative(folder, file);
  return path !== "" && !path.startsWith(`..${sep}`) && path !== ".." && !resolve(path).startsWith("\\\\");
}

/** Imports are read below the main file's folder or the working folder only, links followed first. */
export function nodeHost(mainFile: string): Host {
  const roots = [process.cwd(), mainFile === "-" ? process.cwd() : dirname(resolve(mainFile))].map((r) => realpathSync(r));
  return {
    standardLibrary: (path) => {
      if (!/^std\/[a-z_]+$/.test(path)) return undefined;
      const file = join(packageRoot(), "src", `${path}.srr`);
      return existsSync(file) ? readFileSync(file, "utf8") : undefined;
    },
    readImport: (path, fromFile) => {
      if (path.includes("\0")) return { missing: "its name holds a NUL" };
      const from = fromFile === "<stdin>" ? process.cwd() : dirname(resolve(fromFile));
      const file = [resolve(from, path), resolve(from, `${path}.srr`)].find((f) => existsSync(f) && statSync(f).isFile());
      if (!file) return { missing: `there is no file ${relative(process.cwd(), resolve(from, `${path}.srr`)) || basename(path)}` };
      const real = realpathSync(file);
      if (!roots.some((root) => inside(root, real))) return { missing: "it lies outside of the spec's folder and of the working folder" };
      if (statSync(real).size > largestSpec) return { missing: "it is larger than 5 MB" };
      try {
        return { file: relative(process.cwd(), file).startsWith("..") ? file : relative(process.cwd(), file), text: decoded(readFileSync(real), file) };
      } catch (error) {
        return { missing: error instanceof UserFault ? "it is not UTF-8 text" : `it cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})` };
      }
    },
  };
}

/** Bytes as text; what is not UTF-8 is refused, not replaced. */
function decoded(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UserFault(`${file} is not UTF-8 text`);
  }
}
/** The text of a spec; `-` is standard input. */
export function readSpec(file: string): { file: string; text: string } {
  try {
    if (file === "-") return { file: "<stdin>", text: decoded(readFileSync(0), "standard input") };
    if (statSync(file).isDirectory()) throw new UserFault(`${file} is a folder; name a .srr file`);
    if (statSync(file).size > largestSpec) throw new UserFault(`${file} is larger than 5 MB`);
    return { file, text: decoded(readFileSync(file), file) };
  } catch (error) {
    throw worldFault(error, `cannot read ${file}`);
  }
}
/** The world's failures in words. */
export function worldFault(error: unknown, what: string): Error {
  if (error instanceof UserFault) return error;
  const code = (error as { code?: unknown }).code;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file", EACCES: "permission denied", EISDIR: "it is a folder", ENOSPC: "the disk is full",
    EROFS: "the file system is read-only", ENOTDIR: "a part of the path is not a folder", EEXIST: "a file stands where a folder is wanted", EPERM: "not permitted",
  };
  if (typeof code === "string") return new UserFault(`${what}: ${reasons[code] ?? code}`);
  return error instanceof Error ? error : new Error(String(error));
}
