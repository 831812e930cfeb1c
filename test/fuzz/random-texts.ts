/** Texts to try the compiler with: specs from the grammar, specs that work with a few lexemes changed, and what only an enemy writes. */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { createGenerator, type Generator } from "../../src/numeric/sample.js";
import { wrongSpecs } from "../support/wrong-specs.js";
import { randomSpec } from "../syntax/random-spec.js";

const folder = new URL("../../examples/", import.meta.url);
const examples = readdirSync(folder).filter((f) => f.endsWith(".srr")).map((f) => readFileSync(new URL(f, folder), "utf8"));
/** What is changed: the examples made small (a size of 384 teaches nothing that 6 does not), and the wrong specs mended by leaving out their marks. */
const small = (text: string): string => text.replace(/\b(\d{3,})\b/g, (n) => String(2 * (Number(n) % 5) + 4)).replace(/\b[1-9]\d\b/g, (n) => String((Number(n) % 4) + 2));
const corpus: readonly string[] = [...examples, ...examples.map(small), ...wrongSpecs.map((w) => w.text.replaceAll(/[⟦⟧]/g, ""))];

const lexeme = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"[^"\n]*"|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[\p{L}_][\p{L}\p{N}_]*|\.\.|\.[*/^]|\|>|[<>=!]=|\s+|./gu;
const lexemes = (text: string): string[] => text.match(lexeme) ?? [];
const pool: readonly string[] = [...new Set(corpus.flatMap(lexemes))].filter((l) => l.trim() !== "" && l.length < 40);
const odd: readonly string[] = [
  "0", "-1", "1e308", "1e-308", "5e-324", "0.0", "9007199254740993", "99999999", "2147483648", "1e9", "(1/0)", "NaN", "Infinity", "sqrt(-1)", "log(0)", "(0/0)",
  "constructor", "__proto__", "toString", "hasOwnProperty", "valueOf", "λ", "ℝ", "e\u0301", "\u200b", "\u202e", "\0", "\ufeff", "\ud800", "\u001b[31m", "`", "${x}", "{{x}}", "</script>", "\\", "\"", "'",
  "Z'*Z", "inv(Z)", "inv(I)", "logdet(Z'*Z)", "I", "ones(n)", "sum(k)", "batch", "layer", "d^99", "2^2^2^2^2^2", "x^-1", "[:, 1]", "[1, :]", "[0]", "[99]", "[:, 2..n]", ".^0.5", "''''", "- - -",
  "norm0(x)", "norm_nuc(x)", "simplex(x)", "softmax(x, over: k)", "stop(x)", "prox(norm1(x))", "diag(x)", "repeat 0", "repeat 1000000", "wrt x", "by exact", "momentum: fista", "iterations: 3", "iterations: 1e9",
];
const pick = <T>(g: Generator, list: readonly T[]): T => list[Math.floor(g.uniform() * list.length)] as T;

