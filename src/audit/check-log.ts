/**
 * Checks a proof log without the calculus: every expression is read from its printed text, evaluated at the log's points, and each line
 * is held against what its rule promises (finite differences, minimality, equality, substitution). One failure refuses the log.
 */
import { evaluateNotation, evaluateSides, type Matrix, type Node, NotationFault, readLemma, readNotation, type Scope, wordOption } from "./notation.js";

export interface LoggedTensor { readonly rows: number; readonly cols: number; readonly data: readonly number[] }
export interface LoggedPoint {
  readonly sizes: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<string, number>>;
  /** A family has its members in order. */
  readonly values: Readonly<Record<string, readonly LoggedTensor[]>>;
}
export interface LoggedReplacement {
  readonly before: string;
  readonly after: string;
  readonly when?: string;
}
export interface LoggedLine {
  readonly kind: "objective" | "surrogate" | "smooth" | "nonsmooth" | "gradient" | "update" | "capture" | "lemma";
  readonly rule: string;
  /** Of lemmas and captures: does the update keep its value? */
  readonly relation?: "identity" | "approximation";
  readonly before?: string;
  readonly after: string;
  readonly replaced?: readonly LoggedReplacement[];
  /** The lemma as its author wrote it, and what its parameters stand for here (a family's own index free in it). */
  readonly lemma?: { readonly text: string; readonly holes: Readonly<Record<string, string>> };
  /** `before` with the replaced part as a name of its own. */
  readonly context?: string;
  /** Value of `after` at each point, member by member. What JSON has no number for is its word: "Infinity". */
  readonly values: readonly (readonly (readonly (number | string)[])[])[];
}
export interface LoggedStep {
  readonly step: string;
  readonly sense: "minimize" | "maximize";
  readonly method: string;
  readonly rate?: string;
  readonly variable: { readonly name: string; readonly index?: string };
  readonly captures: readonly { readonly name: string; readonly index?: string; readonly value: string }[];
  readonly points: readonly LoggedPoint[];
  readonly lines: readonly LoggedLine[];
}
export interface ProofLog {
  readonly format: 1;
  readonly generator?: string;
  readonly network: string;
  readonly steps: readonly LoggedStep[];
}
/** The name in `context` that stands for what a lemma replaced. */
export const replacedName = "_replaced";

export interface LineVerdict {
  readonly step: string;
  readonly line: number;
  readonly rule: string;
  readonly ok: boolean;
  readonly why: string;
}
class Refused extends Error {}
const refuse = (why: string): never => { throw new Refused(why); };

const valueTolerance = 1e-9;
const equalTolerance = 1e-8;
const gradientTolerance = 1e-5;
const gainTolerance = 1e-9;

// ---------------------------------------------------------------- points
interface Place {
  readonly point: LoggedPoint;
  readonly members: readonly Matrix[];
  readonly scope: (members: readonly Matrix[], indices?: ReadonlyMap<string, number>, macros?: ReadonlyMap<string, Node>) => Scope;
}
function placeOf(point: LoggedPoint, step: LoggedStep): Place {
  const captures = new Map(step.captures.map((c) => [c.name, readNotation(c.value)] as const));
  const values = new Map(Object.entries(point.values));
  const base = { sizes: new Map(Object.entries(point.sizes)), counts: new Map(Object.entries(point.counts)) };
  const scope: Place["scope"] = (members, indices = new Map(), macros) => {
    const self: Scope = {
      ...base, indices, ...(macros ? { macros } : {}),
      value: (name, member) => {
        if (name === step.variable.name) return members[(member ?? 1) - 1];
        const captured = captures.get(name);
        const own = step.captures.find((c) => c.name === name)?.index;
        // A capture has the value that it says it has; the log does not get to choose another.
        if (captured) return evaluateNotation(captured, { ...self, indices: own === undefined || member === undefined ? indices : new Map([...indices, [own, member]]) });
        return values.get(name)?.[(member ?? 1) - 1];
      },
    };
    return self;
  };
  const members = values.get(step.variable.name) ?? refuse(`the points have no value of ${step.variable.name}`);
  return { point, members, scope };
}
const indicesOf = (step: LoggedStep, member: number): ReadonlyMap<string, number> =>
  (step.variable.index === undefined ? new Map() : new Map([[step.variable.index, member]]));

