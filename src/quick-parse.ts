import type { CstNode, IToken } from "chevrotain";
import { classifyWords } from "../grammar/words.js";
import { SrrParser } from "../grammar/parser.js";
import * as t from "../grammar/tokens.js";
import type * as A from "./syntax/ast.js";
import type { Diagnostic } from "./diagnostics/declare.js";
import { at, declare } from "./diagnostics/declare.js";
import type { Span } from "./diagnostics/span.js";

const syntax = declare<{ text: string }>({ code: "SRR1999", severity: "error", message: (p) => p.text });
const parser = new SrrParser();
type N = CstNode;
const C = (n: N, k: string): N[] => (n.children[k] ?? []).filter((x): x is N => "children" in x);
const T = (n: N, k: string): IToken[] => (n.children[k] ?? []).filter((x): x is IToken => "image" in x);
export function parse(text: string, file: string): { file: A.SourceFile; diagnostics: readonly Diagnostic[] } {
  const { tokens, nodes, diagnostics } = read(text, file, (p) => p.file());
  const b = new Builder(file, text, tokens);
  const declarations = diagnostics.length ? [] : C(nodes!, "declaration").map((d) => b.declaration(d));
  return { file: { span: { file, start: 0, end: text.length }, declarations, comments: [] }, diagnostics };
}
export function parseExpression(text: string, file: string): { expression: A.Expression; diagnostics: readonly Diagnostic[] } {
  const { tokens, nodes, diagnostics } = read(text, file, (p) => p.expression(), "expression");
  const b = new Builder(file, text, tokens);
  return { expression: diagnostics.length ? { kind: "missing", span: { file, start: 0, end: 0 } } : b.expression(nodes!), diagnostics };
}
export function parseHole(text: string, file: string): { hole: A.Hole | undefined; diagnostics: readonly Diagnostic[] } {
  const lexed = t.lexer.tokenize(`lemma x(${text}): 1 ~ 1`);
  classifyWords(lexed.tokens);
  parser.input = lexed.tokens;
  const cst = parser.file();
  if (parser.errors.length) return { hole: undefined, diagnostics: [syntax({ text: "not a declaration" }, at({ file, start: 0, end: text.length }))] };
  const b = new Builder(file, text, lexed.tokens);
  const lemma = C(C(cst, "declaration")[0]!, "lemmaDeclaration")[0]!;
  return { hole: b.hole(C(C(lemma, "signature")[0]!, "hole")[0]!), diagnostics: [] };
}
function read(text: string, file: string, rule: (p: SrrParser) => N, place: "clause" | "expression" = "clause") {
  const lexed = t.lexer.tokenize(text);
  classifyWords(lexed.tokens, { place });
  parser.input = lexed.tokens;
  const nodes = rule(parser);
  const span = (s: number, e: number): Span => ({ file, start: Number.isNaN(s) ? text.length : s, end: Number.isNaN(e) ? text.length : e });
  const diagnostics = [...lexed.errors.map((e) => syntax({ text: e.message }, at(span(e.offset, e.offset + 1)))),
    ...parser.errors.map((e) => syntax({ text: `expected ${e.message}, found ${e.token.image}` }, at(span(e.token.startOffset, (e.token.endOffset ?? 0) + 1))))];
  return { tokens: lexed.tokens, nodes, diagnostics };
}
class Builder {
  constructor(private file: string, private text: string, private tokens: IToken[]) {}
  span(n: N): Span { const l = n.location!; return { file: this.file, start: l.startOffset, end: (l.endOffset ?? 0) + 1 }; }
  tspan(x: IToken): Span { return { file: this.file, start: x.startOffset, end: x.startOffset + x.image.length }; }
  name(x: IToken): A.Name { return { name: x.image, span: this.tspan(x) }; }
  doc(n: N): { doc?: string } {
    const before = this.text.slice(0, n.location!.startOffset).split("\n");
    before.pop();
    const lines: string[] = [];
    for (let l = before.pop(); l !== undefined && l.trim().startsWith("///"); l = before.pop()) lines.unshift(l.trim().slice(3).trim());
    return lines.length ? { doc: lines.join("\n") } : {};
  }
  declaration(n: N): A.Declaration {
    const [kind, [d]] = Object.entries(n.children)[0] as [string, N[]];
    const span = this.span(d!);
    const name = () => this.name(T(d!, "Name")[0]!);
    switch (kind) {
      case "importDeclaration": { const s = T(d!, "StringLiteral")[0]!; return { kind: "import", path: s.image.slice(1, -1), pathSpan: this.tspan(s), span }; }
      case "functionDeclaration": return { kind: "fn", name: name(), holes: this.signature(d!), body: this.expression(C(d!, "expression")[0]!), span, ...this.doc(d!) };
      case "lemmaDeclaration": {
        const when = C(d!, "whenClause")[0];
        return { kind: "lemma", name: name(), holes: this.signature(d!), left: this.expression(C(d!, "expression")[0]!), right: this.expression(C(d!, "expression")[1]!), relation: T(d!, "Tilde").length ? "approximation" : "identity", span, ...this.doc(d!), ...(when ? { when: this.expression(C(when, "expression")[0]!) } : {}) };
      }
      default: return { kind: "network", name: name(), members: C(d!, "member").map((m) => this.member(m)), span, ...this.doc(d!) };
    }
  }
  signature(n: N): A.Hole[] { return C(C(n, "signature")[0]!, "hole").map((h) => this.hole(h)); }
  hole(h: N): A.Hole {
    const f = C(h, "familyIndex")[0];
    return { name: this.name(T(h, "Name")[0]!), type: this.type(C(h, "type")[0]!), span: this.span(h), ...(f ? { index: this.name(T(f, "Name")[0]!) } : {}) };
  }
  type(n: N): A.TypeExpression {
    const base = T(n, "RealWord").length ? "real" : T(n, "ClassWord").length ? "class" : "token";
    return { base, dims: C(n, "expression").map((e) => this.expression(e)), span: this.span(n) };
  }
  definition(d: N): A.Declarator & { value: A.Expression } {
    const f = C(d, "familyIndex")[0];
    return { name: this.name(T(d, "Name")[0]!), value: this.expression(C(d, "expression")[0]!), span: this.span(d), ...(f ? { index: this.name(T(f, "Name")[0]!) } : {}) };
  }
  member(m: N): A.Member {
    const [kind, [n]] = Object.entries(m.children)[0] as [string, N[]];
    if (kind === "layerMember") return this.member(n!);
    const d = n!;
    const span = this.span(d);
    const doc = this.doc(d);
    const name = () => this.name(T(d, "Name")[0]!);
    const e = (i = 0) => this.expression(C(d, "expression")[i]!);
    const holeParts = () => { const h = this.hole(C(d, "hole")[0]!); return { name: h.name, type: h.type, ...(h.index ? { index: h.index } : {}) }; };
    switch (kind) {
      case "dimDeclaration": return { kind: "dim", span, ...doc, declarators: C(d, "dimDeclarator").map((x) => { const v = C(x, "expression")[0]; return { name: this.name(T(x, "Name")[0]!), span: this.span(x), ...(v ? { value: this.expression(v) } : {}) }; }) };
      case "indexDeclaration": return { kind: "index", name: name(), from: e(0), to: e(1), span, ...doc };
      case "presetDeclaration": return { kind: "preset", name: name(), settings: C(d, "definition").map((x) => this.definition(x)), span, ...doc };
      case "constDeclaration": return { kind: "const", declarators: C(d, "definition").map((x) => this.definition(x)), span, ...doc };
      case "letDeclaration": return { kind: "let", declarators: C(d, "definition").map((x) => this.definition(x)), span, ...doc };
      case "inputDeclaration": return { kind: T(d, "InputWord").length ? "input" : "target", name: name(), type: this.type(C(d, "type")[0]!), span, ...doc };
      case "paramDeclaration": {
        const init = C(d, "initClause")[0], alias = C(d, "aliasClause")[0];
        const strings = alias ? T(alias, "StringLiteral") : [];
        return { kind: "param", ...holeParts(), fixed: T(d, "FixedWord").length > 0, shared: T(d, "SharedWord").length > 0, positive: T(d, "PositiveWord").length > 0, span, ...doc,
          ...(init ? { init: this.expression(C(init, "expression")[0]!) } : {}),
          ...(alias ? { alias: { pattern: strings[0]!.image.slice(1, -1), patternSpan: this.tspan(strings[0]!), span: this.span(alias), ...(strings[1] ? { axes: strings[1].image.slice(1, -1), axesSpan: this.tspan(strings[1]) } : {}) } } : {}) };
      }
      case "varDeclaration": return { kind: "var", ...holeParts(), init: e(), span, ...doc };
      case "objectiveDeclaration": return { kind: "objective", name: name(), sense: T(d, "MinimizeWord").length ? "minimize" : "maximize", value: e(), span, ...doc };
      case "layerDeclaration": return { kind: "layer", name: name(), members: C(d, "layerMember").map((x) => this.member(x)), span, ...doc, ...(C(d, "expression")[0] ? { repeat: e() } : {}) };
      case "definition": { const x = this.definition(d); return { kind: "assign", name: x.name, value: x.value, span, ...doc, ...(x.index ? { index: x.index } : {}) }; }
      case "outputDeclaration": return { kind: "output", name: name(), type: this.type(C(d, "type")[0]!), value: e(), span, ...doc };
      case "trainDeclaration": return { kind: "train", clauses: C(d, "trainClause").map((x) => this.train(x)), span, ...doc };
      case "stepDeclaration": return this.step(d);
      default: throw new Error(kind);
    }
  }
  step(d: N): A.StepDeclaration {
    const clauses = C(d, "stepClause").map((x) => Object.entries(x.children)[0] as [string, N[]]);
    const of = (k: string): N[] => clauses.filter(([kind]) => kind === k).map(([, [n]]) => n!);
    const expr = (k: string) => { const n = of(k)[0]; return n && this.expression(C(n, "expression")[0]!); };
    const objective = of("objectiveClause")[0], by = of("byClause")[0], over = of("overClause")[0], wrt = of("wrtClause")[0], pre = of("prenormClause")[0], using = of("usingClause")[0], when = C(d, "whenClause")[0];
    const ref = (r: N) => { const a = C(r, "callArguments")[0]; return { name: this.name(T(r, "Name")[0]!), args: a ? this.args(a) : [], span: this.span(r) }; };
    const missing: A.Expression = { kind: "missing", span: this.span(d) };
    const h = over && this.hole(C(over, "hole")[0]!);
    return {
      kind: "step", name: this.name(T(d, "Name")[0]!), span: this.span(d), ...this.doc(d), sense: objective && T(objective, "MaximizeWord").length ? "maximize" : "minimize",
      objective: objective ? this.expression(C(objective, "expression")[0]!) : missing, method: by ? ref(C(by, "reference")[0]!) : { name: { name: "", span: this.span(d) }, args: [], span: this.span(d) },
      captures: of("captureClause").map((c) => this.definition(C(c, "definition")[0]!)), using: using ? C(using, "reference").map(ref) : [],
      ...(when ? { when: this.expression(C(when, "expression")[0]!) } : {}), ...(wrt ? { wrt: this.name(T(wrt, "Name")[0]!) } : {}),
      ...(over && h ? { over: { name: h.name, type: h.type, from: this.expression(C(over, "expression")[0]!), ...(h.index ? { index: h.index } : {}) } } : {}),
      ...(expr("asClause") ? { surrogate: expr("asClause")! } : {}), ...(expr("thenClause") ? { then: expr("thenClause")! } : {}), ...(expr("expectClause") ? { expect: expr("expectClause")! } : {}),
      ...(pre ? { prenorm: { mode: T(pre, "InputWord").length ? "input" as const : "increment" as const, call: this.expression(C(pre, "expression")[0]!), span: this.span(pre) } } : {}),
    };
  }
  train(x: N): A.TrainClause {
    const entry = Object.entries(x.children)[0] as [string, (N | IToken)[]];
    const first = entry[1][0]!;
    if ("image" in first) return { keyword: this.name(first), words: [], values: [], span: this.span(x) };
    const tokens = Object.values(first.children).flat().filter((y): y is IToken => "image" in y).sort((a, b) => a.startOffset - b.startOffset);
    const words = tokens.slice(1).filter((w) => w.tokenType === t.Name || w.image === "synthetic").map((w) => this.name(w));
    return { keyword: this.name(tokens[0]!), words, values: C(first, "expression").map((e) => this.expression(e)), span: this.span(x) };
  }
  args(n: N): A.Argument[] {
    return C(n, "argument").map((a) => {
      const name = T(a, "Name")[0], q = C(a, "quantity")[0];
      const value: A.Expression = q ? { kind: "quantity", value: Number(T(q, "NumberLiteral")[0]!.image), text: T(q, "NumberLiteral")[0]!.image, unit: T(q, "Name")[0]!.image, span: this.span(q) } : this.expression(C(a, "expression")[0]!);
      return { value, span: this.span(a), ...(name ? { name: this.name(name) } : {}) };
    });
  }
  expression(n: N): A.Expression {
    const operands = C(n, "operand");
    const operators = T(n, "BinaryOperator");
    // Precedence climbing over the flat list; prefixes are handled with their operands.
    const prec = (op: string): number => (op === "^" || op === ".^" ? 6 : ["*", ".*", "/", "./", "%"].includes(op) ? 4 : op === "+" || op === "-" ? 3 : op === "|>" ? 1 : 2);
    let i = 0;
    const join = (left: A.Expression, op: IToken, right: A.Expression): A.Expression => ({ kind: "binary", op: op.image as A.BinaryOperator, opSpan: this.tspan(op), left, right, span: { file: this.file, start: left.span.start, end: right.span.end } });
    const climb = (least: number): A.Expression => {
      let left = operand();
      while (i < operators.length && prec(operators[i]!.image) >= least) {
        const op = operators[i]!;
        const p = prec(op.image);
        i += 1;
        left = join(left, op, climb(p === 6 ? 6 : p + 1));
      }
      return left;
    };
    const operand = (): A.Expression => {
      const o = operands[i]!;
      const prefixes = C(o, "prefix");
      const wrap = (k: number): A.Expression => {
        const p = prefixes[k];
        if (!p) return this.primary(o);
        const start = p.location!.startOffset;
        if (T(p, "Minus").length) { const inner = k === prefixes.length - 1 ? power(wrap(k + 1)) : wrap(k + 1); return { kind: "negate", operand: inner, span: { file: this.file, start, end: inner.span.end } }; }
        const inner = k === prefixes.length - 1 ? products(power(wrap(k + 1))) : products(wrap(k + 1));
        return { kind: "sum", index: this.name(T(p, "Name")[0]!), body: inner, span: { file: this.file, start, end: inner.span.end } };
      };
      const power = (left: A.Expression): A.Expression => { if (i < operators.length && prec(operators[i]!.image) === 6) { const op = operators[i]!; i += 1; return join(left, op, climb(6)); } return left; };
      const products = (first: A.Expression): A.Expression => { let left = first; while (i < operators.length && prec(operators[i]!.image) >= 4) { const op = operators[i]!; const p = prec(op.image); i += 1; left = join(left, op, climb(p === 6 ? 6 : p + 1)); } return left; };
      return prefixes.length ? wrap(0) : this.primary(o);
    };
    return climb(0);
  }
  primary(o: N): A.Expression {
    let e: A.Expression;
    const num = T(o, "NumberLiteral")[0], str = T(o, "StringLiteral")[0], ref = C(o, "reference")[0], group = C(o, "group")[0];
    if (num) e = { kind: "number", value: Number(num.image), text: num.image, span: this.tspan(num) };
    else if (str) e = { kind: "string", value: str.image.slice(1, -1), span: this.tspan(str) };
    else if (ref) { const a = C(ref, "callArguments")[0]; const callee = this.name(T(ref, "Name")[0]!); e = a ? { kind: "call", callee, args: this.args(a), span: this.span(ref) } : { kind: "name", name: callee.name, span: callee.span }; }
    else e = { kind: "group", inner: this.expression(C(group!, "expression")[0]!), span: this.span(group!) };
    for (const s of C(o, "suffix")) {
      const span = { file: this.file, start: e.span.start, end: this.span(s).end };
      const ix = C(s, "indices")[0];
      e = ix ? { kind: "index", object: e, indices: C(ix, "indexArgument").map((a): A.IndexArgument => {
        const [x, y] = C(a, "expression").map((q) => this.expression(q));
        return !x ? { kind: "all", span: this.span(a) } : y ? { kind: "range", from: x, to: y, span: this.span(a) } : { kind: "at", value: x, span: this.span(a) };
      }), span } : { kind: "transpose", operand: e, span };
    }
    return e;
  }
}
