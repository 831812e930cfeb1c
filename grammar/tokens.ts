/** Which lexemes does the language have? Words are lexed as names; `words.ts` then finds the keywords by their position. */
import { createToken, Lexer, type TokenType } from "chevrotain";

const lexeme = (name: string, pattern: RegExp | string, more: object = {}): TokenType =>
  createToken({ name, pattern, ...more });
/** Chevrotain drops the `u` flag of a pattern; a function of ours keeps it. */
function _unicodeLexeme(name: string, sticky: RegExp): TokenType {
  const match = (text: string, offset: number): RegExpExecArray | null => {
    sticky.lastIndex = offset;
    return sticky.exec(text);
  };
  return createToken({ name, pattern: match, line_breaks: false });
}
/** A type of lexeme that no pattern makes: keywords, and what stands in for something missing. */
const assigned = (name: string, categories: TokenType[] = []): TokenType =>
  createToken({ name, pattern: Lexer.NA, categories });

export const BinaryOperator = assigned("BinaryOperator");
const operator = (name: string, pattern: string): TokenType => lexeme(name, pattern, { categories: [BinaryOperator] });

export const Whitespace = lexeme("Whitespace", /[ \t\r\n\f\v\u00a0\u2028\u2029\ufeff]+/, {
  group: Lexer.SKIPPED,
  line_breaks: true,
});
export const Comment = lexeme("Comment", /\/\/[^\n\r]*|\/\*[\s\S]*?\*\//, { group: "comments", line_breaks: true });
export const OpenComment = lexeme("OpenComment", /\/\*[\s\S]*/, { group: "broken", line_breaks: true });
export const StringLiteral = lexeme("StringLiteral", /"[^"\n\r]*"/);
export const OpenString = lexeme("OpenString", /"[^"\n\r]*/);
/** Chevrotain keeps no `u` flag on a plain pattern, so patterns of Unicode classes match as functions. */
const unicode = (pattern: RegExp) => (text: string, offset: number): RegExpExecArray | null => {
  pattern.lastIndex = offset;
  return pattern.exec(text);
};
export const NumberLiteral = createToken({
  name: "NumberLiteral", line_breaks: false, start_chars_hint: [..."0123456789."],
  pattern: unicode(/(?:\d+(?:\.\d+|\.(?![.*/^\p{L}_]))?|\.\d+)(?:[eE][+-]?\d+)?/uy),
});
export const Name = createToken({ name: "Name", line_breaks: false, pattern: unicode(/[\p{L}_][\p{L}\p{M}\p{Nd}_]*/uy) });

/** The name at the start of `Z = …` or `Z[k] = …`, where a clause may begin. */
export const AssignedName = assigned("AssignedName", [Name]);

const singleQuoted = /'(?=[\p{L}\p{N}_(])[^'\n\r]*'/uy;
/** `'mnist'` where no transpose can stand: after a space, with a word right behind the quote. */
function matchSingleQuoted(text: string, offset: number): RegExpExecArray | null {
  if (text[offset] !== "'" || !/[\s(,:]/.test(text[offset - 1] ?? " ")) return null;
  singleQuoted.lastIndex = offset;
  return singleQuoted.exec(text);
}
export const SingleQuoted = createToken({ name: "SingleQuoted", pattern: matchSingleQuoted, line_breaks: false });
export const Transpose = lexeme("Transpose", "'");

export const DotTimes = operator("DotTimes", ".*");
export const DotOver = operator("DotOver", "./");
export const DotPower = operator("DotPower", ".^");
export const Range = lexeme("Range", "..");
export const Pipe = operator("Pipe", "|>");
export const EqualsEquals = operator("EqualsEquals", "==");
export const LessEquals = operator("LessEquals", "<=");
export const GreaterEquals = operator("GreaterEquals", ">=");
export const Less = operator("Less", "<");
export const Greater = operator("Greater", ">");
export const Times = operator("Times", "*");
export const Over = operator("Over", "/");
export const Power = operator("Power", "^");
export const Percent = operator("Percent", "%");
export const Plus = operator("Plus", "+");
export const Minus = operator("Minus", "-");
export const Equals = lexeme("Equals", "=");
export const Tilde = lexeme("Tilde", "~");
export const Colon = lexeme("Colon", ":");
export const Comma = lexeme("Comma", ",");
export const LParen = lexeme("LParen", "(");
export const RParen = lexeme("RParen", ")");
export const LBracket = lexeme("LBracket", "[");
export const RBracket = lexeme("RBracket", "]");
export const LBrace = lexeme("LBrace", "{");
export const RBrace = lexeme("RBrace", "}");

/** Stands where recovery found no expression. */
export const Missing = assigned("Missing");

const keyword = (word: string): TokenType =>
  createToken({ name: `${word[0]!.toUpperCase()}${word.slice(1)}Word`, pattern: Lexer.NA, label: word });
const keywordTable = <const W extends string>(...words: W[]): { readonly [K in W]: TokenType } =>
  Object.fromEntries(words.map((word) => [word, keyword(word)])) as { readonly [K in W]: TokenType };

export const declarationWords = keywordTable("import", "fn", "lemma", "network");
export const memberWords = keywordTable(
  "dim", "index", "preset", "const", "let", "input", "target", "param", "var", "objective", "layer", "step", "output",
  "train",
);
/** They continue a declaration or a clause, and are known only where it may go on. */
export const continuationWords = keywordTable("in", "fixed", "shared", "positive", "init", "alias", "repeat", "when");
export const stepWords = keywordTable(
  "minimize", "maximize", "wrt", "over", "from", "as", "by", "capture", "using", "prenorm", "then", "expect",
);
export const trainWords = keywordTable(
  "data", "augment", "loss", "optimizer", "rate", "batch", "epochs", "steps", "seed", "feed", "metric", "construct",
);
export const typeWords = keywordTable("real", "class", "token");
/** Each is known at one place only: `sum(`, `prenorm increment`, `data synthetic`. */
export const placeWords = keywordTable("sum", "increment", "synthetic");

/** Words that begin or continue a clause after a complete one. */
export const clauseWords: ReadonlyMap<string, TokenType> = new Map(
  Object.entries({ ...declarationWords, ...memberWords, ...continuationWords, ...stepWords, ...trainWords }),
);
export const allWords: ReadonlyMap<string, TokenType> = new Map([
  ...clauseWords, ...Object.entries(typeWords), ...Object.entries(placeWords),
]);

/** What the lexer knows, in the order in which it tries. */
export const lexemes: readonly TokenType[] = [
  Whitespace, Name, NumberLiteral, Comment, OpenComment, StringLiteral, OpenString, SingleQuoted, Transpose,
  Range, DotTimes, DotOver, DotPower, Pipe, EqualsEquals, LessEquals, GreaterEquals, Less, Greater,
  Times, Over, Power, Percent, Plus, Minus, Equals, Tilde, Colon, Comma,
  LParen, RParen, LBracket, RBracket, LBrace, RBrace,
];
/** What the parser knows. */
export const vocabulary: TokenType[] = [...lexemes, BinaryOperator, AssignedName, Missing, ...allWords.values()];

export const lexer = new Lexer([...lexemes], { positionTracking: "onlyOffset", skipValidations: true });
