/** How the parts of a Chevrotain tree are reached, with the spans that our nodes carry. */
import type { CstNode, IToken } from "chevrotain";
import { Defect } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import type { Name } from "./ast.js";

export const nodes = (node: CstNode, rule: string): readonly CstNode[] => (node.children[rule] ?? []) as CstNode[];
export const lexemesOf = (node: CstNode, type: string): readonly IToken[] => (node.children[type] ?? []) as IToken[];

/** The only child there is of this rule. */
export function node(parent: CstNode, rule: string, which = 0): CstNode {
  const found = nodes(parent, rule)[which];
  if (found === undefined) throw new Defect(`${parent.name} has no ${rule}`);
  return found;
}
export function lexeme(parent: CstNode, type: string, which = 0): IToken {
  const found = lexemesOf(parent, type)[which];
  if (found === undefined) throw new Defect(`${parent.name} has no ${type}`);
  return found;
}
/** The child of a rule that has just one, whichever it is. */
export function onlyNode(parent: CstNode): CstNode {
  const found = Object.values(parent.children).flat()[0];
  if (found === undefined || !("children" in found)) throw new Defect(`${parent.name} has no child`);
  return found;
}

export function spanOf(parent: CstNode, file: string): Span {
  const { startOffset = 0, endOffset = startOffset } = parent.location ?? {};
  return { file, start: startOffset, end: Math.max(startOffset, (endOffset ?? startOffset) + 1) };
}
export function spanOfLexeme(token: IToken, file: string): Span {
  return { file, start: token.startOffset, end: Math.max(token.startOffset, (token.endOffset ?? token.startOffset) + 1) };
}
/** A name; two ways to compose an accent are one name. */
export function nameOf(token: IToken, file: string): Name {
  return { name: token.image.normalize("NFC"), span: spanOfLexeme(token, file) };
}
/** What stands between the quotes: there are no escapes. */
export const stringOf = (token: IToken): string => token.image.slice(1, -1);
