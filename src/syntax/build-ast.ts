/** CST → AST: one function for each declaration. */
import type { CstNode } from "chevrotain";
import { at, type Reporter } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import type { Alias, Declaration, Declarator, Expression, Member, ParamDeclaration } from "./ast.js";
import {
  buildDefinition, buildHole, buildStep, buildTraining, buildType, firstLexeme, onlyOnce,
} from "./build-clauses.js";
import { type Building, buildExpression } from "./build-expression.js";
import { lexeme, lexemesOf, nameOf, node, nodes, onlyNode, spanOf, spanOfLexeme, stringOf } from "./cst.js";
import { initialiserForm } from "./diagnostics.js";

export interface FileBuilding {
  readonly file: string;
  readonly text: string;
  readonly reporter: Reporter;
  /** Documentation by the offset of the declaration's first lexeme. */
  readonly docs: ReadonlyMap<number, string>;
  /** True where recovery left something out. */
  readonly damaged: (span: Span) => boolean;
}

/** Where declarations and members begin: documentation belongs to these. */
export function declarationStarts(file: CstNode): ReadonlySet<number> {
  const starts = new Set<number>();
  const members = (cst: CstNode): void => {
    for (const member of [...nodes(cst, "member"), ...nodes(cst, "layerMember")]) {
      starts.add(member.location?.startOffset ?? -1);
      const inner = onlyNode(member);
      const layer = inner.name === "layerDeclaration" ? inner : undefined;
      if (layer) members(layer);
    }
  };
  for (const declaration of nodes(file, "declaration")) {
    const inner = onlyNode(declaration);
    if (inner.name !== "importDeclaration") starts.add(declaration.location?.startOffset ?? -1);
    if (inner.name === "networkDeclaration") members(inner);
  }
  return starts;
}

export function buildDeclarations(file: CstNode, building: FileBuilding): Declaration[] {
  const builder = new DeclarationBuilder(building);
  return nodes(file, "declaration").map((declaration) => builder.declaration(onlyNode(declaration)));
}

/** Lifetime: one file. */
class DeclarationBuilder {
  private readonly inner: Building;
  constructor(private readonly building: FileBuilding) {
    this.inner = { file: building.file, reporter: building.reporter, inTraining: false };
  }

  declaration(cst: CstNode): Declaration {
    const span = this.span(cst);
    if (cst.name === "importDeclaration") {
      const path = lexeme(cst, "StringLiteral");
      return { kind: "import", path: stringOf(path), pathSpan: spanOfLexeme(path, this.building.file), span };
    }
    const head = { name: this.name(cst), ...this.doc(cst), span };
    if (cst.name === "networkDeclaration")
      return { kind: "network", ...head, members: nodes(cst, "member").map((m) => this.member(m)) };
    const holes = nodes(node(cst, "signature"), "hole").map((hole) => buildHole(hole, this.inner));
    if (cst.name === "functionDeclaration") return { kind: "fn", ...head, holes, body: this.value(cst) };
    const when = nodes(cst, "whenClause")[0];
    return {
      kind: "lemma", ...head, holes,
      left: this.value(cst), right: this.value(cst, 1),
      relation: lexemesOf(cst, "Tilde").length > 0 ? "approximation" : "identity",
      ...(when && { when: this.value(when) }),
    };
  }

