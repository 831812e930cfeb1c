/** Checkpoints: one file each for the last and the best state, replaced whole, checked when read. */
import { createHash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { auditHeader } from "./audit.js";
import { type HostTensor, type ModelDescription, type NetworkIdentity, own, type TensorMap, valueFault } from "./contract.js";
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
  /** Running mean of the training loss. */
  readonly loss: number | undefined;
  /** The step after which the network was evaluated last. */
  readonly evaluated: number;
  readonly specHash: string;
  /** Older checkpoints do not know it. */
  readonly network?: NetworkIdentity;
  readonly seed: number;
  readonly batch: number;
  /** Of text: the characters that the network's symbols stand for. */
  readonly vocabulary?: readonly string[];
}
/** Of another layout, refused with a word; raised when what a checkpoint holds changes. */
const format = "2";
export interface Checkpoint {
  readonly progress: Progress;
  readonly parameters: TensorMap;
  readonly state: TensorMap;
}
/** What a run writes into its folder. */
export const runFiles = { last: "last.safetensors", best: "best.safetensors", log: "log.csv", audit: "audit.csv" } as const;
/** What the rows of a run begin with; names of metrics follow in the log. */
export const rowHeaders = { log: "step,epoch,loss,learning_rate,seconds,validation_loss", audit: auditHeader } as const;
export const rowsFile = (folder: string, which: keyof typeof rowHeaders): string => join(folder, runFiles[which]);
/** Undefined where there is no such file. */
function isOurs(folder: string, which: keyof typeof rowHeaders): boolean | undefined {
  const file = rowsFile(folder, which);
  return existsSync(file) ? readFileSync(file, "utf8").startsWith(rowHeaders[which]) : undefined;
}
export const hasRows = (folder: string, which: keyof typeof rowHeaders): boolean => isOurs(folder, which) === true;
/** Before a run writes into its folder: a file of another hand is not written over. */
export function checkRows(folder: string, which: keyof typeof rowHeaders): void {
  if (isOurs(folder, which) === false) throw new DataError(`${rowsFile(folder, which)} is not of a run: it does not begin with ${rowHeaders[which].trimEnd()}. Nothing was written; move it, or name another folder with --out`);
}
const fileOf = (folder: string, which: "last" | "best"): string => join(folder, runFiles[which]);
/** Over the progress too: a flipped digit of the step would otherwise resume another run without a word. */
const digest = (tensors: TensorMap, progress: string): string =>
  createHash("sha256").update(writeSafetensors(tensors)).update("\0").update(progress).digest("hex");
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

/** Folders on the way to one, and it: where that fails, the reason is the first one's that is missing. */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    // On a read-only disk Node says that there is no such folder, not why it could not make it.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    let missing = resolve(folder);
    while (!existsSync(dirname(missing))) missing = dirname(missing);
    mkdirSync(missing);
    mkdirSync(folder, { recursive: true });
  }
}
/** Written beside its place, forced to disk, then put in place: a killed run leaves the old or the new file, never half of one. */
export function writeAtomically(file: string, bytes: Uint8Array): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    makeFolder(dirname(file));
    const handle = openSync(temporary, "w");
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, file);
  } catch (error) {
    try { rmSync(temporary, { force: true }); } catch { /* the folder does not let go of it; the first fault is the one to tell */ }
    throw new DataError(`cannot write ${file}: ${codeOf(error)}; the state before it is untouched`);
  }
}
/** The same progress is the same text, whatever it went through: names are sorted. */
const textOf = (progress: Progress): string => JSON.stringify(Object.fromEntries(Object.entries(progress).sort(([a], [b]) => (a < b ? -1 : 1))));
const prefixed = (map: TensorMap, prefix: string): [string, HostTensor][] => Object.entries(map).map(([k, v]) => [`${prefix}${k}`, v]);

export function saveCheckpoint(folder: string, which: "last" | "best", checkpoint: Checkpoint): string {
  const tensors = Object.fromEntries([...prefixed(checkpoint.parameters, "parameter/"), ...prefixed(checkpoint.state, "state/")]);
  const progress = textOf(checkpoint.progress);
  const file = fileOf(folder, which);
  writeAtomically(file, writeSafetensors(tensors, { format, progress, sha256: digest(tensors, progress) }));
  return file;
}
/** Of another network: falling back to an older state would not help. */
class ForeignCheckpoint extends DataError {}

export const identityOf = ({ name, preset, constants }: NetworkIdentity): NetworkIdentity => ({ name, ...(preset === undefined ? {} : { preset }), constants });
/** What one build of a spec has otherwise than another, in words. */
function differences(there: NetworkIdentity, here: NetworkIdentity): readonly string[] {
  const names = new Set([...Object.keys(there.constants), ...Object.keys(here.constants)]);
  const rows = [["the network", there.name, here.name], ["the preset", there.preset, here.preset], ...[...names].map((n) => [n, own(there.constants, n), own(here.constants, n)] as const)] as const;
  return rows.filter(([, a, b]) => a !== b).map(([what, a, b]) => `${what} is ${a ?? "not set"} there and ${b ?? "not set"} here`);
}
/** What a checkpoint must belong to. */
export type Owner = NetworkIdentity & Pick<ModelDescription, "specHash">;

