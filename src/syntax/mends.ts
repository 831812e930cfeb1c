/** What is each kind of mistake, and how is the text read in spite of it? One row for each kind; the first that fits is taken. */
import type { IToken, TokenType } from "chevrotain";
import * as t from "../../grammar/tokens.js";
import { at, type Diagnostic, type Label } from "../diagnostics/declare.js";
import { nearest } from "../diagnostics/nearest.js";
import { unnamed } from "./build-clauses.js";
import * as d from "./diagnostics.js";
import {
  endsOperand, fabricate, isFabricated, isKeyword, type Mistake, nextPlace, respell, startsOperand, typeNamed,
} from "./mistake.js";

/** An edit of the list of lexemes at the mistake, and the message. Without one, an earlier message speaks for it. */
export interface Mend {
  readonly diagnostic?: Diagnostic;
  /** Where the edit begins, counted from the mistake's place. */
  readonly from?: number;
  readonly remove: number;
  readonly insert: readonly IToken[];
}
export interface MendRow {
  readonly name: string;
  readonly mend: (mistake: Mistake) => Mend | undefined;
}

const words = (table: object): ReadonlySet<string> => new Set(Object.keys(table));
const declarations = words(t.declarationWords);
const members = words(t.memberWords);
const steps = words(t.stepWords);
const training = words(t.trainWords);
const networkOnly = new Set(["preset", "input", "target", "layer", "output", "train"]);
const parameterWords = ["fixed", "shared", "positive", "init", "alias"];

interface Block { readonly words: readonly string[]; readonly clause: string; readonly place: string }
/** By the rule that reads the block: what can stand in it. */
const blocks: Readonly<Record<string, Block>> = {
  file: { words: [...declarations], clause: "a network, fn, lemma or import", place: "a file outside a network" },
  networkDeclaration: { words: [...members], clause: "a member of the network", place: "a network" },
  layerDeclaration: { words: [...members].filter((w) => !networkOnly.has(w)), clause: "a member of the layer", place: "a layer" },
  stepDeclaration: { words: [...steps], clause: "a clause of the step", place: "a step" },
  trainDeclaration: { words: [...training, "then"], clause: "a clause of the train block", place: "a train block" },
  presetDeclaration: { words: [], clause: "a setting", place: "a preset" },
};
/** Words that stand before a block's brace. */
const heads: ReadonlyMap<string, string> = new Map([
  ["when", "it stands before a step's brace: step NAME when CONDITION { … }"], ["repeat", "it stands before a layer's brace: layer NAME repeat COUNT { … }"],
]);
/** What people write who come from other languages. */
const synonyms: Readonly<Record<string, string>> = {
  def: "fn", func: "fn", function: "fn", model: "network", variable: "var", parameter: "param", constant: "const", dimension: "dim",
  loss_function: "loss", min: "minimize", max: "maximize", argmin: "minimize", subject: "over", lr: "rate", epoch: "epochs",
};
/** Declarations that cannot be families, and ones of their form that can. */
const families: Readonly<Record<string, string>> = { input: "param", target: "param", output: "var" };
const namesOf: Readonly<Record<string, string>> = {
  Name: "a name", StringLiteral: 'a string in "double quotes"', EOF: "the end", BinaryOperator: "an operator",
};

function show(name: string): string {
  const type = typeNamed(name);
  const text = typeof type?.PATTERN === "string" ? type.PATTERN : (type?.LABEL ?? name);
  return namesOf[name] ?? `\`${text}\``;
}
/** The expected lexemes in words. */
export function describeExpected(m: Mistake): string {
  if (m.expectsExpression) return "an expression";
  if (m.betweenClauses) {
    const closing = m.expects(t.RBrace) ? " or `}`" : "";
    return `${blocks[m.rule]?.clause ?? "nothing more"}${closing}`;
  }
  if (m.expects(t.typeWords.real)) return "a type (real, class or token)";
  const all = [...m.expected].map(show);
  return all.length > 1 ? `${all.slice(0, -1).join(", ")} or ${all.at(-1)}` : (all[0] ?? "something else");
}
function unexpected(m: Mistake, mend?: string): Diagnostic {
  const place = m.betweenClauses ? m.span() : m.place;
  return d.expected({ wanted: describeExpected(m), found: m.show(), ...(mend && { mend }) }, at(place));
}
const imageOf = (type: TokenType): string => (typeof type.PATTERN === "string" ? type.PATTERN : (type.LABEL ?? ""));
const put = (m: Mistake, type: TokenType, image = imageOf(type)): IToken => fabricate(type, image, m.gap);
const opened = (token: IToken | undefined, m: Mistake): Label[] => (token ? [at(m.span(token), "opened here")] : []);

