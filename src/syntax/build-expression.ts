/** How do operands group? The grammar lists them flat; this climbs the table of precedences. */
import type { CstNode, IToken } from "chevrotain";
import { at, Defect, type Reporter } from "../diagnostics/declare.js";
import { cover, type Span } from "../diagnostics/span.js";
import type { Argument, BinaryOperator, Expression, IndexArgument } from "./ast.js";
import { lexeme, lexemesOf, nameOf, node, nodes, spanOf, spanOfLexeme, stringOf } from "./cst.js";
import { deepestExpression, numberTooLarge, quantityOutsideTraining, tooLong } from "./diagnostics.js";

/** Loosest first. `^` takes what stands right of it first; so does nothing else. */
const precedences: Readonly<Record<BinaryOperator, number>> = {
  "|>": 1,
  "==": 2, "<": 2, "<=": 2, ">": 2, ">=": 2,
  "+": 3, "-": 3,
  "*": 4, "/": 4, ".*": 4, "./": 4, "%": 4,
  "^": 6, ".^": 6,
};
const productPrecedence = 4;
const negationPrecedence = 5;

export interface Building {
  readonly file: string;
  readonly reporter: Reporter;
  readonly inTraining: boolean;
}
/** An expression and the height of its tree, which is bounded so that later stages may recurse. */
interface Built {
  readonly e: Expression;
  readonly height: number;
}

export function buildExpression(cst: CstNode, building: Building): Expression {
  return new ExpressionBuilder(building).expression(cst).e;
}
export function buildArguments(cst: CstNode | undefined, building: Building): Argument[] {
  return new ExpressionBuilder(building).args(cst).map((a) => a.argument);
}
/** A reference is a bare name, or a call. */
export function buildReference(cst: CstNode, building: Building): Expression {
  return new ExpressionBuilder(building).reference(cst).e;
}

/** Lifetime: one expression. */
class ExpressionBuilder {
  private complained = false;
  constructor(private readonly building: Building) {}

  expression(cst: CstNode): Built {
    const operands = nodes(cst, "operand");
    if (operands.length === 1) return this.operandAlone(operands[0]!);
    return new Climb(this, operands, lexemesOf(cst, "BinaryOperator")).all();
  }

  /** `height` of what is built from `parts`; past the bound nothing is built, and that is said once. */
  join(make: () => Expression, span: Span, ...parts: readonly Built[]): Built {
    const height = 1 + parts.reduce((most, part) => Math.max(most, part.height), 0);
    if (height <= deepestExpression) return { e: make(), height };
    if (!this.complained) this.building.reporter.report(tooLong({}, at({ ...span, end: Math.min(span.end, span.start + 1) })));
    this.complained = true;
    return { e: { kind: "missing", span }, height: 1 };
  }

  private operandAlone(cst: CstNode): Built {
    return new Climb(this, [cst], []).all();
  }

  /** The operand without its prefixes. */
  primary(cst: CstNode): Built {
    let built = this.atom(cst);
    for (const suffix of nodes(cst, "suffix")) {
      const object = built;
      const span = cover(object.e.span, spanOf(suffix, this.building.file));
      if (lexemesOf(suffix, "Transpose").length > 0) {
        built = this.join(() => ({ kind: "transpose", operand: object.e, span }), span, object);
        continue;
      }
      const indices = nodes(node(suffix, "indices"), "indexArgument").map((i) => this.indexArgument(i));
      built = this.join(
        () => ({ kind: "index", object: object.e, indices: indices.map((i) => i.argument), span }),
        span, object, ...indices.flatMap((i) => i.parts),
      );
    }
    return built;
  }

  private atom(cst: CstNode): Built {
    const leaf = (e: Expression): Built => ({ e, height: 1 });
    const { file } = this.building;
    const number = lexemesOf(cst, "NumberLiteral")[0];
    if (number) return leaf({ kind: "number", value: this.value(number), text: number.image, span: spanOfLexeme(number, file) });
    const string = lexemesOf(cst, "StringLiteral")[0];
    if (string) return leaf({ kind: "string", value: stringOf(string), span: spanOfLexeme(string, file) });
    const missing = lexemesOf(cst, "Missing")[0];
    if (missing) return leaf({ kind: "missing", span: spanOfLexeme(missing, file) });
    const group = nodes(cst, "group")[0];
    if (group) {
      const span = spanOf(group, file);
      const inner = this.expression(node(group, "expression"));
      return this.join(() => ({ kind: "group", inner: inner.e, span }), span, inner);
    }
    return this.reference(node(cst, "reference"));
  }

  reference(cst: CstNode): Built {
    const callee = nameOf(lexeme(cst, "Name"), this.building.file);
    const call = nodes(cst, "callArguments")[0];
    if (!call) return { e: { kind: "name", ...callee }, height: 1 };
    const span = spanOf(cst, this.building.file);
    const args = this.args(call);
    return this.join(
      () => ({ kind: "call", callee, args: args.map((a) => a.argument), span }),
      span, ...args.map((a) => a.part),
    );
  }

  args(cst: CstNode | undefined): { argument: Argument; part: Built }[] {
    if (!cst) return [];
    return nodes(cst, "argument").map((argument) => {
      const name = lexemesOf(argument, "Name")[0];
      const quantity = nodes(argument, "quantity")[0];
      const part = quantity ? this.quantity(quantity) : this.expression(node(argument, "expression"));
      const span = spanOf(argument, this.building.file);
      return { argument: { ...(name && { name: nameOf(name, this.building.file) }), value: part.e, span }, part };
    });
  }

