/** How do editors colour a file? A TextMate grammar, its words taken from the lexer's tables. */
import * as t from "./tokens.js";

export interface TextMateRule {
  readonly name?: string;
  readonly match?: string;
  readonly begin?: string;
  readonly end?: string;
  readonly include?: string;
  readonly captures?: Readonly<Record<string, { readonly name: string }>>;
  readonly beginCaptures?: Readonly<Record<string, { readonly name: string }>>;
  readonly patterns?: readonly TextMateRule[];
}
export interface TextMateGrammar {
  readonly name: string;
  readonly scopeName: string;
  readonly fileTypes: readonly string[];
  readonly patterns: readonly TextMateRule[];
  readonly repository: Readonly<Record<string, { readonly patterns: readonly TextMateRule[] }>>;
}

const name = "[\\p{L}_][\\p{L}\\p{M}\\p{Nd}_]*";
const alone = "(?<![\\p{L}\\p{M}\\p{Nd}_])";
const wordEnd = "(?![\\p{L}\\p{M}\\p{Nd}_])";
/** A keyword may be a name elsewhere: beside an operator, a bracket or a colon it is one. */
const notName = "(?!\\s*(?:[:=,)\\]'*/^+.|%]|-[^\\d]))";
const words = (...tables: object[]): string => `${alone}(?:${tables.flatMap((table) => Object.keys(table)).join("|")})${wordEnd}`;

/** The grammar as VS Code and others read it. */
export function textMateGrammar(): TextMateGrammar {
  const sense = ["minimize", "maximize"];
  const clauses = Object.keys(t.stepWords).filter((word) => !sense.includes(word));
  const list = (each: readonly string[]): string => `${alone}(?:${each.join("|")})${wordEnd}`;
  const blocks = ["network", "layer", "step", "objective", "preset", "fn", "lemma"];
  const named: TextMateRule = {
    match: `${alone}(${blocks.join("|")})\\s+(${name})`,
    captures: { 1: { name: "keyword.declaration.srr" }, 2: { name: "entity.name.type.srr" } },
  };
  const train: TextMateRule = {
    begin: `${alone}(train)\\s*(\\{)`, end: "\\}", name: "meta.train.srr",
    beginCaptures: { 1: { name: "keyword.declaration.srr" } },
    patterns: [
      { name: "keyword.other.train.srr", match: `(?<![(,]\\s*)${list([...Object.keys(t.trainWords), "then", "synthetic"])}${notName}` },
      { include: "#common" },
    ],
  };
  const common: readonly TextMateRule[] = [
    { name: "comment.line.documentation.srr", match: "///.*$" },
    { name: "comment.line.double-slash.srr", match: "//.*$" },
    { name: "comment.block.srr", begin: "/\\*", end: "\\*/" },
    { name: "string.quoted.double.srr", match: "\"[^\"\\n]*\"" },
    { name: "constant.numeric.srr", match: `${alone}(?:\\d+(?:\\.\\d+)?|\\.\\d+)(?:[eE][+-]?\\d+)?` },
    named,
    { name: "storage.type.srr", match: `(?<=:\\s*)${words(t.typeWords)}` },
    { name: "keyword.control.sense.srr", match: `${list(sense)}${notName}` },
    { name: "keyword.declaration.srr", match: `${words(t.declarationWords, t.memberWords)}${notName}` },
    { name: "storage.modifier.srr", match: `${words(t.continuationWords)}${notName}` },
    { name: "keyword.control.step.srr", match: `${list(clauses)}${notName}` },
    { name: "variable.parameter.srr", match: `(?<=[(,]\\s*)${name}(?=\\s*:(?!\\s*(?:real|class|token)${wordEnd}))` },
    { name: "support.function.srr", match: `${alone}${name}(?=\\()` },
    { name: "keyword.operator.srr", match: "\\|>|==|<=|>=|\\.\\.|\\.[*/^]|[-+*/%^=~<>']" },
    { name: "variable.other.srr", match: name },
  ];
  return {
    name: "srr", scopeName: "source.srr", fileTypes: ["srr"],
    patterns: [{ include: "#train" }, { include: "#common" }],
    repository: { train: { patterns: [train] }, common: { patterns: common } },
  };
}
