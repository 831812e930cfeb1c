import { existsSync, lstatSync } from "node:fs";
import { basename, dirname } from "node:path";
import { type Audit, type AuditOptions, auditNetwork } from "../../audit/audit.js";
import { UnknownSize } from "../../audit/run-network.js";
import { MissingValue } from "../../numeric/evaluate.js";
import { isOurPage } from "../../explain/page.js";
import { auditText } from "../../audit/audit-text.js";
import type { CompiledNetwork } from "../../compile.js";
import { describe } from "../../network/describe.js";
import type { ModelDescription, TensorMap } from "../../runtime/contract.js";
import type { Held } from "../../runtime/weights.js";
import { auditColumns, auditRows, csv } from "../../audit/csv.js";
import { type AuditData, auditData } from "../audit-data.js";
import { UserFault } from "../faults.js";
import { writeFiles, writeFolder } from "../files.js";
import { packageVersion } from "../root.js";
import { result, say } from "../report.js";
import { chooseNetwork, compileFile, type SpecOptions } from "../session.js";
import { specHash, weightsFor } from "./build.js";

interface AuditCommand extends SpecOptions {
  readonly weights?: readonly string[];
  readonly data?: string;
  readonly samples?: number;
  readonly seed?: number;
  readonly report?: string;
  readonly figures?: string;
  readonly csv?: string;
  readonly force?: boolean;
}
export interface AuditRun extends Held {
  /** `initial values`, or the file's name. */
  readonly weights: string;
  /** As the network that holds these values sees it. */
  readonly data: AuditData;
  readonly audit: Audit;
}
/** Parameters that construction fills are not needed to begin with. */
function withoutCaptures(network: CompiledNetwork): CompiledNetwork {
  const parameters = network.unrolled.parameters.filter((p) => !p.captured);
  return { ...network, unrolled: { ...network.unrolled, parameters } };
}
function initial(network: CompiledNetwork, description: ModelDescription): TensorMap {
  const own = new Set(network.unrolled.parameters.map((p) => p.name));
  return weightsFor({ ...description, parameters: description.parameters.filter((p) => own.has(p.name)) }, undefined).values;
}

