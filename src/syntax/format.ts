/**
 * How is a file laid out? Lexemes and comments stay as they are; only what stands between them changes, so the meaning
 * cannot. Members and clauses begin lines; what the user kept on one line stays there if it fits; breaks that the user
 * made at good places stay. What is written here is read back as the same layout, so a second run changes nothing.
 */
import { withLineFeeds } from "../diagnostics/span.js";
import type { SourceFile } from "./ast.js";
import { alignComments, alignParameters, type Line } from "./align.js";
import { type Lexeme, lexemesOf } from "./parse.js";
import { endsOperand, gap, type Item, mayBreak, mayBreakAnew } from "./spacing.js";

const lineWidth = 120;
/** Lines with an alias hold somebody else's long names, and read best as a table. */
const aliasWidth = 160;
const indentWidth = 2;

const memberWords = new Set([
  "import", "fn", "lemma", "network", "dim", "index", "preset", "const", "let", "input", "target", "param", "var",
  "objective", "layer", "step", "output", "train",
]);
const clauseWords: Readonly<Record<string, ReadonlySet<string>>> = {
  step: new Set(["minimize", "maximize", "over", "as", "by", "capture", "using", "prenorm", "then", "expect"]),
  train: new Set([
    "data", "augment", "loss", "optimizer", "rate", "batch", "epochs", "steps", "seed", "feed", "metric", "construct",
  ]),
};
const blockWords = new Set(["network", "layer", "step", "train", "preset"]);

/** The canonical text of a file that has no syntax errors. `source` is what `parse` made of `text`. */
export function format(source: SourceFile, text: string): string {
  if (source.declarations.length === 0 && source.comments.length === 0) return "";
  const lines = new Layout(itemsOf(withLineFeeds(text))).lines();
  alignParameters(lines, aliasWidth);
  alignComments(lines);
  return lines.map((line) => {
    const body = [line.text, line.comment].filter((part) => part !== "").join(" ");
    return `${line.blankBefore ? "\n" : ""}${body === "" ? "" : " ".repeat(line.indent) + body}\n`;
  }).join("");
}

/** The lexemes with what the layout asks of them. */
function itemsOf(text: string): Item[] {
  const blocks: string[] = [];
  let pending = "";
  let end = 0;
  let depth = 0;
  let previous: Lexeme | undefined;
  return lexemesOf(text).map((lexeme) => {
    const space = text.slice(end, lexeme.start);
    end = lexeme.start + lexeme.text.length;
    const begins = beginsMember(lexeme, blocks.at(-1), previous);
    if (lexeme.kind === "keyword" && begins && blockWords.has(lexeme.text)) pending = lexeme.text;
    if (lexeme.text === "{") blocks.push(pending);
    if (lexeme.text === "}") blocks.pop();
    if (lexeme.text === ")" || lexeme.text === "]") depth = Math.max(0, depth - 1);
    const item: Item = {
      ...lexeme,
      text: lexeme.kind === "comment" ? lexeme.text.trimEnd().replaceAll("\r\n", "\n") : lexeme.text,
      newlinesBefore: space.split("\n").length - 1, spaceBefore: space !== "",
      begins, binary: lexeme.kind === "operator" && endsOperand(previous), depth,
    };
    if (lexeme.text === "(" || lexeme.text === "[") depth += 1;
    if (lexeme.kind !== "comment") previous = lexeme;
    return item;
  });
}

function beginsMember(lexeme: Lexeme, block: string | undefined, previous: Lexeme | undefined): boolean {
  if (lexeme.kind === "assigned") return block !== "preset";
  if (lexeme.kind !== "keyword") return false;
  if (memberWords.has(lexeme.text)) return previous?.text !== "prenorm" || previous.kind !== "keyword";
  return clauseWords[block ?? ""]?.has(lexeme.text) ?? false;
}

/** Lifetime: one file. Walks the items once, a line at a time. */
class Layout {
  private readonly out: Line[] = [];
  private at = 0;
  private level = 0;
  constructor(private readonly items: readonly Item[]) {}

  lines(): Line[] {
    while (this.at < this.items.length) {
      const item = this.items[this.at]!;
      if (item.kind === "comment") this.comment(item);
      else if (item.text === "}") {
        this.level = Math.max(0, this.level - 1);
        this.push({ text: "}" }, false);
        this.at += 1;
      } else this.logicalLine();
    }
    return this.out;
  }

  private push(line: Partial<Line>, blankBefore: boolean, level = this.level): void {
    const first = this.out.length === 0 || this.out.at(-1)!.opens;
    this.out.push({
      text: "", comment: "", indent: level * indentWidth, opens: false, joinable: false,
      ...line, blankBefore: blankBefore && !first,
    });
  }

  /** A comment between members: behind the line that it stood behind, or a line of its own. */
  private comment(item: Item): void {
    this.at += 1;
    const last = this.out.at(-1);
    if (item.newlinesBefore === 0 && last) last.comment = last.comment === "" ? item.text : `${last.comment} ${item.text}`;
    else this.push({ comment: item.text }, item.newlinesBefore > 1);
  }

