/**
 * The functions that an expression can apply: what each takes, what shape it gives, how it behaves.
 * Derivatives, numbers, lowerings and notation are rows under the same names in their own rooms.
 */
import { type Dim, dimAdd, dimDivide, dimMultiply, dimNumber, dimPower, one } from "./dim.js";

/** Two sizes are a matrix (a scalar is 1×1, a column n×1); three and more an array. */
export type Shape = readonly Dim[];

export type OptionValue = number | string | boolean | Dim;
export type Options = Readonly<Record<string, OptionValue>>;

/**
 * elementwise: entry by entry; scalar arguments beside a matrix are spread.
 * reduction: a scalar of a matrix. column, row: a number per column / per row, as a column vector.
 * structure: all else that gives a matrix. indicator: 0 inside a set, infinite outside.
 * array: takes or gives higher arrays; only in network functions.
 */
export type FunctionClass = "elementwise" | "reduction" | "column" | "row" | "structure" | "indicator" | "array";

export interface FunctionRow {
  readonly class: FunctionClass;
  /** Count of arguments, least and most. */
  readonly arity: readonly [number, number];
  readonly shape: (args: readonly Shape[], options: Options) => Shape | undefined;
  /** A term whose outermost function is this goes to the proximal part (language, section 13). */
  readonly nonsmooth?: true;
  /** Named arguments that a spec may give, beside `over`. */
  readonly options?: Readonly<Record<string, "size" | "flag">>;
  /** Not writable in a spec as a call: an operator, or made by network functions only. */
  readonly internal?: true;
}

const scalar: Shape = [one, one];
const same = ([a]: readonly Shape[]): Shape | undefined => a;
const isScalar = (s: Shape): boolean => s.length === 2 && s.every((d) => d.key === "1");
/** The one non-scalar shape of all arguments, or scalar; undefined where two differ. */
const spread = (args: readonly Shape[]): Shape | undefined => {
  const matrices = args.filter((s) => !isScalar(s));
  const [first] = matrices;
  if (!first) return scalar;
  return matrices.every((s) => s.length === first.length && s.every((d, i) => d.key === first[i]?.key)) ? first : undefined;
};
const square = ([a]: readonly Shape[]): Shape | undefined => (a?.[0]?.key === a?.[1]?.key ? a : undefined);
const perColumn = ([a]: readonly Shape[]): Shape | undefined => (a?.[1] ? [a[1], one] : undefined);
const perRow = ([a]: readonly Shape[]): Shape | undefined => (a?.[0] ? [a[0], one] : undefined);
const first = (shape: (s: Shape) => Shape | undefined) => (args: readonly Shape[]): Shape | undefined => args[0] && shape(args[0]);

const unary: FunctionRow = { class: "elementwise", arity: [1, 1], shape: same };
const binary: FunctionRow = { class: "elementwise", arity: [2, 2], shape: spread };
const reduction: FunctionRow = { class: "reduction", arity: [1, 1], shape: () => scalar };
const nonsmoothReduction: FunctionRow = { ...reduction, nonsmooth: true };
const indicator = (arity: number): FunctionRow =>
  ({ class: "indicator", arity: [arity, arity], shape: () => scalar, nonsmooth: true });
const internal = (row: FunctionRow): FunctionRow => ({ ...row, internal: true });