function candidates(m: Mistake): readonly string[] {
  const wanted = [...m.expected].map(typeNamed).flatMap((type) => (type?.name.endsWith("Word") && type.LABEL ? [type.LABEL] : []));
  if (!m.betweenClauses)
    return [...wanted, ...(m.expects(t.LBrace) ? ["repeat", "when"] : [])];
  const more = m.clause?.image === "param" ? parameterWords : m.clause?.image === "lemma" ? ["when"] : [];
  return [...(blocks[m.rule]?.words ?? []), ...more];
}
/** Is it a word that something else follows, or that begins a line, as keywords do? */
const looksLikeKeyword = (m: Mistake): boolean =>
  m.beginsLine || !endsOperand(m.previous) || startsOperand(m.next) || isKeyword(m.next) || m.previous?.tokenType === t.RBrace;

export const mends: readonly MendRow[] = [
  {
    name: "== for =",
    mend: (m) => {
      const offset = m.is(t.EqualsEquals) ? 0 : m.is(t.Name) && m.betweenClauses && m.next?.tokenType === t.EqualsEquals ? 1 : undefined;
      if (offset === undefined || !(m.expects(t.Equals) || m.betweenClauses)) return undefined;
      const operator = m.lexemes[m.index + offset]!;
      const left = m.lexemes[m.index + offset - 1]?.image ?? "x";
      const insert = [respell(operator, t.Equals, "=")];
      return { diagnostic: d.comparisonForEquals({ left }, at(m.span(operator))), from: offset, remove: 1, insert };
    },
  },
  {
    name: "a : where = gives the value",
    mend: (m) => {
      if (!m.is(t.Colon) || !m.expects(t.Equals)) return undefined;
      const equals = m.lexemes.findIndex((token, i) => i > m.index && token.tokenType === t.Equals);
      const isType = m.next !== undefined && Object.hasOwn(t.typeWords, m.next.image);
      const name = m.previous?.image ?? "x";
      const typed = isType && equals !== -1 && equals < nextPlace(m.lexemes, m.index + 2);
      const diagnostic = unexpected(m, isType ? `leave out the type: ${name} = …` : `write ${name} = …`);
      return typed ? { diagnostic, remove: equals - m.index, insert: [] } : { diagnostic, remove: 1, insert: [put(m, t.Equals)] };
    },
  },
  {
    name: "a family where there is none",
    mend: (m) => {
      const word = m.lexemes[m.index - 2]?.image ?? "";
      const family = Object.hasOwn(families, word) ? families[word] : undefined;
      if (!family || !m.is(t.LBracket) || !m.expects(t.Colon) || m.next?.tokenType !== t.Name) return undefined;
      // Read as a declaration that may be one, so that uses of its members are not faulted too.
      const insert = [respell(m.lexemes[m.index - 2]!, t.Name, family)];
      return { diagnostic: d.noFamily({ what: word, name: m.previous!.image }, at(m.span())), from: -2, remove: 1, insert };
    },
  },
  {
    name: "a type left out",
    mend: (m) => {
      if (!m.expects(t.Colon) || m.rule === "objectiveDeclaration" || m.rule === "lemmaDeclaration") return undefined;
      const name = m.previous?.tokenType === t.RBracket ? "it" : (m.previous?.image ?? "it");
      if (m.lexeme && Object.hasOwn(t.typeWords, m.lexeme.image))
        return { diagnostic: unexpected(m, `write ${name}: ${m.lexeme.image}`), remove: 0, insert: [put(m, t.Colon)] };
      if (m.is(t.LBracket)) // a matrix's shape without its `real`, or a family's index that is no name
        return { diagnostic: d.missingType({ name, mend: `${name}: real[…]` }, at(m.span())), remove: 0, insert: [put(m, t.Colon), put(m, t.Name, "real")] };
      const place = m.previous ? m.span(m.previous) : m.span();
      return { diagnostic: d.missingType({ name, mend: `${name}: real` }, at(place)), remove: 0, insert: [put(m, t.Colon), put(m, t.Name, "real")] };
    },
  },
  {
    name: "a type of another name",
    mend: (m) => {
      if (!m.expects(t.typeWords.real)) return undefined;
      const { lexeme } = m;
      if (lexeme?.tokenType !== t.Name || m.beginsAssignment) {
        const mend = m.is(t.LBracket) ? "write real[…]" : "write real";
        return { diagnostic: unexpected(m, mend), remove: 0, insert: [put(m, t.Name, "real")] };
      }
      const near = nearest(lexeme.image, Object.keys(t.typeWords)) ?? "real";
      const diagnostic = d.misspelt({ found: m.show(), nearest: near, what: "a type" }, at(m.span()));
      return { diagnostic, remove: 1, insert: [respell(lexeme, t.Name, near)] };
    },
  },
  {
    name: "a misspelt keyword",
    mend: (m) => {
      const { lexeme } = m;
      if (lexeme?.tokenType !== t.Name || m.expectsExpression || m.beginsAssignment || !looksLikeKeyword(m)) return undefined;
      const known = candidates(m);
      const synonym = synonyms[lexeme.image];
      const near = synonym !== undefined && known.includes(synonym) ? synonym : nearest(lexeme.image, known);
      if (near === undefined || near === lexeme.image) return undefined;
      const what = m.betweenClauses ? (blocks[m.rule]?.clause ?? "a keyword") : "a keyword";
      const diagnostic = d.misspelt({ found: m.show(), nearest: near, what }, at(m.span()));
      return { diagnostic, remove: 1, insert: [respell(lexeme, t.Name, near)] };
    },
  },
  {
    name: "a } too many above",
    mend: (m) => {
      if (!m.betweenClauses || m.previous?.tokenType !== t.RBrace || !m.lexeme) return undefined;
      const word = m.lexeme.image;
      const outside = m.rule === "file" && (isKeyword(m.lexeme) && !declarations.has(word) || m.beginsAssignment);
      const inside = (m.rule === "layerDeclaration" || m.rule === "networkDeclaration") && isKeyword(m.lexeme) &&
        (steps.has(word) || training.has(word));
      if (!outside && !inside) return undefined;
      const place = blocks[m.rule]!.place;
      const diagnostic = d.wrongPlace(
        { keyword: m.show(), place, mend: "a } above it closes its block too early" }, at(m.span()), at(m.span(m.previous), "closed here"),
      );
      return { diagnostic, from: -1, remove: 1, insert: [] };
    },
  },
  {
    name: "a } left out",
    mend: (m) => {
      if (!m.betweenClauses || m.rule === "file" || m.rule === "expression" || m.rule === "hole") return undefined;
      const word = m.lexeme?.image ?? "";
      const foreign = isKeyword(m.lexeme) && (declarations.has(word) ||
        (m.rule === "layerDeclaration" ? networkOnly.has(word) : m.rule !== "networkDeclaration" && members.has(word)));
      const assigns = m.beginsAssignment && (m.rule === "stepDeclaration" || m.rule === "trainDeclaration");
      if (m.lexeme !== undefined && !foreign && !assigns) return undefined;
      const diagnostic = d.unclosed({ opener: "`{`", closer: "`}`", found: m.show() }, at(m.place), ...opened(m.openBrace, m));
      return { diagnostic, remove: 0, insert: [put(m, t.RBrace)] };
    },
  },
  {
    name: "a } that closes nothing",
    mend: (m) => {
      if (!m.is(t.RBrace) || !m.expected.has("EOF")) return undefined;
      const mended = m.lexemes.some((token, i) => i < m.index && token.tokenType === t.RBrace && isFabricated(token));
      return { ...(!mended && { diagnostic: d.unopened({ closer: "`}`" }, at(m.span())) }), remove: 1, insert: [] };
    },
  },
  {
    name: "sum for total",
    mend: (m) => {
      const sum = m.lexemes.findLastIndex((token, i) => i < m.index && token.tokenType === t.placeWords.sum);
      const inside = m.rule === "prefix" && m.index - sum <= 3;
      const behind = m.expectsExpression && m.previous?.tokenType === t.RParen && m.index - sum === 4;
      if (sum === -1 || (!inside && !behind)) return undefined;
      const token = m.lexemes[sum]!;
      const argument = behind ? m.lexemes[sum + 2]!.image : "…";
      const insert = [respell(token, t.Name, "total")];
      return { diagnostic: d.sumOfEntries({ argument }, at(m.span(token))), from: sum - m.index, remove: 1, insert };
    },
  },
  {
    name: "a bracket left open",
    mend: (m) => {
      const opener = m.openBracket;
      if (!opener || !(m.expects(t.RParen) || m.expects(t.RBracket))) return undefined;
      const closer = opener.tokenType === t.LParen ? t.RParen : t.RBracket;
      if (!m.expects(closer)) return undefined;
      const otherCloser = m.is(t.RParen) || m.is(t.RBracket);
      if (otherCloser) {
        const around = m.bracketAround(opener);
        const fits = around !== undefined && (around.tokenType === t.LParen) === m.is(t.RParen);
        const diagnostic = d.unclosed({ opener: m.show(opener), closer: show(closer.name), found: m.show() }, at(m.place), ...opened(opener, m));
        return { diagnostic, remove: fits ? 0 : 1, insert: [put(m, closer)] };
      }
      const ends = m.lexeme === undefined || isKeyword(m.lexeme) || m.beginsAssignment ||
        [t.RBrace, t.LBrace, t.Equals, t.Tilde, t.Range].some((type) => m.is(type));
      if (!ends || (m.is(t.Equals) && m.next && closesLater(m))) return undefined;
      const diagnostic = d.unclosed({ opener: m.show(opener), closer: show(closer.name), found: m.show() }, at(m.place), ...opened(opener, m));
      return { diagnostic, remove: 0, insert: [put(m, closer)] };
    },
  },
  {
    name: "= for ==",
    mend: (m) => {
      const inside = m.betweenClauses || [t.RParen, t.RBracket, t.LBrace, t.Range].some((type) => m.expects(type));
      if (!m.is(t.Equals) || m.expects(t.Equals) || !inside || !endsOperand(m.previous)) return undefined;
      const diagnostic = d.equalsForComparison({ left: m.previous!.image }, at(m.span()));
      return { diagnostic, remove: 1, insert: [respell(m.lexeme!, t.EqualsEquals, "==")] };
    },
  },
  {
    name: "= where another word stands",
    mend: (m) => {
      const [only] = m.expected;
      const type = typeNamed(only ?? "");
      if (!m.is(t.Equals) || m.expected.size !== 1 || type === undefined) return undefined;
      const word = t.allWords.get(type.LABEL ?? "") === type;
      if (!word && type !== t.Colon) return undefined;
      return { diagnostic: unexpected(m), remove: 1, insert: [word ? put(m, t.Name, type.LABEL!) : put(m, type)] };
    },
  },
  {
    name: "a bracket that closes nothing",
    mend: (m) => {
      if (!(m.is(t.RParen) || m.is(t.RBracket)) || m.expectsExpression || m.openBracket) return undefined;
      return { diagnostic: d.unopened({ closer: m.show() }, at(m.span())), remove: 1, insert: [] };
    },
  },
  {
    name: "a string without quotes",
    mend: (m) => {
      if (!m.expects(t.StringLiteral) || m.expectsExpression || !m.lexeme) return undefined;
      const first = m.lexeme;
      if (first.tokenType !== t.Name) return undefined;
      const line = m.text.slice(first.startOffset).match(/^[^\s"]+/)?.[0] ?? first.image;
      const count = m.lexemes.slice(m.index, m.index + 40).filter((token) => token.startOffset < first.startOffset + line.length).length;
      const insert = [{ ...respell(first, t.StringLiteral, `"${line}"`), endOffset: first.startOffset + line.length - 1 }];
      return { diagnostic: unexpected(m, `write "${line}"`), remove: count, insert };
    },
  },
  {
    name: "an expression left out",
    mend: (m) => {
      if (!m.expectsExpression) return undefined;
      const doubled = m.is(t.Times) && m.previous?.tokenType === t.Times;
      const mend = doubled ? "a power is written a^b" : undefined;
      if (doubled) return { diagnostic: unexpected(m, mend), remove: 1, insert: [] };
      return { diagnostic: unexpected(m), remove: 0, insert: [put(m, t.Missing)] };
    },
  },
  {
    name: "two expressions side by side",
    mend: (m) => {
      if (!startsOperand(m.lexeme) || !endsOperand(m.previous) || m.beginsAssignment) return undefined;
      if (m.beginsLine && !m.openBracket) return undefined;
      const inExpression = m.betweenClauses || m.expects(t.RParen) || m.expects(t.RBracket) || m.expects(t.LBrace) || m.expects(t.Equals);
      if (!inExpression || ["dim", "index", "layer", "step", "network"].includes(m.lexemes[m.index - 2]?.image ?? "")) return undefined;
      const left = m.previous!;
      const product = !m.is(t.StringLiteral) && [t.Name, t.NumberLiteral].includes(left.tokenType) && !m.is(t.LParen);
      const single = !startsOperand(m.next) || m.next?.tokenType === t.LParen;
      const diagnostic = d.sideBySide(
        { left: m.show(left), right: m.show(), ...(product && { mend: `${left.image}*${m.lexeme!.image}` }) }, at(m.span()),
      );
      return single && !m.is(t.StringLiteral) ? { diagnostic, remove: 0, insert: [put(m, t.Times)] } : { diagnostic, remove: m.junk, insert: [] };
    },
  },
  {
    name: "a name left out",
    mend: (m) => {
      if (!m.expects(t.Name) || m.expected.size > 1) return undefined;
      const replace = m.is(t.NumberLiteral) || m.is(t.StringLiteral);
      return { diagnostic: unexpected(m), remove: replace ? 1 : 0, insert: [put(m, t.Name, unnamed)] };
    },
  },
  {
    name: "a keyword where it cannot stand",
    mend: (m) => {
      if (!m.betweenClauses || !isKeyword(m.lexeme)) return undefined;
      const word = m.lexeme!.image;
      const home = steps.has(word) ? "a step" : training.has(word) ? "a train block" : members.has(word) ? "a network" : undefined;
      const mend = heads.get(word) ?? (home ? `it belongs into ${home}` : "leave it out");
      const diagnostic = d.wrongPlace({ keyword: m.show(), place: blocks[m.rule]?.place ?? "this text", mend }, at(m.span()));
      return { diagnostic, remove: m.junk, insert: [] };
    },
  },
  {
    name: "a sense left out",
    mend: (m) => m.expects(t.stepWords.minimize) && m.rule === "objectiveDeclaration"
      ? { diagnostic: unexpected(m), remove: 0, insert: [put(m, t.Name, "minimize")] } : undefined,
  },
  {
    name: "anything else left out",
    mend: (m) => {
      const [only] = m.expected;
      const type = only === undefined ? undefined : typeNamed(only);
      if (m.betweenClauses || type === undefined || (m.expects(t.RParen) && m.openBracket && startsOperand(m.lexeme))) return undefined;
      const word = t.allWords.get(type.LABEL ?? "") === type;
      return { diagnostic: unexpected(m), remove: 0, insert: [word ? put(m, t.Name, type.LABEL!) : put(m, type)] };
    },
  },
  {
    name: "what makes no sense here",
    mend: (m) => ({ diagnostic: unexpected(m), remove: Math.max(1, m.junk), insert: [] }),
  },
];

/** Does the bracket open here close on this line? Then `=` inside it is a comparison. */
function closesLater(m: Mistake): boolean {
  let depth = 0;
  for (let i = m.index; i < nextPlace(m.lexemes, m.index + 1); i += 1) {
    const { tokenType } = m.lexemes[i]!;
    if (tokenType === t.LParen || tokenType === t.LBracket) depth += 1;
    if ((tokenType === t.RParen || tokenType === t.RBracket) && depth-- === 0) return true;
  }
  return false;
}
