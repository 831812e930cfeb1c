import { diffNetworks, diffText } from "../../audit/diff.js";
import { Reported } from "../faults.js";
import { result } from "../report.js";
import { chooseNetwork, compileFile, type SpecOptions } from "../session.js";

/** Two specs compared as networks: initial values, data and training do not count. Exit 1 where they differ. */
export function diff(a: string, b: string, options: SpecOptions): void {
  const read = (file: string): ReturnType<typeof chooseNetwork> => chooseNetwork(compileFile(file, options).compilation, file, options.network);
  const report = diffNetworks(read(a), read(b));
  result(options.json ? `${JSON.stringify(report, (_, v: unknown) => (typeof v === "number" && !Number.isFinite(v) ? String(v) : v), 2)}\n` : diffText(report, a, b));
  if (report.verdict === "different") throw new Reported();
}
