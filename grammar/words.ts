/**
 * Which words are keywords? A word is one only where a clause may begin or continue, and two expressions never stand
 * side by side; so the lexeme before it decides, and one pass over the lexemes settles all of them.
 */
import type { IToken, TokenType } from "chevrotain";
import * as t from "./tokens.js";

/** What may stand at the next place. */
type Place = "name" | "input name" | "expression" | "type" | "sense" | "mode" | "source" | "clause";
export type Start = { readonly place: Place; readonly owner?: string };

const namesFollow = new Set([
  "network", "fn", "lemma", "dim", "index", "preset", "const", "let", "input", "target", "param", "var", "objective",
  "layer", "step", "output", "over", "wrt", "capture", "by", "using",
]);
/** `let x = …`: before an assignment these words are keywords, the others may be names. */
const defining = new Set(["dim", "const", "let", "capture"]);
const complete = new Set(["fixed", "shared", "positive", "construct", "train", "real", "class", "token"]);
const typedOwners = new Set(["param", "input", "target", "var", "output", "over", "fn"]);
const blockOwners = new Set(["network", "layer", "step", "train", "preset"]);
const assignable = new Set([undefined, "network", "layer", "preset"]);

function placeAfterWord(word: string): Place {
  if (word === "feed") return "input name";
  if (word === "data") return "source";
  if (word === "prenorm") return "mode";
  if (namesFollow.has(word)) return "name";
  return complete.has(word) ? "clause" : "expression";
}

const operands: ReadonlySet<TokenType> = new Set([
  t.NumberLiteral, t.StringLiteral, t.OpenString, t.SingleQuoted, t.RParen, t.RBracket, t.Transpose, t.Name, t.Missing,
]);

/** Gives every word of `tokens` its type, keyword or name, in place. `tokens` may have been classified before. */
export function classifyWords(tokens: readonly IToken[], start: Start = { place: "clause" }): void {
  let place: Place = start.place;
  let owner = start.owner; // the keyword whose declaration or clause we are in
  let pendingBlock: string | undefined;
  const blocks: string[] = [];
  let brackets: ("signature" | "call" | "index" | "prefix")[] = [];

  const isWord = (token: IToken | undefined): boolean =>
    token !== undefined && (isName(token) || t.allWords.get(token.image) === token.tokenType);
  const isAssignment = (i: number): boolean =>
    isWord(tokens[i]) && assignable.has(blocks.at(-1)) && beginsAssignment(tokens, i);
  /** In the place of a name or an expression: `by` in `minimize by exact`, where the expression is missing. */
  const startsClause = (i: number): boolean => {
    const word = tokens[i]!.image;
    const next = tokens[i + 1];
    if (word === "train") return next?.tokenType === t.LBrace;
    if (!t.clauseWords.has(word) || complete.has(word) || next === undefined) return false;
    if (next.tokenType === t.NumberLiteral || next.tokenType === t.StringLiteral) return true;
    return isWord(next) && !t.clauseWords.has(next.image) && (defining.has(word) || !isAssignment(i + 1));
  };
  const isUnit = (i: number): boolean => {
    const next = tokens[i + 1]?.tokenType;
    return brackets.at(-1) === "call" && tokens[i - 1]?.tokenType === t.NumberLiteral &&
      (next === t.RParen || next === t.Comma);
  };
  const typeOfWord = (i: number): TokenType => {
    const word = tokens[i]!.image;
    const clause = t.clauseWords.get(word);
    switch (place) {
      case "clause":
        if (isAssignment(i)) return t.AssignedName;
        return clause === undefined || isUnit(i) ? t.Name : clause;
      case "type":
        return typeWord(word) ?? (clause && startsClause(i) ? clause : t.Name);
      case "sense":
        return word === "minimize" || word === "maximize" ? clause! : t.Name;
      case "mode":
        return word === "increment" ? t.placeWords.increment : word === "input" ? t.memberWords.input : t.Name;
      case "input name":
        return t.Name;
      case "source":
        if (word === "synthetic" && isWord(tokens[i + 1]) && !t.clauseWords.has(tokens[i + 1]!.image))
          return t.placeWords.synthetic;
        return clause && startsClause(i) ? clause : t.Name;
      default:
        if (place === "expression" && word === "sum" && tokens[i + 1]?.tokenType === t.LParen) return t.placeWords.sum;
        return clause && startsClause(i) ? clause : t.Name;
    }
  };
  const placeAfterColon = (): Place => {
    const bracket = brackets.at(-1);
    if (bracket === "signature") return "type";
    if (bracket !== undefined) return "expression";
    if (owner === "objective") return "sense";
    return owner !== undefined && typedOwners.has(owner) ? "type" : "expression";
  };

  tokens.forEach((token, i) => {
    if (isWord(token)) {
      const type = typeOfWord(i);
      const clauseAhead = place === "clause";
      token.tokenType = type;
      token.tokenTypeIdx = type.tokenTypeIdx!;
      if (isName(token)) {
        if (type === t.AssignedName) brackets = [];
        place = place === "input name" ? "expression" : "clause";
        return;
      }
      place = type === t.memberWords.input && tokens[i - 1]?.image === "prenorm" ? "expression" : placeAfterWord(token.image);
      if (!t.clauseWords.has(token.image)) return;
      if (token.image !== "alias" && token.image !== "init" && !complete.has(token.image)) owner = token.image;
      if (clauseAhead) brackets = [];
      if (blockOwners.has(token.image)) pendingBlock = token.image;
      return;
    }
    switch (token.tokenType) {
      case t.LParen: {
        const callee = tokens[i - 2]?.tokenType;
        const signature = callee === t.declarationWords.fn || callee === t.declarationWords.lemma;
        const prefix = tokens[i - 1]?.tokenType === t.placeWords.sum;
        brackets.push(signature ? "signature" : prefix ? "prefix" : "call");
        place = signature ? "name" : "expression";
        break;
      }
      case t.LBracket: brackets.push("index"); place = "expression"; break;
      // After `sum(k)` the expression has only begun.
      case t.RParen: case t.RBracket: place = brackets.pop() === "prefix" ? "expression" : "clause"; break;
      case t.LBrace: blocks.push(pendingBlock ?? "network"); pendingBlock = undefined; brackets = []; place = "clause"; break;
      case t.RBrace: blocks.pop(); brackets = []; place = "clause"; break;
      case t.Colon: place = placeAfterColon(); break;
      case t.Comma: place = place === "clause" && brackets.length === 0 ? "name" : "expression"; break;
      default: place = operands.has(token.tokenType) ? "clause" : "expression";
    }
  });
}

function typeWord(word: string): TokenType | undefined {
  return Object.hasOwn(t.typeWords, word) ? t.typeWords[word as keyof typeof t.typeWords] : undefined;
}

/** Names of both kinds. */
export const isName = (token: IToken): boolean => token.tokenType === t.Name || token.tokenType === t.AssignedName;

/** `NAME =` or `NAME[k] =`. */
export function beginsAssignment(tokens: readonly IToken[], i: number): boolean {
  const next = tokens[i + 1]?.tokenType;
  if (next === t.Equals) return true;
  return next === t.LBracket && tokens[i + 3]?.tokenType === t.RBracket && tokens[i + 4]?.tokenType === t.Equals;
}
