/** What values of an unrolled network are computed from. */
import { type Expr, symbolsOf } from "../expression/expr.js";
import type { UnrolledNetwork } from "./network.js";

type Computed = Pick<UnrolledNetwork, "statements" | "definitions">;

/** The names that an expression reads, those of the consts and lets that stay names in it included. */
export function namesIn(e: Expr, names: ReadonlyMap<string, string>, definitions: Computed["definitions"]): ReadonlySet<string> {
  const found = new Set<string>();
  const note = (x: Expr): void => {
    for (const s of symbolsOf(x)) {
      const name = names.get(s.name) ?? s.name;
      if (found.has(name)) continue;
      found.add(name);
      const definition = definitions.get(s.name);
      if (definition) note(definition);
    }
  };
  note(e);
  return found;
}
/** These names, and all that their values are computed from: statements, inputs, targets, parameters. A capture is a parameter; its value is not looked into. */
export function dependencies({ statements, definitions }: Computed, roots: Iterable<string>): ReadonlySet<string> {
  const found = new Set(roots);
  // Each value is assigned once, before it is used.
  for (const s of [...statements].reverse()) if (found.has(s.target)) for (const name of namesIn(s.value, s.names, definitions)) found.add(name);
  return found;
}
