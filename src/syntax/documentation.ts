/** Which comments document which declaration? Lines of `///` above it belong to it; all others are comments. */
import type { IToken } from "chevrotain";
import type { Comment } from "./ast.js";

export interface Documentation {
  /** By the offset of the declaration's first lexeme. */
  readonly docs: ReadonlyMap<number, string>;
  readonly comments: readonly Comment[];
}

const isDoc = (text: string, token: IToken): boolean =>
  token.image.startsWith("///") && !token.image.startsWith("////") && /(^|[\n\r])[ \t\ufeff]*$/.test(text.slice(Math.max(0, token.startOffset - 200), token.startOffset));

/**
 * A run of `///` lines belongs to the declaration that begins next; `declarationStarts` holds where declarations begin.
 * A blank line ends a run: what stood before it (the title of a file) is an ordinary comment.
 */
export function documentation(
  text: string, file: string, comments: readonly IToken[], lexemes: readonly IToken[], declarationStarts: ReadonlySet<number>,
): Documentation {
  const docs = new Map<number, string>();
  const plain: IToken[] = [];
  let next = 0;
  let group: IToken[] = [];
  const settle = (): void => {
    const target = lexemes[next]?.startOffset;
    const run = target !== undefined && declarationStarts.has(target) ? lastRun(text, group.filter((c) => isDoc(text, c))) : [];
    if (run.length > 0) docs.set(target!, run.map((line) => line.image.slice(3).replace(/^ /, "").trimEnd()).join("\n"));
    const documenting = new Set(run);
    for (const comment of group) if (!documenting.has(comment)) plain.push(comment);
    group = [];
  };
  for (const comment of comments) {
    if ((lexemes[next]?.startOffset ?? Number.POSITIVE_INFINITY) < comment.startOffset) {
      settle();
      while (next < lexemes.length && lexemes[next]!.startOffset < comment.startOffset) next += 1;
    }
    group.push(comment);
  }
  settle();
  const at = (token: IToken): Comment["span"] => ({ file, start: token.startOffset, end: token.startOffset + token.image.length });
  return { docs, comments: plain.map((token) => ({ text: token.image.trimEnd(), span: at(token) })) };
}

/** The lines behind the last blank one. */
function lastRun(text: string, lines: readonly IToken[]): readonly IToken[] {
  let first = 0;
  for (let i = 1; i < lines.length; i += 1) {
    const before = lines[i - 1]!;
    if (/\n[ \t\r]*\n/.test(text.slice(before.startOffset + before.image.length, lines[i]!.startOffset))) first = i;
  }
  return lines.slice(first);
}
