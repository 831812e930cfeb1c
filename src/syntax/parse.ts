/** Text → AST, with all that is wrong in it. Nothing here throws, whatever the text. */
import type { IToken } from "chevrotain";
import * as t from "../../grammar/tokens.js";
import type { Start } from "../../grammar/words.js";
import { at, type Diagnostic, Reporter } from "../diagnostics/declare.js";
import { type Span, withLineFeeds } from "../diagnostics/span.js";
import type { Expression, Hole, SourceFile } from "./ast.js";
import { buildDeclarations, declarationStarts } from "./build-ast.js";
import { buildHole } from "./build-clauses.js";
import { buildExpression } from "./build-expression.js";
import { spanOfLexeme } from "./cst.js";
import { deepestNesting, fileTooLarge, largestFile, tooDeep } from "./diagnostics.js";
import { documentation } from "./documentation.js";
import { lex } from "./lex.js";
import { type EntryRule, parseAndMend, type Recovered } from "./recover.js";

interface Read extends Partial<Recovered> {
  readonly comments: readonly IToken[];
}

function read(text: string, file: string, entry: EntryRule, start: Start, reporter: Reporter): Read {
  if (text.length > largestFile) {
    reporter.report(fileTooLarge({ size: text.length }, at({ file, start: 0, end: 0 })));
    return { comments: [] };
  }
  const { lexemes, comments, strays } = lex(text, file, reporter);
  const deep = tooDeepAt(lexemes);
  if (deep) {
    reporter.report(tooDeep({}, at(spanOfLexeme(deep, file))));
    return { comments };
  }
  return { comments, ...parseAndMend(lexemes, entry, start, text, file, reporter, strays) };
}

function tooDeepAt(lexemes: readonly IToken[]): IToken | undefined {
  let depth = 0;
  return lexemes.find(({ tokenType }) => {
    if (tokenType === t.LParen || tokenType === t.LBracket || tokenType === t.LBrace) depth += 1;
    else if (tokenType === t.RParen || tokenType === t.RBracket || tokenType === t.RBrace) depth = Math.max(0, depth - 1);
    return depth > deepestNesting;
  });
}

const inOrder = (reporter: Reporter): readonly Diagnostic[] =>
  [...reporter.diagnostics].sort((a, b) => a.span.start - b.span.start);

/** A whole file. `file` names it in spans. After mistakes the tree holds what could be read. */
export function parse(source: string, file: string): { file: SourceFile; diagnostics: readonly Diagnostic[] } {
  const text = withLineFeeds(source);
  const reporter = new Reporter();
  const { cst, lexemes = [], damage = [], comments } = read(text, file, "file", { place: "clause" }, reporter);
  const starts = cst ? declarationStarts(cst) : new Set<number>();
  const documented = documentation(text, file, comments, lexemes, starts);
  const damaged = (span: Span): boolean => damage.some((d) => d.start <= span.end && d.end >= span.start);
  const declarations = cst ? buildDeclarations(cst, { file, text, reporter, docs: documented.docs, damaged }) : [];
  const span: Span = { file, start: 0, end: text.length };
  return { file: { declarations, comments: documented.comments, span }, diagnostics: inOrder(reporter) };
}

/** A text that is one expression. */
export function parseExpression(text: string, file: string): { expression: Expression; diagnostics: readonly Diagnostic[] } {
  const reporter = new Reporter();
  const { cst } = read(text, file, "expression", { place: "expression" }, reporter);
  const expression: Expression = cst
    ? buildExpression(cst, { file, reporter, inTraining: false })
    : { kind: "missing", span: { file, start: 0, end: text.length } };
  return { expression, diagnostics: inOrder(reporter) };
}

/** A declaration as a signature has it: `U[k]: real[8, 3]`. No hole where it cannot be read. */
export function parseHole(text: string, file: string): { hole: Hole | undefined; diagnostics: readonly Diagnostic[] } {
  const reporter = new Reporter();
  const { cst } = read(text, file, "hole", { place: "name", owner: "param" }, reporter);
  const hole = cst ? buildHole(cst, { file, reporter, inTraining: false }) : undefined;
  return { hole, diagnostics: inOrder(reporter) };
}

/** A lexeme or comment of a text, for the formatter. */
export interface Lexeme {
  readonly text: string;
  readonly start: number;
  /** `assigned` is the name that an assignment, or a preset's setting, begins with. */
  readonly kind: "comment" | "word" | "assigned" | "keyword" | "number" | "string" | "operator" | "bracket";
}

/** All lexemes and comments of a text without mistakes, in order, keywords told from names. */
export function lexemesOf(text: string): readonly Lexeme[] {
  const reporter = new Reporter();
  const { lexemes = [], comments } = read(text, "", "file", { place: "clause" }, reporter);
  const all = [...lexemes, ...comments].sort((a, b) => a.startOffset - b.startOffset);
  return all.map((token) => ({ text: token.image, start: token.startOffset, kind: kindOf(token) }));
}

function kindOf(token: IToken): Lexeme["kind"] {
  const type = token.tokenType;
  if (type === t.Comment) return "comment";
  if (type === t.AssignedName) return "assigned";
  if (type === t.Name) return "word";
  if (type === t.NumberLiteral) return "number";
  if (type === t.StringLiteral) return "string";
  if (t.allWords.get(token.image) === type) return "keyword";
  return "()[]{}".includes(token.image) ? "bracket" : "operator";
}
