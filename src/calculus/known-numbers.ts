/** What the settings say of a spec's names. Derivations keep the names; the numbers decide what has no minimum, or no inverse. */
import type { Dim } from "../expression/dim.js";
import type { Expr } from "../expression/expr.js";

export interface KnownNumbers {
  readonly size: (d: Dim) => number | undefined;
  /** Of an expression of consts, sizes and lets of them. */
  readonly scalar: (e: Expr) => number | undefined;
}
