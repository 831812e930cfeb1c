/** Which lexemes does a text hold, and what in it is none? Keywords are still undecided (see `grammar/words.ts`). */
import type { IToken } from "chevrotain";
import * as t from "../../grammar/tokens.js";
import { at, type Reporter } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import * as d from "./diagnostics.js";

export interface Lexed {
  readonly lexemes: IToken[];
  /** Comments of all kinds, documentation too, in order. */
  readonly comments: readonly IToken[];
  /** Offsets of what is no lexeme, ascending. */
  readonly strays: readonly number[];
}

interface Lookalike {
  readonly mend: string;
  /** What is read in its place, of the same length; nothing if it is left out. */
  readonly as?: string;
}
const rows = (characters: string, mend: string, as?: string): [string, Lookalike][] =>
  [...characters].map((character) => [character, { mend, ...(as && { as }) }]);
const lookalikes: ReadonlyMap<string, Lookalike> = new Map([
  ...rows("·×⋅∗@", "the product is written *", "*"), ...rows("−–", "the minus sign is -", "-"), ...rows("÷", "division is written /", "/"),
  ...rows("ᵀ⊤’", "the transpose is written '", "'"), ...rows("“”`", 'strings stand in "double quotes"', '"'),
  ...rows("⊙", "the elementwise product is written .*"), ...rows("≤", "write <="), ...rows("≥", "write >="), ...rows("²", "write ^2"), ...rows("³", "write ^3"),
  ...rows("…", "a range is written .."), ...rows("√", "write sqrt(x)"), ...rows("∑", "write sum(k)"), ...rows("‖", "write norm2(x)"),
  ...rows(";", "a clause ends where the next one begins: leave it out"), ...rows("#", "comments begin with //"),
  ...rows("≈", "an approximation is written ~", "~"), ...rows("|", "write |> to pass a value on"),
]);

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for; joiners stay, emoji in comments need them
const hidden = /[\0-\x08\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function nameOfHidden(code: number): string {
  if (code === 0) return "NUL";
  if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) return "a bidirectional control";
  if (code >= 0xd800 && code <= 0xdfff) return "half of a character";
  return code < 0xa0 ? "a control character" : "an invisible character";
}

function codePointName(text: string, offset: number): string {
  return `U+${(text.codePointAt(offset) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Reports hidden characters, one message for each run; gives the text with blanks in their place, offsets unchanged. */
function withoutHidden(text: string, file: string, reporter: Reporter): string {
  const clean = text.startsWith("\ufeff") ? ` ${text.slice(1)}` : text;
  let last = -2;
  let reported = 0;
  return clean.replace(hidden, (found, offset: number) => {
    if (offset !== last + 1 && reported++ < d.mostDiagnostics) {
      const name = nameOfHidden(found.charCodeAt(0));
      reporter.report(d.hiddenCharacter({ codePoint: codePointName(clean, offset), name }, at({ file, start: offset, end: offset + 1 })));
    }
    last = offset;
    return " ";
  });
}

/** Splits a text into lexemes. Reports what is none of them, and mends it: an open string ends with its line. */
export function lex(text: string, file: string, reporter: Reporter): Lexed {
  const clean = withoutHidden(text, file, reporter);
  const first = t.lexer.tokenize(clean);
  const result = first.errors.length > 0 ? t.lexer.tokenize(withLookalikes(clean, first.errors)) : first;
  const span = (start: number, length: number): Span => ({ file, start, end: start + length });
  for (const error of first.errors.slice(0, d.mostDiagnostics)) {
    const mend = lookalikes.get(firstCharacter(clean, error.offset))?.mend;
    const shown = `\`${[...clean.slice(error.offset, error.offset + error.length)].slice(0, 12).join("")}\``;
    reporter.report(d.strayCharacter({ text: shown, many: error.length > 2, ...(mend && { mend }) }, at(span(error.offset, error.length))));
  }
  for (const comment of result.groups["broken"] ?? [])
    reporter.report(d.unterminatedComment({}, at(span(comment.startOffset, 2))));
  for (const lexeme of result.tokens) {
    lexeme.endOffset = lexeme.startOffset + lexeme.image.length - 1;
    mendString(lexeme, reporter, span(lexeme.startOffset, lexeme.image.length));
  }
  const strays = first.errors.map((error) => error.offset);
  return { lexemes: result.tokens, comments: result.groups["comments"] ?? [], strays };
}

const firstCharacter = (text: string, offset: number): string => String.fromCodePoint(text.codePointAt(offset) ?? 32);

/** The text with the characters that stand for one of ours replaced by it. */
function withLookalikes(text: string, errors: readonly { offset: number; length: number }[]): string {
  const parts: string[] = [];
  let from = 0;
  for (const { offset, length } of errors) {
    const end = offset + length;
    parts.push(text.slice(from, offset), text.slice(offset, end).replace(/[\s\S]/g, (c) => lookalikes.get(c)?.as ?? c));
    from = end;
  }
  return [...parts, text.slice(from)].join("");
}

function mendString(lexeme: IToken, reporter: Reporter, span: Span): void {
  if (lexeme.tokenType === t.OpenString) {
    reporter.report(d.unterminatedString({ text: lexeme.image.trimEnd().slice(0, 40) }, at(span)));
    lexeme.image = `${lexeme.image.trimEnd()}"`;
  } else if (lexeme.tokenType === t.SingleQuoted) {
    reporter.report(d.singleQuotes({ text: lexeme.image.slice(1, -1) }, at(span)));
    lexeme.image = `"${lexeme.image.slice(1, -1)}"`;
  } else return;
  lexeme.tokenType = t.StringLiteral;
  lexeme.tokenTypeIdx = t.StringLiteral.tokenTypeIdx!;
}
