/** How a diagnostic is declared: once, as a row; what it says is a function of its parameters. */
import type { Span } from "./span.js";

export type Severity = "error" | "warning" | "note";

/** A second place that a diagnostic points at, with the words that stand under it. */
export interface Label {
  readonly span: Span;
  readonly text: string;
}

export interface Diagnostic {
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  /** Where the frame points first. Labels of its own may be empty. */
  readonly span: Span;
  readonly labels: readonly Label[];
  readonly hint?: string;
}

export interface DiagnosticRow<P> {
  /** SRR1xxx syntax, 2xxx semantics, 3xxx calculus, 4xxx network and weights, 5xxx emit. */
  readonly code: string;
  readonly severity: Severity;
  readonly message: (p: P) => string;
  readonly hint?: (p: P) => string | undefined | false;
}

/** Builds the diagnostic: `shapeMismatch({ … }, at(span, "real[6]"), at(other, "real[4]"))`. */
export type DiagnosticMaker<P> = ((parameters: P, first: Label, ...more: Label[]) => Diagnostic) & {
  readonly row: DiagnosticRow<P>;
};

const declared = new Map<string, DiagnosticRow<never>>();

export function declare<P>(row: DiagnosticRow<P>): DiagnosticMaker<P> {
  if (declared.has(row.code)) throw new Error(`diagnostic ${row.code} is declared twice`);
  declared.set(row.code, row as unknown as DiagnosticRow<never>);
  const make = (parameters: P, first: Label, ...more: Label[]): Diagnostic => {
    const hint = row.hint?.(parameters);
    const labels = [first, ...more].filter((label) => label.text !== "" || label !== first);
    const base = { code: row.code, severity: row.severity, message: row.message(parameters), span: first.span, labels };
    return hint ? { ...base, hint } : base;
  };
  return Object.assign(make, { row });
}

/** Every declared row, by code: the tables of all rooms that have been imported. */
export function declaredRows(): ReadonlyMap<string, DiagnosticRow<never>> {
  return declared;
}

export function at(span: Span, text = ""): Label {
  return { span, text };
}

/** Collects what is wrong; `report` never throws, so a stage goes on and finds more. */
export class Reporter {
  readonly diagnostics: Diagnostic[] = [];
  report(diagnostic: Diagnostic): void {
    const same = this.diagnostics.some(
      (d) => d.code === diagnostic.code && d.span.file === diagnostic.span.file &&
        d.span.start === diagnostic.span.start && d.message === diagnostic.message,
    );
    if (!same) this.diagnostics.push(diagnostic);
  }
  get hasErrors(): boolean {
    return this.diagnostics.some((d) => d.severity === "error");
  }
}

/** A mistake of ours: caught once, at the edge, and reported as exit code 70. */
export class Defect extends Error {
  override name = "Defect";
}

/** Thrown where a stage cannot go on for the user's own reason; carries what to tell them. */
export class DiagnosticError extends Error {
  override name = "DiagnosticError";
  constructor(readonly diagnostic: Diagnostic) {
    super(diagnostic.message);
  }
}

/** The `never` case of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new Defect(`unhandled case: ${JSON.stringify(value)}`);
}
