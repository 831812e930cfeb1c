/** What can be wrong with names, shapes and declarations, in the user's words. */
import { declare } from "../diagnostics/declare.js";

const suggest = (near: string | undefined): string | undefined => (near === undefined ? undefined : `did you mean ${near}?`);

export const unknownName = declare<{ name: string; what: string; near?: string | undefined }>({
  code: "SRR2001", severity: "error", message: (p) => `there is no ${p.what} ${p.name} here`, hint: (p) => suggest(p.near),
});
export const duplicateName = declare<{ name: string }>({
  code: "SRR2002", severity: "error", message: (p) => `${p.name} is declared twice`, hint: () => "choose another name",
});
export const givenName = declare<{ name: string; meaning: string }>({
  code: "SRR2023", severity: "error", message: (p) => `${p.name} is ${p.meaning}, and cannot be declared`, hint: () => "choose another name",
});
export const shapeMismatch = declare<{ op: string; left: string; right: string; mend?: string | undefined }>({
  code: "SRR2003", severity: "error",
  message: (p) => `cannot form ${p.op}: ${p.left} beside ${p.right}`, hint: (p) => p.mend && `${p.mend} fits`,
});
export const wrongShape = declare<{ what: string; has: string; wanted: string }>({
  code: "SRR2004", severity: "error", message: (p) => `${p.what} is ${p.has}, but ${p.wanted} is wanted`,
});
export const notSquare = declare<{ fn: string; shape: string }>({
  code: "SRR2005", severity: "error", message: (p) => `${p.fn} wants a square matrix, not ${p.shape}`,
});
export const wrongArguments = declare<{ fn: string; problem: string; usage?: string | undefined }>({
  code: "SRR2006", severity: "error", message: (p) => `${p.fn}: ${p.problem}`, hint: (p) => p.usage,
});
export const dimFault = declare<{ problem: string; hint?: string | undefined }>({
  code: "SRR2007", severity: "error", message: (p) => p.problem, hint: (p) => p.hint,
});
export const unsolvedDim = declare<{ dim: string; why: string }>({
  code: "SRR2008", severity: "error", message: (p) => `the size of ${p.dim} is not known: ${p.why}`, hint: (p) => `give it a value: dim ${p.dim} = …, or --set ${p.dim}=…`,
});
export const sizeUnknown = declare<{ symbol: string }>({
  code: "SRR2009", severity: "error", message: (p) => `nothing here says what size ${p.symbol} has`, hint: () => "write it beside a matrix, or write diag(ones(n))",
});
export const scalarWanted = declare<{ what: string; has: string }>({
  code: "SRR2010", severity: "error", message: (p) => `${p.what} must be a scalar, not ${p.has}`,
});
export const familyMisuse = declare<{ name: string; problem: string; hint?: string | undefined }>({
  code: "SRR2011", severity: "error", message: (p) => `${p.name} ${p.problem}`, hint: (p) => p.hint,
});
export const notANumber = declare<{ what: string; value?: number }>({
  code: "SRR2012", severity: "error",
  message: (p) => (p.value === undefined ? `${p.what} must be a number that is known while compiling` : `${p.what} must be a finite number, and is ${p.value}`),
});
export const importFault = declare<{ path: string; why: string }>({
  code: "SRR2013", severity: "error", message: (p) => `cannot import "${p.path}": ${p.why}`,
});
export const stepFault = declare<{ step: string; problem: string; hint?: string | undefined }>({
  code: "SRR2014", severity: "error", message: (p) => `step ${p.step} ${p.problem}`, hint: (p) => p.hint,
});
export const lemmaFault = declare<{ lemma: string; problem: string; hint?: string | undefined }>({
  code: "SRR2015", severity: "error", message: (p) => `lemma ${p.lemma} ${p.problem}`, hint: (p) => p.hint,
});
export const trainFault = declare<{ problem: string; hint?: string | undefined }>({
  code: "SRR2016", severity: "error", message: (p) => p.problem, hint: (p) => p.hint,
});
export const misplaced = declare<{ what: string; where: string; hint?: string | undefined }>({
  code: "SRR2017", severity: "error", message: (p) => `${p.what} cannot stand ${p.where}`, hint: (p) => p.hint,
});
export const settingUnknown = declare<{ name: string; near?: string | undefined; known: string }>({
  code: "SRR2018", severity: "error", message: (p) => `there is no dim or const ${p.name} to set`, hint: (p) => suggest(p.near) ?? (p.known ? `there are ${p.known}` : "the network has none"),
});
export const presetUnknown = declare<{ name: string; known: string }>({
  code: "SRR2019", severity: "error", message: (p) => `there is no preset ${p.name}`, hint: (p) => (p.known ? `there are ${p.known}` : "the network has none"),
});
export const expressionTooLarge = declare<{ what: string }>({
  code: "SRR2020", severity: "error", message: (p) => `${p.what} outgrows what can be compiled`,
});
export const recursion = declare<{ name: string }>({
  code: "SRR2021", severity: "error", message: (p) => `fn ${p.name} calls itself`,
});
export const mayStartAtZero = declare<{ name: string; init: string; learned: boolean }>({
  code: "SRR2022", severity: "warning", message: (p) => `${p.name} is positive and starts as \`${p.init}\`, which can be 0 or less: ${p.learned ? "from there it cannot be trained" : "a package refuses such a value"}`,
  hint: () => "init constant(0.1), or give its value in a file of weights",
});