const largest = (xs: readonly number[]): number => xs.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
/** A scalar beside a matrix is that value everywhere. */
function spread(a: readonly number[], length: number): readonly number[] {
  return a.length === 1 && length > 1 ? Array.from({ length }, () => a[0] as number) : a;
}
function apart(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [spread(a, b.length), spread(b, a.length)];
  if (x.length !== y.length) return Number.POSITIVE_INFINITY;
  const gap = largest(x.map((v, i) => (v === y[i] ? 0 : v - (y[i] as number))));
  const size = Math.max(largest(x), largest(y));
  return Number.isNaN(gap) ? Number.POSITIVE_INFINITY : size === 0 ? gap : gap / size;
}
/** The expression at all members of the variable. */
function valuesAt(e: Node, step: LoggedStep, place: Place, members = place.members, macros?: ReadonlyMap<string, Node>): readonly Matrix[] {
  return place.members.map((_, i) => evaluateNotation(e, place.scope(members, indicesOf(step, i + 1), macros)));
}
/** `stop(X)` keeps its value at the point while the variable moves. */
function withHeld(e: Node, place: Place): Node {
  const walk = (x: Node, bound: ReadonlyMap<string, number>): Node => {
    switch (x.t) {
      case "call":
        if (x.fn === "stop" && x.args[0]) return { t: "value", value: evaluateAll(x.args[0], place, bound) };
        return { ...x, args: x.args.map((a) => walk(a, bound)) };
      case "binary": return { ...x, a: walk(x.a, bound), b: walk(x.b, bound) };
      case "negative": case "transpose": return { ...x, a: walk(x.a, bound) };
      case "slice": return { ...x, a: walk(x.a, bound) };
      case "sum": return containsStop(x.body) ? unrolled(x, place, bound, walk) : x;
      default: return x;
    }
  };
  return walk(e, new Map());
}
const containsStop = (e: Node): boolean => e.t === "call" ? e.fn === "stop" || e.args.some(containsStop)
  : e.t === "binary" ? containsStop(e.a) || containsStop(e.b)
    : e.t === "sum" ? containsStop(e.body) : e.t === "negative" || e.t === "transpose" || e.t === "slice" ? containsStop(e.a) : false;
const evaluateAll = (e: Node, place: Place, bound: ReadonlyMap<string, number>): Matrix => evaluateNotation(e, place.scope(place.members, bound));
function unrolled(x: Extract<Node, { t: "sum" }>, place: Place, bound: ReadonlyMap<string, number>, walk: (e: Node, bound: ReadonlyMap<string, number>) => Node): Node {
  const count = place.point.counts[x.index] ?? refuse(`how many values ${x.index} has is not known`);
  const terms = Array.from({ length: count }, (_, i) => {
    const at = new Map([...bound, [x.index, i + 1]]);
    return fixIndex(walk(x.body, at), x.index, i + 1);
  });
  return terms.reduce((a, b): Node => ({ t: "binary", op: "+", a, b }));
}
function fixIndex(e: Node, index: string, to: number): Node {
  const go = (x: Node): Node => fixIndex(x, index, to);
  switch (e.t) {
    case "name": return e.member === index ? { ...e, member: String(to) } : e.name === index ? { t: "number", value: to } : e;
    case "call": return wordOption(e, "over") === index ? refuse(`stop beside a softmax over ${index} cannot be checked`) : { ...e, args: e.args.map(go) };
    case "binary": return { ...e, a: go(e.a), b: go(e.b) };
    case "negative": case "transpose": case "slice": return { ...e, a: go(e.a) };
    case "sum": return e.index === index ? e : { ...e, body: go(e.body) };
    case "number": case "value": return e;
  }
}
function scoreAt(f: Node, step: LoggedStep, place: Place, members: readonly Matrix[]): number {
  const m = evaluateNotation(f, place.scope(members));
  return m.data.length === 1 ? (m.data[0] as number) : refuse(`${step.step}: the objective is no scalar`);
}

