import { verifyLemmas, verifyNetwork } from "../../audit/verify.js";
import { Reported } from "../faults.js";
import { compileFile, result, type SpecOptions } from "../session.js";

interface VerifyCommand extends SpecOptions {
  readonly trials?: number;
  readonly seed?: number;
}
/** Every derivation step against finite differences, minimality or its lemma; exit 1 if one fails. */
export function verify(file: string, options: VerifyCommand): void {
  const { compilation } = compileFile(file, { ...options, json: false });
  const { trials = 5, seed = 1 } = options;
  const checks = [
    ...verifyLemmas(compilation.program?.lemmas ?? [], trials),
    ...compilation.networks.filter((n) => options.network === undefined || n.typed.name === options.network)
      .flatMap((n) => verifyNetwork(n.typed, n.derivations, { trials, seed })),
  ];
  const failed = checks.filter((c) => !c.ok);
  if (options.json) result(`${JSON.stringify({ checks, failed: failed.length }, null, 2)}\n`);
  else {
    const width = Math.max(0, ...checks.map((c) => `${c.step} ${c.rule}`.length));
    const lines = checks.map((c) => {
      const verdict = c.kind === "approximation" ? "measured" : c.kind === "not checked" ? "skipped" : c.ok ? "ok" : "FAILED";
      return `${`${c.step} ${c.rule}`.padEnd(width)}  ${c.kind.padEnd(18)}  ${verdict.padEnd(8)}  ${c.error.toExponential(1)}${c.note ? `  ${c.note}` : ""}`;
    });
    result(`${lines.join("\n")}\n${checks.length} checks, ${failed.length} failed\n`);
  }
  if (failed.length > 0) throw new Reported();
}
