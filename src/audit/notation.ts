/**
 * The printed notation of a proof log, parsed and evaluated on its own. Nothing of the compiler is imported here, on purpose:
 * what the calculus says must be checked by something that does not share its mistakes.
 */

export type Node =
  | { readonly t: "number"; readonly value: number }
  /** A value written out; never read from a text. */
  | { readonly t: "value"; readonly value: Matrix }
  | { readonly t: "name"; readonly name: string; readonly member?: string }
  | { readonly t: "call"; readonly fn: string; readonly args: readonly Node[]; readonly options: ReadonlyMap<string, Node> }
  | { readonly t: "sum"; readonly index: string; readonly body: Node }
  | { readonly t: "binary"; readonly op: string; readonly a: Node; readonly b: Node }
  | { readonly t: "negative"; readonly a: Node }
  | { readonly t: "transpose"; readonly a: Node }
  | { readonly t: "slice"; readonly a: Node; readonly rows?: readonly [Node, Node]; readonly cols?: readonly [Node, Node] };

export class NotationFault extends Error {
  override name = "NotationFault";
}

// ---------------------------------------------------------------- reading
const lexeme = /\s*(?:(\d+(?:\.(?!\.)\d*)?(?:[eE][+-]?\d+)?)|([\p{L}_][\p{L}\p{N}_]*)|(\.\.|\.\*|\.\/|\.\^|==|<=|>=|[-+*/^%'()[\],:<>]))/uy;

function lexemes(text: string): readonly string[] {
  const found: string[] = [];
  lexeme.lastIndex = 0;
  while (text.slice(lexeme.lastIndex).trim() !== "") {
    const from = lexeme.lastIndex;
    const m = lexeme.exec(text);
    if (!m) throw new NotationFault(`cannot read "${text.slice(from, from + 12)}"`);
    found.push(m[0].trim());
  }
  return found;
}
const isName = (s: string | undefined): s is string => s !== undefined && /^[\p{L}_]/u.test(s);
const isNumber = (s: string | undefined): s is string => s !== undefined && /^\d/.test(s);

class Reader {
  private at = 0;
  constructor(private readonly words: readonly string[]) {}
  private peek(ahead = 0): string | undefined { return this.words[this.at + ahead]; }
  private take(wanted?: string): string {
    const word = this.peek();
    if (word === undefined || (wanted !== undefined && word !== wanted)) throw new NotationFault(`${wanted ?? "more"} expected${word ? ` before ${word}` : " at the end"}`);
    this.at += 1;
    return word;
  }
  whole(): Node {
    const e = this.comparison();
    if (this.peek() !== undefined) throw new NotationFault(`unexpected ${this.peek()}`);
    return e;
  }
  private chain(next: () => Node, operators: ReadonlySet<string>): Node {
    let a = next();
    for (let op = this.peek(); op !== undefined && operators.has(op); op = this.peek()) {
      this.at += 1;
      a = { t: "binary", op, a, b: next() };
    }
    return a;
  }
  private comparison(): Node { return this.chain(() => this.terms(), new Set(["==", "<", "<=", ">", ">="])); }
  private terms(): Node { return this.chain(() => this.product(), new Set(["+", "-"])); }
  private product(): Node { return this.chain(() => this.unary(), new Set(["*", ".*", "/", "./", "%"])); }
  private unary(): Node {
    if (this.peek() !== "-") return this.power();
    this.at += 1;
    return { t: "negative", a: this.unary() };
  }
  private power(): Node {
    const base = this.postfix();
    const op = this.peek();
    if (op !== "^" && op !== ".^") return base;
    this.at += 1;
    const negative = this.peek() === "-";
    if (negative) this.at += 1;
    const exponent = this.power();
    return { t: "binary", op, a: base, b: negative ? { t: "negative", a: exponent } : exponent };
  }
  private postfix(): Node {
    let e = this.primary();
    for (;;) {
      if (this.peek() === "'") { this.at += 1; e = { t: "transpose", a: e }; }
      else if (this.peek() === "[") e = this.bracket(e);
      else return e;
    }
  }
  private bracket(e: Node): Node {
    this.take("[");
    if (e.t === "name" && e.member === undefined && this.peek(1) === "]" && (isName(this.peek()) || isNumber(this.peek()))) {
      const member = this.take();
      this.take("]");
      return { ...e, member };
    }
    const rows = this.range();
    this.take(",");
    const cols = this.range();
    this.take("]");
    return { t: "slice", a: e, ...(rows ? { rows } : {}), ...(cols ? { cols } : {}) };
  }
  private range(): readonly [Node, Node] | undefined {
    if (this.peek() === ":") { this.at += 1; return undefined; }
    const from = this.terms();
    if (this.peek() !== "..") return [from, from];
    this.at += 1;
    return [from, this.terms()];
  }
  private primary(): Node {
    const word = this.take();
    if (word === "(") {
      const e = this.comparison();
      this.take(")");
      return e;
    }
    if (isNumber(word)) return { t: "number", value: Number(word) };
    if (!isName(word)) throw new NotationFault(`unexpected ${word}`);
    if (this.peek() !== "(") return { t: "name", name: word };
    if (word === "sum" && isName(this.peek(1)) && this.peek(2) === ")") {
      this.at += 1;
      const index = this.take();
      this.take(")");
      return { t: "sum", index, body: this.product() };
    }
    this.take("(");
    const args: Node[] = [];
    const options = new Map<string, Node>();
    while (this.peek() !== ")") {
      if (isName(this.peek()) && this.peek(1) === ":") {
        const name = this.take();
        this.take(":");
        options.set(name, this.comparison());
      } else args.push(this.comparison());
      if (this.peek() !== ")") this.take(",");
    }
    this.take(")");
    return { t: "call", fn: word, args, options };
  }
}
export interface LemmaText {
  readonly parameters: readonly { readonly name: string; readonly index?: string; readonly dims: readonly string[] }[];
  readonly left: Node;
  readonly right: Node;
}
/** `lemma neumann(X: real[n, n]): inv(I + X) ~ I - X when norm_spec(X) < 1`, the condition left aside. */
export function readLemma(text: string): LemmaText {
  const plain = text.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\//g, " ");
  const m = /^\s*lemma\s+[\p{L}_][\p{L}\p{N}_]*\s*\(([\s\S]*?)\)\s*:([\s\S]*)$/u.exec(plain);
  if (!m) throw new NotationFault("the lemma cannot be read");
  const parameter = /([\p{L}_][\p{L}\p{N}_]*)\s*(?:\[\s*([\p{L}_][\p{L}\p{N}_]*)\s*\])?\s*:\s*real\s*(?:\[([^\]]*)\])?/gu;
  const parameters = [...(m[1] as string).matchAll(parameter)].map(([, name = "", index, dims = ""]) =>
    ({ name, ...(index === undefined ? {} : { index }), dims: dims.split(",").map((d) => d.trim()).filter((d) => /^[\p{L}_][\p{L}\p{N}_]*$/u.test(d)) }));
  const [body = ""] = (m[2] as string).split(/\bwhen\b/);
  const sides = body.includes("~") ? body.split("~") : body.split(/(?<![=<>])=(?!=)/);
  const [left, right] = sides;
  if (sides.length !== 2 || left === undefined || right === undefined) throw new NotationFault("the lemma has not two sides");
  return { parameters, left: readNotation(left), right: readNotation(right) };
}
export const readNotation = (text: string): Node => new Reader(lexemes(text)).whole();

// ---------------------------------------------------------------- values
/** Row-major. `eye` stands for a multiple of the identity whose size its neighbours decide. */
export type Matrix = { readonly rows: number; readonly cols: number; readonly data: readonly number[] };
type Result = Matrix | { readonly eye: number };

export interface Scope {
  readonly sizes: ReadonlyMap<string, number>;
  /** How many values an index takes. */
  readonly counts: ReadonlyMap<string, number>;
  readonly value: (name: string, member: number | undefined) => Matrix | undefined;
  readonly indices: ReadonlyMap<string, number>;
  /** Names that stand for expressions, evaluated where they are met. */
  readonly macros?: ReadonlyMap<string, Node>;
}
export const scalar = (x: number): Matrix => ({ rows: 1, cols: 1, data: [x] });
const isEye = (r: Result): r is { readonly eye: number } => "eye" in r;
const only = (m: Matrix): number => m.data[0] as number;
const single = (m: Matrix): boolean => m.data.length === 1;
/** A log comes from anywhere: it must not make the checker hold more than this. */
const mostEntries = 1_000_000;
const make = (rows: number, cols: number, at: (i: number, j: number) => number): Matrix => {
  if (!(Number.isInteger(rows) && Number.isInteger(cols) && rows >= 0 && cols >= 0 && rows * cols <= mostEntries)) throw new NotationFault(`no matrix is ${rows}×${cols}`);
  return build(rows, cols, at);
};
const build = (rows: number, cols: number, at: (i: number, j: number) => number): Matrix =>
  ({ rows, cols, data: Array.from({ length: rows * cols }, (_, e) => at(Math.floor(e / cols), e % cols)) });
const entry = (m: Matrix, i: number, j: number): number => m.data[i * m.cols + j] as number;
const each = (m: Matrix, f: (x: number) => number): Matrix => ({ ...m, data: m.data.map(f) });
const turned = (m: Matrix): Matrix => make(m.cols, m.rows, (i, j) => entry(m, j, i));
const total = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);
const column = (m: Matrix, j: number): number[] => Array.from({ length: m.rows }, (_, i) => entry(m, i, j));
const row = (m: Matrix, i: number): number[] => Array.from({ length: m.cols }, (_, j) => entry(m, i, j));
const norm = (xs: readonly number[]): number => Math.sqrt(total(xs.map((x) => x * x)));

function pairwise(a: Matrix, b: Matrix, f: (x: number, y: number) => number): Matrix {
  if (a.rows === b.rows && a.cols === b.cols) return { ...a, data: a.data.map((x, i) => f(x, b.data[i] as number)) };
  if (single(b)) return each(a, (x) => f(x, only(b)));
  if (single(a)) return each(b, (y) => f(only(a), y));
  throw new NotationFault(`${a.rows}×${a.cols} beside ${b.rows}×${b.cols}`);
}
function times(a: Matrix, b: Matrix): Matrix {
  if (single(a)) return each(b, (x) => only(a) * x);
  if (single(b)) return each(a, (x) => x * only(b));
  if (a.cols !== b.rows) throw new NotationFault(`product of ${a.rows}×${a.cols} and ${b.rows}×${b.cols}`);
  return make(a.rows, b.cols, (i, j) => { let s = 0; for (let k = 0; k < a.cols; k++) s += entry(a, i, k) * entry(b, k, j); return s; });
}
/** Gauss and Jordan with pivoting; gives the inverse and log |det| with the sign. */
function eliminate(m: Matrix): { inverse: Matrix; logAbs: number; sign: number } {
  if (m.rows !== m.cols) throw new NotationFault(`inverse of ${m.rows}×${m.cols}`);
  const n = m.rows;
  const w = Array.from({ length: n }, (_, i) => [...row(m, i), ...Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))]);
  let [logAbs, sign] = [0, 1];
  for (let k = 0; k < n; k++) {
    let best = k;
    for (let i = k + 1; i < n; i++) if (Math.abs((w[i] as number[])[k] as number) > Math.abs((w[best] as number[])[k] as number)) best = i;
    if (best !== k) { [w[k], w[best]] = [w[best] as number[], w[k] as number[]]; sign = -sign; }
    const pivotRow = w[k] as number[];
    const pivot = pivotRow[k] as number;
    logAbs += Math.log(Math.abs(pivot));
    if (pivot < 0) sign = -sign;
    for (let j = 0; j < 2 * n; j++) pivotRow[j] = (pivotRow[j] as number) / pivot;
    for (let i = 0; i < n; i++) {
      const other = w[i] as number[];
      const f = other[k] as number;
      if (i !== k && f !== 0) for (let j = 0; j < 2 * n; j++) other[j] = (other[j] as number) - f * (pivotRow[j] as number);
    }
  }
  return { inverse: make(n, n, (i, j) => (w[i] as number[])[n + j] as number), logAbs, sign };
}
/** Columns of M·V made orthogonal, pair by pair: the left columns with their lengths, and V. */
function singular(m: Matrix): { left: number[][]; values: number[]; right: number[][] } {
  const left = Array.from({ length: m.cols }, (_, j) => column(m, j));
  const right = Array.from({ length: m.cols }, (_, j) => Array.from({ length: m.cols }, (_, i) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 80; sweep++) {
    let moved = false;
    for (let p = 0; p < m.cols; p++) for (let q = p + 1; q < m.cols; q++) {
      const [a, b] = [left[p] as number[], left[q] as number[]];
      const g = total(a.map((x, i) => x * (b[i] as number)));
      const [aa, bb] = [total(a.map((x) => x * x)), total(b.map((x) => x * x))];
      if (Math.abs(g) <= 1e-15 * Math.sqrt(aa * bb)) continue;
      moved = true;
      const angle = 0.5 * Math.atan2(2 * g, aa - bb);
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      for (const list of [left, right]) {
        const [x, y] = [list[p] as number[], list[q] as number[]];
        list[p] = x.map((v, i) => c * v + s * (y[i] as number));
        list[q] = x.map((v, i) => c * (y[i] as number) - s * v);
      }
    }
    if (!moved) break;
  }
  return { left, values: left.map(norm), right };
}
function rebuilt(m: Matrix, f: (s: number, largest: boolean) => number): Matrix {
  const { left, values, right } = singular(m);
  const top = Math.max(...values);
  const least = top * 1e-14;
  let first = true;
  return values.map((s, k) => {
    const largest = s === top && first;
    if (largest) first = false;
    const weight = s > least ? f(s, largest) / s : 0;
    return make(m.rows, m.cols, (i, j) => weight * ((left[k] as number[])[i] as number) * ((right[k] as number[])[j] as number));
  }).reduce((a, b) => pairwise(a, b, (x, y) => x + y));
}

// ---------------------------------------------------------------- functions
const softened = (xs: readonly number[]): number[] => {
  const top = Math.max(...xs);
  const e = xs.map((x) => Math.exp(x - top));
  const sum = total(e);
  return e.map((x) => x / sum);
};
const byColumn = (m: Matrix, f: (c: number[]) => number[]): Matrix => {
  const done = Array.from({ length: m.cols }, (_, j) => f(column(m, j)));
  return make(m.rows, m.cols, (i, j) => (done[j] as number[])[i] as number);
};
/** Abramowitz and Stegun 7.1.5, the series, with 7.1.14, the continued fraction, where it is large. */
function erf(x: number): number {
  const z = Math.abs(x);
  if (z < 2.5) {
    let [term, sum] = [z, z];
    for (let n = 1; n < 80; n++) { term *= -(z * z) / n; sum += term / (2 * n + 1); }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let f = 0;
  for (let k = 60; k >= 1; k--) f = k / 2 / (z + f);
  return Math.sign(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + f)));
}
function ontoSimplex(v: number[]): number[] {
  const sorted = [...v].sort((a, b) => b - a);
  let [sum, shift] = [0, 0];
  sorted.forEach((x, i) => { sum += x; if (x - (sum - 1) / (i + 1) > 0) shift = (sum - 1) / (i + 1); });
  return v.map((x) => Math.max(0, x - shift));
}
const wall = (inside: boolean): Matrix => scalar(inside ? 0 : Number.POSITIVE_INFINITY);
const close = 1e-9;
const perColumn = (f: (c: number[]) => number) => (m: Matrix): Matrix => make(m.cols, 1, (j) => f(column(m, j)));
const perRow = (f: (r: number[]) => number) => (m: Matrix): Matrix => make(m.rows, 1, (i) => f(row(m, i)));
const all = (f: (xs: readonly number[]) => number) => (m: Matrix): Matrix => scalar(f(m.data));
const entries = (f: (x: number) => number) => (m: Matrix): Matrix => each(m, f);
const two = (f: (x: number, y: number) => number) => (a: Matrix, b: Matrix): Matrix => pairwise(a, b, f);

