/** The parser's rules as plain data, for everything that is generated from them. */
import type { ISerializedGast } from "chevrotain";
import { SrrParser } from "./parser.js";
import * as t from "./tokens.js";

export type Production =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "sequence" | "choice"; readonly parts: readonly Production[] }
  | { readonly kind: "optional"; readonly part: Production }
  | { readonly kind: "repeat"; readonly part: Production; readonly least: 0 | 1; readonly separator?: string };
export interface Rule {
  readonly name: string;
  readonly body: Production;
}

interface Node extends ISerializedGast {
  readonly name?: string;
  readonly nonTerminalName?: string;
  readonly definition?: Node[];
  readonly separator?: Node;
}

/** Lexical rules: what the parser takes as one piece, and the words for it. */
export const lexicalRules: readonly { readonly name: string; readonly text: string }[] = [
  { name: "name", text: 'letter or "_", then letters, marks, digits, "_"; not a keyword that a clause may begin with there' },
  { name: "number", text: '3, 0.5, 2.4e-4' },
  { name: "string", text: 'any characters but " and line ends, between double quotes' },
];
const lexicalNames: Readonly<Record<string, string>> = {
  Name: "name", AssignedName: "name", NumberLiteral: "number", StringLiteral: "string", BinaryOperator: "operator",
};

function literal(name: string): Production {
  const lexical = lexicalNames[name];
  if (lexical !== undefined) return { kind: "rule", name: lexical };
  const type = t.vocabulary.find((each) => each.name === name);
  return { kind: "literal", text: typeof type?.PATTERN === "string" ? type.PATTERN : (type?.LABEL ?? name) };
}
const isMissing = (node: Node): boolean =>
  node.name === t.Missing.name || (node.definition?.length === 1 && isMissing(node.definition[0]!));

function sequence(nodes: readonly Node[] = []): Production {
  const parts = nodes.map(production);
  return parts.length === 1 ? parts[0]! : { kind: "sequence", parts };
}

function production(node: Node): Production {
  switch (node.type) {
    case "Terminal": return literal(node.name ?? "");
    case "NonTerminal": return { kind: "rule", name: node.nonTerminalName ?? node.name ?? "" };
    case "Alternation": return { kind: "choice", parts: (node.definition ?? []).filter((each) => !isMissing(each)).map(production) };
    case "Option": return { kind: "optional", part: sequence(node.definition) };
    case "Repetition": return { kind: "repeat", least: 0, part: sequence(node.definition) };
    case "RepetitionMandatory": return { kind: "repeat", least: 1, part: sequence(node.definition) };
    case "RepetitionWithSeparator":
    case "RepetitionMandatoryWithSeparator": {
      const separator = literal(node.separator?.name ?? "");
      const least = node.type === "RepetitionWithSeparator" ? 0 : 1;
      return { kind: "repeat", least, part: sequence(node.definition), separator: separator.kind === "literal" ? separator.text : "" };
    }
    default: return sequence(node.definition);
  }
}

/** All rules, in the order of the parser's text, and the operators as one more. */
export function rules(): readonly Rule[] {
  const operators = t.vocabulary.filter((type) => type.CATEGORIES?.includes(t.BinaryOperator));
  const operator: Production = { kind: "choice", parts: operators.map((type) => literal(type.name)) };
  const serialized = new SrrParser().getSerializedGastProductions() as Node[];
  return [...serialized.map((rule) => ({ name: rule.name ?? "", body: sequence(rule.definition) })), { name: "operator", body: operator }];
}