/** Every step on real tokens: exact, after each lemma, as built. */
export async function audit(file: string, options: AuditCommand): Promise<void> {
  if (options.samples === 0) throw new UserFault("--samples 0: an audit needs a sample");
  const { compilation } = compileFile(file, options);
  const network = chooseNetwork(compilation, file, options.network);
  const seed = options.seed ?? network.unrolled.training?.seed ?? 1;
  const description = describe(network.unrolled, {
    compiler: packageVersion(), specHash: specHash(compilation.sources), seed, ...(options.preset === undefined ? {} : { preset: options.preset }),
  });
  const files = options.weights ?? [];
  const construct = files.length === 0 && network.unrolled.parameters.some((p) => p.captured);
  const fromFile = network.unrolled.parameters.some((p) => p.init.kind === "file" || p.captured);
  // The start is what weights are compared with, in pictures; without weights it is all there is.
  const start = files.length === 0 || (wantsPictures(options) && !fromFile)
    ? [{ weights: `initial values (seed ${seed})`, values: initial(construct ? withoutCaptures(network) : network, description) }] : [];
  const runs = [...start, ...files.map((f, i) => ({ weights: nameOf(f, i, files), ...weightsFor(description, f) }))];
  const audited: AuditRun[] = [];
  for (const run of runs) {
    const data = await auditData(description, {
      seed, specFile: file, whole: network.unrolled.batchDim !== undefined, construct, held: run,
      ...(options.data === undefined ? {} : { data: options.data }), ...(options.samples === undefined ? {} : { samples: options.samples }),
    });
    const found = measured(network, data, {
      weights: run.values, batch: data.batch, samples: data.samples, construct,
      observer: (sample) => { if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${run.weights}: sample ${sample + 1} of ${data.samples}`); },
    });
    audited.push({ ...run, data, audit: found });
  }
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  if (audited.every((r) => r.audit.steps.length === 0)) say("the network has no step; there is nothing to audit");
  if (wantsPictures(options)) await writePictures(network, audited, construct, file, [...compilation.sources.keys(), ...files], options);
  if (options.json) result(`${JSON.stringify(auditJson(network.typed.name, audited), numbers, 2)}\n`);
  else result(audited.map((r) => auditText(r.audit, `${r.data.name}, ${r.weights}`)).join("\n"));
}
const wantsPictures = (o: AuditCommand): boolean => o.report !== undefined || o.figures !== undefined || o.csv !== undefined;
/** The file's name, with its folder where two are called alike. */
const nameOf = (file: string, i: number, files: readonly string[]): string =>
  (files.some((f, j) => j !== i && basename(f) === basename(file)) ? `${basename(dirname(file))}/${basename(file)}` : basename(file));
const mostPictured = 3;
async function writePictures(
  network: CompiledNetwork, runs: readonly AuditRun[], construct: boolean, file: string, sources: readonly string[], options: AuditCommand,
): Promise<void> {
  const [{ auditFigures }, { picturesOf }, { reportHtml }] = await Promise.all([import("../../audit/figures.js"), import("../../audit/pictures.js"), import("../../audit/report.js")]);
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  const named = runs.map((r) => ({ name: r.weights, audit: r.audit }));
  const samples = network.unrolled.batchDim === undefined ? Math.min(mostPictured, ...runs.map((r) => r.data.samples)) : 1;
  const sampled = runs.flatMap((r) => Array.from({ length: samples }, (_, sample) => ({ weights: r.weights, sample, pictures: picturesOf(network, r.values, r.data.batch, sample, construct) })));
  const figures = auditFigures(named, sampled);
  const table = csv(auditColumns, runs.flatMap((r) => auditRows(r.weights, r.audit)));
  if (options.report !== undefined) {
    const page = reportHtml({ network: network.typed.name, file: basename(file), data: runs[0]?.data.name ?? "", samples: runs[0]?.data.samples ?? 0, runs: named, figures, compiler: packageVersion() });
    writeFiles([{ path: basename(options.report), bytes: encode(page) }], dirname(options.report), { force: options.force, isOurs: isOurPage, sources });
    say(`${options.report}: ${figures.length} figures`);
  }
  if (options.csv !== undefined) writeFiles([{ path: basename(options.csv), bytes: encode(table) }], dirname(options.csv), { force: options.force, isOurs: (head) => head.startsWith(`${auditColumns.join(",")}\n`), sources });
  if (options.figures !== undefined) {
    if (existsSync(options.figures) && lstatSync(options.figures).isFile()) throw new UserFault(`${options.figures} is a file; --figures wants a folder`);
    writeFolder([...figures.map((f) => ({ path: `${f.id}.svg`, bytes: encode(f.svg) })), { path: "audit.csv", bytes: encode(table) }], options.figures, options.force ?? false);
    say(`${options.figures}: ${figures.length} figures and audit.csv`);
  }
}
/** What is asked of data that does not have it is the user's to mend. */
function measured(network: CompiledNetwork, data: AuditData, options: AuditOptions): Audit {
  try {
    return auditNetwork(network, options);
  } catch (error) {
    const given = Object.keys(data.batch).join(", ") || "nothing";
    if (error instanceof MissingValue || error instanceof UnknownSize) throw new UserFault(`${error.message}; the data (${data.name}) gives ${given}`);
    throw error;
  }
}
const auditJson = (network: string, runs: readonly AuditRun[]): object => ({
  network, data: runs[0]?.data.name, samples: runs[0]?.audit.samples, runs: runs.map((r) => ({ weights: r.weights, steps: r.audit.steps })),
});
/** JSON has no infinity; the word is better than null. */
const numbers = (_key: string, v: unknown): unknown => (typeof v === "number" && !Number.isFinite(v) ? String(v) : v);
