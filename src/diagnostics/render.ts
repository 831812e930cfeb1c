/** How is a diagnostic shown: to people as a frame round the place, to programs as JSON. */
import type { Diagnostic, Label } from "./declare.js";
import { positionOf, type Span, withLineFeeds } from "./span.js";
import { type Cell, cellsOf, visible } from "./visible.js";

export type Style = "error" | "warning" | "note" | "place" | "gutter" | "label" | "hint";
export interface RenderOptions {
  readonly colour?: (style: Style, text: string) => string;
}
type Paint = (style: Style, text: string) => string;

/** Columns of source text in a frame; a longer line is cut to a window round the mark. */
const frameWidth = 100;
const leftOfMark = 40;
const gutterWidth = 4;

/**
 * The message, the place, the lines with their marks, and the hint. `sources` gives the text of each file by its name;
 * a file that is not there gets no frame.
 */
export function render(diagnostic: Diagnostic, sources: ReadonlyMap<string, string>, options: RenderOptions = {}): string {
  const paint: Paint = options.colour ?? ((_, text) => text);
  const head = `${diagnostic.severity} ${diagnostic.code}`;
  const lines = [`${paint(diagnostic.severity, head)}: ${indented(diagnostic.message)}`];
  const marks = marksOf(diagnostic);
  const files = [...new Set(marks.map((mark) => mark.span.file))];
  for (const file of files) {
    const text = sources.get(file);
    const inFile = marks.filter((mark) => mark.span.file === file);
    const first = inFile[0]!;
    if (file !== "") lines.push(`  ${paint("place", placeName(first.span, text))}`);
    if (text !== undefined) lines.push(...frame(withLineFeeds(text), inFile, diagnostic.severity, paint));
  }
  if (diagnostic.hint !== undefined) lines.push(`  ${paint("hint", "hint:")} ${indented(diagnostic.hint)}`);
  return lines.join("\n");
}

const indented = (text: string): string => visible(text).split("\n").join("\n  ");

function placeName(span: Span, text: string | undefined): string {
  if (text === undefined) return visible(span.file);
  const { line, column } = positionOf(text, span.start);
  return `${visible(span.file)}:${line}:${column}`;
}

/** The labels, and the place itself where none of them marks it; the place's file comes first. */
function marksOf(diagnostic: Diagnostic): readonly Label[] {
  const { span, labels } = diagnostic;
  const marked = labels.some((label) => label.span.file === span.file && label.span.start === span.start && label.span.end === span.end);
  return marked
    ? [...labels].sort((a, b) => Number(b.span === span) - Number(a.span === span))
    : [{ span, text: "" }, ...labels];
}

