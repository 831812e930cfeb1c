import { basename } from "node:path";
import { type Audit, auditNetwork } from "../../audit/audit.js";
import { auditText } from "../../audit/audit-text.js";
import type { CompiledNetwork } from "../../compile.js";
import { describe } from "../../network/describe.js";
import type { ModelDescription, TensorMap } from "../../runtime/contract.js";
import { auditData } from "../audit-data.js";
import { UserFault } from "../faults.js";
import { packageVersion } from "../root.js";
import { chooseNetwork, compileFile, result, say, type SpecOptions } from "../session.js";
import { specHash, weightsFor } from "./build.js";

interface AuditCommand extends SpecOptions {
  readonly weights?: readonly string[];
  readonly data?: string;
  readonly samples?: number;
  readonly seed?: number;
}
export interface AuditRun {
  /** `initial values`, or the file's name. */
  readonly weights: string;
  readonly values: TensorMap;
  readonly audit: Audit;
}
/** Parameters that construction fills are not needed to begin with. */
function withoutCaptures(network: CompiledNetwork): CompiledNetwork {
  const parameters = network.unrolled.parameters.filter((p) => !p.captured);
  return { ...network, unrolled: { ...network.unrolled, parameters } };
}
function initial(network: CompiledNetwork, description: ModelDescription): TensorMap {
  const own = new Set(network.unrolled.parameters.map((p) => p.name));
  return weightsFor(network, { ...description, parameters: description.parameters.filter((p) => own.has(p.name)) }, undefined);
}

/** Every step on real tokens: exact, after each lemma, as built. */
export async function audit(file: string, options: AuditCommand): Promise<void> {
  if (options.samples === 0) throw new UserFault("--samples 0: an audit needs a sample");
  const { compilation } = compileFile(file, { ...options, json: false });
  const network = chooseNetwork(compilation, options.network);
  const seed = options.seed ?? network.unrolled.training?.seed ?? 1;
  const description = describe(network.unrolled, {
    compiler: packageVersion(), specHash: specHash(compilation.sources), seed, ...(options.preset === undefined ? {} : { preset: options.preset }),
  });
  const files = options.weights ?? [];
  const construct = files.length === 0 && network.unrolled.parameters.some((p) => p.captured);
  const runs = files.length === 0
    ? [{ weights: `initial values (seed ${seed})`, values: initial(construct ? withoutCaptures(network) : network, description) }]
    : files.map((f) => ({ weights: basename(f), values: weightsFor(network, description, f) }));
  const data = await auditData(description, {
    seed, specFile: file, whole: network.unrolled.batchDim !== undefined, construct, weights: runs[0]?.values ?? {},
    ...(options.data === undefined ? {} : { data: options.data }), ...(options.samples === undefined ? {} : { samples: options.samples }),
  });
  const audited = runs.map((run): AuditRun => ({
    ...run,
    audit: auditNetwork(network, {
      weights: run.values, batch: data.batch, samples: data.samples, construct,
      observer: (sample) => { if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${run.weights}: sample ${sample + 1} of ${data.samples}`); },
    }),
  }));
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  if (audited.every((r) => r.audit.steps.length === 0)) say("the network has no step; there is nothing to audit");
  if (options.json) result(`${JSON.stringify(auditJson(network.typed.name, data.name, audited), numbers, 2)}\n`);
  else result(audited.map((r) => auditText(r.audit, `${data.name}, ${r.weights}`)).join("\n"));
}
const auditJson = (network: string, data: string, runs: readonly AuditRun[]): object => ({
  network, data, samples: runs[0]?.audit.samples, runs: runs.map((r) => ({ weights: r.weights, steps: r.audit.steps })),
});
/** JSON has no infinity; the word is better than null. */
const numbers = (_key: string, v: unknown): unknown => (typeof v === "number" && !Number.isFinite(v) ? String(v) : v);
