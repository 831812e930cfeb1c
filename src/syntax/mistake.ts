/** Where did the parser stop, what could have stood there, and what surrounds the place? */
import type { IToken, TokenType } from "chevrotain";
import { clauseWords, vocabulary } from "../../grammar/tokens.js";
import * as t from "../../grammar/tokens.js";
import { beginsAssignment, isName } from "../../grammar/words.js";
import type { Span } from "../diagnostics/span.js";
import { spanOfLexeme } from "./cst.js";

const operandEnds: ReadonlySet<TokenType> = new Set([
  t.NumberLiteral, t.StringLiteral, t.Name, t.RParen, t.RBracket, t.Transpose, t.Missing,
]);
const operandStarts: ReadonlySet<TokenType> = new Set([t.NumberLiteral, t.StringLiteral, t.Name, t.LParen, t.placeWords.sum]);
const openers: ReadonlySet<TokenType> = new Set([t.LParen, t.LBracket]);
const closers: ReadonlySet<TokenType> = new Set([t.RParen, t.RBracket]);
const blockRules = new Set(["networkDeclaration", "layerDeclaration", "stepDeclaration", "trainDeclaration", "presetDeclaration"]);

export const isKeyword = (token: IToken | undefined): boolean =>
  token !== undefined && clauseWords.get(token.image) === token.tokenType;
export const endsOperand = (token: IToken | undefined): boolean => token !== undefined && operandEnds.has(token.tokenType);
export const startsOperand = (token: IToken | undefined): boolean => token !== undefined && operandStarts.has(token.tokenType);
export const isFabricated = (token: IToken): boolean => (token.endOffset ?? 0) < token.startOffset;

/** The type of lexeme that the grammar calls so. */
export const typeNamed = (name: string): TokenType | undefined => vocabulary.find((type) => type.name === name);

/** A lexeme that the user did not write. Words get their type from the place where they stand. */
export function fabricate(type: TokenType, image: string, offset: number): IToken {
  return { image, startOffset: offset, endOffset: offset - 1, tokenType: type, tokenTypeIdx: type.tokenTypeIdx! };
}
/** The same place with another text in it. */
export function respell(token: IToken, type: TokenType, image: string): IToken {
  return { ...token, image, tokenType: type, tokenTypeIdx: type.tokenTypeIdx! };
}

/** The index from which reading can go on: a clause, an assignment, or the brace that closes the block around `from`. */
export function nextPlace(lexemes: readonly IToken[], from: number): number {
  let depth = 0;
  for (let i = from; i < lexemes.length; i += 1) {
    const token = lexemes[i]!;
    if (token.tokenType === t.LBrace) depth += 1;
    else if (token.tokenType === t.RBrace) {
      if (depth === 0) return i;
      depth -= 1;
      if (depth === 0) return i + 1;
    } else if (depth === 0 && isKeyword(token)) return i;
    else if (depth === 0 && token.tokenType === t.AssignedName) return i;
  }
  return lexemes.length;
}

export class Mistake {
  constructor(
    readonly lexemes: readonly IToken[],
    readonly index: number,
    /** Names of the types of lexemes, as the grammar has them. */
    readonly expected: ReadonlySet<string>,
    /** The rule of the grammar that was being read. */
    readonly rule: string,
    readonly text: string,
    readonly file: string,
  ) {}

  /** What stands there; nothing at the end of the text. */
  get lexeme(): IToken | undefined { return this.lexemes[this.index]; }
  get previous(): IToken | undefined { return this.lexemes[this.index - 1]; }
  get next(): IToken | undefined { return this.lexemes[this.index + 1]; }

  expects(type: TokenType): boolean { return this.expected.has(type.name); }
  is(type: TokenType): boolean { return this.lexeme?.tokenType === type; }
  get expectsExpression(): boolean { return this.expects(t.NumberLiteral); }
  /** A clause or declaration could have begun here, or its block ended. */
  get betweenClauses(): boolean {
    return this.expects(t.RBrace) && blockRules.has(this.rule) || this.expected.has("EOF");
  }
  get beginsAssignment(): boolean {
    return this.lexeme !== undefined && isName(this.lexeme) && beginsAssignment(this.lexemes, this.index);
  }
  /** Offset behind the lexeme before: where something left out would stand. */
  get gap(): number {
    const { previous } = this;
    return previous ? spanOfLexeme(previous, this.file).end : 0;
  }
  get beginsLine(): boolean {
    return this.lexeme === undefined || this.text.slice(this.gap, this.lexeme.startOffset).includes("\n");
  }
  span(token: IToken | undefined = this.lexeme): Span {
    if (token) return spanOfLexeme(token, this.file);
    const end = this.text.trimEnd().length;
    return { file: this.file, start: end, end };
  }
  /** Where the message points: at what stands there, or behind the line that something was left out of. */
  get place(): Span {
    return this.beginsLine ? { file: this.file, start: this.gap, end: this.gap } : this.span();
  }
  /** For messages. */
  show(token: IToken | undefined = this.lexeme): string {
    if (token === undefined) return "the end of the text";
    const { image } = token;
    return image.length > 40 ? `\`${image.slice(0, 40)}…\`` : `\`${image}\``;
  }

  /** The bracket that is open here, in this clause. */
  get openBracket(): IToken | undefined { return this.opener(openers, closers, true); }
  get openBrace(): IToken | undefined { return this.opener(new Set([t.LBrace]), new Set([t.RBrace]), false); }
  /** The bracket open around `openBracket`. */
  bracketAround(inner: IToken): IToken | undefined {
    const at = this.lexemes.indexOf(inner);
    return new Mistake(this.lexemes, at, this.expected, this.rule, this.text, this.file).openBracket;
  }
  /** The keyword whose clause or declaration this is. */
  get clause(): IToken | undefined {
    for (let i = this.index - 1; i >= 0; i -= 1) {
      const token = this.lexemes[i]!;
      if (isKeyword(token) && token.image !== "init" && token.image !== "alias") return token;
    }
    return undefined;
  }

  private opener(open: ReadonlySet<TokenType>, close: ReadonlySet<TokenType>, inClause: boolean): IToken | undefined {
    let depth = 0;
    for (let i = this.index - 1; i >= 0; i -= 1) {
      const { tokenType } = this.lexemes[i]!;
      if (inClause && (tokenType === t.LBrace || tokenType === t.RBrace)) return undefined;
      if (close.has(tokenType)) depth += 1;
      else if (open.has(tokenType) && depth-- === 0) return this.lexemes[i];
    }
    return undefined;
  }

  /** How many lexemes from here make no sense: to the next argument or closing bracket, or to the next clause. */
  get junk(): number {
    const limit = nextPlace(this.lexemes, this.index + 1);
    if (!this.openBracket) return limit - this.index;
    let depth = 0;
    for (let i = this.index; i < limit; i += 1) {
      const { tokenType } = this.lexemes[i]!;
      if (depth === 0 && i > this.index && (closers.has(tokenType) || tokenType === t.Comma)) return i - this.index;
      if (openers.has(tokenType)) depth += 1;
      if (closers.has(tokenType)) {
        if (depth === 0) return Math.max(1, i - this.index);
        depth -= 1;
      }
    }
    return limit - this.index;
  }
}

