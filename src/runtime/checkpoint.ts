/** Checkpoints: one file each for the last and the best state, replaced whole, checked when read. */
import { createHash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { HostTensor, TensorMap } from "./contract.js";
import { DataError, readMetadata, readSafetensors, writeSafetensors } from "./safetensors.js";

/** Where a run stands; with parameters and optimiser state, all that a resumed run needs. */
export interface Progress {
  readonly step: number;
  readonly epoch: number;
  /** Steps done within the epoch. */
  readonly position: number;
  /** The order of samples of this epoch is drawn from this state. */
  readonly epochRandom: readonly number[];
  readonly random: readonly number[];
  readonly best: number | undefined;
  readonly specHash: string;
  readonly seed: number;
  readonly batch: number;
}
export interface Checkpoint {
  readonly progress: Progress;
  readonly parameters: TensorMap;
  readonly state: TensorMap;
}
const fileOf = (folder: string, which: "last" | "best"): string => join(folder, `${which}.safetensors`);
const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Written beside its place, forced to disk, then put in place: a killed run leaves the old or the new file, never half of one. */
export function writeAtomically(file: string, bytes: Uint8Array): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    const handle = openSync(temporary, "w");
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new DataError(`cannot write ${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}; the state before it is untouched`);
  }
}
const prefixed = (map: TensorMap, prefix: string): [string, HostTensor][] => Object.entries(map).map(([k, v]) => [`${prefix}${k}`, v]);

export function saveCheckpoint(folder: string, which: "last" | "best", checkpoint: Checkpoint): string {
  const tensors = Object.fromEntries([...prefixed(checkpoint.parameters, "parameter/"), ...prefixed(checkpoint.state, "state/")]);
  const content = digest(writeSafetensors(tensors));
  const file = fileOf(folder, which);
  writeAtomically(file, writeSafetensors(tensors, { format: "1", progress: JSON.stringify(checkpoint.progress), sha256: content }));
  return file;
}
function readCheckpoint(file: string, specHash: string): Checkpoint {
  const bytes = readFileSync(file);
  const metadata = readMetadata(bytes, file);
  if (metadata["format"] !== "1" || metadata["progress"] === undefined) throw new DataError(`${file} is no checkpoint of this version`);
  const tensors = readSafetensors(bytes, file);
  if (digest(writeSafetensors(tensors)) !== metadata["sha256"]) throw new DataError(`${file} is damaged: its checksum does not fit`);
  const progress = JSON.parse(metadata["progress"]) as Progress;
  if (progress.specHash !== specHash) throw new DataError(`${file} belongs to another spec (hash ${progress.specHash.slice(0, 12)}…, this one has ${specHash.slice(0, 12)}…)`);
  const part = (prefix: string): TensorMap => Object.fromEntries(Object.entries(tensors).filter(([k]) => k.startsWith(prefix)).map(([k, v]) => [k.slice(prefix.length), v]));
  return { progress, parameters: part("parameter/"), state: part("state/") };
}
/** The last state; where it cannot be read, the best one, with a word. */
export function loadCheckpoint(folder: string, specHash: string, say: (text: string) => void): Checkpoint {
  const [last, best] = [fileOf(folder, "last"), fileOf(folder, "best")];
  if (!existsSync(last) && !existsSync(best)) throw new DataError(`there is no checkpoint in ${folder}`);
  try {
    return readCheckpoint(last, specHash);
  } catch (error) {
    if (!existsSync(best) || (error instanceof DataError && error.message.includes("another spec"))) throw error instanceof DataError ? error : new DataError(`cannot read ${last}`);
    say(`${error instanceof Error ? error.message : String(error)}; going on from ${best}`);
    return readCheckpoint(best, specHash);
  }
}
export function loadBest(folder: string, specHash: string): Checkpoint | undefined {
  const file = fileOf(folder, "best");
  return existsSync(file) ? readCheckpoint(file, specHash) : undefined;
}
