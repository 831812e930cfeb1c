/** Writes what is generated from the parser: the EBNF, the railroad diagrams and the TextMate grammar. Run: tsx scripts/grammar.ts */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { generateGrammarFiles } from "../grammar/generate.js";

for (const [name, text] of Object.entries(generateGrammarFiles()))
  writeFileSync(fileURLToPath(new URL(`../grammar/${name}`, import.meta.url)), text);
