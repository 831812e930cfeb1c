/** Interleaved timings: a round runs every variant once, so that what else the machine does falls on all alike. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Runner } from "./cases.js";

export interface Timing {
  readonly variant: string;
  /** Milliseconds: median, and the 10th and 90th of a hundred. */
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
  /** Median over rounds of the first variant's time by this one's. */
  readonly speedup: number;
  /** The same by processor time, which a busy machine disturbs less. */
  readonly cpuSpeedup?: number;
}
const at = (sorted: readonly number[], part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] as number;
const quantile = (values: readonly number[], part: number): number => at([...values].sort((a, b) => a - b), part);
const cpuNow = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Milliseconds of every round, by variant: by the clock and by processor time. */
export async function millisecondsOf(variants: ReadonlyMap<string, Runner>, rounds: number, warmup = 3): Promise<{ readonly wall: ReadonlyMap<string, readonly number[]>; readonly cpu: ReadonlyMap<string, readonly number[]> }> {
  const wall = new Map([...variants.keys()].map((v) => [v, [] as number[]])), cpu = new Map([...variants.keys()].map((v) => [v, [] as number[]]));
  for (let round = -warmup; round < rounds; round++) {
    for (const [variant, run] of variants) {
      const [start, used] = [performance.now(), cpuNow()];
      await run();
      if (round < 0) continue;
      wall.get(variant)?.push(performance.now() - start);
      cpu.get(variant)?.push(cpuNow() - used);
    }
  }
  return { wall, cpu };
}
export async function interleaved(variants: ReadonlyMap<string, Runner>, rounds: number, warmup?: number): Promise<readonly Timing[]> {
  const { wall, cpu } = await millisecondsOf(variants, rounds, warmup);
  return ratios(wall, cpu);
}
/** Milliseconds of every round, by variant, as medians and as ratios to the first variant. */
export function ratios(wall: ReadonlyMap<string, readonly number[]>, cpu?: ReadonlyMap<string, readonly number[]>): readonly Timing[] {
  const first = [...wall.keys()][0] as string;
  const ratio = (times: ReadonlyMap<string, readonly number[]>, variant: string): number => {
    const [base, own] = [times.get(first) ?? [], times.get(variant) ?? []];
    return median(base.map((t, i) => t / Math.max(own[i] as number, 1e-3)));
  };
  return [...wall].map(([variant, times]) => ({
    variant, median: median(times), p10: quantile(times, 0.1), p90: quantile(times, 0.9), speedup: ratio(wall, variant), ...(cpu ? { cpuSpeedup: ratio(cpu, variant) } : {}),
  }));
}
/** The slope of log time over log size, by least squares. */
export function logSlope(points: readonly { readonly size: number; readonly ms: number }[]): number {
  const logs = points.map((p) => [Math.log(p.size), Math.log(p.ms)] as const);
  const mean = (i: 0 | 1): number => logs.reduce((sum, p) => sum + p[i], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  return logs.reduce((s, [x, y]) => s + (x - mx) * (y - my), 0) / logs.reduce((s, [x]) => s + (x - mx) ** 2, 0);
}

const answers = `const { workerData } = require("node:worker_threads");
for (let i = 1; i < 2 * workerData.trips; i += 2) { while (Atomics.load(workerData.word, 0) !== i); Atomics.store(workerData.word, 0, i + 1); }`;
/**
 * Nanoseconds from a word written by one thread until another's answer is seen. Two virtual processors may share a cache at one time and not at another:
 * then this is several times as long, and so is all that one thread reads of what the other has written.
 */
export async function roundTrip(trips = 20_000): Promise<number> {
  const word = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(answers, { eval: true, workerData: { word, trips } });
  await once(worker, "online");
  let start = 0;
  for (let i = 1; i < 2 * trips; i += 2) {
    Atomics.store(word, 0, i);
    while (Atomics.load(word, 0) !== i + 1);
    // The first answer waits for the thread to begin.
    if (i === 1) start = performance.now();
  }
  const nanoseconds = (performance.now() - start) / (trips - 1) * 1e6;
  await once(worker, "exit");
  return nanoseconds;
}
