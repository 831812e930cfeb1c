/** A network's dims: which are numbers, which are given by others, which are solved from the shapes that meet. */
import { at, type Reporter } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import {
  type Dim, dimAdd, dimDivide, dimEquals, dimMultiply, dimNegate, dimNumber, dimPower, dimSubstitute, dimSubtract, dimSymbol, dimSymbols,
  dimValue, showDim, solveDim,
} from "../expression/dim.js";
import { dimExpr, type Expr, scalarShape, symbol } from "../expression/expr.js";
import type { Expression } from "../syntax/ast.js";
import { dimFault, unknownName } from "./diagnostics.js";
import { nearest } from "../diagnostics/nearest.js";

interface DimEntry {
  readonly name: string;
  readonly span: Span;
  readonly batch: boolean;
  /** Set by a number, a preset or --set. */
  readonly number?: number;
  readonly expression?: Expression;
}
/** Thrown when a dim has been solved: what was elaborated so far has the old shapes and is done again. */
export class DimSolved extends Error {}

export class Dims {
  private readonly entries = new Map<string, DimEntry>();
  constructor(
    private readonly reporter: Reporter,
    /** What shapes have told, across restarts. */
    readonly solutions: Map<string, Dim>,
    private readonly constant: (name: string) => number | undefined,
  ) {}

  declare(entry: DimEntry): void {
    this.entries.set(entry.name, entry);
  }
  has(name: string): boolean {
    return this.entries.has(name);
  }
  names(): Iterable<string> {
    return this.entries.keys();
  }
  all(): readonly DimEntry[] {
    return [...this.entries.values()];
  }
  /** What the dim is in shapes: a symbol, or what it is given by. */
  reference(name: string): Dim {
    const entry = this.entries.get(name);
    if (entry?.expression && entry.number === undefined) {
      const given = this.read(entry.expression, true);
      if (given) return this.expand(given);
    }
    return this.expand(dimSymbol(name));
  }
  expand(d: Dim): Dim {
    let now = d;
    for (let round = 0; round < 32; round++) {
      const next = dimSubstitute(now, (s) => this.solutions.get(s));
      if (next === now || dimEquals(next, now)) return next;
      now = next;
    }
    return now;
  }
  numberOf(name: string, seen: ReadonlySet<string> = new Set()): number | undefined {
    if (seen.has(name)) return undefined;
    const entry = this.entries.get(name);
    if (!entry) return undefined;
    if (entry.number !== undefined) return entry.number;
    const own = entry.expression ? this.read(entry.expression, true) : this.solutions.get(name);
    return own && this.valueOf(own, new Set([...seen, name]));
  }
  valueOf(d: Dim, seen: ReadonlySet<string> = new Set()): number | undefined {
    const known = dimSubstitute(d, (s) => {
      const n = this.numberOf(s, seen);
      return n === undefined ? undefined : dimNumber(n);
    });
    return dimValue(known);
  }
  /** Reports a size that is known to be less than 1. */
  checkPositive(d: Dim, span: Span): void {
    const n = this.valueOf(d);
    const shown = this.show(d);
    if (n !== undefined && n < 1) this.reporter.report(dimFault({ problem: `a size must be at least 1, ${shown === String(n) ? `not ${n}` : `and ${shown} is ${n}`}`, hint: undefined }, at(span)));
  }
  isOpen(name: string): boolean {
    const entry = this.entries.get(name);
    return entry !== undefined && !entry.batch && entry.number === undefined && entry.expression === undefined && !this.solutions.has(name);
  }
  batchDim(): string | undefined {
    return this.all().find((e) => e.batch)?.name;
  }

