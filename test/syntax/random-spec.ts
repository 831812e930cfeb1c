/** Random specs as texts: the whole grammar, with odd spaces, line ends and comments between all lexemes. */
import fc from "fast-check";

type Words = readonly string[];
const join = (...parts: fc.Arbitrary<Words>[]): fc.Arbitrary<Words> => fc.tuple(...parts).map((all) => all.flat());
const just = (...words: string[]): fc.Arbitrary<Words> => fc.constant(words);
const name = fc.constantFrom("Z", "U", "λ", "rate", "data", "step", "text", "batch", "x_1", "by2").map((n): Words => [n]);
const number = fc.constantFrom("1", "0.5", "2.4e-4", "12", "3.").map((n): Words => [n]);
const string = fc.constantFrom('"a b"', '"x.{layer-1}.y"', '"// no comment"').map((n): Words => [n]);
const list = (item: fc.Arbitrary<Words>, least = 1, most = 3): fc.Arbitrary<Words> =>
  fc.array(item, { minLength: least, maxLength: most }).map((items) => items.flatMap((each, i) => (i === 0 ? each : [",", ...each])));
const maybe = (part: fc.Arbitrary<Words>): fc.Arbitrary<Words> => fc.oneof(just(), part);

const { expression } = fc.letrec<{ expression: Words; operand: Words }>((tie) => ({
  operand: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    name, number,
    join(just("("), tie("expression"), just(")")),
    join(just("-"), tie("operand")),
    join(just("sum", "("), name, just(")"), tie("operand")),
    join(name, just("'")),
    join(name, just("["), tie("expression"), just("]")),
    join(name, just("[", ":", ","), tie("expression"), just(".."), tie("expression"), just("]")),
    join(fc.constantFrom<Words>(["f"], ["layernorm"]), just("("), list(fc.oneof(tie("expression"), join(name, just(":"), tie("expression"))), 0), just(")")),
  ),
  expression: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    tie("operand"),
    join(tie("operand"), fc.constantFrom("*", "/", ".*", "./", "%", "+", "-", "^", ".^", "==", "<", "<=", ">", ">=", "|>").map((op): Words => [op]), tie("expression")),
  ),
}));
const type = fc.oneof(just("real"), join(just("real", "["), list(expression), just("]")), join(just("class", "["), expression, just("]")));
const family = join(name, maybe(just("[", "k", "]")));
const definition = join(family, just("="), expression);
const reference = join(name, maybe(join(just("("), list(join(maybe(join(name, just(":"))), expression), 0), just(")"))));
const step = join(
  just("step"), name, maybe(join(just("when"), expression)), just("{"),
  fc.constantFrom<Words>(["minimize"], ["maximize"]), expression, maybe(join(just("wrt"), name)),
  maybe(join(just("over"), family, just(":"), type, just("from"), expression)), maybe(join(just("as"), expression)),
  just("by"), reference, maybe(join(just("capture"), definition)), maybe(join(just("using"), list(reference))),
  maybe(join(just("prenorm"), fc.constantFrom<Words>(["increment"], ["input"]), reference)),
  maybe(join(just("then"), expression)), maybe(join(just("expect"), expression)), just("}"),
);
const member = fc.oneof(
  join(just("dim"), list(join(name, maybe(join(just("="), expression))))),
  join(just("index"), name, just("in"), expression, just(".."), expression),
  join(fc.constantFrom<Words>(["const"], ["let"]), list(definition)),
  join(just("param"), family, just(":"), type, maybe(just("fixed")), maybe(join(just("init"), reference)), maybe(join(just("alias"), string, maybe(join(just(":"), string))))),
  join(just("var"), family, just(":"), type, just("="), expression),
  join(just("objective"), name, just(":", "minimize"), expression),
  definition, step,
);
const outer = fc.oneof(
  member,
  join(just("layer"), name, maybe(join(just("repeat"), expression)), just("{"), fc.array(member, { maxLength: 3 }).map((m) => m.flat()), just("}")),
  join(just("preset"), name, just("{"), list(definition), just("}")),
  join(fc.constantFrom<Words>(["input"], ["target"]), name, just(":"), type),
  join(just("output"), name, just(":"), type, just("="), expression),
  join(just("train", "{", "data", "synthetic", "gaussians", "("), list(expression, 0), just(")", "loss"), expression, just("rate", "f", "(", "100", "steps", ")", "then"), reference,
    just("batch"), number, just("epochs"), number, just("feed"), name, reference, just("metric"), list(reference), just("construct", "}")),
);
const signature = join(just("("), list(join(family, just(":"), type), 0), just(")"));
const declaration = fc.oneof(
  join(just("import"), string),
  join(just("fn"), name, signature, just("="), expression),
  join(just("lemma"), name, signature, just(":"), expression, fc.constantFrom<Words>(["~"], ["="]), expression, maybe(join(just("when"), expression))),
  join(just("network"), name, just("{"), fc.array(outer, { maxLength: 5 }).map((m) => m.flat()), just("}")),
);

const space = fc.oneof(
  { weight: 12, arbitrary: fc.constant(" ") }, { weight: 3, arbitrary: fc.constant("\n") }, { weight: 1, arbitrary: fc.constant("  \n\n\n  ") },
  { weight: 1, arbitrary: fc.constant("\t") }, { weight: 1, arbitrary: fc.constantFrom(" // note\n", "\n// own line \n", " /* in\n between */ ", "\n/// doc\n", "\n/// doc\n\n/// more\n", " /**/") },
);
/** The text of a random file, its lexemes apart. */
export const randomSpec: fc.Arbitrary<string> = fc.array(declaration, { minLength: 1, maxLength: 3 }).chain((all) => {
  const lexemes = all.flat();
  return fc.array(space, { minLength: lexemes.length, maxLength: lexemes.length }).map((spaces) => lexemes.map((lexeme, i) => lexeme + spaces[i]).join(""));
});
