/** What can be wrong with the text itself, in the user's words. Codes SRR1xxx. */
import { declare } from "../diagnostics/declare.js";

/** Below this depth every later stage may walk a tree by recursion. */
export const deepestNesting = 250;
/** A chain such as `a + b + …` is a deep tree too. */
export const deepestExpression = 1000;
export const largestFile = 5_000_000;
export const mostDiagnostics = 50;

export const strayCharacter = declare<{ text: string; many: boolean; mend?: string }>({
  code: "SRR1001", severity: "error",
  message: (p) => `the language has no ${p.many ? "characters" : "character"} ${p.text}`,
  hint: (p) => p.mend,
});
export const hiddenCharacter = declare<{ codePoint: string; name: string }>({
  code: "SRR1002", severity: "error",
  message: (p) => `${p.codePoint} (${p.name}) cannot stand in a file: it hides what the text says`,
  hint: () => "delete it",
});
export const unterminatedString = declare<{ text: string }>({
  code: "SRR1003", severity: "error",
  message: () => "this string has no end on its line",
  hint: (p) => `close it: ${p.text}"`,
});
export const unterminatedComment = declare<Record<never, never>>({
  code: "SRR1004", severity: "error",
  message: () => "this comment has no end",
  hint: () => "close it with */",
});
export const singleQuotes = declare<{ text: string }>({
  code: "SRR1005", severity: "error",
  message: () => "strings stand in double quotes; ' is the transpose",
  hint: (p) => `write "${p.text}"`,
});
export const numberTooLarge = declare<{ text: string }>({
  code: "SRR1006", severity: "error",
  message: (p) => `the number ${p.text} is larger than any float64`,
});
export const fileTooLarge = declare<{ size: number }>({
  code: "SRR1007", severity: "error",
  message: (p) => `the file has ${p.size} characters; at most ${largestFile} are read`,
});
export const tooDeep = declare<Record<never, never>>({
  code: "SRR1008", severity: "error",
  message: () => `this is nested more than ${deepestNesting} deep`,
  hint: () => "give the inner parts names with let",
});
export const tooLong = declare<Record<never, never>>({
  code: "SRR1009", severity: "error",
  message: () => `this expression is a chain of more than ${deepestExpression} operations`,
  hint: () => "give parts of it names with let",
});
export const tooManyMistakes = declare<Record<never, never>>({
  code: "SRR1010", severity: "error",
  message: () => "too many mistakes: the rest of the file was not read",
});
export const expected = declare<{ wanted: string; found: string; mend?: string }>({
  code: "SRR1011", severity: "error",
  message: (p) => `expected ${p.wanted}, found ${p.found}`,
  hint: (p) => p.mend,
});
export const unclosed = declare<{ opener: string; closer: string; found: string }>({
  code: "SRR1012", severity: "error",
  message: (p) => `${p.opener} is not closed before ${p.found}`,
  hint: (p) => `add ${p.closer}`,
});
export const unopened = declare<{ closer: string }>({
  code: "SRR1013", severity: "error",
  message: (p) => `${p.closer} closes nothing`,
  hint: () => "delete it",
});
export const misspelt = declare<{ found: string; nearest: string; what: string }>({
  code: "SRR1014", severity: "error",
  message: (p) => `${p.found} is not ${p.what}`,
  hint: (p) => `did you mean ${p.nearest}?`,
});
export const comparisonForEquals = declare<{ left: string }>({
  code: "SRR1015", severity: "error",
  message: () => "== compares; a value is given with =",
  hint: (p) => `write ${p.left} = …`,
});
export const equalsForComparison = declare<{ left: string }>({
  code: "SRR1016", severity: "error",
  message: () => "= gives a value and cannot stand inside an expression; == compares",
  hint: (p) => `write ${p.left} == …`,
});
export const missingClause = declare<{ step: string; clause: string; example: string }>({
  code: "SRR1017", severity: "error",
  message: (p) => `step ${p.step} has no ${p.clause}`,
  hint: (p) => `add for instance: ${p.example}`,
});
export const clauseTwice = declare<{ clause: string }>({
  code: "SRR1018", severity: "error",
  message: (p) => `${p.clause} is given twice`,
  hint: () => "delete one of the two",
});
export const missingType = declare<{ name: string; mend: string }>({
  code: "SRR1019", severity: "error",
  message: (p) => `${p.name} has no type`,
  hint: (p) => `write ${p.mend}`,
});
export const sideBySide = declare<{ left: string; right: string; mend?: string }>({
  code: "SRR1020", severity: "error",
  message: (p) => `${p.left} and ${p.right} stand side by side without an operator`,
  hint: (p) => (p.mend ? `a product is written ${p.mend}` : undefined),
});
export const wrongPlace = declare<{ keyword: string; place: string; mend: string }>({
  code: "SRR1021", severity: "error",
  message: (p) => `${p.keyword} cannot stand in ${p.place}`,
  hint: (p) => p.mend,
});
export const quantityOutsideTraining = declare<{ text: string }>({
  code: "SRR1022", severity: "error",
  message: (p) => `${p.text}: a number has a unit in a train block only`,
});
export const sumOfEntries = declare<{ argument: string }>({
  code: "SRR1023", severity: "error",
  message: () => "sum(k) stands before what is summed over the index k",
  hint: (p) => `the sum of all entries is total(${p.argument})`,
});
export const noFamily = declare<{ what: string; name: string }>({
  code: "SRR1025", severity: "error",
  message: (p) => `${p.what}s cannot be families`,
  hint: (p) => `declare its members one by one (${p.what} ${p.name}1: …), or one matrix with a column for each`,
});
export const initialiserForm = declare<{ text: string }>({
  code: "SRR1024", severity: "error",
  message: (p) => `an initialiser is a name or a call, not ${p.text}`,
  hint: (p) => `write init from(${p.text})`,
});
