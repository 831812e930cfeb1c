/** Where an expression speaks of a name. */
import type { Span } from "../diagnostics/span.js";
import type { Expression } from "./ast.js";

/** What an expression consists of, from left to right. */
function parts(e: Expression): readonly Expression[] {
  switch (e.kind) {
    case "number": case "string": case "name": case "quantity": case "missing": return [];
    case "group": return [e.inner];
    case "negate": case "transpose": return [e.operand];
    case "binary": return [e.left, e.right];
    case "sum": return [e.body];
    case "call": return e.args.map((a) => a.value);
    case "index": return [e.object, ...e.indices.flatMap((i) => (i.kind === "all" ? [] : i.kind === "at" ? [i.value] : [i.from, i.to]))];
  }
}
/** The place where a name stands for the first time, but where a sum runs over it. */
export function firstUse(e: Expression, name: string): Span | undefined {
  if (e.kind === "name") return e.name === name ? e.span : undefined;
  if (e.kind === "sum" && e.index.name === name) return undefined;
  for (const part of parts(e)) {
    const found = firstUse(part, name);
    if (found) return found;
  }
  return undefined;
}
