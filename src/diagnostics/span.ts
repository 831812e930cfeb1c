/** Where in the user's text something stands. */

/** A half-open range of UTF-16 offsets in one file's text. */
export interface Span {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

/** A place of things that the user did not write (built-in rows, command-line text without a file). */
export const nowhere: Span = { file: "", start: 0, end: 0 };

/** The smallest span that covers both; the first one's file wins. */
export function cover(a: Span, b: Span): Span {
  if (a.file !== b.file) return a;
  return { file: a.file, start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) };
}

/** A lone carriage return ends a line as a line feed does, with or without one before it; offsets stay. */
export const withLineFeeds = (text: string): string => text.replace(/\r(?!\n)/g, "\n");

/** Line and column (both from 1; columns count UTF-16 units) of an offset. */
export function positionOf(text: string, offset: number): { line: number; column: number } {
  let line = 1;
  let lineStart = 0;
  const end = Math.min(offset, text.length);
  const lines = withLineFeeds(text);
  for (let at = lines.indexOf("\n"); at !== -1 && at < end; at = lines.indexOf("\n", at + 1)) {
    line += 1;
    lineStart = at + 1;
  }
  return { line, column: end - lineStart + 1 };
}
