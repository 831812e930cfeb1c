/** The learning rate of each step: warm-up linear from 0, cosine and linear ending at 0, all per step. */
import type { Duration, ScheduleStage } from "./contract.js";

const inSteps = (d: Duration, perEpoch: number): number => Math.round(d.value * (d.unit === "epochs" ? perEpoch : 1));

/** `step` counts from 1; `total` is the run's whole number of steps. */
export function learningRate(stages: readonly ScheduleStage[], base: number, step: number, total: number, perEpoch: number): number {
  let start = 0;
  for (const [i, stage] of stages.entries()) {
    const rest = total - start;
    const length = Math.min(stage.length ? inSteps(stage.length, perEpoch) : rest, rest);
    const last = i === stages.length - 1;
    if (step <= start + length || last) {
      const done = Math.min(1, Math.max(0, (step - start) / Math.max(1, length)));
      switch (stage.kind) {
        case "warmup": return base * done;
        case "cosine": return base * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, (step - 1 - start) / Math.max(1, length))));
        case "linear": return base * (1 - Math.min(1, (step - 1 - start) / Math.max(1, length)));
        case "constant": return base;
      }
    }
    start += length;
  }
  return base;
}
