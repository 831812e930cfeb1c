/** Where an expression speaks of a name, or calls a function. */
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
/** The first part that fits; nothing is looked for in what is closed. */
function first(e: Expression, fits: (e: Expression) => boolean, closed: (e: Expression) => boolean = () => false): Span | undefined {
  if (fits(e)) return e.span;
  if (closed(e)) return undefined;
  for (const part of parts(e)) {
    const found = first(part, fits, closed);
    if (found) return found;
  }
  return undefined;
}
/** All names that stand in an expression. */
export function namesIn(e: Expression): readonly string[] {
  return e.kind === "name" ? [e.name] : parts(e).flatMap(namesIn);
}
/** The place where a name stands for the first time, but where a sum runs over it. */
export function firstUse(e: Expression, name: string): Span | undefined {
  return first(e, (x) => x.kind === "name" && x.name === name, (x) => x.kind === "sum" && x.index.name === name);
}
/** The first call of a function. */
export function firstCall(e: Expression, fn: string): Span | undefined {
  return first(e, (x) => x.kind === "call" && x.callee.name === fn);
}
