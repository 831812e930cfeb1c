/** What was measured, as JSON and as tables for people. */
import type { Timing } from "./measure.js";

export interface Result {
  readonly what: "compile" | "inference" | "training step";
  readonly network: string;
  readonly engine: string;
  readonly batch?: number;
  readonly threads?: number;
  readonly timings: readonly Timing[];
}
export interface Scaling {
  readonly attention: string;
  readonly points: readonly { readonly size: number; readonly ms: number }[];
  readonly slope: number;
}
export interface Report {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly rounds: number;
  readonly results: readonly Result[];
  readonly scaling: readonly Scaling[];
}
const ms = (x: number): string => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

export function markdown(report: Report): string {
  const lines = report.results.flatMap((r) => r.timings.map((t) => row([
    r.what, r.network, r.engine, String(r.batch ?? ""), String(r.threads ?? ""), t.variant, ms(t.median), `${ms(t.p10)}–${ms(t.p90)}`, t.speedup.toFixed(2), t.cpuSpeedup.toFixed(2),
  ])));
  const sizes = report.scaling[0]?.points.map((p) => p.size) ?? [];
  return [
    "# Performance", "",
    "Written by `npm run bench`. Variants of a row group run in turn, in one process; times are medians with the 10th and 90th of a",
    "hundred, in milliseconds. The two last columns divide the first variant's time by this one's, round by round, and take the median:",
    "by the clock, and by processor time, which a busy machine disturbs less. Ratios hold on other machines; times do not.", "",
    ...Object.entries(report.machine).map(([k, v]) => `- ${k}: ${v}`), `- rounds: ${report.rounds}`, "",
    row(["what", "network", "engine", "batch", "threads", "variant", "median ms", "10–90 %", "speed-up", "by CPU time"]),
    row(["---", "---", "---", "---", "---", "---", "---", "---", "---", "---"]), ...lines, "",
    ...(report.scaling.length === 0 ? [] : [
      "## One attention step over the count of tokens", "",
      "The slope of log time over log count: 2 is quadratic, 1 is linear.", "",
      row(["attention", ...sizes.map(String), "slope"]), row(["---", ...sizes.map(() => "---"), "---"]),
      ...report.scaling.map((s) => row([s.attention, ...s.points.map((p) => ms(p.ms)), s.slope.toFixed(2)])), "",
    ]),
  ].join("\n");
}
