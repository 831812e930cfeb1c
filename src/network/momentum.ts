/** The factor μ that momentum multiplies Z_new − Z_old by, step by step (language, section 5; Beck & Teboulle 2009, eq. 4.2). */
import { type Expr, number } from "../expression/expr.js";
import type { TypedMethod } from "../semantics/program.js";

export interface MomentumState {
  /** Counts the steps taken, from 0. */
  readonly taken: number;
  /** FISTA's s. */
  readonly s: number;
}
export const atRest: MomentumState = { taken: 0, s: 1 };

/** μ of the next step, and the state after it. */
export function momentumFactor(method: TypedMethod, state: MomentumState): { factor: Expr; next: MomentumState } {
  const i = state.taken + 1;
  const s = (1 + Math.sqrt(1 + 4 * state.s ** 2)) / 2;
  const next = { taken: i, s };
  switch (method.momentum.kind) {
    case "none": return { factor: number(0), next };
    case "nesterov": return { factor: number((i - 1) / (i + 2)), next };
    case "fista": return { factor: number((state.s - 1) / s), next };
    case "scalar": return { factor: method.momentum.value, next };
  }
}