// ---------------------------------------------------------------- what rules promise
/** Central differences, twice as fine the second time and put together: the error is of fourth order. */
function checkGradient(f: Node, slope: Node, step: LoggedStep, place: Place): void {
  const fixed = withHeld(f, place);
  const claimed = valuesAt(slope, step, place);
  place.members.forEach((member, k) => {
    const numeric = member.data.map((x, e) => {
      const moved = (h: number): number => scoreAt(fixed, step, place, place.members.map((m, i) => (i === k ? { ...m, data: m.data.map((v, j) => (j === e ? x + h : v)) } : m)));
      const h = 1e-3 * Math.max(1, Math.abs(x));
      const central = (s: number): number => (moved(s) - moved(-s)) / (2 * s);
      return (4 * central(h / 2) - central(h)) / 3;
    });
    const error = apart((claimed[k] as Matrix).data, numeric);
    if (!(error <= gradientTolerance) && largest(numeric) > 1e-7) refuse(`the gradient differs from finite differences by ${error.toExponential(1)}`);
  });
}
/** A small generator of its own (xorshift32), so that nobody else's is trusted. */
function noise(seed: number): () => number {
  let s = (seed * 2654435761 + 1) >>> 0 || 1;
  return () => { s ^= s << 13; s >>>= 0; s ^= s >>> 17; s ^= s << 5; s >>>= 0; return s / 2 ** 31 - 1; };
}
function checkMinimal(score: (members: readonly Matrix[]) => number, best: readonly Matrix[]): void {
  const least = score(best);
  if (!Number.isFinite(least)) refuse("the step's result lies outside of where its function is finite");
  const random = noise(best.length + best[0]!.data.length);
  for (let trial = 0; trial < 120; trial++) {
    const size = 10 ** -(1 + (trial % 5));
    const other = best.map((m) => ({ ...m, data: m.data.map((x) => (trial % 3 === 0 && x === 0 ? 0 : x + size * random())) }));
    const gain = least - score(other);
    if (gain > gainTolerance * Math.max(1, Math.abs(least))) refuse(`a point nearby is better by ${gain.toExponential(1)}`);
  }
}
const squares = (a: readonly Matrix[], b: readonly Matrix[]): number =>
  a.reduce((s, m, k) => s + m.data.reduce((t, x, i) => t + (x - ((b[k] as Matrix).data[i] as number)) ** 2, 0), 0);

interface Known {
  /** What the step minimises; its smooth and nonsmooth parts; the gradient; the update so far. */
  minimised?: Node;
  smooth?: Node;
  nonsmooth?: Node;
  gradient?: Node;
  update?: Node;
  updateText?: string;
}
const minus = (e: Node): Node => ({ t: "negative", a: e });
const same = (m: Matrix, like: Matrix): Matrix => (m.data.length === 1 && like.data.length > 1 ? { ...like, data: like.data.map(() => m.data[0] as number) } : m);