const functions: Readonly<Record<string, (...args: Matrix[]) => Matrix>> = {
  exp: entries(Math.exp), log: entries(Math.log), sqrt: entries(Math.sqrt), abs: entries(Math.abs), sign: entries(Math.sign),
  relu: entries((x) => Math.max(0, x)), tanh: entries(Math.tanh), sigmoid: entries((x) => 1 / (1 + Math.exp(-x))), square: entries((x) => x * x),
  gelu: entries((x) => 0.5 * x * (1 + erf(x / Math.SQRT2))), step: entries((x) => (x > 0 ? 1 : 0)), erf: entries(erf),
  max: two(Math.max), min: two(Math.min),
  soft_threshold: two((x, c) => Math.sign(x) * Math.max(Math.abs(x) - c, 0)), hard_threshold: two((x, c) => (Math.abs(x) > c ? x : 0)),
  huber: two((x, d) => (Math.abs(x) <= d ? (x * x) / 2 : d * (Math.abs(x) - d / 2))),
  total: all(total), mean: all((xs) => total(xs) / xs.length), sq_norm: all((xs) => total(xs.map((x) => x * x))), norm2: all(norm),
  norm0: all((xs) => xs.filter((x) => x !== 0).length), norm1: all((xs) => total(xs.map(Math.abs))), norm_inf: all((xs) => Math.max(...xs.map(Math.abs))),
  norm21: (m) => scalar(total(Array.from({ length: m.cols }, (_, j) => norm(column(m, j))))),
  norm_nuc: (m) => scalar(total(singular(m).values)), norm_spec: (m) => scalar(Math.max(...singular(m).values)),
  trace: (m) => scalar(total(row(m, 0).map((_, i) => entry(m, i, i)))),
  logdet: (m) => { const { logAbs, sign } = eliminate(m); return scalar(sign > 0 ? logAbs : Number.NaN); },
  inv: (m) => eliminate(m).inverse,
  colsum: perColumn(total), colmean: perColumn((c) => total(c) / c.length), colnorm: perColumn(norm),
  rowsum: perRow(total), rowmean: perRow((r) => total(r) / r.length), rownorm: perRow(norm),
  diag: (v) => make(v.data.length, v.data.length, (i, j) => (i === j ? (v.data[i] as number) : 0)), diagonal: (m) => make(m.rows, 1, (i) => entry(m, i, i)),
  causal: (m) => make(m.rows, m.cols, (i, j) => (i > j ? Number.NEGATIVE_INFINITY : entry(m, i, j))),
  upper_triangle: (m) => make(m.rows, m.cols, (i, j) => (i > j ? 0 : entry(m, i, j))),
  cumsum: (m) => m, pad: (m) => m,
  softmax: (m) => byColumn(m, softened), normalize: (m) => byColumn(m, (c) => c.map((x) => x / Math.max(norm(c), 1e-12))),
  stop: (m) => m, prox: (m) => m,
  nonnegative: (m) => wall(m.data.every((x) => x >= -close)), box: (m, lo, hi) => wall(pairwise(m, lo as Matrix, (x, y) => x - y).data.every((x) => x >= -close) && pairwise(m, hi as Matrix, (x, y) => y - x).data.every((x) => x >= -close)),
  ball: (m, r) => wall(Array.from({ length: m.cols }, (_, j) => norm(column(m, j))).every((x) => x <= only(r as Matrix) + close)),
  sphere: (m, r) => wall(Array.from({ length: m.cols }, (_, j) => norm(column(m, j))).every((x) => Math.abs(x - only(r as Matrix)) <= close)),
  simplex: (m) => wall(m.data.every((x) => x >= -close) && Array.from({ length: m.cols }, (_, j) => total(column(m, j))).every((s) => Math.abs(s - 1) <= close)),
  orthonormal: (m) => wall(times(turned(m), m).data.every((x, e) => Math.abs(x - (Math.floor(e / m.cols) === e % m.cols ? 1 : 0)) <= close)),
  project_simplex: (m) => byColumn(m, ontoSimplex), singular_soft_threshold: (m, c) => rebuilt(m, (s) => Math.max(s - only(c as Matrix), 0)),
  polar: (m) => rebuilt(m, () => 1), leading_singular: (m) => rebuilt(m, (_, largest) => (largest ? 1 : 0)),
  peak_sign: (m) => { const at = m.data.map(Math.abs).indexOf(Math.max(...m.data.map(Math.abs))); return { ...m, data: m.data.map((x, i) => (i === at ? Math.sign(x) : 0)) }; },
};

