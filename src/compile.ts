/** The pipeline on one page: text → syntax → typed program → derivations → unrolled network → tensor graph → plan. */
import { checkExpectations, checkIdentities } from "./audit/identities.js";
import { derivationDiagnostic } from "./calculus/diagnostics.js";
import { type Derivation, derive } from "./calculus/derive.js";
import type { KnownNumbers } from "./calculus/known-numbers.js";
import { at, type Diagnostic, Reporter } from "./diagnostics/declare.js";
import type { Span } from "./diagnostics/span.js";
import { compareByPlace } from "./diagnostics/render.js";
import { effort, TooLarge, withEffort } from "./expression/effort.js";
import { resetExpressions } from "./expression/expr.js";
import { evaluate, evaluateDim, MissingValue } from "./numeric/evaluate.js";
import { scalarValue } from "./numeric/matrix.js";
import type { UnrolledNetwork } from "./network/network.js";
import { spreadLets } from "./network/lets.js";
import { unroll } from "./network/unroll.js";
import { expressionTooLarge } from "./semantics/diagnostics.js";
import { elaborate } from "./semantics/elaborate.js";
import type { TypedLayer, TypedNetwork, TypedProgram, TypedStep } from "./semantics/program.js";
import { parse } from "./syntax/parse.js";

/** What the compiler asks of the world: texts by name. Nothing else of it is known here. */
export interface Host {
  /** A standard-library file (`std/rates`), or undefined. */
  readonly standardLibrary: (path: string) => string | undefined;
  /** The text that `import "path"` in `fromFile` means, or why there is none. */
  readonly readImport: (path: string, fromFile: string) => { readonly file: string; readonly text: string } | { readonly missing: string };
}
export interface CompileOptions {
  readonly file: string;
  readonly preset?: string;
  readonly settings?: ReadonlyMap<string, number>;
}
/** A network with its derivations, in the order of the spec. */
export interface CompiledNetwork {
  readonly typed: TypedNetwork;
  readonly derivations: ReadonlyMap<TypedStep, Derivation>;
  readonly unrolled: UnrolledNetwork;
}
/** `import "path"` in a file, and the text that it brought. */
export interface Imported {
  readonly path: string;
  readonly fromFile: string;
  readonly file: string;
  readonly text: string;
}
export interface Compilation {
  readonly diagnostics: readonly Diagnostic[];
  /** All texts that took part, by file name: what frames are cut from. */
  readonly sources: ReadonlyMap<string, string>;
  /** What was imported besides the standard library, importers first. */
  readonly imports: readonly Imported[];
  readonly program?: TypedProgram;
  /** Those networks in which nothing is wrong. */
  readonly networks: readonly CompiledNetwork[];
}

/** Checks, derives and unrolls every network of a file. All that is wrong is in `diagnostics`, sorted by place. */
export function compile(text: string, options: CompileOptions, host: Host): Compilation {
  resetExpressions();
  const sources = new Map([[options.file, text]]);
  const imports: Imported[] = [];
  const reporter = new Reporter();
  const parseFile = (source: string, file: string): ReturnType<typeof parse> => parse(source, file);
  const parsed = parseFile(text, options.file);
  parsed.diagnostics.forEach((d) => reporter.report(d));
  const loadImport = (path: string, fromFile: string): ReturnType<Host["readImport"]> => {
    const standard = host.standardLibrary(path);
    const found = standard === undefined ? host.readImport(path, fromFile) : { file: `${path}.srr`, text: standard };
    if ("text" in found) {
      sources.set(found.file, found.text);
      if (standard === undefined) imports.push({ path, fromFile, ...found });
    }
    return found;
  };
  /** What outgrows us is the spec's doing: a diagnostic, one for all of it. */
  const bounded = <T>(units: number, place: Span, what: string, stage: () => T): T | undefined => {
    try {
      return withEffort(units, stage);
    } catch (error) {
      if (!(error instanceof TooLarge)) throw error;
      if (!reporter.hasErrors) reporter.report(expressionTooLarge({ what }, at(place)));
      return undefined;
    }
  };
  const elaborated = bounded(effort.algebra, { file: options.file, start: 0, end: 0 }, "the file", () => elaborate(parsed.file, text, {
    file: options.file, settings: options.settings ?? new Map(), loadImport, parse: parseFile,
    ...(options.preset === undefined ? {} : { preset: options.preset }),
  }, reporter));
  const program = elaborated?.program;
  const networks: CompiledNetwork[] = [];
  if (program && !reporter.hasErrors) {
    bounded(effort.algebra, { file: options.file, start: 0, end: 0 }, "the file", () => checkIdentities(program.lemmas, reporter));
    for (const typed of program.networks) {
      const before = reporter.diagnostics.length;
      const failed = (): boolean => reporter.diagnostics.slice(before).some((d) => d.severity === "error");
      const derivations = bounded(effort.algebra, typed.span, `network ${typed.name}`, () => {
        const derived = deriveSteps(typed, reporter);
        checkExpectations(typed, derived.values(), reporter);
        return derived;
      });
      if (!derivations || failed()) continue;
      const unrolled = bounded(effort.unrolling, typed.span, `network ${typed.name}`, () => unroll(typed, derivations, reporter));
      if (unrolled && !failed()) networks.push({ typed, derivations, unrolled });
    }
  }
  const diagnostics = [...reporter.diagnostics].sort(compareByPlace);
  return { diagnostics, sources, imports, networks, ...(program ? { program } : {}) };
}

function stepsOf(network: TypedNetwork): readonly { readonly step: TypedStep; readonly layer?: TypedLayer }[] {
  return network.statements.flatMap((s) => (s.kind === "step" ? [{ step: s }] : s.kind === "layer" ? s.body.flatMap((x) => (x.kind === "step" ? [{ step: x, layer: s }] : [])) : []));
}
function knownNumbers(network: TypedNetwork, layer: TypedLayer | undefined): KnownNumbers {
  const sizes = new Map(network.dims.flatMap((d) => (d.value === undefined ? [] : [[d.name, d.value] as const])));
  const values = new Map(network.consts.map((c) => [c.name, scalarValue(c.value)]));
  const lets = new Map([...network.lets, ...(layer?.lets ?? [])].map((l) => [l.name, l]));
  const dims = (s: string): number => {
    const size = sizes.get(s);
    if (size === undefined) throw new MissingValue(`no size for ${s}`);
    return size;
  };
  return {
    size: (d) => known(() => evaluateDim(d, dims)),
    scalar: (e) => known(() => evaluate(spreadLets(e, lets), { dims, lookup: (name) => values.get(name) }).data[0]),
  };
}
/** The number, where every name and size that it asks for has one. */
function known(number: () => number | undefined): number | undefined {
  try {
    const found = number();
    return found === undefined || Number.isNaN(found) ? undefined : found;
  } catch (error) {
    if (error instanceof MissingValue) return undefined;
    throw error;
  }
}
function deriveSteps(network: TypedNetwork, reporter: Reporter): ReadonlyMap<TypedStep, Derivation> {
  const sizes = new Map(network.indices.map((i) => [i.name, i.size]));
  const derivations = new Map<TypedStep, Derivation>();
  for (const { step, layer } of stepsOf(network)) {
    try {
      derivations.set(step, derive(step, network.variables, sizes, knownNumbers(network, layer)));
    } catch (error) {
      const diagnostic = derivationDiagnostic(error, step);
      if (!diagnostic) throw error;
      reporter.report(diagnostic);
      if (error instanceof TooLarge) break;
    }
  }
  return derivations;
}