  private logicalLine(): void {
    const first = this.items[this.at]!;
    const from = this.at;
    let end = from;
    let opens = false;
    for (;;) {
      const item = this.items[end];
      if (item === undefined || item.text === "}" || (end > from && (item.begins || this.betweenMembers(end)))) break;
      if (item.text === "{") {
        const close = this.oneLineBlock(from, end);
        opens = close === undefined;
        end = (close ?? end) + 1;
        break;
      }
      end += 1;
    }
    this.at = end;
    this.emit(this.items.slice(from, end), first, opens);
    if (opens) this.level += 1;
  }

  /** The end of the block that opens at `open`, if it stood on one line, and fits on one with what is before it. */
  private oneLineBlock(from: number, open: number): number | undefined {
    let depth = 0;
    for (let i = open; i < this.items.length && i < open + lineWidth; i += 1) {
      const item = this.items[i]!;
      if (item.kind === "comment" || (i > open && item.newlinesBefore > 0)) return undefined;
      if (item.text === "{") depth += 1;
      if (item.text === "}" && --depth === 0) {
        const all = this.items.slice(from, i + 1);
        const flat = this.segments(all, Number.POSITIVE_INFINITY);
        return flat.length === 1 && this.level * indentWidth + flat[0]!.length <= lineWidth ? i : undefined;
      }
    }
    return undefined;
  }

  /** Is this a comment that no more of the same member follows? */
  private betweenMembers(at: number): boolean {
    if (this.items[at]!.kind !== "comment") return false;
    let next = at;
    while (this.items[next]?.kind === "comment") next += 1;
    const item = this.items[next];
    return item === undefined || item.begins || item.text === "}";
  }

  private emit(items: readonly Item[], first: Item, opens: boolean): void {
    const alias = items.some((item) => item.kind === "keyword" && item.text === "alias");
    const width = (alias ? aliasWidth : lineWidth) - this.level * indentWidth;
    const segments = this.segments(items, width);
    const last = this.out.at(-1);
    const inTraining = first.kind === "keyword" && clauseWords["train"]!.has(first.text);
    const joined = inTraining && first.newlinesBefore === 0 && last?.joinable && last.comment === "" && segments.length === 1
      ? `${last.text}  ${segments[0]}` : undefined;
    if (joined !== undefined && joined.length <= width) {
      last!.text = joined;
      return;
    }
    const cells = segments.length === 1 && first.text === "param" && first.kind === "keyword" ? cellsOf(items) : undefined;
    segments.forEach((text, i) => {
      const whole = i === segments.length - 1;
      this.push(
        { text, opens: opens && whole, joinable: inTraining && segments.length === 1, ...(cells && { cells }) },
        i === 0 && first.newlinesBefore > 1, this.level + (i === 0 ? 0 : 1),
      );
    });
  }

  /** The lines of one member: broken where the user broke it well, and where it is too long. */
  private segments(items: readonly Item[], width: number): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let i = 1; i <= items.length; i += 1) {
      if (i < items.length && !mustBreak(items[i - 1]!, items[i]!)) continue;
      lines.push(...fill(items, start, i, width, lines.length > 0));
      start = i;
    }
    return lines;
  }
}

function mustBreak(a: Item, b: Item): boolean {
  if (a.kind === "comment" && a.text.startsWith("//")) return true;
  return b.newlinesBefore > 0 && mayBreak(a, b);
}

function join(items: readonly Item[], from: number, to: number): string {
  let text = items[from]!.text;
  for (let i = from + 1; i < to; i += 1) text += gap(items[i - 1]!, items[i]!, items[i + 1], items[i - 2]) + items[i]!.text;
  return text;
}

/** Breaks items into lines: at the outermost bracket depth that fits, as late as it fits there. */
function fill(items: readonly Item[], from: number, to: number, width: number, continued: boolean): string[] {
  const lines: string[] = [];
  let start = from;
  while (start < to) {
    const room = width - (continued || lines.length > 0 ? indentWidth : 0);
    const end = lineEnd(items, start, to, room);
    lines.push(join(items, start, end));
    start = end;
  }
  return lines;
}

function lineEnd(items: readonly Item[], start: number, to: number, room: number): number {
  let length = items[start]!.text.length;
  let best: number | undefined;
  for (let i = start + 1; i < to; i += 1) {
    if (mayBreakAnew(items[i - 1]!, items[i]!)) {
      if (length > room) return best ?? i;
      if (best === undefined || items[i]!.depth <= items[best]!.depth) best = i;
    }
    length += gap(items[i - 1]!, items[i]!, items[i + 1], items[i - 2]).length + items[i]!.text.length;
  }
  return length > room ? (best ?? to) : to;
}

/** A parameter's line as a row of a table: what it is, how it starts, what others call it. */
function cellsOf(items: readonly Item[]): string[] | undefined {
  const cut = (word: string): number => items.findIndex((item) => item.kind === "keyword" && item.text === word);
  const [init, alias] = [cut("init"), cut("alias")];
  if (init === -1 || (alias !== -1 && alias < init) || items.some((item) => item.kind === "comment")) return undefined;
  const cuts = [0, init, alias === -1 ? items.length : alias, items.length];
  return [0, 1, 2].filter((i) => cuts[i]! < cuts[i + 1]!).map((i) => join(items, cuts[i]!, cuts[i + 1]!));
}
