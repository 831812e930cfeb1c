/**
 * How does reading go on after a mistake? The parser stops at the first one; a row of `mends.ts` says what it is and
 * mends the list of lexemes, and the parser starts again. So one mistake gives one message, and what stands beside it
 * is read as if it were not there.
 */
import type { CstNode, IRecognitionException, IToken } from "chevrotain";
import { SrrParser } from "../../grammar/parser.js";
import { classifyWords, type Start } from "../../grammar/words.js";
import { at, Defect, type Reporter } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import { spanOfLexeme } from "./cst.js";
import { mostDiagnostics, tooManyMistakes } from "./diagnostics.js";
import { type Mend, mends } from "./mends.js";
import { Mistake } from "./mistake.js";

export interface Recovered {
  readonly cst: CstNode;
  readonly lexemes: readonly IToken[];
  /** What recovery left out or put in. */
  readonly damage: readonly Span[];
}
export type EntryRule = "file" | "expression" | "hole";

/** Parsing again costs as much as parsing: past this many lexemes in all, the rest of a broken file is given up. */
const mostWork = 5_000_000;
/** So many mends at one place are one mistake; then what stands there is left out. */
const mostMendsAtPlace = 4;

let parser: SrrParser | undefined;

/** Reads `lexemes` by the rule `entry`; reports and mends what is wrong. Nothing where there was too much of it. */
export function parseAndMend(
  original: readonly IToken[], entry: EntryRule, start: Start, text: string, file: string, reporter: Reporter,
  strays: readonly number[] = [],
): Recovered | undefined {
  parser ??= new SrrParser();
  const lexemes = [...original];
  const damage: Span[] = [];
  let quiet: ReadonlySet<IToken | undefined> | undefined;
  const places = new Set<number>(); // one place, one message
  let [work, mendsHere] = [0, 0];
  for (;;) {
    classifyWords(lexemes, start);
    parser.input = [...lexemes];
    const cst: CstNode = parser[entry]();
    const error = parser.errors[0];
    if (error === undefined) return { cst, lexemes, damage };

    const mistake = mistakeAt(error, lexemes, text, file, entry);
    work += lexemes.length;
    const isNew = !quiet?.has(mistake.lexeme) && !follows(mistake, strays);
    mendsHere = isNew ? 0 : mendsHere + 1;
    if (places.size >= mostDiagnostics || work > mostWork || mendsHere > 4 * mostMendsAtPlace) {
      reporter.report(tooManyMistakes({}, at(mistake.span())));
      return undefined;
    }
    const mend = mendsHere < mostMendsAtPlace ? firstMend(mistake) : { remove: Math.max(1, mistake.junk), insert: [] };
    if (isNew && mend.diagnostic && !places.has(mend.diagnostic.span.start)) {
      reporter.report(mend.diagnostic);
      places.add(mend.diagnostic.span.start);
    }
    const from = mistake.index + (mend.from ?? 0);
    const removed = lexemes.splice(from, mend.remove, ...mend.insert);
    damage.push(spanOfEdit(mistake, removed));
    quiet = new Set([mistake.lexeme, mistake.index < lexemes.length ? lexemes[from + mend.insert.length] : undefined]);
  }
}

function firstMend(mistake: Mistake): Mend {
  for (const row of mends) {
    const mend = row.mend(mistake);
    if (mend) return mend;
  }
  throw new Defect("the table of mends has no last row");
}

/** A character that is no lexeme stands here, or right before: that has been reported. */
function follows(mistake: Mistake, strays: readonly number[]): boolean {
  let [low, high] = [0, strays.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (strays[middle]! < mistake.gap) low = middle + 1;
    else high = middle;
  }
  return (strays[low] ?? Number.POSITIVE_INFINITY) <= (mistake.lexeme?.startOffset ?? mistake.text.length);
}

function spanOfEdit(mistake: Mistake, removed: readonly IToken[]): Span {
  const [first, last] = [removed[0], removed.at(-1)];
  if (!first || !last) return { file: mistake.file, start: mistake.gap, end: mistake.gap };
  return { file: mistake.file, start: first.startOffset, end: spanOfLexeme(last, mistake.file).end };
}

function mistakeAt(error: IRecognitionException, lexemes: readonly IToken[], text: string, file: string, entry: EntryRule): Mistake {
  const index = lexemes.indexOf(error.token);
  const rule = error.context.ruleStack.at(-1) ?? entry;
  return new Mistake(lexemes, index === -1 ? lexemes.length : index, new Set(error.message.split(" ")), rule, text, file);
}