  private quantity(cst: CstNode): Built {
    const number = lexeme(cst, "NumberLiteral");
    const span = spanOf(cst, this.building.file);
    const unit = lexeme(cst, "Name").image;
    if (!this.building.inTraining) {
      this.building.reporter.report(quantityOutsideTraining({ text: `${number.image} ${unit}` }, at(span)));
      return { e: { kind: "missing", span }, height: 1 };
    }
    return { e: { kind: "quantity", value: this.value(number), text: number.image, unit, span }, height: 1 };
  }

  private indexArgument(cst: CstNode): { argument: IndexArgument; parts: readonly Built[] } {
    const span = spanOf(cst, this.building.file);
    const parts = nodes(cst, "expression").map((e) => this.expression(e));
    const [first, last] = parts;
    if (!first) return { argument: { kind: "all", span }, parts };
    if (!last) return { argument: { kind: "at", value: first.e, span }, parts };
    return { argument: { kind: "range", from: first.e, to: last.e, span }, parts };
  }

  private value(number: IToken): number {
    const value = Number(number.image);
    if (Number.isFinite(value)) return value;
    const span = spanOfLexeme(number, this.building.file);
    this.building.reporter.report(numberTooLarge({ text: number.image.length > 24 ? `${number.image.slice(0, 24)}…` : number.image }, at(span)));
    return 0;
  }

  nameAt(token: IToken): ReturnType<typeof nameOf> {
    return nameOf(token, this.building.file);
  }
  spanAt(token: IToken): Span {
    return spanOfLexeme(token, this.building.file);
  }
  prefixes(cst: CstNode): readonly CstNode[] {
    return nodes(cst, "prefix");
  }
}

/** Precedence climbing over one flat list of operands; it recurses for `^`, prefixes and right operands only. */
class Climb {
  private next = 0;
  private depth = 0;
  constructor(
    private readonly builder: ExpressionBuilder,
    private readonly operands: readonly CstNode[],
    private readonly operators: readonly IToken[],
  ) {}

  all(): Built {
    return this.binary(1);
  }

  private binary(least: number): Built {
    let left = this.unary(0);
    for (;;) {
      const token = this.operators[this.next - 1];
      if (token === undefined) return left;
      const op = token.image as BinaryOperator;
      const precedence = precedences[op];
      if (precedence < least) return left;
      const before = left;
      const right = this.deeper(() => (precedence === precedences["^"] ? this.power() : this.binary(precedence + 1)));
      const span = cover(before.e.span, right.e.span);
      const opSpan = this.builder.spanAt(token);
      left = this.builder.join(() => ({ kind: "binary", op, opSpan, left: before.e, right: right.e, span }), span, before, right);
    }
  }

  /** The right operand of `^`, which may carry a minus: `2^-1`, `2^-a^b`. */
  private power(): Built {
    return this.binary(precedences["^"]);
  }

  /** The next operand from its `from`-th prefix on. A minus binds looser than `^`; a `sum(k)` takes a whole product. */
  private unary(from: number): Built {
    const operand = this.operands[this.next];
    if (operand === undefined) throw new Defect("an operator without an operand");
    const prefixes = this.builder.prefixes(operand);
    const prefix = prefixes[from];
    if (prefix === undefined) {
      this.next += 1;
      return this.builder.primary(operand);
    }
    return this.deeper(() => {
      const start = this.builder.spanAt(lexemesOf(prefix, "Minus")[0] ?? lexeme(prefix, "SumWord"));
      const sum = lexemesOf(prefix, "SumWord").length > 0;
      const body = this.restOfPrefix(from + 1, sum ? productPrecedence : negationPrecedence);
      const span = cover(start, body.e.span);
      return this.builder.join(
        () => sum
          ? { kind: "sum", index: this.builder.nameAt(lexeme(prefix, "Name")), body: body.e, span }
          : { kind: "negate", operand: body.e, span },
        span, body,
      );
    });
  }

  private restOfPrefix(from: number, least: number): Built {
    let left = this.unary(from);
    for (;;) {
      const token = this.operators[this.next - 1];
      if (token === undefined || precedences[token.image as BinaryOperator] < least) return left;
      const op = token.image as BinaryOperator;
      const before = left;
      const right = this.deeper(() => (precedences[op] === precedences["^"] ? this.power() : this.binary(precedences[op] + 1)));
      const span = cover(before.e.span, right.e.span);
      const opSpan = this.builder.spanAt(token);
      left = this.builder.join(() => ({ kind: "binary", op, opSpan, left: before.e, right: right.e, span }), span, before, right);
    }
  }

  /** Counts recursion, so that a chain of a thousand minus signs ends in a message and not in a full stack. */
  private deeper(make: () => Built): Built {
    if (this.depth > deepestExpression) {
      const operand = this.operands[Math.min(this.next, this.operands.length - 1)]!;
      this.next = this.operands.length;
      const place = this.builder.join.bind(this.builder);
      const span = { ...this.builder.spanAt(firstLexeme(operand)) };
      return place(() => ({ kind: "missing", span }), span, { e: { kind: "missing", span }, height: deepestExpression + 1 });
    }
    this.depth += 1;
    const built = make();
    this.depth -= 1;
    return built;
  }
}

function firstLexeme(cst: CstNode): IToken {
  let at: CstNode | IToken = cst;
  while ("children" in at) {
    const parts: (CstNode | IToken)[] = Object.values(at.children).flat();
    const first: CstNode | IToken | undefined = parts[0];
    if (first === undefined) throw new Defect(`${at.name} is empty`);
    at = first;
  }
  return at;
}

