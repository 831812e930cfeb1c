/** What the settings say of a spec's names. Derivations keep the names; the numbers decide what has no minimum, or no inverse. */
import type { Dim } from "../expression/dim.js";
import type { Expr } from "../expression/expr.js";

export interface KnownNumbers {
  readonly size: (d: Dim) => number | undefined;
  /** Of an expression of consts, sizes and lets of them. */
  readonly scalar: (e: Expr) => number | undefined;
}

/** Of a scalar's number, where it is known; else as it is written, where a name counts as positive: undefined where terms of both signs stand in it. */
export function signOf(e: Expr, known: KnownNumbers): number | undefined {
  const value = known.scalar(e);
  if (value !== undefined) return Math.sign(value);
  if (e.kind === "number") return Math.sign(e.value);
  if (e.kind === "product") {
    return e.scalars.reduce<number | undefined>((sign, s) => {
      const own = s.exponent % 2 === 0 ? 1 : signOf(s.base, known);
      return sign === undefined || own === undefined ? undefined : sign * own;
    }, Math.sign(e.coefficient));
  }
  if (e.kind !== "sum") return 1;
  const signs = new Set(e.terms.map((t) => signOf(t, known)));
  const [only] = signs;
  return signs.size === 1 ? only : undefined;
}
