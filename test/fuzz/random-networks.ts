/** Random networks that mean something: well-typed objectives over the table of functions, random steps, lemmas, schedules and shapes. */
import { createGenerator } from "../../src/numeric/sample.js";

type Size = "d" | "n" | "p" | "1";

/** The text of network number `seed`; always the same. Values stay of size one, so that float32 can follow. */
export function randomNetwork(seed: number): string {
  const g = createGenerator(seed);
  const pick = <T>(...list: readonly T[]): T => list[Math.floor(g.uniform() * list.length)] as T;
  const chance = (p: number): boolean => g.uniform() < p;
  const sizes = { d: 2 + Math.floor(g.uniform() * 4), n: 2 + Math.floor(g.uniform() * 4), p: 1 + Math.floor(g.uniform() * 3), K: 2 + Math.floor(g.uniform() * 2) };
  const constants = ["a", "b"] as const;

  /** A matrix with rows × cols; `left` is how deep it may still go; in a sum over k, `k` is open. */
  function matrix(r: Size, c: Size, left: number, k: boolean): string {
    const m = (rows: Size = r, cols: Size = c): string => matrix(rows, cols, left - 1, k);
    const leaf = (): string => {
      switch (`${r}${c}`) {
        case "dn": return pick("Z", "Z", "Z", "X", "stop(0.7*Z + 0.1*X)");
        case "nd": return pick("Z'", "X'");
        case "dd": return pick("W", "W'", "(W + I)");
        case "nn": return "M";
        case "dp": return k ? "U[k]" : "U[1]";
        case "pd": return k ? "U[k]'" : "U[2]'";
        case "d1": return pick("v", "Z[:, 1]");
        case "n1": return "w";
        case "1d": return "v'";
        case "1n": return pick("w'", "(v'*Z)");
        case "pn": return k ? "(U[k]'*Z)" : "(U[1]'*Z)";
        case "np": return k ? "(Z'*U[k])" : "(X'*U[1])";
        case "11": return pick("a", "b");
        default: return `ones(${r === "1" ? "1" : r})*ones(${c === "1" ? "1" : c})'`;
      }
    };
    if (left <= 0 || (r === "1" && c === "1")) return r === "1" && c === "1" ? `(${scalar(left - 1, k)})` : leaf();
    switch (Math.floor(g.uniform() * 24)) {
      case 0: return `(${m()} + ${m()})`;
      case 1: return `(${m()} - ${m()})`;
      case 2: case 3: { const inner = pick<Size>("d", "n", "p"); return `(${m(r, inner)}*${m(inner, c)})`; }
      case 4: return `(${pick("a", "0.5", "b^2", "-0.3", "sqrt(a)")}*${m()})`;
      case 5: return `(${m()} .* ${m()})`;
      case 6: return `(${m()} ./ (1 + square(${m()})))`;
      case 7: return `${pick("tanh", "sigmoid", "gelu", "square", "relu", "abs")}(${m()})`;
      case 8: return `exp(0.3*tanh(${m()}))`;
      case 9: return `log(1 + exp(${m()}))`;
      case 10: return `sqrt(1 + square(${m()}))`;
      case 11: return `${pick("max", "min")}(${m()}, ${m()})`;
      case 12: return c === "1" ? `softmax(${m()})` : `softmax(${m()}${chance(0.4) ? ", over: rows" : ""})`;
      case 13: return `normalize(1 + ${m()}${chance(0.4) && c !== "1" ? ", over: rows" : ""})`;
      case 14: return `(${m()}/sqrt(${sizeText(r)}))`;
      case 15: return r === c && r !== "1" ? `inv(I + 0.3*tanh(${m(r, "n")})*tanh(${matrix(r, "n", 0, k)})')`.replace(/tanh\((.*)\)\*tanh\(.*\)'\)$/, (_, x: string) => `tanh(${x})*tanh(${x})')`) : m();
      case 16: return r === c && r !== "1" ? `diag(${m(r, "1")})` : m();
      case 17: return r === c && r !== "1" ? `softmax(causal(${m()}))` : m();
      case 18: return k || r === "1" || c === "1" ? m() : `(sum(k) ${matrix(r, c, left - 1, true)})`;
      case 19: return c === "n" ? `cumsum(${m()})` : m();
      case 20: return c === "1" && r !== "1" ? `${pick("colsum", "colmean")}(${m("d", r)})` : c === "1" ? m() : `(${m(r, "1")}*ones(${sizeText(c)})')`;
      case 21: return c === "1" && r !== "1" ? `${pick("rowsum", "rowmean")}(${m(r, "n")})` : m();
      case 22: return `(${m(c, r)})'`;
      default: return `${pick("soft_threshold", "huber")}(${m()}, ${pick("0.1", "a")})`;
    }
  }
  const sizeText = (s: Size): string => (s === "1" ? "1" : s);
  const shapes: readonly (readonly [Size, Size])[] = [["d", "n"], ["d", "n"], ["p", "n"], ["d", "d"], ["n", "n"], ["d", "1"], ["n", "1"], ["n", "d"]];
  /** A number: mostly reductions. */
  function scalar(left: number, k: boolean): string {
    if (left <= 0) return pick("a", "b", "0.5", "v'*v", "sq_norm(Z)");
    const [r, c] = pick(...shapes);
    const m = (rows: Size = r, cols: Size = c): string => matrix(rows, cols, left - 1, k);
    switch (Math.floor(g.uniform() * 16)) {
      case 0: case 1: return `sq_norm(${m()})`;
      case 2: return `total(${m()})`;
      case 3: return `mean(${m()})`;
      case 4: return `trace(${m("d", "d")})`;
      case 5: { const x = m("d", "n"); return `logdet(I + ${pick("a", "0.5")}*(${x})*(${x})')`; }
      case 6: { const x = m("d", "n"); return `logdet(I + ${pick("a", "0.5")}*(${x})'*(${x}))`; }
      case 7: return `(${scalar(left - 1, k)} + ${scalar(left - 1, k)})`;
      case 8: return `(${pick("a", "2", "-0.5", "b")}*${scalar(left - 1, k)})`;
      case 9: return `tanh(${scalar(left - 1, k)})`;
      case 10: return `log(1 + square(${scalar(left - 1, k)}))`;
      case 11: return `total(huber(${m()}, ${pick("0.7", "b")}))`;
      case 12: return k ? `sq_norm(${m()})` : `(sum(k) ${scalar(left - 1, true)})`;
      case 13: return `(1 + ${pick("norm2", "norm21")}(1 + ${m()}))^2`;
      case 14: return `total(log(1 + square(${m()})))`;
      default: return k ? `total(U[k]'*${m("d", "n")})` : `total(sum(k) softmax(U[k]'*Z, over: k) .* (U[k]'*${m("d", "n")}))`;
    }
  }
  const objective = (): string => {
    const terms = Array.from({ length: 1 + Math.floor(g.uniform() * 2) }, () => scalar(2 + Math.floor(g.uniform() * 2), false));
    return `sq_norm(Z - X)*0.5 + ${terms.join(" + ")}`;
  };
  const penalty = (): string => pick(
    "0.1*norm1(Z)", "a*norm1(Z) + nonnegative(Z)", "0.05*norm0(Z)", "b*norm2(Z)", "0.2*norm21(Z - X)", "nonnegative(Z)", "box(Z, -0.5, 0.7)", "ball(Z, 1.2)", "simplex(Z)",
    "0.1*norm1(2*Z)", "0.1*norm1(Z) + 0.2*sq_norm(Z)", "0.3*total(huber(Z, 0.4))", "0.1*norm1(Z - X)", "0.1*sq_norm(Z) + nonnegative(Z)", "0.1*norm_nuc(Z)", "sphere(Z, 1)",
  );
  const rate = (): string => pick("0.01", "0.02", "0.02*0.9^layer", "0.01/layer", "speed", "0.03/(1 + layer)");
  const options = (): string => `${chance(0.25) ? ", iterations: 2" : ""}${chance(0.3) ? `, momentum: ${pick("nesterov", "fista", "0.5", "pull")}` : ""}`;
  const prenorm = (): string => (chance(0.25) ? ` prenorm ${pick("increment", "input")} ${pick("layernorm", "rmsnorm", "layernorm(affine: false)")}` : "");
  const then = (): string => (chance(0.1) ? " then 0.5*Z + 0.1*X" : "");
  function step(name: string): string {
    const when = chance(0.2) ? ` when layer % 2 == ${pick("0", "1")}` : "";
    const clauses = ((): string => {
      switch (Math.floor(g.uniform() * 8)) {
        case 0: return `minimize 0.5*sq_norm(Z - tanh(stop(Z)) + 0.1*X) + ${penalty()} by exact`;
        case 1: return `minimize 0.5*sq_norm(${pick("W*Z - X", "Z - X", "2*Z - W*X")}) + 0.4*sq_norm(Z) by exact`;
        case 2: return `minimize ${chance(0.1) ? "-0.1*total(log(Z))" : penalty()} by proximal(rate: ${pick("0.1", "0.3*0.9^layer", "speed")})`;
        case 3: case 4: return `minimize ${objective()} + ${penalty()} by proximal_gradient(rate: ${rate()}${options()})`;
        case 5: return `minimize 0.5*logdet(I + a*Z'*Z) by gradient(rate: ${rate()}) using ${pick("series", "through", "series")}`;
        default: return `${chance(0.15) ? `maximize -(${objective()})` : `minimize ${objective()}`} by gradient(rate: ${rate()}${options()})`;
      }
    })();
    return `step ${name}${when} { ${clauses}${prenorm()}${then()} }`;
  }
  const count = 1 + Math.floor(g.uniform() * 2);
  return `lemma series(Q: real[m, m]): inv(I + Q) ~ I - Q when norm_spec(Q) < 1
lemma through(c: real, A: real[m, q], B: real[q, m]): A*inv(I + c*B*A) = inv(I + c*A*B)*A
network Random {
  dim d = ${sizes.d}, n = ${sizes.n}, p = ${sizes.p}, K = ${sizes.K}
  index k in 1..K
  const ${constants.map((c, i) => `${c} = ${i === 0 ? 0.3 : 0.6}`).join(", ")}
  input X: real[d, n]
  param M: real[n, n] init normal(0.4)
  param v: real[d] init normal(0.5)
  param w: real[n] init normal(0.5)
  param U[k]: real[d, p] init normal(0.4)
  param speed: real positive init constant(0.02)
  param pull: real init constant(0.3)
  var Z: real[d, n] = X
  layer block repeat ${1 + Math.floor(g.uniform() * 2)} {
    param W: real[d, d] init normal(0.4)
    ${Array.from({ length: count }, (_, i) => step(`s${i + 1}`)).join("\n    ")}
  }
  output z: real[d, n] = Z
}`;
}
