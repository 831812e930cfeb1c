/** What stands between two lexemes of one line, and where may a line break? */
import type { Lexeme } from "./parse.js";

/** A lexeme with what stood before it in the user's text. */
export interface Item extends Lexeme {
  readonly newlinesBefore: number;
  readonly spaceBefore: boolean;
  /** A member or clause begins here. */
  readonly begins: boolean;
  readonly binary: boolean;
  readonly depth: number;
}

const products = new Set(["*", "/", ".*", "./", "%"]);
const powers = new Set(["^", ".^"]);
const parts = new Set(["init", "alias", "when", "wrt", "from", "repeat", "then"]);
const operandEnds = new Set(["word", "assigned", "number", "string"]);

export const endsOperand = (item: Lexeme | undefined): boolean =>
  item !== undefined && (operandEnds.has(item.kind) || item.text === ")" || item.text === "]" || item.text === "'");

/** Spaces between `a` and `b`. `after` follows `b`: a product keeps the spaces that the user put on both sides. */
export function gap(a: Item, b: Item, after: Item | undefined, before: Item | undefined): string {
  if (a.kind === "comment" || b.kind === "comment") return " ";
  if (b.begins && a.text !== "{") return "  ";
  if (a.text.endsWith(".") && a.kind === "number" && (b.kind === "operator" || b.text.startsWith("."))) return " ";
  if (b.text === "'" || b.text === "," || b.text === ")" || b.text === "]" || b.text === ".." || a.text === "..") return "";
  if (a.text === "(" || a.text === "[") return "";
  if (a.text === ":" && before?.text === ")" && a.depth === 0) return "  "; // after a lemma's head
  if (b.text === "(" || b.text === "[") return opensDirectly(a, b) ? "" : spaceAfter(a, b, before);
  if (b.text === ":") return a.kind === "string" || a.text === "," ? " " : "";
  if (b.kind === "operator" && b.binary && powers.has(b.text)) return "";
  if (b.kind === "operator" && b.binary && products.has(b.text)) return b.spaceBefore && after?.spaceBefore ? " " : "";
  return spaceAfter(a, b, before);
}

function opensDirectly(a: Item, b: Item): boolean {
  if (a.kind === "word" || a.kind === "assigned" || a.text === ")" || a.text === "]" || a.text === "'") return true;
  return a.text === "sum" || (b.text === "[" && a.kind === "keyword" && ["real", "class", "token"].includes(a.text));
}

function spaceAfter(a: Item, b: Item, before: Item | undefined): string {
  if (a.kind !== "operator") return " ";
  if (a.text === "'") return " ";
  if (powers.has(a.text)) return "";
  if (products.has(a.text)) return a.spaceBefore && b.spaceBefore && before !== undefined ? " " : "";
  return a.text === "-" && !a.binary ? "" : " ";
}

/** May a line that is too long break before `b`? A sum breaks before its sign. */
export function mayBreakAnew(a: Item, b: Item): boolean {
  return mayBreak(a, b) && !(a.binary && (a.text === "+" || a.text === "-"));
}

/** May a line break before `b`? A break that the user made there is kept. */
export function mayBreak(a: Item, b: Item): boolean {
  if (a.kind === "comment" || b.kind === "comment") return true;
  if (b.text === "|>" || (b.binary && (b.text === "+" || b.text === "-"))) return true;
  if (a.text === "," || (a.binary && (a.text === "+" || a.text === "-"))) return b.text !== "{";
  if (a.kind === "operator" && (a.text === "=" || a.text === "~")) return true;
  if (a.text === "minimize" || a.text === "maximize") return true;
  if (a.text === ":" && a.depth === 0 && a.kind === "operator") return !["real", "class", "token", "minimize", "maximize"].includes(b.text) && b.kind !== "string";
  return b.kind === "keyword" && parts.has(b.text) && b.depth === 0;
}
