/** What is the grammar? One Chevrotain rule for each construct; trees are made of its rules' names and lexemes. */
import { CstParser, type IParserErrorMessageProvider, type TokenType } from "chevrotain";
import * as t from "./tokens.js";

/** Messages are the names of the expected lexemes; the words for people are made from them elsewhere. */
const expectedNames: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => expected.name,
  buildNotAllInputParsedMessage: () => "EOF",
  buildNoViableAltMessage: ({ expectedPathsPerAlt }) =>
    [...new Set(expectedPathsPerAlt.flat().map((path) => path[0]?.name ?? ""))].join(" "),
  buildEarlyExitMessage: ({ expectedIterationPaths }) =>
    [...new Set(expectedIterationPaths.map((path) => path[0]?.name ?? ""))].join(" "),
};

const { import: Import, fn: Fn, lemma: Lemma, network: Network } = t.declarationWords;
const member = t.memberWords;
const more = t.continuationWords;
const clause = t.stepWords;
const train = t.trainWords;

/** The parser of `.srr` files. It stops at the first mistake: mending and going on is `src/syntax/recover.ts`. */
export class SrrParser extends CstParser {
  constructor(options: { skipValidations: boolean } = { skipValidations: true }) {
    super(t.vocabulary, {
      recoveryEnabled: false,
      maxLookahead: 2,
      nodeLocationTracking: "onlyOffset",
      errorMessageProvider: expectedNames,
      ...options,
    });
    this.performSelfAnalysis();
  }