// ---------------------------------------------------------------- evaluation
function matrixOf(r: Result): Matrix {
  if (isEye(r)) throw new NotationFault("the size of I is not known here");
  return r;
}
function plus(a: Result, b: Result, sign: 1 | -1): Result {
  if (isEye(a) && isEye(b)) return { eye: a.eye + sign * b.eye };
  if (isEye(b)) return withDiagonal(matrixOf(a), sign * b.eye, 1);
  if (isEye(a)) return withDiagonal(b, a.eye, sign);
  return pairwise(a, b, (x, y) => x + sign * y);
}
const withDiagonal = (m: Matrix, add: number, sign: 1 | -1): Matrix => {
  if (m.rows !== m.cols) throw new NotationFault(`I beside ${m.rows}×${m.cols}`);
  return make(m.rows, m.cols, (i, j) => sign * entry(m, i, j) + (i === j ? add : 0));
};
function product(a: Result, b: Result): Result {
  if (isEye(a) && isEye(b)) return { eye: a.eye * b.eye };
  const [eye, m] = isEye(a) ? [a, b as Matrix] : isEye(b) ? [b, a as Matrix] : [undefined, undefined];
  if (!eye || !m) return times(a as Matrix, b as Matrix);
  // A scalar keeps the identity; a matrix takes its factor.
  return single(m) ? { eye: eye.eye * only(m) } : each(m, (x) => eye.eye * x);
}
const comparisons: Readonly<Record<string, (x: number, y: number) => boolean>> = {
  "==": (x, y) => x === y, "<": (x, y) => x < y, "<=": (x, y) => x <= y, ">": (x, y) => x > y, ">=": (x, y) => x >= y,
};

