/** Lets of a layer speak of its own parameters, which differ from copy to copy: they are spread out where they are used. */
import { type Expr, renameFreeIndex, substitute } from "../expression/expr.js";
import type { TypedLet } from "../semantics/program.js";

/** A let may use another; a chain longer than this is a circle that the semantics let through. */
const longestChain = 64;

export function spreadLets(e: Expr, lets: ReadonlyMap<string, TypedLet> | undefined): Expr {
  if (!lets || lets.size === 0) return e;
  let now = e;
  for (let round = 0; round < longestChain; round++) {
    const next = substitute(now, (s) => {
      const own = s.role === "let" ? lets.get(s.name) : undefined;
      if (!own) return undefined;
      return own.index && s.member ? renameFreeIndex(own.value, own.index, s.member) : own.value;
    });
    if (next === now) return now;
    now = next;
  }
  return now;
}