export const functions = {
  exp: unary, log: unary, sqrt: unary, abs: unary, sign: unary, relu: unary, gelu: unary, sigmoid: unary, tanh: unary,
  /** The error function; gelu's derivative needs it. */
  erf: unary,
  max: binary, min: binary,
  /** 1 where it holds, else 0. */
  equal: internal(binary), less: internal(binary), less_equal: internal(binary), greater: internal(binary), greater_equal: internal(binary),
  /** `i % 2`: remainder with the sign of the divisor. */
  remainder: internal(binary),
  /** `A .* B …`: two or more arguments. */
  hadamard: internal({ ...binary, arity: [2, Number.POSITIVE_INFINITY] }),
  /** `A.^e`: entry by entry; the exponent is a scalar or of the same shape. A scalar's power is this too. */
  power: internal(binary),
  /** soft_threshold(v, c) = sign(v)·max(|v| − c, 0); hard_threshold keeps |v| > c; huber as in section 13. */
  soft_threshold: binary, hard_threshold: binary, huber: binary,

  trace: { ...reduction, shape: (args) => square(args) && scalar },
  logdet: { ...reduction, shape: (args) => square(args) && scalar },
  total: reduction, mean: reduction, sq_norm: reduction,
  norm0: nonsmoothReduction, norm1: nonsmoothReduction, norm2: nonsmoothReduction, norm21: nonsmoothReduction,
  norm_nuc: nonsmoothReduction, norm_spec: nonsmoothReduction, norm_inf: nonsmoothReduction,
  nonnegative: indicator(1), box: indicator(3), ball: indicator(2), sphere: indicator(2), simplex: indicator(1), orthonormal: indicator(1),

  colsum: { class: "column", arity: [1, 1], shape: perColumn },
  colmean: { class: "column", arity: [1, 1], shape: perColumn },
  colnorm: { class: "column", arity: [1, 1], shape: perColumn },
  rowsum: { class: "row", arity: [1, 1], shape: perRow },
  rowmean: { class: "row", arity: [1, 1], shape: perRow },
  rownorm: { class: "row", arity: [1, 1], shape: perRow },

  /** diag(v): the square matrix; diagonal(A): the column of A's diagonal. */
  diag: { class: "structure", arity: [1, 1], shape: first(([n, m]) => (n && m?.key === "1" ? [n, n] : undefined)) },
  diagonal: { class: "structure", arity: [1, 1], shape: (args) => (square(args) ? perRow(args) : undefined) },
  /** Entries below the diagonal become −∞ (causal) or 0 (upper_triangle). */
  causal: { class: "structure", arity: [1, 1], shape: square },
  upper_triangle: { class: "structure", arity: [1, 1], shape: square },
  /** Over each column; option over: "rows". */
  softmax: { class: "structure", arity: [1, 1], shape: same },
  /** softmax(v[k], over: k): across a family, its member at `at`. */
  softmax_family: { class: "structure", arity: [1, 1], shape: same, internal: true },
  /** Each column (over: "rows": row) divided by max(its norm, 1e-12). */
  normalize: { class: "structure", arity: [1, 1], shape: same },
  /** Running sum of each row, from the first column on; option reverse: from the last. */
  cumsum: { class: "structure", arity: [1, 1], shape: same, options: { reverse: "flag" } },
  stop: { class: "structure", arity: [1, 1], shape: same },
  /** Marks a term for the proximal part of `proximal_gradient`. */
  prox: { class: "reduction", arity: [1, 1], shape: (args) => args[0], nonsmooth: true },

  /** Projection of each column on the unit simplex. */
  project_simplex: { class: "structure", arity: [1, 1], shape: same },
  /** Singular values shrunk by the second argument. */
  singular_soft_threshold: { class: "structure", arity: [2, 2], shape: same },
  /** U·V' of the thin singular value decomposition. */
  polar: { class: "structure", arity: [1, 1], shape: same },
  /** u₁·v₁' of the leading singular value. */
  leading_singular: { class: "structure", arity: [1, 1], shape: same },
  /** The sign at the entry of largest absolute value (the first such), 0 elsewhere. */
  peak_sign: { class: "structure", arity: [1, 1], shape: same },

  /** Each column less its mean, divided by √(biased variance + eps). Options: eps. */
  standardize: { class: "structure", arity: [1, 1], shape: same, internal: true },
  /** Each column divided by √(mean square + eps). Options: eps. */
  rms_standardize: { class: "structure", arity: [1, 1], shape: same, internal: true },
  /** Columns of all arguments side by side. */
  columns: {
    class: "structure", arity: [1, Number.POSITIVE_INFINITY], internal: true,
    shape: (args) => {
      const rows = args[0]?.[0];
      if (!rows || !args.every((s) => s.length === 2 && s[0]?.key === rows.key)) return undefined;
      return [rows, args.map((s) => s[1] ?? one).reduce(dimAdd)];
    },
  },
  /** Zero columns put before and after. Options: before, after (dims). What slicing's gradient needs. */
  pad: {
    class: "structure", arity: [1, 1], options: { before: "size", after: "size", above: "size", below: "size" },
    shape: ([a], o) => {
      const amount = (name: string): Dim => (typeof o[name] === "object" ? (o[name] as Dim) : dimNumber(0));
      return a?.[0] && a[1] && [dimAdd(a[0], dimAdd(amount("above"), amount("below"))), dimAdd(a[1], dimAdd(amount("before"), amount("after")))];
    },
  },
  /** In training each entry is zeroed with probability rate and the rest divided by 1 − rate. Options: rate. */
  dropout: { class: "structure", arity: [1, 1], shape: same, internal: true },
  /** embedding(tokens: n×1 with entries 1…V, table: d×V) → d×n. */
  embedding: {
    class: "structure", arity: [2, 2], internal: true,
    shape: ([tokens, table]) => (tokens?.[0] && table?.[0] ? [table[0], tokens[0]] : undefined),
  },
  /** image (c×H×W) → (c·size²)×(H/size · W/size). Options: size (dim), order. */
  patches: {
    class: "array", arity: [1, 1],
    shape: ([image], o) => {
      const [c, h, w] = image ?? [];
      const size = o["size"];
      if (!c || !h || !w || typeof size !== "object") return undefined;
      const [rows, columns, area] = [dimDivide(h, size), dimDivide(w, size), dimPower(size, 2)];
      return rows && columns && area && [dimMultiply(c, area), dimMultiply(rows, columns)];
    },
  },
  /** The reverse of patches. Options: size, order, channels, height, width (dims). */
  unpatch: {
    class: "array", arity: [1, 1],
    shape: (_, o) => {
      const [c, h, w] = [o["channels"], o["height"], o["width"]];
      return typeof c === "object" && typeof h === "object" && typeof w === "object" ? [c, h, w] : undefined;
    },
  },
  /** −Σ q·log softmax(logits) averaged over columns, by weights where a third argument gives them; target entries 1…C. Options: smoothing. */
  cross_entropy: { class: "reduction", arity: [2, 3], shape: () => scalar, internal: true },
} as const satisfies Record<string, FunctionRow>;

export type FunctionName = keyof typeof functions;

export function functionRow(name: FunctionName): FunctionRow {
  return functions[name];
}
export function isFunctionName(name: string): name is FunctionName {
  return Object.hasOwn(functions, name);
}
/** What a spec can call. */
export const publicFunctionNames: readonly string[] = Object.keys(functions).filter((name) => isFunctionName(name) && !functionRow(name).internal);
