/** How does a piece of the user's text look in a terminal? Control characters are shown, tabs spread, widths counted. */

/** What one UTF-16 unit of a line becomes; the second half of a pair becomes nothing. */
export interface Cell {
  readonly text: string;
  readonly width: number;
}

const tabWidth = 4;
const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is made visible
const invisible = /[\0-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff]|\p{Cs}/u;

function visibleCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "␡" : `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

/** The cells of one line, one for each UTF-16 unit. */
export function cellsOf(line: string): Cell[] {
  const cells: Cell[] = [];
  for (const character of line) {
    if (character === "\t") cells.push({ text: " ".repeat(tabWidth), width: tabWidth });
    else if (invisible.test(character)) {
      const text = visibleCharacter(character);
      cells.push({ text, width: text.length });
    } else cells.push({ text: character, width: /\p{Mn}/u.test(character) ? 0 : wide.test(character) ? 2 : 1 });
    if (character.length === 2) cells.push({ text: "", width: 0 });
  }
  return cells;
}

/** Text for a message: what cannot be seen is shown; line breaks stay. */
export function visible(text: string): string {
  return text.replace(new RegExp(invisible.source, "gu"), (c) => (c === "\n" ? c : c === "\t" ? " " : visibleCharacter(c)));
}