// ---------------------------------------------------------------- frames
interface Mark {
  /** UTF-16 columns within the line, from 0. */
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

function frame(text: string, labels: readonly Label[], severity: Style, paint: Paint): string[] {
  const byLine = new Map<number, Mark[]>();
  for (const { span, text: words } of labels) {
    const { line, column } = positionOf(text, span.start);
    const lineEnd = endOfLine(text, span.start);
    const from = column - 1;
    const to = from + Math.max(1, Math.min(span.end, lineEnd) - span.start);
    byLine.set(line, [...(byLine.get(line) ?? []), { from, to, text: visible(words).replace(/\n/g, " ") }]);
  }
  const numbers = [...byLine.keys()].sort((a, b) => a - b);
  const width = Math.max(gutterWidth, String(numbers.at(-1) ?? 0).length);
  const gutter = (word: string): string => paint("gutter", `${word.padStart(width)} │`);
  const out: string[] = [];
  numbers.forEach((number, i) => {
    if (i > 0 && number > numbers[i - 1]! + 1) out.push(paint("gutter", "⋮".padStart(width)));
    const marks = byLine.get(number)!;
    const { shown, columns } = windowOf(lineAt(text, number), marks);
    out.push(`${gutter(String(number))} ${shown}`.trimEnd());
    for (const row of underlines(columns)) out.push(`${gutter("")} ${paint(severity, row)}`);
  });
  return out;
}

function lineAt(text: string, number: number): string {
  let start = 0;
  for (let line = 1; line < number; line += 1) start = text.indexOf("\n", start) + 1;
  return text.slice(start, endOfLine(text, start));
}
function endOfLine(text: string, offset: number): number {
  const end = text.indexOf("\n", offset);
  const stop = end === -1 ? text.length : end;
  return stop > offset && text[stop - 1] === "\r" ? stop - 1 : stop;
}

/** The part of a line round its first mark, and where in it the marks stand, in columns of the terminal. */
function windowOf(line: string, marks: readonly Mark[]): { shown: string; columns: readonly Mark[] } {
  const long = line.length > frameWidth;
  const from = long ? Math.max(0, Math.min(marks[0]!.from - leftOfMark, line.length - frameWidth)) : 0;
  const cells = cellsOf(line.slice(from, long ? from + frameWidth : undefined));
  const [before, after] = [from > 0 ? "…" : "", from + cells.length < line.length ? "…" : ""];
  const column = (at: number): number => before.length + widthOf(cells.slice(0, Math.max(0, at - from)));
  const columns = marks.map((mark) => {
    const start = column(Math.min(mark.from, from + cells.length));
    return { from: start, to: Math.max(start + 1, column(mark.to)), text: mark.text };
  });
  return { shown: before + cells.map((cell) => cell.text).join("") + after, columns };
}
const widthOf = (cells: readonly Cell[]): number => cells.reduce((width, cell) => width + cell.width, 0);

/** The row of lines under the marks, and a row for each label, the rightmost first. */
function underlines(marks: readonly Mark[]): string[] {
  const rule: string[] = [];
  const draw = (row: string[], at: number, text: string): void => {
    while (row.length < at) row.push(" ");
    row.splice(at, text.length, ...text);
  };
  const ordered = [...marks].sort((a, b) => a.to - b.to || a.from - b.from);
  for (const mark of ordered) draw(rule, mark.from, "─".repeat(mark.to - mark.from));
  const labelled = ordered.filter((mark) => mark.text !== "");
  const stem = (mark: Mark): number => mark.to - 1;
  for (const mark of labelled) draw(rule, stem(mark), "┬");
  const rows = [...labelled].reverse().map((mark, i) => {
    const row: string[] = [];
    const waiting = labelled.slice(0, labelled.length - 1 - i).filter((other) => stem(other) < stem(mark));
    for (const other of waiting) draw(row, stem(other), "│");
    draw(row, stem(mark), `└ ${mark.text}`);
    return row;
  });
  return [rule, ...rows].map((row) => row.join("").trimEnd());
}

// ---------------------------------------------------------------- for programs
export interface JsonDiagnostic {
  readonly code: string;
  readonly severity: string;
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  readonly hint: string | null;
}

/** Lines and columns from 1, columns in UTF-16 units; the end is exclusive. Without the file's text all are 1. */
export function toJson(diagnostic: Diagnostic, sources: ReadonlyMap<string, string>): JsonDiagnostic {
  const { code, severity, message, span, hint } = diagnostic;
  const text = sources.get(span.file) ?? "";
  const { line, column } = positionOf(text, span.start);
  const { line: endLine, column: endColumn } = positionOf(text, span.end);
  return { code, severity, message, file: span.file, line, column, endLine, endColumn, hint: hint ?? null };
}

/** The order in which people read: by file, then by place. */
export function compareByPlace(a: Diagnostic, b: Diagnostic): number {
  if (a.span.file !== b.span.file) return a.span.file < b.span.file ? -1 : 1;
  return a.span.start - b.span.start || a.span.end - b.span.end || (a.code < b.code ? -1 : Number(a.code > b.code));
}