  // ------------------------------------------------------------ files
  file = this.RULE("file", () => {
    this.MANY(() => this.SUBRULE(this.declaration));
  });
  declaration = this.RULE("declaration", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.importDeclaration) },
      { ALT: () => this.SUBRULE(this.functionDeclaration) },
      { ALT: () => this.SUBRULE(this.lemmaDeclaration) },
      { ALT: () => this.SUBRULE(this.networkDeclaration) },
    ]);
  });
  importDeclaration = this.RULE("importDeclaration", () => {
    this.CONSUME(Import);
    this.CONSUME(t.StringLiteral);
  });
  functionDeclaration = this.RULE("functionDeclaration", () => {
    this.CONSUME(Fn);
    this.CONSUME(t.Name);
    this.SUBRULE(this.signature);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });
  lemmaDeclaration = this.RULE("lemmaDeclaration", () => {
    this.CONSUME(Lemma);
    this.CONSUME(t.Name);
    this.SUBRULE(this.signature);
    this.CONSUME(t.Colon);
    this.SUBRULE(this.expression);
    this.OR([{ ALT: () => this.CONSUME(t.Tilde) }, { ALT: () => this.CONSUME(t.Equals) }]);
    this.SUBRULE2(this.expression);
    this.OPTION(() => this.SUBRULE(this.whenClause));
  });
  signature = this.RULE("signature", () => {
    this.CONSUME(t.LParen);
    this.MANY_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.hole) });
    this.CONSUME(t.RParen);
  });
  hole = this.RULE("hole", () => {
    this.CONSUME(t.Name);
    this.OPTION(() => this.SUBRULE(this.familyIndex));
    this.CONSUME(t.Colon);
    this.SUBRULE(this.type);
  });
  familyIndex = this.RULE("familyIndex", () => {
    this.CONSUME(t.LBracket);
    this.CONSUME(t.Name);
    this.CONSUME(t.RBracket);
  });
  type = this.RULE("type", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.typeWords.real) },
      { ALT: () => this.CONSUME(t.typeWords.class) },
      { ALT: () => this.CONSUME(t.typeWords.token) },
    ]);
    this.OPTION(() => {
      this.CONSUME(t.LBracket);
      this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.expression) });
      this.CONSUME(t.RBracket);
    });
  });
  networkDeclaration = this.RULE("networkDeclaration", () => {
    this.CONSUME(Network);
    this.CONSUME(t.Name);
    this.CONSUME(t.LBrace);
    this.MANY(() => this.SUBRULE(this.member));
    this.CONSUME(t.RBrace);
  });

  // ------------------------------------------------------------ members
  member = this.RULE("member", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.presetDeclaration) },
      { ALT: () => this.SUBRULE(this.inputDeclaration) },
      { ALT: () => this.SUBRULE(this.layerDeclaration) },
      { ALT: () => this.SUBRULE(this.outputDeclaration) },
      { ALT: () => this.SUBRULE(this.trainDeclaration) },
      { ALT: () => this.SUBRULE(this.layerMember) },
    ]);
  });
  layerMember = this.RULE("layerMember", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.dimDeclaration) },
      { ALT: () => this.SUBRULE(this.indexDeclaration) },
      { ALT: () => this.SUBRULE(this.constDeclaration) },
      { ALT: () => this.SUBRULE(this.letDeclaration) },
      { ALT: () => this.SUBRULE(this.paramDeclaration) },
      { ALT: () => this.SUBRULE(this.varDeclaration) },
      { ALT: () => this.SUBRULE(this.objectiveDeclaration) },
      { ALT: () => this.SUBRULE(this.stepDeclaration) },
      { ALT: () => this.SUBRULE(this.assignment) },
    ]);
  });
  assignment = this.RULE("assignment", () => {
    this.CONSUME(t.AssignedName, { LABEL: "Name" });
    this.OPTION(() => this.SUBRULE(this.familyIndex));
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });
  dimDeclaration = this.RULE("dimDeclaration", () => {
    this.CONSUME(member.dim);
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.dimDeclarator) });
  });
  dimDeclarator = this.RULE("dimDeclarator", () => {
    this.CONSUME(t.Name);
    this.OPTION(() => {
      this.CONSUME(t.Equals);
      this.SUBRULE(this.expression);
    });
  });
  indexDeclaration = this.RULE("indexDeclaration", () => {
    this.CONSUME(member.index);
    this.CONSUME(t.Name);
    this.CONSUME(more.in);
    this.SUBRULE(this.expression);
    this.CONSUME(t.Range);
    this.SUBRULE2(this.expression);
  });
  presetDeclaration = this.RULE("presetDeclaration", () => {
    this.CONSUME(member.preset);
    this.CONSUME(t.Name);
    this.CONSUME(t.LBrace);
    this.MANY_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.definition) });
    this.CONSUME(t.RBrace);
  });
  constDeclaration = this.RULE("constDeclaration", () => {
    this.CONSUME(member.const);
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.definition) });
  });
  letDeclaration = this.RULE("letDeclaration", () => {
    this.CONSUME(member.let);
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.definition) });
  });
  definition = this.RULE("definition", () => {
    this.CONSUME(t.Name);
    this.OPTION(() => this.SUBRULE(this.familyIndex));
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });
  inputDeclaration = this.RULE("inputDeclaration", () => {
    this.OR([{ ALT: () => this.CONSUME(member.input) }, { ALT: () => this.CONSUME(member.target) }]);
    this.CONSUME(t.Name);
    this.CONSUME(t.Colon);
    this.SUBRULE(this.type);
  });
  paramDeclaration = this.RULE("paramDeclaration", () => {
    this.CONSUME(member.param);
    this.SUBRULE(this.hole);
    this.MANY(() =>
      this.OR([
        { ALT: () => this.CONSUME(more.fixed) },
        { ALT: () => this.CONSUME(more.shared) },
        { ALT: () => this.CONSUME(more.positive) },
        { ALT: () => this.SUBRULE(this.initClause) },
        { ALT: () => this.SUBRULE(this.aliasClause) },
      ]),
    );
  });
  initClause = this.RULE("initClause", () => {
    this.CONSUME(more.init);
    this.SUBRULE(this.expression);
  });
  aliasClause = this.RULE("aliasClause", () => {
    this.CONSUME(more.alias);
    this.CONSUME(t.StringLiteral);
    this.OPTION(() => {
      this.CONSUME(t.Colon);
      this.CONSUME2(t.StringLiteral);
    });
  });
  varDeclaration = this.RULE("varDeclaration", () => {
    this.CONSUME(member.var);
    this.SUBRULE(this.hole);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });
  objectiveDeclaration = this.RULE("objectiveDeclaration", () => {
    this.CONSUME(member.objective);
    this.CONSUME(t.Name);
    this.CONSUME(t.Colon);
    this.OR([{ ALT: () => this.CONSUME(clause.minimize) }, { ALT: () => this.CONSUME(clause.maximize) }]);
    this.SUBRULE(this.expression);
  });
  layerDeclaration = this.RULE("layerDeclaration", () => {
    this.CONSUME(member.layer);
    this.CONSUME(t.Name);
    this.OPTION(() => {
      this.CONSUME(more.repeat);
      this.SUBRULE(this.expression);
    });
    this.CONSUME(t.LBrace);
    this.MANY(() => this.SUBRULE(this.layerMember));
    this.CONSUME(t.RBrace);
  });
  outputDeclaration = this.RULE("outputDeclaration", () => {
    this.CONSUME(member.output);
    this.CONSUME(t.Name);
    this.CONSUME(t.Colon);
    this.SUBRULE(this.type);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });

  // ------------------------------------------------------------ steps
  stepDeclaration = this.RULE("stepDeclaration", () => {
    this.CONSUME(member.step);
    this.CONSUME(t.Name);
    this.OPTION(() => this.SUBRULE(this.whenClause));
    this.CONSUME(t.LBrace);
    this.MANY(() => this.SUBRULE(this.stepClause));
    this.CONSUME(t.RBrace);
  });
  whenClause = this.RULE("whenClause", () => {
    this.CONSUME(more.when);
    this.SUBRULE(this.expression);
  });
  stepClause = this.RULE("stepClause", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.objectiveClause) },
      { ALT: () => this.SUBRULE(this.wrtClause) },
      { ALT: () => this.SUBRULE(this.overClause) },
      { ALT: () => this.SUBRULE(this.asClause) },
      { ALT: () => this.SUBRULE(this.byClause) },
      { ALT: () => this.SUBRULE(this.captureClause) },
      { ALT: () => this.SUBRULE(this.usingClause) },
      { ALT: () => this.SUBRULE(this.prenormClause) },
      { ALT: () => this.SUBRULE(this.thenClause) },
      { ALT: () => this.SUBRULE(this.expectClause) },
    ]);
  });
  objectiveClause = this.RULE("objectiveClause", () => {
    this.OR([{ ALT: () => this.CONSUME(clause.minimize) }, { ALT: () => this.CONSUME(clause.maximize) }]);
    this.SUBRULE(this.expression);
  });
  wrtClause = this.RULE("wrtClause", () => {
    this.CONSUME(clause.wrt);
    this.CONSUME(t.Name);
  });
  overClause = this.RULE("overClause", () => {
    this.CONSUME(clause.over);
    this.SUBRULE(this.hole);
    this.CONSUME(clause.from);
    this.SUBRULE(this.expression);
  });
  asClause = this.RULE("asClause", () => {
    this.CONSUME(clause.as);
    this.SUBRULE(this.expression);
  });
  byClause = this.RULE("byClause", () => {
    this.CONSUME(clause.by);
    this.SUBRULE(this.reference);
  });
  captureClause = this.RULE("captureClause", () => {
    this.CONSUME(clause.capture);
    this.SUBRULE(this.definition);
  });
  usingClause = this.RULE("usingClause", () => {
    this.CONSUME(clause.using);
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.reference) });
  });
  /** A method or a lemma, with its arguments if it has any. */
  reference = this.RULE("reference", () => {
    this.CONSUME(t.Name);
    this.OPTION(() => this.SUBRULE(this.callArguments));
  });
  prenormClause = this.RULE("prenormClause", () => {
    this.CONSUME(clause.prenorm);
    this.OR([{ ALT: () => this.CONSUME(t.placeWords.increment) }, { ALT: () => this.CONSUME(member.input) }]);
    this.SUBRULE(this.expression);
  });
  thenClause = this.RULE("thenClause", () => {
    this.CONSUME(clause.then);
    this.SUBRULE(this.expression);
  });
  expectClause = this.RULE("expectClause", () => {
    this.CONSUME(clause.expect);
    this.SUBRULE(this.expression);
  });

  // ------------------------------------------------------------ training
  trainDeclaration = this.RULE("trainDeclaration", () => {
    this.CONSUME(member.train);
    this.CONSUME(t.LBrace);
    this.MANY(() => this.SUBRULE(this.trainClause));
    this.CONSUME(t.RBrace);
  });
  trainClause = this.RULE("trainClause", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.dataClause) },
      { ALT: () => this.SUBRULE(this.listClause) },
      { ALT: () => this.SUBRULE(this.rateClause) },
      { ALT: () => this.SUBRULE(this.feedClause) },
      { ALT: () => this.SUBRULE(this.valueClause) },
      { ALT: () => this.CONSUME(train.construct) },
    ]);
  });
  dataClause = this.RULE("dataClause", () => {
    this.CONSUME(train.data);
    this.OPTION(() => this.CONSUME(t.placeWords.synthetic));
    this.SUBRULE(this.expression);
  });
  listClause = this.RULE("listClause", () => {
    this.OR([{ ALT: () => this.CONSUME(train.augment) }, { ALT: () => this.CONSUME(train.metric) }]);
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.expression) });
  });
  rateClause = this.RULE("rateClause", () => {
    this.CONSUME(train.rate);
    this.AT_LEAST_ONE_SEP({ SEP: clause.then, DEF: () => this.SUBRULE(this.expression) });
  });
  feedClause = this.RULE("feedClause", () => {
    this.CONSUME(train.feed);
    this.CONSUME(t.Name);
    this.SUBRULE(this.expression);
  });
  valueClause = this.RULE("valueClause", () => {
    this.OR([
      { ALT: () => this.CONSUME(train.loss) },
      { ALT: () => this.CONSUME(train.optimizer) },
      { ALT: () => this.CONSUME(train.batch) },
      { ALT: () => this.CONSUME(train.epochs) },
      { ALT: () => this.CONSUME(train.steps) },
      { ALT: () => this.CONSUME(train.seed) },
    ]);
    this.SUBRULE(this.expression);
  });

  // ------------------------------------------------------------ expressions
  /** Flat: `src/syntax/build-expression.ts` groups operands by precedence, so that depth costs little stack. */
  expression = this.RULE("expression", () => {
    this.SUBRULE(this.operand);
    this.MANY(() => {
      this.CONSUME(t.BinaryOperator);
      this.SUBRULE2(this.operand);
    });
  });
  operand = this.RULE("operand", () => {
    this.MANY1(() => this.SUBRULE(this.prefix));
    this.OR([
      { ALT: () => this.CONSUME(t.NumberLiteral) },
      { ALT: () => this.CONSUME(t.StringLiteral) },
      { ALT: () => this.CONSUME(t.Missing) },
      { ALT: () => this.SUBRULE(this.reference) },
      { ALT: () => this.SUBRULE(this.group) },
    ]);
    this.MANY2(() => this.SUBRULE(this.suffix));
  });
  prefix = this.RULE("prefix", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.Minus) },
      {
        ALT: () => {
          this.CONSUME(t.placeWords.sum);
          this.CONSUME(t.LParen);
          this.CONSUME(t.Name);
          this.CONSUME(t.RParen);
        },
      },
    ]);
  });
  group = this.RULE("group", () => {
    this.CONSUME(t.LParen);
    this.SUBRULE(this.expression);
    this.CONSUME(t.RParen);
  });
  suffix = this.RULE("suffix", () => {
    this.OR([{ ALT: () => this.CONSUME(t.Transpose) }, { ALT: () => this.SUBRULE(this.indices) }]);
  });
  indices = this.RULE("indices", () => {
    this.CONSUME(t.LBracket);
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.indexArgument) });
    this.CONSUME(t.RBracket);
  });
  indexArgument = this.RULE("indexArgument", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.Colon) },
      {
        ALT: () => {
          this.SUBRULE(this.expression);
          this.OPTION(() => {
            this.CONSUME(t.Range);
            this.SUBRULE2(this.expression);
          });
        },
      },
    ]);
  });
  callArguments = this.RULE("callArguments", () => {
    this.CONSUME(t.LParen);
    this.MANY_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.argument) });
    this.CONSUME(t.RParen);
  });
  argument = this.RULE("argument", () => {
    this.OPTION(() => {
      this.CONSUME(t.Name);
      this.CONSUME(t.Colon);
    });
    this.OR([{ ALT: () => this.SUBRULE(this.quantity) }, { ALT: () => this.SUBRULE(this.expression) }]);
  });
  /** `100 steps`. */
  quantity = this.RULE("quantity", () => {
    this.CONSUME(t.NumberLiteral);
    this.CONSUME(t.Name);
  });
}

/** The start of an expression, as expected lexemes name it. */
export const expressionStarts: readonly TokenType[] = [
  t.NumberLiteral, t.StringLiteral, t.Missing, t.Name, t.LParen, t.Minus, t.placeWords.sum,
];
