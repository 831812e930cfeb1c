/** What a command says besides its result: diagnostics and failures, for people on stderr, for programs as JSON on stdout. */
import { CommanderError } from "commander";
import pc from "picocolors";
import type { Diagnostic } from "../diagnostics/declare.js";
import { render, toJson } from "../diagnostics/render.js";
import { Reported, SpecFault, UsageFault, UserFault } from "./faults.js";

export const say = (text: string): void => { process.stderr.write(`${text}\n`); };
export const result = (text: string): void => { process.stdout.write(text); };
export const resultJson = (value: object): void => result(`${JSON.stringify(value, null, 2)}\n`);

const colours: Readonly<Record<string, (text: string) => string>> = {
  error: (t) => pc.bold(pc.red(t)), warning: (t) => pc.bold(pc.yellow(t)), note: pc.blue, place: pc.dim, gutter: pc.dim, hint: pc.cyan, label: pc.red,
};
export function showDiagnostics(diagnostics: readonly Diagnostic[], sources: ReadonlyMap<string, string>): void {
  const colour = process.stderr.isTTY && !process.env["NO_COLOR"] ? (style: string, text: string): string => colours[style]?.(text) ?? text : undefined;
  for (const d of diagnostics) say(render(d, sources, colour ? { colour } : {}));
}

interface Ending {
  readonly code: number;
  /** For people; nothing where it has been said. */
  readonly show: () => void;
  /** What is wrong, as diagnostics: those of a spec have code and place, the world's a message only. Undefined: a result says it. */
  readonly diagnostics?: readonly object[];
}
const told = (message: string): object => ({ severity: "error", message });
const words = (code: number, message: string): Ending => ({ code, show: () => say(`error: ${message}`), diagnostics: [told(message)] });

/** A spec's sizes may be larger than memory; an array of a senseless length is a defect of ours. */
function isBeyondMemory(error: unknown): error is RangeError {
  const [, length] = error instanceof RangeError ? /^(?:Array buffer allocation failed|Invalid (?:typed )?array length: (\d+))$/.exec(error.message) ?? ["", "0"] : ["", "0"];
  return length === undefined || Number(length) > 2 ** 30;
}
function endingOf(error: unknown): Ending {
  // Commander has said it already, and the help with it.
  if (error instanceof CommanderError) return error.exitCode === 0 ? { code: 0, show: () => {} } : { code: 2, show: () => {}, diagnostics: [told(error.message.replace(/^error: /, ""))] };
  if (error instanceof Reported) return { code: 1, show: () => {} };
  if (error instanceof SpecFault) {
    const { diagnostics, sources, others } = error;
    return {
      code: 1, show: () => { showDiagnostics(diagnostics, sources); for (const o of others) say(`error: ${o.message}`); },
      diagnostics: [...diagnostics.map((d) => toJson(d, sources)), ...others.map((o) => told(o.message))],
    };
  }
  if (isBeyondMemory(error)) return words(1, `this needs more memory than there is (${error.message}); make the sizes smaller, in the spec or with --set`);
  if (error instanceof UsageFault) return words(2, error.message);
  if (error instanceof UserFault || (error instanceof Error && error.name === "DataError")) return words(1, error.message);
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const defect = "this is a defect of ours, not yours. Please report it with the spec and these lines:";
  return { code: 70, show: () => say(`crate-compile: ${defect}\n${trace}`), diagnostics: [told(`${defect}\n${trace}`)] };
}
/** Says how a command failed; gives the exit code. */
export function report(error: unknown, json: boolean): number {
  const { code, show, diagnostics } = endingOf(error);
  if (!json) show();
  else if (diagnostics) resultJson({ diagnostics });
  return code;
}