function checkUpdate(line: LoggedLine, after: Node, step: LoggedStep, known: Known, place: Place): void {
  const result = valuesAt(after, step, place).map((m, k) => same(m, place.members[k] as Matrix));
  const rate = step.rate === undefined ? 1 : (evaluateNotation(readNotation(step.rate), place.scope(place.members)).data[0] as number);
  const slopes = known.gradient ? valuesAt(known.gradient, step, place).map((m, k) => same(m, place.members[k] as Matrix)) : place.members.map((m) => ({ ...m, data: m.data.map(() => 0) }));
  const forward = place.members.map((m, k) => ({ ...m, data: m.data.map((x, i) => x - rate * ((slopes[k] as Matrix).data[i] as number)) }));
  const f = known.minimised ?? refuse("the step has no objective");
  const finite = result.every((m) => m.data.every(Number.isFinite));
  if (!finite) refuse("the update is not finite");
  if (line.rule === "gradient" || (line.rule === "proximal_gradient" && !known.nonsmooth)) {
    result.forEach((m, k) => { const e = apart(m.data, (forward[k] as Matrix).data); if (!(e <= equalTolerance)) refuse(`it is not the variable less ${step.rate} times the gradient; they differ by ${e.toExponential(1)}`); });
  } else if (line.rule === "proximal_gradient") {
    const h = withHeld(known.nonsmooth as Node, place);
    checkMinimal((x) => scoreAt(h, step, place, x) + squares(x, forward) / (2 * rate), result);
  } else if (line.rule === "proximal") {
    const fixed = withHeld(f, place);
    checkMinimal((x) => scoreAt(fixed, step, place, x) + squares(x, place.members) / (2 * rate), result);
  } else if (line.rule === "exact") {
    const fixed = withHeld(f, place);
    checkMinimal((x) => scoreAt(fixed, step, place, x), result);
  } else refuse(`there is no method ${line.rule}`);
}
/** Smooth and proximal parts differ from what is minimised by something that does not move with the variable. */
function checkParts(known: Known, step: LoggedStep, place: Place): void {
  const parts = [known.smooth, known.nonsmooth].filter((e): e is Node => e !== undefined).map((e) => withHeld(e, place));
  const f = withHeld(known.minimised as Node, place);
  const rest = (members: readonly Matrix[]): number => scoreAt(f, step, place, members) - parts.reduce((s, e) => s + scoreAt(e, step, place, members), 0);
  const positive = place.members.map((m) => ({ ...m, data: m.data.map((x) => 0.1 + Math.abs(x)) }));
  const [a, b] = [rest(positive), rest(positive.map((m) => ({ ...m, data: m.data.map((x) => 0.7 * x + 0.05) })))];
  if (Number.isFinite(a) && Number.isFinite(b) && Math.abs(a - b) > 1e-8 * Math.max(1, Math.abs(a))) refuse("the parts are not the parts of what is minimised");
}
function checkRewrite(line: LoggedLine, after: Node, step: LoggedStep, known: Known, place: Place): void {
  if (line.before === undefined || line.before !== known.updateText) refuse("it does not go on from the line before it");
  const before = known.update as Node;
  const close = (a: readonly Matrix[], b: readonly Matrix[], what: string): void => a.forEach((m, k) => {
    const e = apart(m.data, (b[k] as Matrix).data);
    if (!(e <= equalTolerance)) refuse(`${what}; they differ by ${e.toExponential(1)}`);
  });
  if (line.kind === "capture" || line.relation === "identity") {
    const first = new Map(Object.keys(place.point.counts).map((index) => [index, 1]));
    const at = (text: string): Matrix => evaluateNotation(readNotation(text), place.scope(place.members, first));
    for (const r of line.replaced ?? []) if (!(apart(at(r.before).data, at(r.after).data) <= equalTolerance)) refuse("what was replaced is not equal to what stands there now");
    close(valuesAt(after, step, place), valuesAt(before, step, place), "the update changes its value where it must not");
    return;
  }
  const [first, ...others] = line.replaced ?? [];
  if (!first) return refuse("it does not say what was replaced");
  const [from, to] = [readNotation(first.before), readNotation(first.after)];
  if (line.context === undefined) return others.length > 0 ? undefined : refuse("it does not say where the replaced part stood");
  const context = readNotation(line.context);
  close(valuesAt(context, step, place, place.members, new Map([[replacedName, from]])), valuesAt(before, step, place), "with the replaced part put back it is not the line before it");
  close(valuesAt(context, step, place, place.members, new Map([[replacedName, to]])), valuesAt(after, step, place), "with the replacement put in it is not this line");
}

