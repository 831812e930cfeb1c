/** How a command ends: 0 done, 1 the user's file or data, 2 the command line, 70 a defect of ours. */
import { type Diagnostic, DiagnosticError } from "../diagnostics/declare.js";

export class UserFault extends Error {
  override name = "UserFault";
}
/** Something in a spec is wrong: diagnostics, and the texts that they point into. `others`: files that could not be read at all. */
export class SpecFault extends Error {
  override name = "SpecFault";
  constructor(readonly diagnostics: readonly Diagnostic[], readonly sources: ReadonlyMap<string, string>, readonly others: readonly UserFault[] = []) {
    super(diagnostics.map((d) => d.message).join("; "));
  }
}
/** The result that has been written says what is wrong. */
export class Reported extends Error {
  override name = "Reported";
}
export class UsageFault extends Error {
  override name = "UsageFault";
}

/** What a later stage refuses in a spec is told with the spec's text. */
export async function refusing<T>(sources: ReadonlyMap<string, string>, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof DiagnosticError ? new SpecFault([error.diagnostic], sources) : error;
  }
}
