/** A reader of the printer's text that goes straight to a value, by the precedences of the language: it knows no expression and no normal form. */
import { softmaxColumns } from "../../src/numeric/column-wise.js";
import { inverseValue, logDeterminant, matmul } from "../../src/numeric/linalg.js";
import {
  addValues, filled, identityValue, isScalarValue, mapEntries, scalarValue, scaleValue, sliceValue, subtractValues, sumEntries, sumSquares,
  toNumber, transposeValue, type Value, zipEntries,
} from "../../src/numeric/matrix.js";

/** A multiple of the identity, of a size not yet known. */
interface Identity { readonly times: number }
type Term = Value | Identity;
const isIdentity = (t: Term): t is Identity => "times" in t;
/** The text does not say how large an `I` is: no reader could. */
export class Ambiguous extends Error {}
export interface Names { readonly values: Readonly<Record<string, Value>>; readonly sizes: Readonly<Record<string, number>> }

export function readValue(text: string, { values, sizes }: Names): Value {
  const lexemes = text.match(/\d+(?:\.(?=\d)\d+)?(?:e-?\d+)?|[A-Za-z_]\w*|\.\^|\.\*|\.\/|[-+*/^%()[\],:']/g) ?? [];
  if (lexemes.join("") !== text.replace(/ /g, "")) throw new Error(`cannot split ${text}`);
  let at = 0;
  let k = 0;
  const peek = (): string | undefined => lexemes[at];
  const take = (expected?: string): string => {
    const lexeme = lexemes[at++];
    if (lexeme === undefined || (expected !== undefined && lexeme !== expected)) throw new Error(`${expected ?? "more"} expected at ${at} in ${text}`);
    return lexeme;
  };
  const fit = (t: Term, like: Term): Value => {
    if (!isIdentity(t)) return t;
    if (isIdentity(like) || like.shape[0] !== like.shape[1] || isScalarValue(like)) throw new Ambiguous();
    return scaleValue(identityValue(like.shape[0] as number), t.times);
  };
  const known = (t: Term): Value => fit(t, t);

  function sum(): Term {
    let left: Term = product();
    while (peek() === "+" || peek() === "-") {
      const sign = take();
      const right = product();
      if (isIdentity(left) && isIdentity(right)) left = { times: left.times + (sign === "+" ? 1 : -1) * right.times };
      else left = (sign === "+" ? addValues : subtractValues)(fit(left, right), fit(right, left));
    }
    return left;
  }
  function product(): Term {
    let left = unary();
    while (["*", "/", ".*", "./"].includes(peek() ?? "")) {
      const sign = take();
      const right = unary();
      if (sign === ".*" || sign === "./") left = zipEntries(fit(left, right), fit(right, left), sign === ".*" ? (u, v) => u * v : (u, v) => u / v);
      else left = sign === "/" ? scaled(left, 1 / toNumber(known(right))) : times(left, right);
    }
    return left;
  }
  const scaled = (t: Term, c: number): Term => (isIdentity(t) ? { times: c * t.times } : scaleValue(t, c));
  function times(left: Term, right: Term): Term {
    if (isIdentity(left)) return scaled(right, left.times === 1 && !isIdentity(right) && isScalarValue(right) ? ambiguous() : left.times);
    if (isScalarValue(left)) return scaled(right, toNumber(left));
    if (isIdentity(right)) return scaled(left, right.times);
    return isScalarValue(right) ? scaled(left, toNumber(right)) : matmul(left, right);
  }
  const ambiguous = (): never => {
    throw new Ambiguous();
  };
  function unary(): Term {
    if (peek() === "-") {
      take();
      return scaled(unary(), -1);
    }
    if (peek() === "sum") {
      take();
      take("(");
      take("k");
      take(")");
      return overMembers(() => known(product())).reduce(addValues);
    }
    return powered();
  }
  function overMembers(body: () => Value): Value[] {
    const [start, outer] = [at, k];
    const members = [1, 2, 3].map((member) => {
      at = start;
      k = member;
      return body();
    });
    k = outer;
    return members;
  }
  function powered(): Term {
    const base = postfix();
    if (peek() !== "^" && peek() !== ".^") return base;
    take();
    const e = Number(take());
    return isIdentity(base) ? { times: base.times ** e } : mapEntries(base, (v) => v ** e);
  }
  function postfix(): Term {
    let t = primary();
    for (;;) {
      if (peek() === "'") {
        take();
        t = isIdentity(t) ? t : transposeValue(t);
      } else if (peek() === "[") {
        for (const expected of ["[", ":", ",", "1", "]"]) take(expected);
        const v = known(t);
        t = sliceValue(v, 0, v.shape[0] as number, 0, 1);
      } else return t;
    }
  }
  function primary(): Term {
    const word = take();
    if (word === "(") {
      const inside = sum();
      take(")");
      return inside;
    }
    if (/^\d/.test(word)) return scalarValue(Number(word));
    if (word === "I") return { times: 1 };
    if (peek() === "(") return call(word);
    if (word in sizes) return scalarValue(sizes[word] as number);
    if (peek() === "[" && lexemes[at + 1] === "k") {
      at += 3;
      return values[`${word}[${k}]`] as Value;
    }
    const found = values[word];
    if (!found) throw new Error(`unknown ${word}`);
    return found;
  }
  function call(fn: string): Term {
    take("(");
    if (fn === "ones") {
      const size = sizes[take()] as number;
      take(")");
      return filled([size, 1], 1);
    }
    if (fn === "softmax") return softmax();
    const a = known(sum());
    take(")");
    switch (fn) {
      case "inv": return inverseValue(a);
      case "total": return scalarValue(sumEntries(a));
      case "trace": return scalarValue(a.data.reduce((s, x, i) => (i % ((a.shape[0] as number) + 1) === 0 ? s + x : s), 0));
      case "sq_norm": return scalarValue(sumSquares(a));
      case "logdet": return scalarValue(logDeterminant(a));
      case "diag": return zipDiagonal(a);
      case "sqrt": return mapEntries(a, Math.sqrt);
      case "exp": return mapEntries(a, Math.exp);
      default: throw new Error(`unknown function ${fn}`);
    }
  }
  const zipDiagonal = (v: Value): Value => zipEntries(identityValue(v.data.length), matmul(v, filled([1, v.data.length], 1)), (x, y) => x * y);
  function softmax(): Value {
    const own = k;
    const members = overMembers(() => known(sum()));
    const across = peek() === ",";
    if (across) for (const expected of [",", "over", ":", "k"]) take(expected);
    take(")");
    if (!across) {
      return softmaxColumns(members[Math.max(own, 1) - 1] as Value);
    }
    const all = members.map((m) => mapEntries(m, Math.exp));
    return zipEntries(all[own - 1] as Value, all.reduce(addValues), (u, v) => u / v);
  }

  const result = known(sum());
  if (at !== lexemes.length) throw new Error(`${text} goes on after ${lexemes.slice(0, at).join("")}`);
  return result;
}