/** Is what was replaced an instance of the lemma's left side, and what stands there now the same instance of its right? */
function checkInstance(line: LoggedLine, step: LoggedStep, place: Place): void {
  const [first] = line.replaced ?? [];
  if (!line.lemma || !first) return;
  const { parameters, left, right } = readLemma(line.lemma.text);
  const own = parameters.flatMap((p) => (p.index === undefined ? [] : [p.index]));
  const indices = new Map([...Object.keys(place.point.counts), ...own].map((index) => [index, 1]));
  const nodes = new Map(Object.entries(line.lemma.holes).map(([name, text]) => [name, readNotation(text)] as const));
  const hole = (name: string, member: number | undefined): Matrix | undefined => {
    const parameter = parameters.find((p) => p.name === name);
    const node = parameter && nodes.get(name);
    if (!node) return undefined;
    return evaluateNotation(node, place.scope(place.members, parameter.index === undefined ? indices : new Map([...indices, [parameter.index, member ?? 1]])));
  };
  // The lemma's sizes are those that its parameters have here.
  const sizes = new Map<string, number>();
  for (const p of parameters) {
    const m = hole(p.name, 1);
    if (m) p.dims.forEach((d, i) => sizes.set(d, i === 0 ? m.rows : m.cols));
  }
  const counts = new Map(Object.entries(place.point.counts));
  for (const p of parameters) if (p.index !== undefined) counts.set(p.index, Math.max(counts.get(p.index) ?? 1, familySize(p.name, line, step, place)));
  const scope: Scope = { sizes, counts, indices, value: hole };
  const at = place.scope(place.members, indices);
  for (const [side, text, what] of [[left, first.before, "left"], [right, first.after, "right"]] as const) {
    const [wanted, found] = evaluateSides(side, scope, readNotation(text), at);
    const e = apart(wanted.data, found.data);
    if (!(e <= equalTolerance)) refuse(`it is no instance of the lemma's ${what} side; they differ by ${e.toExponential(1)}`);
  }
}
/** As many members as the first family of the log that the hole speaks of; 1 where it speaks of none. */
function familySize(name: string, line: LoggedLine, step: LoggedStep, place: Place): number {
  for (const [, symbol = ""] of (line.lemma?.holes[name] ?? "").matchAll(/([\p{L}_][\p{L}\p{N}_]*)\[/gu)) {
    const captured = step.captures.find((c) => c.name === symbol)?.index;
    const count = captured === undefined ? place.point.values[symbol]?.length : place.point.counts[captured];
    if (count !== undefined) return count;
  }
  return 1;
}

function checkLine(line: LoggedLine, step: LoggedStep, known: Known, places: readonly Place[]): void {
  const after = readNotation(line.after);
  if (line.values.length !== places.length) refuse("values and points do not match in number");
  places.forEach((place, i) => {
    const wanted = line.values[i] ?? [];
    const perMember = line.kind === "gradient" || line.kind === "update" || line.kind === "capture" || line.kind === "lemma";
    const found = perMember ? valuesAt(after, step, place) : [evaluateNotation(after, place.scope(place.members))];
    if (wanted.length !== found.length) refuse("it has values for another number of members");
    found.forEach((m, k) => {
      const e = apart(m.data, (wanted[k] as readonly (number | string)[]).map(Number));
      if (!(e <= valueTolerance)) refuse(`at point ${i + 1} it has another value than the log says; they differ by ${e.toExponential(1)}`);
    });
  });
  switch (line.kind) {
    case "objective": known.minimised = step.sense === "minimize" ? after : minus(after); break;
    case "surrogate": known.minimised = after; break;
    case "smooth": known.smooth = after; break;
    case "nonsmooth": known.nonsmooth = after; break;
    case "gradient":
      if (known.smooth || known.nonsmooth) places.forEach((p) => checkParts(known, step, p));
      places.forEach((p) => checkGradient(known.smooth ?? (known.minimised as Node), after, step, p));
      known.gradient = after;
      break;
    case "update":
      if (line.rule !== step.method) refuse(`the step is by ${step.method}`);
      if (known.update) refuse("the step has an exact update already");
      if (!known.gradient && (known.smooth || known.nonsmooth)) places.forEach((p) => checkParts(known, step, p));
      places.forEach((p) => checkUpdate(line, after, step, known, p));
      break;
    case "capture": case "lemma": places.forEach((p) => { checkRewrite(line, after, step, known, p); checkInstance(line, step, p); }); break;
    default: refuse(`there is no such kind of line: ${String(line.kind)}`);
  }
  if (line.kind === "update" || line.kind === "capture" || line.kind === "lemma") {
    known.update = after;
    known.updateText = line.after;
  }
}

/** A log comes from anywhere; the type says only what it should be. */
const isList = (x: unknown): boolean => Array.isArray(x);

/** Every line's verdict; the log holds if all are ok. Lines after a refused one are checked on their own merits. */
export function checkLog(log: ProofLog): readonly LineVerdict[] {
  const steps: readonly LoggedStep[] = log.steps;
  if (log.format !== 1 || !isList(steps)) return [{ step: "", line: 0, rule: "", ok: false, why: "this is no proof log of format 1" }];
  return steps.flatMap((step): readonly LineVerdict[] => {
    if (typeof step !== "object" || step === null || typeof step.step !== "string") return [{ step: "", line: 0, rule: "", ok: false, why: "a step of the log is none" }];
    const known: Known = {};
    const verdict = (line: number, rule: string, run: () => void): LineVerdict => {
      try {
        run();
        return { step: step.step, line, rule, ok: true, why: "" };
      } catch (error) {
        if (error instanceof Refused || error instanceof NotationFault || error instanceof TypeError || error instanceof RangeError) return { step: step.step, line, rule, ok: false, why: error.message };
        throw error;
      }
    };
    let places: readonly Place[] = [];
    const start = verdict(0, "points", () => {
      if (!step.points?.length) refuse("the step has no test point");
      for (const tensors of step.points.flatMap((p) => Object.values(p.values))) for (const t of tensors) {
        if (t.data.length !== t.rows * t.cols) refuse("a value at a test point has not the entries that its shape says");
      }
      places = step.points.map((p) => placeOf(p, step));
      if (!step.lines.some((l) => l.kind === "update")) refuse("the step has no exact update");
    });
    return start.ok ? step.lines.map((line, i) => verdict(i + 1, line.rule, () => checkLine(line, step, known, places))) : [start];
  });
}
