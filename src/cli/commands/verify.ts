import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { checkLog, type ProofLog } from "../../audit/check-log.js";
import type { Check } from "../../audit/verify.js";
import { Reported, UsageFault, UserFault } from "../faults.js";
import { writeFiles } from "../files.js";
import { worldFault } from "../host.js";
import { result, say } from "../report.js";
import { compileFile, namedNetworks, type SpecOptions } from "../session.js";

interface VerifyCommand extends SpecOptions {
  readonly trials?: number;
  readonly seed?: number;
  readonly log?: string;
  readonly checkLog?: string;
  readonly force?: boolean;
}
const table = (rows: readonly (readonly [name: string, ...string[]])[]): string => {
  const width = Math.max(0, ...rows.map((r) => r[0].length));
  return rows.map(([name, ...rest]) => `${name.padEnd(width)}  ${rest.join("  ")}`.trimEnd()).join("\n");
};
function showChecks(checks: readonly Check[], json: boolean | undefined): void {
  const failed = checks.filter((c) => !c.ok).length;
  if (json) return result(`${JSON.stringify({ checks, failed }, null, 2)}\n`);
  const rows = checks.map((c): readonly [string, ...string[]] => {
    const verdict = c.kind === "approximation" ? "measured" : c.kind === "not checked" ? "skipped" : c.ok ? "ok" : "FAILED";
    return [`${c.step} ${c.rule}`, c.kind.padEnd(18), verdict.padEnd(8), c.error.toExponential(1), ...(c.note ? [c.note] : [])];
  });
  result(`${table(rows)}\n${checks.length} checks, ${failed} failed\n`);
}
const noSteps = "the log has no step, so there is nothing to check";
const manyNetworks = "a proof log is of one network; choose it with --network";

/** Every derivation step against finite differences, minimality or its lemma; exit 1 if one fails. */
export async function verify(file: string | undefined, options: VerifyCommand): Promise<void> {
  if (options.checkLog !== undefined) {
    if (file !== undefined) throw new UsageFault("--check-log takes no spec: the log alone is checked");
    return checkFile(options.checkLog, options.json);
  }
  if (file === undefined) throw new UsageFault("name a spec to verify, or a log with --check-log");
  if (options.trials === 0) throw new UsageFault("--trials 0: nothing would be checked");
  const { verifyLemmas, verifyNetwork } = await import("../../audit/verify.js");
  const { compilation } = compileFile(file, options);
  const { trials = 5, seed = 1 } = options;
  const networks = namedNetworks(compilation, file, options.network);
  const checks = [
    ...verifyLemmas(compilation.program?.lemmas ?? [], trials),
    ...networks.flatMap((n) => verifyNetwork(n.typed, n.derivations, { trials, seed })),
  ];
  if (options.log !== undefined) {
    const [network, ...others] = networks;
    if (!network || others.length > 0) throw new UserFault(network ? manyNetworks : `${file} has no network`);
    const { proofLog } = await import("../../audit/proof-log.js");
    const log = proofLog(network.typed, network.derivations, { trials, seed });
    writeFiles([{ path: basename(options.log), bytes: new TextEncoder().encode(`${JSON.stringify(log, null, 1)}\n`) }], dirname(options.log), { force: options.force, isOurs: isOurLog, sources: compilation.sources.keys() });
    say(log.steps.length === 0 ? `${options.log}: ${noSteps}` : `${options.log}: ${log.steps.reduce((n, s) => n + s.lines.length, 0)} lines of ${log.steps.length} steps, at ${trials} points each`);
  }
  showChecks(checks, options.json);
  if (checks.some((c) => !c.ok)) throw new Reported();
}
function parseLog(file: string): ProofLog {
  let text: string;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw worldFault(error, `cannot read ${file}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) throw new UserFault(`${file} is no proof log`);
    return value as ProofLog;
  } catch (error) {
    throw error instanceof UserFault ? error : new UserFault(`${file} is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
const isOurLog = (head: string): boolean => head.startsWith('{\n "format": 1,\n "generator": "crate-compile",\n');

function checkFile(file: string, json: boolean | undefined): void {
  const verdicts = checkLog(parseLog(file));
  if (verdicts.length === 0) say(`${file}: ${noSteps}`);
  const refused = verdicts.filter((v) => !v.ok);
  if (json) result(`${JSON.stringify({ lines: verdicts, refused: refused.length }, null, 2)}\n`);
  else {
    const rows = verdicts.map((v): readonly [string, ...string[]] => [`${v.step} line ${v.line} ${v.rule}`, v.ok ? "ok" : `REFUSED: ${v.why}`]);
    result(`${table(rows)}\n${verdicts.length} lines, ${refused.length} refused\n`);
  }
  if (refused.length > 0) throw new Reported();
}
