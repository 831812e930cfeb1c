/**
 * How much work may one compilation be? Counted in steps of the algebra, not in seconds, so that the same file gives the same
 * answer on every machine. A spec of a few lines can ask for an expression with more terms than a computer has bits.
 */

/** Thrown when an expression outgrows what anybody can read or compile; callers report it. */
export class TooLarge extends Error {
  override name = "TooLarge";
}
/**
 * A unit is an expression formed, or a term of a size: some 20 microseconds. The largest example (tost-causal) takes 15,000 for its
 * names, shapes and derivations; a copy of a CRATE layer takes 200 when unrolled; a lowered graph of CRATE large takes 500,000.
 */
export const effort = { algebra: 60_000, unrolling: 1_000_000, lowering: 20_000_000 } as const;
/** Outside of a stage nothing is counted: tests, and what reads a finished compilation, take what they need. */
let left = Number.POSITIVE_INFINITY;

/** Runs a stage that may take so many units, and no more. */
export function withEffort<T>(units: number, stage: () => T): T {
  const before = left;
  left = units;
  try {
    return stage();
  } finally {
    left = before;
  }
}
/** Counts work. Throws TooLarge when the stage has had its share. */
export function spend(units: number): void {
  left -= units;
  if (left < 0) throw new TooLarge("effort");
}
