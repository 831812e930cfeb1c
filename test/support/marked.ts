/** Text with the places ⟦marked⟧ where diagnostics are expected, in order. */
export function marked(text: string): { text: string; marks: readonly (readonly [number, number])[] } {
  const marks: [number, number][] = [];
  let plain = "";
  for (const character of text) {
    if (character === "⟦") marks.push([plain.length, plain.length]);
    else if (character === "⟧") marks.at(-1)![1] = plain.length;
    else plain += character;
  }
  return { text: plain, marks };
}