export function evaluateNotation(e: Node, scope: Scope): Matrix {
  return matrixOf(visit(e, scope));
}
/** Both sides of an equation; an identity has the size of the other side, or any if both are identities. */
export function evaluateSides(a: Node, inA: Scope, b: Node, inB: Scope): readonly [Matrix, Matrix] {
  const [x, y] = [visit(a, inA), visit(b, inB)];
  const sized = (r: Result, like: Result): Matrix => (isEye(r) ? make(isEye(like) ? 1 : like.rows, isEye(like) ? 1 : like.cols, (i, j) => (i === j ? r.eye : 0)) : r);
  return [sized(x, y), sized(y, x)];
}
function visit(e: Node, scope: Scope): Result {
  switch (e.t) {
    case "number": return scalar(e.value);
    case "value": return e.value;
    case "name": return named(e, scope);
    case "negative": { const a = visit(e.a, scope); return isEye(a) ? { eye: -a.eye } : each(a, (x) => -x); }
    case "transpose": { const a = visit(e.a, scope); return isEye(a) ? a : turned(a); }
    case "sum": return membersOf(e.index, e.body, scope).reduce((a, b) => plus(a, b, 1));
    case "slice": return sliceOf(e, scope);
    case "binary": return binary(e.op, visit(e.a, scope), visit(e.b, scope));
    case "call": return called(e, scope);
  }
}
function membersOf(index: string, body: Node, scope: Scope): Result[] {
  const count = scope.counts.get(index);
  if (count === undefined || !(Number.isInteger(count) && count > 0 && count <= 1000)) throw new NotationFault(`how many values ${index} has is not known`);
  return Array.from({ length: count }, (_, i) => visit(body, { ...scope, indices: new Map([...scope.indices, [index, i + 1]]) }));
}
function named(e: Extract<Node, { t: "name" }>, scope: Scope): Result {
  const macro = scope.macros?.get(e.name);
  if (macro) return visit(macro, scope);
  const member = e.member === undefined ? undefined : /^\d/.test(e.member) ? Number(e.member) : scope.indices.get(e.member);
  if (e.member !== undefined && member === undefined) throw new NotationFault(`the index ${e.member} has no value`);
  const found = scope.value(e.name, member);
  if (found) return found;
  const number = scope.indices.get(e.name) ?? scope.sizes.get(e.name);
  if (number !== undefined) return scalar(number);
  if (e.name === "I") return { eye: 1 };
  throw new NotationFault(`${e.name} has no value`);
}
function sliceOf(e: Extract<Node, { t: "slice" }>, scope: Scope): Matrix {
  const m = matrixOf(visit(e.a, scope));
  const bounds = (r: readonly [Node, Node] | undefined, size: number): [number, number] =>
    (r ? [only(evaluateNotation(r[0], scope)) - 1, only(evaluateNotation(r[1], scope))] : [0, size]);
  const [[r0, r1], [c0, c1]] = [bounds(e.rows, m.rows), bounds(e.cols, m.cols)];
  if (r0 < 0 || c0 < 0 || r1 > m.rows || c1 > m.cols) throw new NotationFault("a slice lies outside");
  return make(r1 - r0, c1 - c0, (i, j) => entry(m, r0 + i, c0 + j));
}
function binary(op: string, a: Result, b: Result): Result {
  switch (op) {
    case "+": return plus(a, b, 1);
    case "-": return plus(a, b, -1);
    case "*": return product(a, b);
    case "/": return isEye(a) ? { eye: a.eye / only(matrixOf(b)) } : each(a, (x) => x / only(matrixOf(b)));
    case ".*": return pairwise(matrixOf(a), matrixOf(b), (x, y) => x * y);
    case "./": return pairwise(matrixOf(a), matrixOf(b), (x, y) => x / y);
    case "^": case ".^": return pairwise(matrixOf(a), matrixOf(b), (x, y) => x ** y);
    case "%": return pairwise(matrixOf(a), matrixOf(b), (x, y) => ((x % y) + y) % y);
    default: {
      const holds = comparisons[op];
      if (!holds) throw new NotationFault(`no operator ${op}`);
      return pairwise(matrixOf(a), matrixOf(b), (x, y) => (holds(x, y) ? 1 : 0));
    }
  }
}
/** Sums so far, along each row unless it is down each column; from the other end where reversed. */
function running(m: Matrix, down: boolean, reverse: boolean): Matrix {
  if (down) return turned(running(turned(m), false, reverse));
  return make(m.rows, m.cols, (i, j) => total(reverse ? row(m, i).slice(j) : row(m, i).slice(0, j + 1)));
}
/** An option that is a word: `over: rows`. */
export function wordOption(e: Extract<Node, { t: "call" }>, name: string): string | undefined {
  const given = e.options.get(name);
  return given?.t === "name" ? given.name : undefined;
}
function called(e: Extract<Node, { t: "call" }>, scope: Scope): Result {
  const over = wordOption(e, "over");
  const [first] = e.args;
  if (e.fn === "ones" && first) return make(only(evaluateNotation(first, scope)), 1, () => 1);
  if (e.fn === "softmax" && first && over !== undefined && over !== "rows" && over !== "columns") {
    const family = membersOf(over, first, scope).map(matrixOf);
    const own = scope.indices.get(over);
    const mine = own === undefined ? undefined : family[own - 1];
    if (own === undefined || !mine) throw new NotationFault(`softmax over ${over} stands where ${over} has no value`);
    return make(mine.rows, mine.cols, (i, j) => softened(family.map((m) => entry(m, i, j)))[own - 1] as number);
  }
  if (e.fn === "inv" && first) {
    const a = visit(first, scope);
    return isEye(a) ? { eye: 1 / a.eye } : eliminate(a).inverse;
  }
  const f = Object.hasOwn(functions, e.fn) ? functions[e.fn] : undefined;
  if (!f) throw new NotationFault(`no function ${e.fn}`);
  const args = e.args.map((a) => evaluateNotation(a, scope));
  const [m] = args;
  if (e.fn === "cumsum" && m) return running(m, over === "columns", wordOption(e, "reverse") === "true");
  if (e.fn === "pad" && m) {
    const [above, below, before, after] = ["above", "below", "before", "after"].map((side) => { const n = e.options.get(side); return n ? only(evaluateNotation(n, scope)) : 0; }) as [number, number, number, number];
    return make(above + m.rows + below, before + m.cols + after, (i, j) => (i < above || i >= above + m.rows || j < before || j >= before + m.cols ? 0 : entry(m, i - above, j - before)));
  }
  if (over === "rows" && m) return turned(f(turned(m), ...args.slice(1)));
  return f(...args);
}
