/** A parsed file, its imports and the standard library → a typed program. */
import { at, type Reporter } from "../diagnostics/declare.js";
import type { TypedLemma, TypedNetwork, TypedProgram } from "./program.js";
import type { Diagnostic } from "../diagnostics/declare.js";
import type { FunctionDeclaration, LemmaDeclaration, NetworkDeclaration, SourceFile } from "../syntax/ast.js";
import { duplicateName, importFault, misplaced } from "./diagnostics.js";
import { elaborateLemma } from "./lemmas.js";
import { elaborateNetwork } from "./network.js";

export interface ElaborateOptions {
  readonly file: string;
  readonly preset?: string;
  readonly settings: ReadonlyMap<string, number>;
  readonly loadImport: (path: string, fromFile: string) => { readonly file: string; readonly text: string } | { readonly missing: string };
  readonly parse: (text: string, file: string) => { readonly file: SourceFile; readonly diagnostics: readonly Diagnostic[] };
}
interface Definitions {
  readonly functions: Map<string, FunctionDeclaration>;
  readonly lemmas: Map<string, LemmaDeclaration>;
  readonly networks: NetworkDeclaration[];
  readonly texts: Map<string, string>;
}

export function elaborate(source: SourceFile, text: string, options: ElaborateOptions, reporter: Reporter): { program: TypedProgram | undefined } {
  const definitions: Definitions = { functions: new Map(), lemmas: new Map(), networks: [], texts: new Map([[options.file, text]]) };
  collect(source, options.file, [options.file], new Set([options.file]), definitions, options, reporter, true);
  const typedLemmas = new Map<string, TypedLemma>();
  for (const [name, lemma] of definitions.lemmas) {
    const typed = elaborateLemma(lemma, definitions.functions, reporter, (l) => (definitions.texts.get(l.span.file) ?? "").slice(l.span.start, l.span.end));
    if (typed) typedLemmas.set(name, typed);
  }
  const lemmas = { declarations: definitions.lemmas, typed: typedLemmas };
  const names = new Set<string>();
  const networks: TypedNetwork[] = [];
  for (const network of definitions.networks) {
    if (names.has(network.name.name)) reporter.report(duplicateName({ name: network.name.name }, at(network.name.span)));
    names.add(network.name.name);
    const typed = elaborateNetwork(network, {
      settings: options.settings, functions: definitions.functions, lemmas, ...(options.preset === undefined ? {} : { preset: options.preset }),
    }, reporter);
    if (typed) networks.push(typed);
  }
  return { program: { networks, lemmas: [...typedLemmas.values()] } };
}

function collect(
  source: SourceFile, file: string, path: readonly string[], loaded: Set<string>, into: Definitions, options: ElaborateOptions, reporter: Reporter, main: boolean,
): void {
  for (const d of source.declarations) {
    switch (d.kind) {
      case "import": {
        const found = options.loadImport(d.path, file);
        if ("missing" in found) {
          reporter.report(importFault({ path: d.path, why: found.missing }, at(d.pathSpan)));
          break;
        }
        if (path.includes(found.file)) {
          reporter.report(importFault({ path: d.path, why: `the files import each other: ${[...path, found.file].join(" → ")}` }, at(d.pathSpan)));
          break;
        }
        if (loaded.has(found.file)) break;
        loaded.add(found.file);
        into.texts.set(found.file, found.text);
        const parsed = options.parse(found.text, found.file);
        parsed.diagnostics.forEach((x) => reporter.report(x));
        collect(parsed.file, found.file, [...path, found.file], loaded, into, options, reporter, false);
        break;
      }
      case "fn": define(into.functions, d, reporter); break;
      case "lemma": define(into.lemmas, d, reporter); break;
      case "network":
        if (main) into.networks.push(d);
        else reporter.report(misplaced({ what: "a network", where: "in an imported file", hint: "imports bring functions and lemmas" }, at(d.name.span)));
    }
  }
}
function define<D extends FunctionDeclaration | LemmaDeclaration>(table: Map<string, D>, d: D, reporter: Reporter): void {
  if (table.has(d.name.name)) reporter.report(duplicateName({ name: d.name.name }, at(d.name.span)));
  else table.set(d.name.name, d);
}
