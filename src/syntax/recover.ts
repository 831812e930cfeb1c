/**
 * How does reading go on after a mistake? The parser stops at the first one; a row of the table below says what it
 * is and mends the list of lexemes, and the parser starts again. So one mistake gives one message, and what stands
 * beside it is read as if it were not there.
 */
import type { CstNode, IRecognitionException, IToken, TokenType } from "chevrotain";
import { SrrParser } from "../../grammar/parser.js";
import * as t from "../../grammar/tokens.js";
import { classifyWords, type Start } from "../../grammar/words.js";
import { at, type Reporter } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import { spanOfLexeme } from "./cst.js";
import { mostDiagnostics, tooManyMistakes } from "./diagnostics.js";
import { mends } from "./mends.js";
import { Mistake, nextPlace } from "./mistake.js";

export interface Recovered {
  readonly cst: CstNode;
  readonly lexemes: readonly IToken[];
  /** What recovery left out or put in. */
  readonly damage: readonly Span[];
}

export type EntryRule = "file" | "expression" | "hole";

/** Parsing again costs as much as parsing; past this many lexemes in all, the rest of a broken file is given up. */
const mostWork = 4_000_000;
const unreported = 4;

let parser: SrrParser | undefined;

/** Reads `lexemes` by the rule `entry`, mends what is wrong and reports it. Nothing if it cannot be mended. */
export function parseAndMend(
  lexemes: IToken[], entry: EntryRule, start: Start, text: string, file: string, reporter: Reporter,
): Recovered | undefined {
  parser ??= new SrrParser();
  const damage: Span[] = [];
  let reported = 0;
  let work = 0;
  let quiet: ReadonlySet<IToken | undefined> = new Set();
  let tries = 0;
  for (;;) {
    classifyWords(lexemes, start);
    parser.input = lexemes;
    const cst = parser[entry]();
    const error = parser.errors[0] ?? leftOver(parser, lexemes);
    parser.input = [];
    if (error === undefined) return { cst, lexemes, damage };

    const mistake = mistakeOf(error, lexemes, text, file, entry);
    work += mistake.index + 1;
    const place = mistake.lexeme;
    const silent = quiet.has(place);
    tries = silent ? tries + 1 : 0;
    const span = place ? spanOfLexeme(place, file) : { file, start: text.length, end: text.length };
    if (reported >= mostDiagnostics || work > mostWork) {
      reporter.report(tooManyMistakes({}, at(span)));
      return undefined;
    }
    const mend = tries >= unreported ? { remove: Math.max(1, nextPlace(lexemes, mistake.index + 1) - mistake.index), insert: [] } : firstMend(mistake);
    if (!silent && mend.diagnostic) {
      reporter.report(mend.diagnostic);
      reported += 1;
    }
    const from = mistake.index + (mend.from ?? 0);
    if (place === undefined && mend.insert.length === 0 && from >= lexemes.length) return undefined;
    if (tries > 4 * unreported) return undefined;
    const removed = lexemes.splice(from, mend.remove, ...mend.insert);
    const end = removed.at(-1);
    damage.push({ file, start: Math.min(span.start, removed[0]?.startOffset ?? span.start), end: end ? spanOfLexeme(end, file).end : span.end });
    quiet = new Set([place, lexemes[from + mend.insert.length], ...(mend.alsoQuiet ?? [])]);
  }
}

function firstMend(mistake: Mistake): ReturnType<(typeof mends)[number]["mend"]> & object {
  for (const row of mends) {
    const mend = row.mend(mistake);
    if (mend) return mend;
  }
  return { remove: 1, insert: [] };
}

interface ParseError {
  readonly token: IToken;
  readonly expected: readonly string[];
  readonly rules: readonly string[];
}

/** A rule other than `file` leaves the rest of the text unread without a word. */
function leftOver(parser: SrrParser, lexemes: readonly IToken[]): IRecognitionException | undefined {
  void parser;
  void lexemes;
  return undefined;
}

function mistakeOf(error: IRecognitionException, lexemes: IToken[], text: string, file: string, entry: EntryRule): Mistake {
  const found: ParseError = { token: error.token, expected: error.message.split(" "), rules: error.context.ruleStack };
  const index = Number.isNaN(found.token.startOffset) || found.token.tokenType.name === "EOF" ? lexemes.length : lexemes.indexOf(found.token);
  return new Mistake(lexemes, index === -1 ? lexemes.length : index, new Set(found.expected), found.rules.at(-1) ?? entry, text, file);
}

export type { TokenType };
