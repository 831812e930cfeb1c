/** Which neighbouring lines are set as a table? Parameters, and comments behind lines. */

/** A line before it is printed; the layout fills it in. */
export interface Line {
  text: string;
  comment: string;
  readonly indent: number;
  readonly blankBefore: boolean;
  /** It ends with the brace of a block. */
  readonly opens: boolean;
  /** Another clause that stood on the same line may follow on it. */
  readonly joinable: boolean;
  readonly cells?: readonly string[];
}

/** Runs of neighbouring lines for which `belongs` holds. */
function* runs(lines: readonly Line[], belongs: (line: Line) => boolean): Generator<readonly Line[]> {
  let run: Line[] = [];
  for (const line of lines) {
    const fits = belongs(line) && (run.length === 0 || (!line.blankBefore && line.indent === run[0]!.indent));
    if (!fits && run.length > 0) {
      yield run;
      run = [];
    }
    if (belongs(line)) run.push(line);
  }
  if (run.length > 0) yield run;
}

const longest = (texts: readonly string[]): number => texts.reduce((most, text) => Math.max(most, text.length), 0);

/** Sets neighbouring parameters in columns, two spaces apart, where all of them fit. */
export function alignParameters(lines: readonly Line[], width: number): void {
  for (const run of runs(lines, (line) => line.cells !== undefined)) {
    if (run.length < 2) continue;
    const widths = [0, 1].map((column) => longest(run.map((line) => line.cells![column] ?? "")));
    const rows = run.map((line) => line.cells!.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ").trimEnd());
    if (run[0]!.indent + longest(rows) > width) continue;
    run.forEach((line, i) => { line.text = rows[i]!; });
  }
}

/** Sets comments behind neighbouring lines below one another. */
export function alignComments(lines: readonly Line[]): void {
  for (const run of runs(lines, (line) => line.text !== "" && line.comment !== "" && !line.comment.includes("\n"))) {
    const width = longest(run.map((line) => line.text));
    for (const line of run) line.text = line.text.padEnd(width);
  }
}