  /** An integer expression of dims. `quiet`: reports nothing (it has been reported where it is declared). */
  read(e: Expression, quiet = false, local: (name: string) => Dim | undefined = () => undefined): Dim | undefined {
    const report = (problem: string, span: Span, hint?: string): undefined => {
      if (!quiet) this.reporter.report(dimFault({ problem, hint }, at(span)));
      return undefined;
    };
    const sub = (x: Expression): Dim | undefined => this.read(x, quiet, local);
    switch (e.kind) {
      case "missing": return undefined;
      case "group": return sub(e.inner);
      case "number":
        if (!Number.isSafeInteger(e.value) || e.value > 2 ** 31) return report(`a size must be a whole number of at most 2^31, not ${e.text}`, e.span);
        return dimNumber(e.value);
      case "name": {
        const own = local(e.name);
        if (own) return own;
        if (this.entries.has(e.name)) return this.reference(e.name);
        const constant = this.constant(e.name);
        if (constant !== undefined) {
          return Number.isSafeInteger(constant) ? dimNumber(constant) : report(`a size must be a whole number, and ${e.name} is ${constant}`, e.span);
        }
        if (!quiet) this.reporter.report(unknownName({ name: e.name, what: "dim", near: nearest(e.name, this.entries.keys()) }, at(e.span)));
        return undefined;
      }
      case "negate": { const a = sub(e.operand); return a && dimNegate(a); }
      case "binary": {
        const [a, b] = [sub(e.left), sub(e.right)];
        if (!a || !b) return undefined;
        switch (e.op) {
          case "+": return dimAdd(a, b);
          case "-": return dimSubtract(a, b);
          case "*": return dimMultiply(a, b);
          case "/": {
            const [x, y] = [this.valueOf(a), this.valueOf(b)];
            if (y === 0) return report("a size is divided by 0", e.span);
            if (x !== undefined && y !== undefined && !Number.isInteger(x / y)) {
              return report(`${showDim(a)} / ${showDim(b)} leaves a remainder: ${x} / ${y}`, e.span, "sizes are whole numbers");
            }
            return dimDivide(a, b) ?? (x !== undefined && y !== undefined ? dimNumber(x / y) : report("this quotient of sizes is not understood", e.span));
          }
          case "^": {
            const n = dimValue(b);
            return (n === undefined ? undefined : dimPower(a, n)) ?? report("this power of a size is not understood", e.span);
          }
          default: return report(`${e.op} cannot stand in a size`, e.opSpan, "sizes are made of dims and whole numbers with + - * / ^");
        }
      }
      default: return report("a size is made of dims and whole numbers", e.span);
    }
  }

  /** Are two sizes one? Solves a dim without value if that makes them so (and then starts anew). */
  unify(a: Dim, b: Dim): boolean {
    const [x, y] = [this.expand(a), this.expand(b)];
    if (dimEquals(x, y)) return true;
    for (const s of [...dimSymbols(x), ...dimSymbols(y)]) {
      if (!this.isOpen(s)) continue;
      const solved = solveDim(x, y, s);
      if (solved && !dimSymbols(solved).has(s)) this.solve(s, solved);
    }
    const [p, q] = [this.valueOf(x), this.valueOf(y)];
    if (p === undefined || p !== q) return false;
    const bare = (d: Dim): string | undefined => {
      const [s] = dimSymbols(d);
      return s !== undefined && dimEquals(d, dimSymbol(s)) ? s : undefined;
    };
    const [left, right] = [bare(x), bare(y)];
    if (left !== undefined && right !== undefined) return false;
    if (left !== undefined && !dimSymbols(y).has(left)) this.solve(left, y);
    if (right !== undefined && !dimSymbols(x).has(right)) this.solve(right, x);
    for (const s of [...dimSymbols(x), ...dimSymbols(y)]) {
      const n = this.numberOf(s);
      if (n !== undefined && !this.solutions.has(s)) this.solve(s, dimNumber(n));
    }
    return false;
  }
  private solve(name: string, value: Dim): never {
    this.solutions.set(name, value);
    throw new DimSolved();
  }
  /** The size under the name that the spec gives it, if one does. */
  named(d: Dim): Dim {
    const expanded = this.expand(d);
    if (dimValue(expanded) !== undefined) return d;
    const entry = this.all().find((e) => dimEquals(this.reference(e.name), expanded));
    return entry ? dimSymbol(entry.name) : d;
  }
  show(d: Dim): string {
    return showDim(this.named(d));
  }
  /** The size as a scalar in an expression, by name where it has one. */
  scalar(d: Dim): Expr {
    const named = this.named(d);
    const [s] = dimSymbols(named);
    if (s !== undefined && dimEquals(named, dimSymbol(s))) return symbol(s, "dim", scalarShape);
    return dimExpr(named);
  }
}