function readCheckpoint(file: string, owner: Owner): Checkpoint {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new DataError(`cannot read ${file}: ${codeOf(error)}`);
  }
  const metadata = readMetadata(bytes, file);
  const { format: found, progress: text } = metadata;
  if (found === undefined || text === undefined) throw new DataError(`${file} is no checkpoint: its notes have no format and progress`);
  if (found !== format) throw new DataError(`${file} is a checkpoint of format ${found.slice(0, 20)}; this version reads format ${format}. Export its weights with the version that wrote it`);
  const tensors = readSafetensors(bytes, file);
  if (digest(tensors, text) !== metadata["sha256"]) throw new DataError(`${file} is damaged: its checksum does not fit`);
  // The checksum fits, so this is what was written.
  const written = JSON.parse(text) as Progress;
  // Older ones do not say when they were evaluated.
  const progress: Progress = { ...written, loss: written.loss, evaluated: written.evaluated ?? written.step };
  if (progress.specHash !== owner.specHash) throw new ForeignCheckpoint(`${file} belongs to another spec (hash ${progress.specHash.slice(0, 12)}…, this one has ${owner.specHash.slice(0, 12)}…)`);
  const different = progress.network ? differences(progress.network, owner) : [];
  if (different.length > 0) throw new ForeignCheckpoint(`${file} belongs to another network of this spec: ${different.slice(0, 4).join("; ")}${different.length > 4 ? `; and ${different.length - 4} more` : ""}. Build the package with the same preset and --set, or begin a new run`);
  const part = (prefix: string): TensorMap => Object.fromEntries(Object.entries(tensors).filter(([k]) => k.startsWith(prefix)).map(([k, v]) => [k.slice(prefix.length), v]));
  return { progress, parameters: part("parameter/"), state: part("state/") };
}
/** Values for a model's parameters, all of them and fitting, or none: throws DataError that names every one that is wrong. */
export function checkValues(model: ModelDescription, values: TensorMap, source: string, say?: (text: string) => void): void {
  const wrong = model.parameters.flatMap((p) => {
    const t = own(values, p.name);
    const fault = t ? valueFault(p, t) : "is missing";
    return fault === undefined ? [] : [`${p.name} ${fault}`];
  });
  if (wrong.length > 0) throw new DataError(`${source} does not fit ${model.name}, nothing was loaded: ${wrong.join("; ")}`);
  const unused = Object.keys(values).filter((name) => !model.parameters.some((p) => p.name === name));
  if (unused.length > 0) say?.(`warning: ${source} has tensors that nothing uses: ${unused.join(", ")}`);
}
type Say = (text: string) => void;
/** One state; where it cannot be read, the other, with a word. */
function loadEither(first: string, second: string, owner: Owner, say: Say): Checkpoint {
  try {
    return readCheckpoint(first, owner);
  } catch (error) {
    if (!existsSync(second) || error instanceof ForeignCheckpoint) throw error;
    say(`${error instanceof Error ? error.message : String(error)}; going on from ${second}`);
    return readCheckpoint(second, owner);
  }
}
/** The last state, else the best one. */
export function loadCheckpoint(folder: string, owner: Owner, say: Say): Checkpoint {
  if (!hasCheckpoint(folder)) {
    const aside = hasCheckpoint(join(folder, earlier)) ? `; the run that was set aside is in ${join(folder, earlier)}` : "";
    throw new DataError(`there is no checkpoint in ${folder}: train or construct the network first, or name the folder of its run with --out, or a file of weights with --weights${aside}`);
  }
  return loadEither(fileOf(folder, "last"), fileOf(folder, "best"), owner, say);
}
/** The best state, else the last one: a run may not have been evaluated yet. */
export function loadBest(folder: string, owner: Owner, say: Say): Checkpoint {
  const best = fileOf(folder, "best");
  return existsSync(best) ? loadEither(best, fileOf(folder, "last"), owner, say) : loadCheckpoint(folder, owner, say);
}
export const hasCheckpoint = (folder: string): boolean => (["last", "best"] as const).some((which) => existsSync(fileOf(folder, which)));
/** What a killed run was writing when it died. */
export function removeUnfinished(folder: string): void {
  const unfinished = new RegExp(`^(${Object.values(runFiles).map((name) => name.replaceAll(".", "\\.")).join("|")})\\.\\d+\\.tmp$`);
  for (const name of readdirSync(folder)) if (unfinished.test(name)) rmSync(join(folder, name), { force: true });
}
/** Where a run is that a new one took the place of, and where it is gathered until all of it is there. */
const [earlier, gathering] = ["earlier", "earlier.unfinished"] as const;
/** From wherever a run was killed in it, done again it ends the same: nothing of a run is removed before all of it stands together. */
function gather(folder: string): string {
  const [place, whole] = [join(folder, earlier), join(folder, gathering)];
  const before = lstatSync(place, { throwIfNoEntry: false });
  if (before && !before.isDirectory()) throw new DataError(`${place} is no folder, and the run that stands in ${folder} goes there; nothing was written. Move it, or name another folder with --out`);
  mkdirSync(whole, { recursive: true });
  const move = (from: string, names: readonly string[]): void => names.forEach((name) => renameSync(join(from, name), join(whole, name)));
  const rows = (["log", "audit"] as const).filter((which) => hasRows(folder, which));
  move(folder, (["last", "best", ...rows] as const).map((which) => runFiles[which]).filter((name) => existsSync(join(folder, name))));
  const ours: readonly string[] = Object.values(runFiles);
  if (before) move(place, readdirSync(place).filter((name) => !ours.includes(name)));
  rmSync(place, { recursive: true, force: true });
  renameSync(whole, place);
  return place;
}
/** Puts the run that stands in a folder into its subfolder `earlier`, whole, in place of one that is there already; undefined where no state stands. */
export const setAside = (folder: string): string | undefined => (hasCheckpoint(folder) ? gather(folder) : undefined);
/** A run may have been killed while it set another aside. */
export function finishSettingAside(folder: string): void {
  if (!existsSync(join(folder, gathering))) return;
  try {
    gather(folder);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`cannot put the run in ${join(folder, gathering)} into ${join(folder, earlier)}, as a run that was killed had begun to: ${codeOf(error)}`);
  }
}
