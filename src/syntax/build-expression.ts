/** How do operands group? The grammar lists them flat; this climbs the table of precedences. */
import type { CstNode, IToken } from "chevrotain";
import { at, Defect, type Diagnostic, type Reporter } from "../diagnostics/declare.js";
import { cover, type Span } from "../diagnostics/span.js";
import type { Argument, BinaryOperator, Expression, IndexArgument } from "./ast.js";
import { lexeme, lexemesOf, nameOf, node, nodes, spanOf, spanOfLexeme, stringOf } from "./cst.js";
import { deepestExpression, deepestNesting, numberTooLarge, quantityOutsideTraining, tooDeep, tooLong } from "./diagnostics.js";

/** Loosest first. `^` takes what stands right of it first; so does nothing else. */
const precedences: Readonly<Record<BinaryOperator, number>> = {
  "|>": 1,
  "==": 2, "<": 2, "<=": 2, ">": 2, ">=": 2,
  "+": 3, "-": 3,
  "*": 4, "/": 4, ".*": 4, "./": 4, "%": 4,
  "^": 6, ".^": 6,
};
const powerPrecedence = 6;
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
/** Lifetime: one expression. */
class ExpressionBuilder {
  private complained = false;
  private depth = 0;
  constructor(private readonly building: Building) {}

  expression(cst: CstNode): Built {
    const built = this.deeper(() => new Climb(this, nodes(cst, "operand"), lexemesOf(cst, "BinaryOperator")).climb(1), cst);
    return built ?? { e: { kind: "missing", span: spanOf(cst, this.building.file) }, height: 1 };
  }

  /** Counts recursion, so that a thousand minus signs end in a message and not in a full stack. */
  deeper(make: () => Built, place: CstNode): Built | undefined {
    if (this.depth > 2 * deepestNesting) {
      this.complain(tooDeep({}, at(this.spanAt(firstLexeme(place)))));
      return undefined;
    }
    this.depth += 1;
    const built = make();
    this.depth -= 1;
    return built;
  }

  private complain(diagnostic: Diagnostic): void {
    if (!this.complained) this.building.reporter.report(diagnostic);
    this.complained = true;
  }

  /** `height` of what is built from `parts`; past the bound nothing is built, and that is said once. */
  join(make: () => Expression, span: Span, ...parts: readonly Built[]): Built {
    const height = 1 + parts.reduce((most, part) => Math.max(most, part.height), 0);
    if (height <= deepestExpression) return { e: make(), height };
    this.complain(tooLong({}, at({ ...span, end: Math.min(span.end, span.start + 1) })));
    return { e: { kind: "missing", span }, height: 1 };
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
}

/** Precedence climbing over one flat list of operands; it recurses for `^`, prefixes and right operands only. */
class Climb {
  private next = 0;
  constructor(
    private readonly builder: ExpressionBuilder,
    private readonly operands: readonly CstNode[],
    private readonly operators: readonly IToken[],
  ) {}

  /** The operand at `next` from its `prefix`-th prefix on, and all that follows and binds at least as tightly as `least`. */
  climb(least: number, prefix = 0): Built {
    let left = this.unary(prefix);
    for (;;) {
      const token = this.operators[this.next - 1];
      if (token === undefined) return left;
      const op = token.image as BinaryOperator;
      const precedence = precedences[op];
      if (precedence < least) return left;
      const before = left;
      const right = this.deeper(() => this.climb(precedence === powerPrecedence ? precedence : precedence + 1));
      const span = cover(before.e.span, right.e.span);
      const opSpan = this.builder.spanAt(token);
      left = this.builder.join(() => ({ kind: "binary", op, opSpan, left: before.e, right: right.e, span }), span, before, right);
    }
  }

  /** A minus binds looser than `^`, which may have one on its right: `2^-1`. A `sum(k)` takes a whole product. */
  private unary(from: number): Built {
    const operand = this.operands[this.next];
    if (operand === undefined) throw new Defect("an operator without an operand");
    const prefix = nodes(operand, "prefix")[from];
    if (prefix === undefined) {
      this.next += 1;
      return this.builder.primary(operand);
    }
    return this.deeper(() => {
      const sum = lexemesOf(prefix, "SumWord")[0];
      const start = this.builder.spanAt(sum ?? lexeme(prefix, "Minus"));
      const body = this.climb(sum ? productPrecedence : negationPrecedence, from + 1);
      const span = cover(start, body.e.span);
      return this.builder.join(
        () => sum
          ? { kind: "sum", index: this.builder.nameAt(lexeme(prefix, "Name")), body: body.e, span }
          : { kind: "negate", operand: body.e, span },
        span, body,
      );
    });
  }

  private deeper(make: () => Built): Built {
    const built = this.builder.deeper(make, this.operands[Math.min(this.next, this.operands.length - 1)]!);
    if (built) return built;
    this.next = this.operands.length;
    return { e: { kind: "missing", span: this.builder.spanAt(this.operators.at(-1) ?? firstLexeme(this.operands[0]!)) }, height: 1 };
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