  private member(cst: CstNode): Member {
    const inner = onlyNode(cst);
    if (inner.name === "layerMember") return this.member(inner);
    const head = { ...this.doc(inner), span: this.span(inner) };
    switch (inner.name) {
      case "dimDeclaration":
        return { kind: "dim", ...head, declarators: nodes(inner, "dimDeclarator").map((each) => this.dim(each)) };
      case "indexDeclaration":
        return { kind: "index", ...head, name: this.name(inner), from: this.value(inner), to: this.value(inner, 1) };
      case "presetDeclaration":
        return { kind: "preset", ...head, name: this.name(inner), settings: this.definitions(inner) };
      case "constDeclaration": return { kind: "const", ...head, declarators: this.definitions(inner) };
      case "letDeclaration": return { kind: "let", ...head, declarators: this.definitions(inner) };
      case "inputDeclaration": {
        const kind = lexemesOf(inner, "InputWord").length > 0 ? "input" : "target";
        return { kind, ...head, name: this.name(inner), type: buildType(node(inner, "type"), this.inner) };
      }
      case "paramDeclaration": return this.param(inner);
      case "varDeclaration": {
        const { name, index, type } = buildHole(node(inner, "hole"), this.inner);
        return { kind: "var", ...head, name, ...(index && { index }), type, init: this.value(inner) };
      }
      case "objectiveDeclaration": {
        const sense = lexemesOf(inner, "MinimizeWord").length > 0 ? "minimize" : "maximize";
        return { kind: "objective", ...head, name: this.name(inner), sense, value: this.value(inner) };
      }
      case "layerDeclaration": {
        const repeat = nodes(inner, "expression")[0];
        return {
          kind: "layer", ...head, name: this.name(inner), ...(repeat && { repeat: buildExpression(repeat, this.inner) }),
          members: nodes(inner, "layerMember").map((m) => this.member(m)),
        };
      }
      case "stepDeclaration": return { ...buildStep(inner, this.inner, this.building.damaged), ...head };
      case "outputDeclaration":
        return { kind: "output", ...head, name: this.name(inner), type: buildType(node(inner, "type"), this.inner), value: this.value(inner) };
      case "trainDeclaration":
        return { kind: "train", ...head, clauses: buildTraining(nodes(inner, "trainClause"), this.inner) };
      default: return { kind: "assign", ...buildDefinition(inner, this.inner), ...head };
    }
  }

  private dim(cst: CstNode): Declarator {
    const value = nodes(cst, "expression")[0];
    return { name: this.name(cst), ...(value && { value: buildExpression(value, this.inner) }), span: this.span(cst) };
  }

  private definitions(cst: CstNode): Declarator[] {
    return nodes(cst, "definition").map((definition) => buildDefinition(definition, this.inner));
  }

  private param(cst: CstNode): ParamDeclaration {
    const { name, index, type } = buildHole(node(cst, "hole"), this.inner);
    const seen = new Map<string, Span>();
    for (const keyword of ["FixedWord", "SharedWord", "PositiveWord"].flatMap((word) => lexemesOf(cst, word)))
      onlyOnce(seen, keyword.image, spanOfLexeme(keyword, this.building.file), this.inner);
    for (const clause of [...nodes(cst, "initClause"), ...nodes(cst, "aliasClause")]) {
      const keyword = firstLexeme(clause);
      onlyOnce(seen, keyword.image, spanOfLexeme(keyword, this.building.file), this.inner);
    }
    const init = nodes(cst, "initClause")[0];
    const alias = nodes(cst, "aliasClause")[0];
    return {
      kind: "param", ...this.doc(cst), name, ...(index && { index }), type,
      fixed: seen.has("fixed"), shared: seen.has("shared"), positive: seen.has("positive"),
      ...(init && { init: this.initialiser(init) }),
      ...(alias && { alias: this.alias(alias) }),
      span: this.span(cst),
    };
  }

  private initialiser(cst: CstNode): Expression {
    const init = this.value(cst);
    if (init.kind === "name" || init.kind === "call" || init.kind === "missing") return init;
    const text = this.building.text.slice(init.span.start, init.span.end).replace(/\s+/g, " ");
    this.building.reporter.report(initialiserForm({ text: text.length > 60 ? "…" : text }, at(init.span)));
    return { kind: "missing", span: init.span };
  }

  private alias(cst: CstNode): Alias {
    const [pattern, axes] = lexemesOf(cst, "StringLiteral");
    return {
      pattern: stringOf(pattern!), patternSpan: spanOfLexeme(pattern!, this.building.file),
      ...(axes && { axes: stringOf(axes), axesSpan: spanOfLexeme(axes, this.building.file) }),
      span: this.span(cst),
    };
  }

  private value(cst: CstNode, which = 0): Expression {
    return buildExpression(node(cst, "expression", which), this.inner);
  }
  private name(cst: CstNode): ReturnType<typeof nameOf> {
    return nameOf(lexeme(cst, "Name"), this.building.file);
  }
  private span(cst: CstNode): Span {
    return spanOf(cst, this.building.file);
  }
  private doc(cst: CstNode): { doc?: string } {
    const doc = this.building.docs.get(cst.location?.startOffset ?? -1);
    return doc === undefined ? {} : { doc };
  }
}