/** One small change of a text, lexeme by lexeme. */
function mutate(words: string[], g: Generator): string[] {
  const at = Math.floor(g.uniform() * (words.length + 1));
  const length = 1 + Math.floor(g.uniform() ** 3 * 12);
  const copy = [...words];
  switch (Math.floor(g.uniform() * 9)) {
    case 0: copy.splice(at, length); break;
    case 1: copy.splice(at, 0, ...copy.slice(at, at + length)); break;
    case 2: copy.splice(at, 1, pick(g, pool)); break;
    case 3: copy.splice(at, 0, ` ${pick(g, pool)} `); break;
    case 4: copy.splice(at, 1, pick(g, odd)); break;
    case 5: copy.splice(at, 0, ` ${pick(g, odd)} `); break;
    case 6: { // a word of the same kind from elsewhere in the text: names stay known
      const kind = (w: string): number => (/^[\p{L}_]/u.test(w) ? 1 : /^\d/.test(w) ? 2 : /^\s/.test(w) ? 3 : 4);
      const same = copy.filter((w) => kind(w) === kind(copy[at] ?? ""));
      if (same.length > 0) copy.splice(at, 1, pick(g, same));
      break;
    }
    case 7: { const from = Math.floor(g.uniform() * copy.length); copy.splice(at, 0, ...copy.slice(from, from + length)); break; }
    default: { const other = lexemes(pick(g, corpus)); const from = Math.floor(g.uniform() * other.length); copy.splice(at, 0, ...other.slice(from, from + length * 3)); }
  }
  return copy;
}
const deepest = 8000;
const repeated = (g: Generator, unit: string): string => unit.repeat(Math.floor(g.uniform() * deepest / unit.length));
/** Texts below 10 kB that are made to take long or much. */
function hostile(g: Generator): string {
  const n = 1 + Math.floor(10 ** (1 + 11 * g.uniform()));
  const count = Math.floor(g.uniform() * 120);
  const lines = (line: (i: number) => string): string => Array.from({ length: count }, (_, i) => line(i + 1)).join("\n");
  const inNetwork = (head: string, objective = "sq_norm(Z)", more = ""): string =>
    `network N { dim d = 3, n = 4 index k in 1..3 input X: real[d, n] ${head} var Z: real[d, n] = X layer l repeat 2 { step s { minimize ${objective} by gradient(rate: 0.1) ${more} } } output z: real[d, n] = Z }`;
  switch (Math.floor(g.uniform() * 22)) {
    case 0: return inNetwork(`let a0 = Z*Z'\n`.replace("Z*Z'", "2") + lines((i) => `let a${i} = a${i - 1}*a${i - 1} + a${i - 1}`), count > 0 ? `a${count}*sq_norm(Z)` : undefined);
    case 1: return inNetwork("", Array.from({ length: 1 + count % 40 }, () => "(").join("") + "sq_norm(Z)" + Array.from({ length: 1 + count % 40 }, (_, i) => `)^${2 + i % 2}`).join(""));
    case 2: return inNetwork("").replace("d = 3", `d = ${n}`).replace("n = 4", `n = ${n}`);
    case 3: return inNetwork("").replace("repeat 2", `repeat ${n}`);
    case 4: return inNetwork("").replace("1..3", `1..${n}`).replace("sq_norm(Z)", "sum(k) k*sq_norm(Z)");
    case 5: return inNetwork("", `sq_norm(Z)^${n}`);
    case 6: return inNetwork("", `total(Z.^${n})`);
    case 7: return inNetwork("", `sq_norm(${"Z*Z'*".repeat(1 + count)}Z)`);
    case 8: return inNetwork("", `sq_norm(${Array.from({ length: 1 + count % 14 }, () => "(Z + 2*X + ones(d)*ones(n)')").join(".*")})`);
    case 9: return inNetwork("", `sq_norm(${"softmax(".repeat(count)}Z${")".repeat(count)})`);
    case 10: return inNetwork("", `logdet(I + ${Array.from({ length: 1 + count % 30 }, (_, i) => `${i + 1}*Z*Z'`).join(" + ")})`);
    case 11: return inNetwork("", `${"inv(I + ".repeat(count)}trace(Z*Z')${")".repeat(count)}`);
    case 12: return inNetwork("").replace("gradient(rate: 0.1)", `gradient(rate: 0.1, iterations: ${n})`);
    case 13: return `fn f0(x: real) = x*x\n${lines((i) => `fn f${i}(x: real) = f${i - 1}(f${i - 1}(x))`)}\n${inNetwork("", `f${count}(sq_norm(Z))`)}`;
    case 14: return `fn f(x: real) = g(x)\nfn g(x: real) = f(x) + g(f(x))\n${inNetwork("", "f(sq_norm(Z))")}`;
    case 15: return inNetwork(lines((i) => `dim a${i} = ${i === 1 ? "d + n" : `a${i - 1}*a${i - 1} + d`}`));
    case 16: return inNetwork(lines((i) => `param W${i}: real[d, d]`), Array.from({ length: count }, (_, i) => `sq_norm(W${i + 1}*Z - X)`).join(" + ") || "0");
    case 17: return `lemma l(X: real[n, n]): ${"inv(I + ".repeat(1 + count % 20)}X${")".repeat(1 + count % 20)} ~ X\n${inNetwork("", "logdet(I + Z*Z')", "using l")}`;
    case 18: return repeated(g, pick(g, ["(", "[", "{", "-", "network N {", "/*", "a'", "a^", "sum(k) ", "\"", "x |> ", "a.b", "…", "😀", "\u0301", "layer a repeat 2 {", "import \"x\"\n", "let a = b\n", "1e", "@", "\t", "\r"]));
    case 19: return inNetwork(`let b = ${repeated(g, pick(g, ["(1 + ", "-", "f(", "sqrt("])).slice(0, 4000)}`);
    case 20: return inNetwork(`let a = sum(k) sum(k) sum(k) sum(k) k`, `a*sq_norm(Z)*prod`).replace("prod", Array.from({ length: 1 + count % 20 }, () => "(1 + sq_norm(Z))").join("*"));
    default: return `import "a"\n${inNetwork("")}`;
  }
}
/** The text of this number: always the same. */
export function randomText(seed: number): string {
  const g = createGenerator(seed);
  const kind = g.uniform();
  if (kind < 0.1) return fc.sample(randomSpec, { seed, numRuns: 1 })[0] ?? "";
  if (kind < 0.25) return hostile(g);
  let words = lexemes(pick(g, corpus));
  const changes = 1 + Math.floor(g.uniform() ** 2 * 6);
  for (let i = 0; i < changes; i++) words = mutate(words, g);
  return words.join("").slice(0, 10_000);
}
