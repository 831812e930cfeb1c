/** Derivations are done on spread-out lets; people read them under the names that the spec gave. */
import { contains, type Expr, mapChildren, rewrite, symbol } from "../expression/expr.js";
import type { TypedLet } from "../semantics/program.js";

export interface Definition {
  /** `V[k]`. */
  readonly name: Expr;
  readonly value: Expr;
}
export interface Abbreviations {
  readonly fold: (e: Expr) => Expr;
  /** The definitions that folded expressions speak of, in the order of the spec, each in terms of those before it. */
  readonly used: (folded: readonly Expr[]) => readonly Definition[];
}
const withoutStops = (e: Expr): Expr => rewrite(e, (x) => (x.kind === "apply" && x.fn === "stop" ? (x.args[0] ?? x) : x));
/** A name for something short says less than the thing itself. */
const isShort = (e: Expr): boolean => !contains(e, (x) => x.kind === "apply") && (e.kind !== "sum" || e.terms.length < 2);

export function abbreviations(lets: readonly TypedLet[]): Abbreviations {
  const rows = lets.filter((l) => !l.kept && !isShort(l.value)).map((l) => ({
    name: symbol(l.name, "let", l.value.shape, l.index === undefined ? undefined : { kind: "variable", name: l.index }), value: l.value,
  }));
  const known = new Map<number, Expr>();
  // An update has lost its stops; the definition is then meant without them. A name given first stays.
  for (const { name, value } of rows) for (const form of [value, withoutStops(value)]) if (!known.has(form.id)) known.set(form.id, name);
  const folding = (allowed: ReadonlyMap<number, Expr>) => {
    const memory = new Map<number, Expr>();
    const visit = (e: Expr): Expr => {
      const found = memory.get(e.id) ?? allowed.get(e.id) ?? mapChildren(e, visit);
      memory.set(e.id, found);
      return found;
    };
    return visit;
  };
  const fold = folding(known);
  const names = new Map(rows.map((r) => [r.name.id, r]));
  const used = (folded: readonly Expr[]): readonly Definition[] => {
    const wanted = new Set<number>();
    const definitions = new Map<number, Definition>();
    const visit = (e: Expr): void => {
      contains(e, (x) => {
        const row = names.get(x.id);
        if (row && !wanted.has(x.id)) {
          wanted.add(x.id);
          const before = new Map([...known].filter(([, name]) => name !== row.name));
          const value = folding(before)(row.value);
          definitions.set(x.id, { name: row.name, value });
          visit(value);
        }
        return false;
      });
    };
    folded.forEach(visit);
    return rows.filter((r) => wanted.has(r.name.id)).map((r) => definitions.get(r.name.id) as Definition);
  };
  return { fold, used };
}
