/**
 * Networks that are in no example, each for one thing that the language can: they are derived, unrolled and run in ONNX Runtime and in
 * TensorFlow.js, beside the float64 run of their own statements and, where a formula says it, beside that formula.
 */
import { describe, expect, it } from "vitest";
import { runNetwork } from "../../src/audit/run-network.js";
import type { HostTensor, TensorMap } from "../../src/runtime/contract.js";
import { initialise, Random } from "../../src/runtime/random.js";
import { compileSpec, relativeError, runOnnx, runOptimised } from "../support/build.js";
import { describeNetwork, runTfjs } from "../support/tfjs.js";

interface Odd {
  readonly what: string;
  readonly spec: string;
  /** Sizes of free dims. */
  readonly free?: Readonly<Record<string, number>>;
  readonly tolerance?: number;
  /** Entries that are not drawn from a normal distribution. */
  readonly given?: (name: string, index: number) => number | undefined;
}
const odd: readonly Odd[] = [
  { what: "several variables, alternating, each with its own step", spec: `
network Factors {
  dim m = 5, n = 6, r = 3
  input Y: real[m, n]
  param A0: real[m, r] init normal(0.5)
  param B0: real[r, n] init normal(0.5)
  var A: real[m, r] = A0
  var B: real[r, n] = B0
  layer sweep repeat 3 {
    objective fit: minimize 0.5*sq_norm(Y - A*B) + 0.1*sq_norm(A) + 0.05*norm1(B)
    step left { minimize fit wrt A by gradient(rate: 0.05) }
    step right { minimize fit wrt B by proximal_gradient(rate: 0.1) }
  }
  output product: real[m, n] = A*B
}` },
  { what: "an inner variable, optimised from the outer one and put back", spec: `
network Inner {
  dim d = 4, q = 7, n
  input X: real[d, n]
  var Z: real[d, n] = X
  layer code repeat 2 {
    param D: real[d, q] init normal(0.4)
    param G: real[d, q] init normal(0.3)
    step sparse {
      minimize 0.5*sq_norm(Z - D*A) + 0.1*norm21(A)
      over A: real[q, n] from D'*Z
      by proximal_gradient(rate: 0.3, iterations: 3, momentum: nesterov)
      then 0.5*Z + G*A
    }
  }
  output out: real[d, n] = Z
}`, free: { n: 5 } },
  { what: "slices of columns in an objective, the others left alone", spec: `
network Slices {
  dim d = 3, n = 6
  input X: real[d, n]
  var Z: real[d, n] = X
  layer l repeat 2 {
    step first { minimize 0.5*sq_norm(Z[:, 1] - Z[:, 2..n]*ones(n - 1)/(n - 1)) by gradient(rate: 0.3) }
    step rest { minimize norm1(Z[:, 2..n]) by proximal(rate: 0.1) }
  }
  output head: real[d] = Z[:, 1]
  output all: real[d, n] = Z
}` },
  { what: "families by vectors and by scalars, with an index in a rate's neighbour", spec: `
network Families {
  dim d = 4, n = 5, J = 3
  index j in 1..J
  input X: real[d, n]
  param v[j]: real[d] init normal(0.5)
  param w[j]: real init normal(1)
  var Z: real[d, n] = X
  layer l repeat 2 {
    step s { minimize 0.5*sum(j) square(w[j])*sq_norm(v[j]'*Z) + 0.01*sq_norm(Z) by gradient(rate: 0.2) }
  }
  output out: real[d, n] = Z
}` },
  { what: "steps under when, and a rate that depends on the layer", spec: `
network When {
  dim d = 6
  input y: real[d]
  param F: real[d, d] init normal(0.3)
  var x: real[d] = 0
  layer l repeat 4 {
    step even when layer % 2 == 0 { minimize 0.5*sq_norm(F*x - y) by gradient(rate: 0.5*0.9^layer) }
    step odd when layer % 2 == 1 { minimize 0.5*sq_norm(x - y) + norm1(x) by proximal_gradient(rate: 0.1*layer) }
  }
  output out: real[d] = x
}` },
  { what: "a mask that weighs the data term", spec: `
network Masked {
  dim d = 3, n
  input Y: real[d, n]
  input mask: real[n]
  var X: real[d, n] = 0
  layer l repeat 5 {
    param D: real[d, d] init identity
    step fill { minimize 0.5*sq_norm((D*X - Y)*diag(mask)) by gradient(rate: 0.4) }
  }
  output out: real[d, n] = X
}`, free: { n: 4 }, given: (name, i) => (name === "mask" ? i % 2 : undefined) },
  { what: "an exact minimiser: ridge regression, an inverse that survives", spec: `
network Ridge {
  dim m = 7, q = 5
  input y: real[m]
  param A: real[m, q] init normal(0.4)
  var x: real[q] = 0
  layer l repeat 2 { step solve { minimize 0.5*sq_norm(y - A*x) + 0.3*sq_norm(x - 0.1*ones(q)) by exact } }
  output out: real[q] = x
}`, tolerance: 2e-5 },
  { what: "a causal sequence with running sums", spec: `
network Running {
  dim d = 4, n
  input X: real[d, n]
  var Z: real[d, n] = X
  layer l repeat 2 {
    param U: real[d, d] init normal(0.4)
    step s { minimize 0.5*total(log(1 + cumsum((U'*Z).^2))) by gradient(rate: 0.3) }
  }
  output out: real[d, n] = Z
}`, free: { n: 6 } },
  { what: "a lemma of one's own, an identity, and a learned step size", spec: `
network Lemmas {
  dim d = 4, n = 6
  input X: real[d, n]
  var Z: real[d, n] = X
  layer l repeat 2 {
    param t: real positive init constant(0.2)
    param B: real[d, d] init normal(0.3)
    step s {
      minimize 0.5*logdet(I + 0.5*(B*Z)'*(B*Z)) by gradient(rate: t)
      using second_order
    }
  }
  output out: real[d, n] = Z
}
lemma second_order(Y: real[n, n]): inv(I + Y) ~ I - Y + Y*Y when norm_spec(Y) < 1` },
  { what: "momentum carried through the copies, with a learned scalar", spec: `
network Heavy {
  dim q = 6, m = 4
  input y: real[m]
  param A: real[m, q] init normal(0.4)
  param mu: real init constant(0.3)
  var x: real[q] = 0
  layer l repeat 4 { step s { minimize 0.5*sq_norm(y - A*x) + total(huber(x, 0.2)) by gradient(rate: 0.2, momentum: mu) } }
  output out: real[q] = x
}` },
  { what: "projections: the simplex, the ball, a box", spec: `
network Sets {
  dim d = 5, n = 3
  input Y: real[d, n]
  var X: real[d, n] = Y
  layer l repeat 2 {
    step a { minimize 0.5*sq_norm(X - Y) + simplex(X) by proximal_gradient(rate: 0.7) }
    step b { minimize box(X, 0.05, 0.6) by proximal(rate: 1) }
    step c { minimize ball(X, 0.8) by proximal(rate: 1) }
  }
  output out: real[d, n] = X
}` },
  { what: "two objectives with a stop, ascent and descent in turn", spec: `
network Saddle {
  dim d = 4, n = 5
  input X: real[d, n]
  var Z: real[d, n] = X
  layer l repeat 2 {
    param M: real[d, d] init normal(0.3)
    step up { maximize total(tanh(M*Z)) - 0.1*sq_norm(Z - stop(Z)*0.5) by gradient(rate: 0.1) }
    step down { minimize total(sigmoid(Z) .* Z) + 0.5*mean(exp(-Z.^2)) by gradient(rate: 0.2) prenorm input rmsnorm }
  }
  output out: real[d, n] = Z
}` },
];
const samples = 2;

function feedsOf(o: Odd, network: ReturnType<typeof compileSpec>): TensorMap {
  const random = Random.named(5, o.what);
  return Object.fromEntries(describeNetwork(network).inputs.map((w): [string, HostTensor] => {
    const shape = [samples, ...w.shape.slice(1).map((s) => (typeof s === "number" ? s : (o.free?.[s] ?? 4)))];
    const size = shape.reduce((a, b) => a * b, 1);
    return [w.name, { shape, data: Float32Array.from({ length: size }, (_, i) => o.given?.(w.name, i) ?? random.normal()) }];
  }));
}

describe("odd networks", () => {
  it.each(odd)("$what: ONNX Runtime and TensorFlow.js agree with float64", async (o) => {
    const network = compileSpec(o.spec);
    const weights = initialise(describeNetwork(network).parameters, 3);
    const feeds = feedsOf(o, network);
    const [onnx, tfjs] = [await runOnnx(network, weights, feeds), await runTfjs(network, weights, feeds)];
    const runs = [["onnx -O0", onnx], ["tfjs -O0", tfjs], ["onnx -O2", await runOptimised(network, weights, feeds)], ["tfjs -O2", await runTfjs(network, weights, feeds, 2)]] as const;
    let compared = 0;
    for (const [sample] of Array.from({ length: samples }).entries()) {
      const { values } = runNetwork(network.unrolled, weights, feeds, sample);
      for (const output of network.unrolled.outputs) {
        const [wanted] = values.get(output.value) ?? [];
        if (!wanted) throw new Error(`no ${output.value}`);
        const [rows = 1, cols = 1] = wanted.shape;
        // On the wire a matrix is turned: a token is contiguous.
        const wire = Float64Array.from({ length: rows * cols }, (_, i) => wanted.data[(i % rows) * cols + Math.floor(i / rows)] as number);
        for (const [runtime, found] of runs) {
          const part = (found[output.name] ?? new Float32Array()).slice(sample * wire.length, (sample + 1) * wire.length);
          expect(relativeError(part, wire), `${runtime} ${output.name}`).toBeLessThan(o.tolerance ?? 2e-6);
          compared += 1;
        }
      }
    }
    expect(compared).toBeGreaterThan(0);
    // Nothing of this holds if the network does nothing.
    const [first] = network.unrolled.outputs;
    expect(onnx[first?.name ?? ""]?.some((x) => x !== 0)).toBe(true);
  });
  it.each(["g", "h", "X", "t", "c", "e", "d", "k"])("a step called %s, as a parameter, input, target, constant, size or index may be, hides nothing", async (step) => {
    const network = compileSpec(`network Names { dim d = 2 index k in 1..1 const c = 1 let e = 0 input X: real[d] target t: real[d] param h: real[d] init constant(2) var Z: real[d] = X
      step ${step} { minimize 0.5*sq_norm(Z - h) by gradient(rate: 0.5*c) }
      layer f repeat 2 { param g: real[d] init constant(3) step ${step} { minimize 0.5*sq_norm(Z) by gradient(rate: 0.5) } step s { minimize 0.5*sq_norm(Z - g - h - X) by gradient(rate: 0.5) } }
      output Y: real[d] = Z + h + X + e + d - 2 + sum(k) (k - 1) }`);
    const x = [0.3, -1.7];
    const wanted = x.map((v) => {
      let z = 0.5 * v + 1;
      for (let copy = 0; copy < 2; copy++) z = 0.25 * z + 0.5 * (3 + 2 + v);
      return z + 2 + v;
    });
    const weights = initialise(describeNetwork(network).parameters, 3);
    for (const run of [runOnnx, runTfjs]) expect(relativeError((await run(network, weights, { X: { shape: [1, 2], data: Float32Array.from(x) } }))["Y"] as Float32Array, wanted)).toBeLessThan(1e-6);
  });
  it.each<readonly [string, string, (x: number) => number]>([
    ["consts of one name in two layers", `layer a { const c = 0.1 step s { minimize 0.5*sq_norm(Z) by gradient(rate: c) expect 0.9*Z } } layer b { const c = 0.5 step s { minimize 0.5*sq_norm(Z) by gradient(rate: c) } } output Y: real[d] = Z`, (x) => 0.45 * x],
    ["a const called as a new iterate", "const Z_new = 0.4 layer a repeat 2 { step s { minimize 0.5*sq_norm(Z) by gradient(rate: 0.5, momentum: Z_new) } } output Y: real[d] = Z", (x) => 0.15 * x],
    ["a const called as what is normalised", "const Z_norm = 3 step s { minimize 0.5*sq_norm(Z - Z_norm) by gradient(rate: 0.5) prenorm increment square } output Y: real[d] = Z", (x) => x - 0.5 * (x * x - 3)],
    ["steps of one name with momentum", "var w: real = 3 step s { minimize 0.5*sq_norm(Z) wrt Z by gradient(rate: 0.5, momentum: 0.4) } step s { minimize 0.5*sq_norm(w) wrt w by gradient(rate: 0.5, momentum: 0.4) } output Y: real[d] = Z + w", (x) => 0.5 * x + 1.5],
    ["a layer's variable and another layer's parameter of its name", "layer a { var w: real[d] = 2*Z step s { minimize 0.5*sq_norm(Z - w) wrt Z by gradient(rate: 0.5) } } layer b { param w: real init constant(0.5) step s { minimize 0.5*sq_norm(Z) by gradient(rate: w) } } output Y: real[d] = Z", (x) => 0.75 * x],
    ["variables of one name in two layers", "layer a { var w: real[d] = 2*Z step s { minimize 0.5*sq_norm(Z - w) wrt Z by gradient(rate: 0.5) } } layer b { var w: real[d] = 4*Z step s { minimize 0.5*sq_norm(Z - w) wrt Z by gradient(rate: 0.5) } } output Y: real[d] = Z", (x) => 3.75 * x],
    ["an inner variable called as a later layer's shared parameter", "step a { minimize 0.5*sq_norm(Z - U) over U: real[d] from 0 by gradient(rate: 0.5) then U } layer a { param U: real shared init constant(3) step t { minimize 0.5*sq_norm(Z) by gradient(rate: U) } } output Y: real[d] = Z", (x) => -x],
    ["an output called as a let that stays a name", "let c = 0.1 output c: real = 5 step s { minimize 0.5*sq_norm(Z) by gradient(rate: c) } output Y: real[d] = Z", (x) => 0.9 * x],
  ])("%s keep apart", async (_, members, formula) => {
    const network = compileSpec(`network Names { dim d = 2 input X: real[d] var Z: real[d] = X ${members} }`);
    const x = [0.3, -1.7];
    const weights = initialise(describeNetwork(network).parameters, 3);
    for (const run of [runOnnx, runTfjs]) expect(relativeError((await run(network, weights, { X: { shape: [1, 2], data: Float32Array.from(x) } }))["Y"] as Float32Array, x.map(formula))).toBeLessThan(1e-6);
  });
  it("ridge regression is the solution of its normal equations", async () => {
    const o = odd.find((x) => x.what.includes("ridge")) as Odd;
    const network = compileSpec(o.spec);
    const weights = initialise(describeNetwork(network).parameters, 3);
    const feeds = feedsOf(o, network);
    const x = (await runOnnx(network, weights, feeds))["out"] as Float32Array;
    const [A, y] = [weights["A"]?.data ?? [], feeds["y"]?.data ?? []];
    // A'(Ax − y) + 0.6(x − 0.1) = 0, entry by entry.
    for (let j = 0; j < 5; j++) {
      let slope = 0.6 * ((x[j] as number) - 0.1);
      for (let i = 0; i < 7; i++) {
        let residual = -(y[i] as number);
        for (let e = 0; e < 5; e++) residual += (A[i * 5 + e] as number) * (x[e] as number);
        slope += (A[i * 5 + j] as number) * residual;
      }
      expect(Math.abs(slope)).toBeLessThan(1e-5);
    }
  });
  it("columns outside of a slice keep their bits", async () => {
    const o = odd.find((x) => x.what.startsWith("slices")) as Odd;
    const spec = o.spec.replace(/step first \{[^}]*\}/, "").replace("Z[:, 2..n])", "Z[:, 3..n])");
    const network = compileSpec(spec);
    const feeds = feedsOf(o, network);
    const out = (await runOnnx(network, {}, feeds))["all"] as Float32Array;
    expect([...out.slice(0, 6)]).toEqual([...(feeds["X"]?.data ?? [])].slice(0, 6));
    expect([...out.slice(6, 18)]).not.toEqual([...(feeds["X"]?.data ?? [])].slice(6, 18));
  });
});

describe("causality", () => {
  it.each(["crate-gpt", "tost-causal"])("%s: a changed token alters no earlier output, bit for bit, and alters later ones", async (name) => {
    const { example } = await import("../support/build.js");
    const n = 10;
    const network = compileSpec(example(name), { vocab: 20, d: 16, K: 2, p: 8, L: 2, n });
    const weights = initialise(describeNetwork(network).parameters, 3);
    const text = Int32Array.from({ length: n }, (_, i) => (7 * i + 3) % 20);
    const changed = Int32Array.from(text);
    changed[6] = 19;
    for (const run of [runOnnx, runTfjs]) {
      const [a, b] = [await run(network, weights, { text: { shape: [1, n], data: text } }), await run(network, weights, { text: { shape: [1, n], data: changed } })];
      const [x, y] = [a["logits"] as Float32Array, b["logits"] as Float32Array];
      expect([...y.slice(0, 6 * 20)]).toEqual([...x.slice(0, 6 * 20)]);
      for (let t = 6; t < n; t++) expect([...y.slice(t * 20, (t + 1) * 20)]).not.toEqual([...x.slice(t * 20, (t + 1) * 20)]);
    }
  });
});
