/** Each pass on a graph of a few lines: the text before and after, the same float64 values on both sides. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type GraphBuilder, prune } from "../../src/tensor/builder.js";
import { graphCost } from "../../src/tensor/cost.js";
import { gradients } from "../../src/tensor/gradients.js";
import type { Graph } from "../../src/tensor/graph.js";
import { affineIntoProduct } from "../../src/tensor/passes/affine-into-product.js";
import { centringIntoParameters } from "../../src/tensor/passes/centring-into-parameters.js";
import { commonFactor } from "../../src/tensor/passes/common-factor.js";
import { deadTokens } from "../../src/tensor/passes/dead-tokens.js";
import { identityThroughProduct } from "../../src/tensor/passes/identity-through-product.js";
import { mergedOrder } from "../../src/tensor/passes/merged-order.js";
import { cachePasses, gradientPasses, optimise, passes } from "../../src/tensor/passes/optimise.js";
import { parameterProducts } from "../../src/tensor/passes/parameter-products.js";
import { parameterTerms } from "../../src/tensor/passes/parameter-terms.js";
import { reassociate } from "../../src/tensor/passes/reassociate.js";
import { scalarsIntoParameters } from "../../src/tensor/passes/scalars-into-parameters.js";
import { sumThroughProduct } from "../../src/tensor/passes/sum-through-product.js";
import { checkGraph } from "../../src/tensor/check-graph.js";
import { N } from "../tensor/networks.js";
import { axis, batch, beforeAfter, expectSameValues, graphOf, operations, runPass } from "./before-after.js";

const [n, d, q] = [axis("n", 40), axis("d", 4), axis("q", 5)];
const tokens = (b: GraphBuilder): number => b.input("z", [batch, n, d], "float");
const renamed = (b: GraphBuilder, x: number, from: string, to: string): number => b.rename(x, new Map([[from, to]]));

describe("affine-into-product", () => {
  const affine = (b: GraphBuilder): number => {
    const y = b.standardize(tokens(b), "d", 1e-5, true);
    const scaled = b.binary("add", b.binary("multiply", y, b.parameter("s", [d])), b.parameter("t", [d]));
    return b.contract(scaled, b.parameter("W", [q, d]), ["d"]);
  };
  it("moves scale and shift of a normalisation into the matrix", () => {
    const [before, after] = beforeAfter(affineIntoProduct, affine);
    expect(before).toBe([
      "%1 = standardize over d eps 0.00001 (%0) [batch, n=40, d=4]  ; standardize",
      "%3 = multiply (%1, %2) [batch, n=40, d=4]",
      "%5 = add (%3, %4) [batch, n=40, d=4]",
      "%7 = contract over d (%5, %6) [batch, n=40, q=5]",
    ].join("\n"));
    expect(after).toBe([
      "%1 = standardize over d eps 0.00001 (%0) [batch, n=40, d=4]  ; standardize",
      "%5 = multiply (%2, %4) [q=5, d=4]",
      "%6 = contract over d (%1, %5) [batch, n=40, q=5]",
      "%7 = contract over d (%3, %4) [q=5]",
      "%8 = add (%6, %7) [batch, n=40, q=5]",
    ].join("\n"));
  });
  it("leaves them where something else reads the scaled tokens", () => {
    const [before, after] = beforeAfter(affineIntoProduct, (b) => {
      const scaled = b.binary("multiply", tokens(b), b.parameter("s", [d]));
      return b.binary("add", b.contract(scaled, b.parameter("W", [d, q]), ["d"]), b.reduce("sum", scaled, ["d"]));
    });
    expect(after).toBe(before);
  });
});

describe("parameter-products", () => {
  const ista = (b: GraphBuilder): number => {
    const z = tokens(b);
    const D = b.parameter("D", [axis("a", 4), d]);
    const residual = b.binary("subtract", renamed(b, z, "d", "a"), b.contract(z, D, ["d"]));
    return b.binary("add", z, b.binary("multiply", b.contract(residual, D, ["a"]), b.fill(0.1)));
  };
  it("forms the one matrix of a step of ISTA", () => {
    const [before, after] = beforeAfter(parameterProducts, ista);
    expect(before.match(/contract/g)).toHaveLength(2);
    const onTokens = after.split("\n").filter((line) => line.includes("batch"));
    expect(onTokens).toEqual([expect.stringMatching(/= contract over .* \[batch, n=40, /), expect.stringContaining("= rename")]);
  });
  it("has the same gradients by the dictionary, and by the tokens", () => {
    const before = graphOf(ista);
    const trained = (graph: typeof before): typeof before => {
      const { graph: all, nodes } = gradients(graph, graph.outputs[0]?.node ?? -1, ["D", "z"]);
      const outputs = [...nodes].map(([name, node]) => ({ name, node, wire: all.nodes[node]?.axes.map((a) => a.name) ?? [] }));
      return checkGraph({ nodes: all.nodes, outputs });
    };
    const order = (graph: typeof before): typeof before => ({ ...graph, outputs: graph.outputs.map((o) => ({ ...o, wire: [...o.wire].sort() })) });
    expectSameValues(order(trained(before)), order(trained(parameterProducts.run(before))));
  });
  it("leaves two thin factors apart, whose product is larger", () => {
    const [before, after] = beforeAfter(parameterProducts, (b) => {
      const wide = axis("d", 64), thin = axis("r", 2);
      const inner = b.contract(b.input("z", [batch, n, wide], "float"), b.parameter("A", [wide, thin]), ["d"]);
      return b.contract(inner, b.parameter("B", [thin, axis("e", 64)]), ["r"]);
    });
    expect(after).toBe(before);
  });
  it("leaves it for a few tokens: forming costs more than it saves", () => {
    const [before, after] = beforeAfter(parameterProducts, (b) => {
      const wide = axis("d", 300);
      const inner = b.contract(b.input("z", [batch, wide], "float"), b.parameter("A", [wide, axis("e", 300)]), ["d"]);
      return b.contract(inner, b.parameter("B", [axis("e", 300), axis("f", 300)]), ["e"]);
    });
    expect(after).toBe(before);
  });
  it("does not grow without bound on a chain of residual products", () => {
    const before = graphOf((b) => {
      let z = tokens(b);
      for (let i = 0; i < 30; i++) z = b.binary("add", z, renamed(b, b.contract(z, b.parameter(`W${i}`, [d, axis("e", 4)]), ["d"]), "e", "d"));
      return z;
    });
    const after = runPass(parameterProducts, before);
    expect(after.nodes.length).toBeLessThan(4 * before.nodes.length);
  });
});

describe("dead-tokens", () => {
  const attention = (b: GraphBuilder): number => {
    const z = tokens(b);
    const other = renamed(b, z, "n", "m");
    const weights = b.softmax(b.contract(z, other, ["d"]), "m");
    const mixed = b.contract(weights, other, ["m"]);
    return b.reduce("sum", b.slice(b.unary("relu", b.binary("add", z, mixed)), "n", N(0), N(1)), ["n"]);
  };
  it("computes attention for the one token that is read; keys and values stay whole", () => {
    const [, after] = beforeAfter(deadTokens, attention);
    expect(after).toBe([
      "%1 = rename n→m (%0) [batch, m=40, d=4]",
      "%2 = slice n 0..1 (%0) [batch, n=1, d=4]",
      "%3 = contract over d (%1, %2) [batch, m=40, n=1]",
      "%4 = softmax over m (%3) [batch, m=40, n=1]  ; softmax",
      "%5 = contract over m (%1, %4) [batch, d=4, n=1]",
      "%6 = add (%2, %5) [batch, n=1, d=4]",
      "%7 = relu (%6) [batch, n=1, d=4]",
      "%8 = reduce sum over n (%7) [batch, d=4]",
    ].join("\n"));
  });
  it("reads only that part of a concatenation", () => {
    const [, after] = beforeAfter(deadTokens, (b) => {
      const joined = b.concat([b.input("c", [batch, axis("n", 1), d], "float"), b.unary("exp", tokens(b))], "n");
      return b.slice(b.unary("tanh", joined), "n", N(0), N(1));
    });
    expect(after).toBe("%2 = tanh (%0) [batch, n=1, d=4]");
  });
  it("keeps sizes that stay free whole where it cannot decide", () => {
    runPass(deadTokens, graphOf((b) => b.slice(b.cumsum(b.unary("exp", tokens(b)), "n"), "n", N(3), N(5))));
  });
  it("keeps values at any ranges", () => {
    fc.assert(fc.property(fc.nat(39), fc.integer({ min: 1, max: 40 }), fc.nat(20), fc.boolean(), (from, length, pad, flip) => {
      const to = Math.min(40, from + length);
      runPass(deadTokens, graphOf((b) => {
        const z = tokens(b);
        const padded = b.pad(b.standardize(z, "d", 1e-5, false), "n", N(pad), N(2));
        const joined = b.concat(flip ? [z, padded] : [padded, z], "n");
        return b.slice(b.unary("sigmoid", joined), "n", N(from), N(to));
      }));
    }), { numRuns: 40 });
  });
});

describe("scalars-into-parameters", () => {
  it("scales the matrix, not the product", () => {
    const build = (b: GraphBuilder): number => b.binary("multiply", b.contract(tokens(b), b.parameter("W", [d, q]), ["d"]), b.fill(0.5));
    const [before, after] = beforeAfter(scalarsIntoParameters, build);
    expect(before).toContain("multiply (%2, %3) [batch, n=40, q=5]");
    expect(after).toContain("multiply (%1, %2) [d=4, q=5]");
    expect(after).not.toMatch(/multiply .* \[batch/);
  });
});

describe("parameter-terms", () => {
  it("adds parameters to each other before tokens meet them", () => {
    const [before, after] = beforeAfter(parameterTerms, (b) =>
      b.binary("subtract", b.binary("add", tokens(b), b.parameter("s", [d])), b.parameter("t", [d])));
    expect(before.match(/\[batch/g)).toHaveLength(2);
    expect(after.match(/\[batch/g)).toHaveLength(1);
  });
});

describe("reassociate", () => {
  const linear = (tokenCount: number) => (b: GraphBuilder): number => {
    const many = axis("n", tokenCount);
    const [Q, K, V] = ["q", "k", "v"].map((name) => b.input(name, [batch, many, d], "float")) as [number, number, number];
    const keys = renamed(b, K, "n", "m");
    return b.contract(b.contract(Q, keys, ["d"]), b.rename(V, new Map([["n", "m"], ["d", "e"]])), ["m"]);
  };
  it("multiplies keys with values first, where tokens are many", () => {
    const [before, after] = beforeAfter(reassociate, linear(40));
    expect(before).toContain("contract over d");
    expect(after).toContain("[batch, d=4, e=4]");
    expect(after).not.toContain("n=40, m=40");
  });
  it("and leaves the order where they are few", () => {
    const [before, after] = beforeAfter(reassociate, linear(3));
    expect(after).toBe(before);
  });
  /** Attention whose q = k = v is one product, read by the scores, by the mixture and by a slice. */
  const attention = (queries: number) => (b: GraphBuilder): number => {
    const values = b.contract(tokens(b), b.parameter("U", [axis("k", 3), d, axis("p", 2)]), ["d"]);
    const asking = renamed(b, b.slice(values, "n", N(0), N(queries)), "n", "m");
    return b.contract(values, b.softmax(b.contract(values, asking, ["p"]), "n"), ["n"]);
  };
  it("forms no keys and values of all tokens where one query asks for them", () => {
    const [before, after] = beforeAfter(reassociate, attention(1));
    expect(before).toContain("[batch, n=40, k=3, p=2]");
    expect(after).not.toMatch(/\[.*n=40.*p=2.*\]/);
    expect(after).toContain("[batch, k=3, m=1, d=4]");
  });
  it("but where all ask, products are shared", () => {
    const [before, after] = beforeAfter(reassociate, attention(40));
    expect(after).toBe(before);
  });
  it("and where something else reads the product, it stands", () => {
    const [before, after] = beforeAfter(reassociate, (b) => {
      const mixed = attention(1)(b);
      const values = b.nodes.find((node) => node.op === "contract")?.id as number;
      return b.binary("add", b.reduce("sum", b.unary("exp", values), ["n"]), b.reduce("sum", mixed, ["m"]));
    });
    expect(after).toBe(before);
  });
  it("finds the cheapest order of a chain, whatever the sizes", () => {
    const size = fc.integer({ min: 1, max: 9 });
    fc.assert(fc.property(fc.array(size, { minLength: 4, maxLength: 6 }), fc.boolean(), (sizes, fromRight) => {
      const before = graphOf((b) => {
        const parts = sizes.slice(1).map((s, i) => b.input(`f${i}`, [axis(`x${i}`, sizes[i] as number), axis(`x${i + 1}`, s)], "float"));
        const last = parts.length - 1;
        return fromRight
          ? parts.slice(0, -1).reduceRight((x, p, i) => b.contract(p, x, [`x${i + 1}`]), parts[last] as number)
          : parts.slice(1).reduce((x, p, i) => b.contract(x, p, [`x${i + 1}`]), parts[0] as number);
      });
      const after = runPass(reassociate, before);
      expect(Number(graphCost(after).total.flops.key)).toBeLessThanOrEqual(Number(graphCost(before).total.flops.key));
    }), { numRuns: 60 });
  });
});

describe("sum-through-product", () => {
  const [p, m] = [axis("p", 3), axis("m", 40)];
  /** Σ over n of A∘(V dOᵀ), beside the mixture A V. */
  const inner = (reads: "mixture" | "other") => (b: GraphBuilder): number => {
    const values = b.input("v", [batch, n, p], "float"), adjoint = b.input("g", [batch, m, p], "float");
    const weights = b.softmax(b.input("s", [batch, m, n], "float"), "n");
    const mixed = b.contract(weights, reads === "mixture" ? values : b.unary("exp", values), ["n"]);
    const sums = b.reduce("sum", b.binary("multiply", weights, b.contract(values, adjoint, ["p"])), ["n"]);
    return b.binary("add", mixed, sums);
  };
  it("takes the row sums of attention's gradient over the features of a head", () => {
    const [before, after] = beforeAfter(sumThroughProduct, inner("mixture"));
    expect(before).toContain("reduce sum over n");
    expect(after).not.toContain("reduce sum over n");
    expect(after).toContain("reduce sum over p");
    expect(after).not.toMatch(/multiply .* n=40/);
  });
  it("leaves the sum where no product stands", () => {
    const [before, after] = beforeAfter(sumThroughProduct, inner("other"));
    expect(after).toBe(before);
  });
  it("and where the entries are read by others", () => {
    const [before, after] = beforeAfter(sumThroughProduct, (b) => {
      const all = inner("mixture")(b);
      const entries = b.nodes.find((node) => node.op === "binary" && node.fn === "multiply")?.id as number;
      return b.binary("add", b.reduce("max", entries, ["n"]), b.reduce("max", all, ["p"]));
    });
    expect(after).toBe(before);
  });
});

describe("centring-into-parameters", () => {
  const centred = (b: GraphBuilder, x: number, over: string): number => b.binary("subtract", x, b.reduce("mean", x, [over]));
  it("centres the matrix, not every token", () => {
    const [before, after] = beforeAfter(centringIntoParameters, (b) =>
      centred(b, b.contract(tokens(b), b.parameter("W", [d, q]), ["d"]), "q"));
    expect(before).toMatch(/reduce mean over q .*n=40/);
    expect(after).toContain("reduce mean over q (%1) [d=4]");
    expect(after).not.toMatch(/mean .*n=40|subtract .*n=40/);
  });
  it("leaves a mean over an axis of the tokens, and one that others read", () => {
    const product = (b: GraphBuilder): number => b.contract(tokens(b), b.parameter("W", [d, q]), ["d"]);
    const overTokens = (b: GraphBuilder): number => centred(b, product(b), "n");
    const twice = (b: GraphBuilder): number => b.binary("multiply", product(b), centred(b, product(b), "q"));
    for (const build of [overTokens, twice]) {
      const [before, after] = beforeAfter(centringIntoParameters, build);
      expect(after).toBe(before);
    }
  });
});

describe("identity-through-product", () => {
  const a = axis("a", 4);
  const turned = (b: GraphBuilder, D: number): number => b.rename(D, new Map([["d", "a"], ["a", "d'"]]));
  /** I ± ½(D ± I)D' or with I − D, as the step's matrix has it. */
  const step = (fn: "add" | "subtract", first: "matrix" | "identity", rows = d, cols = a) => (b: GraphBuilder): number => {
    const [D, I] = [b.parameter("D", [rows, cols]), b.identity(rows, cols)];
    const names = new Map([[rows.name, cols.name], [cols.name, "d'"]]);
    const product = b.contract(first === "matrix" ? b.binary(fn, D, I) : b.binary(fn, I, D), b.rename(D, names), [cols.name]);
    return b.binary("subtract", b.identity(rows, { ...cols, name: "d'" }), b.binary("multiply", product, b.fill(0.5)));
  };
  it("multiplies the matrix itself and adds the other side", () => {
    const [before, after] = beforeAfter(identityThroughProduct, step("subtract", "matrix"));
    expect(before).toBe([
      "%1 = constant 16 numbers [d=4, a=4]",
      "%2 = subtract (%0, %1) [d=4, a=4]",
      "%3 = rename d→a a→d' (%0) [a=4, d'=4]",
      "%4 = contract over a (%2, %3) [d=4, d'=4]",
      "%5 = constant 16 numbers [d=4, d'=4]",
      "%6 = fill 0.5 []",
      "%7 = multiply (%4, %6) [d=4, d'=4]",
      "%8 = subtract (%5, %7) [d=4, d'=4]",
    ].join("\n"));
    expect(after).toBe([
      "%1 = rename d→a a→d' (%0) [a=4, d'=4]",
      "%2 = contract over a (%0, %1) [d=4, d'=4]",
      "%3 = rename a→d' (%0) [d=4, d'=4]",
      "%4 = subtract (%2, %3) [d=4, d'=4]",
      "%5 = constant 16 numbers [d=4, d'=4]",
      "%6 = fill 0.5 []",
      "%7 = multiply (%4, %6) [d=4, d'=4]",
      "%8 = subtract (%5, %7) [d=4, d'=4]",
    ].join("\n"));
  });
  it.each([["add", "matrix"], ["add", "identity"], ["subtract", "identity"]] as const)("does so for %s with the %s first", (fn, first) => {
    const [before, after] = beforeAfter(identityThroughProduct, step(fn, first));
    expect([before, after].map((text) => text.match(/constant/g)?.length)).toEqual([2, 1]);
  });
  it("does so for an identity that is too large to be written out", () => {
    const [before, after] = beforeAfter(identityThroughProduct, step("subtract", "matrix", axis("r", 40), axis("s", 40)));
    expect([before, after].map((text) => text.match(/equal/g)?.length)).toEqual([2, 1]);
  });
  it("leaves a difference that stands alone, a sum that others read, tokens, and another matrix", () => {
    const difference = (b: GraphBuilder): number => b.binary("subtract", b.parameter("D", [d, a]), b.identity(d, a));
    const besideIdentity = (b: GraphBuilder, x: number): number => b.binary("add", x, b.identity(d, axis("d'", 4)));
    const alone = (b: GraphBuilder): number => b.contract(difference(b), turned(b, b.parameter("D", [d, a])), ["a"]);
    const read = (b: GraphBuilder): number => b.binary("add", besideIdentity(b, alone(b)), b.reduce("sum", difference(b), ["a"]));
    const tokensToo = (b: GraphBuilder): number => b.contract(difference(b), b.input("z", [batch, n, a], "float"), ["a"]);
    const another = (b: GraphBuilder): number => besideIdentity(b, b.contract(difference(b), b.parameter("E", [a, axis("d'", 4)]), ["a"]));
    for (const build of [alone, read, tokensToo, another]) {
      const [before, after] = beforeAfter(identityThroughProduct, build);
      expect(after).toBe(before);
    }
  });
});

describe("common-factor", () => {
  const [p, m, h] = [axis("p", 64), axis("m", 40), axis("h", 2)];
  /** S V + Sᵀ V, as the gradient of V Vᵀ has it; v under two names. */
  const twice = (b: GraphBuilder, s: number, features = p): number => {
    const v = b.input("v", [batch, h, n, features], "float");
    const first = b.contract(s, renamed(b, v, "n", "m"), ["m"]);
    return b.binary("add", first, renamed(b, b.contract(s, v, ["n"]), "m", "n"));
  };
  const scores = (b: GraphBuilder): number => b.input("s", [batch, h, n, m], "float");
  it("puts the other operands together, turned where they must be", () => {
    const [before, after] = beforeAfter(commonFactor, (b) => twice(b, scores(b)));
    expect(before.match(/contract/g)).toHaveLength(2);
    expect(after).toBe([
      "%2 = rename n→m (%1) [batch, h=2, m=40, p=64]",
      "%3 = rename n→m m→n (%0) [batch, h=2, m=40, n=40]",
      "%4 = add (%0, %3) [batch, h=2, n=40, m=40]",
      "%5 = contract over m (%2, %4) [batch, h=2, p=64, n=40]",
    ].join("\n"));
  });
  it("finds them among other terms, and leaves one number for the product", () => {
    const [, after] = beforeAfter(commonFactor, (b) => {
      const s = b.binary("multiply", scores(b), b.fill(0.125));
      const other = b.input("other", [batch, h, n, p], "float");
      const v = b.input("v", [batch, h, n, p], "float");
      const first = b.binary("add", other, b.contract(s, renamed(b, v, "n", "m"), ["m"]));
      return b.binary("add", first, renamed(b, b.contract(s, v, ["n"]), "m", "n"));
    });
    expect(after.match(/contract/g)).toHaveLength(1);
    expect(after).toMatch(/add .*\n.*multiply .*m=40\]\n/);
  });
  it("joins as many pairs as there are", () => {
    const [before, after] = beforeAfter(commonFactor, (b) => {
      const pair = (f: string): number => {
        const factor = b.input(f, [batch, m, p], "float");
        const product = (x: string): number => b.contract(b.input(x, [batch, n, m], "float"), factor, ["m"]);
        return b.binary("add", product(`x${f}`), product(`y${f}`));
      };
      return b.binary("add", pair("f"), pair("g"));
    });
    expect([before, after].map((text) => text.match(/contract/g)?.length)).toEqual([4, 2]);
  });
  it("leaves a sum that is added to itself one sum", () => {
    const [before, after] = beforeAfter(commonFactor, (b) => {
      const product = (x: string, f: string): number => b.contract(b.input(x, [batch, n, m], "float"), b.input(f, [batch, m, p], "float"), ["m"]);
      const sum = b.binary("add", product("x", "f"), product("y", "g"));
      return b.binary("add", sum, sum);
    });
    expect(after).toBe(before);
  });
  it("leaves them where the product is cheaper than turning, or something else reads one", () => {
    const cheap = (b: GraphBuilder): number => twice(b, scores(b), axis("p", 8));
    const read = (b: GraphBuilder): number => {
      const s = scores(b);
      const first = b.contract(s, renamed(b, b.input("v", [batch, h, n, p], "float"), "n", "m"), ["m"]);
      return b.binary("add", twice(b, s), b.unary("exp", first));
    };
    for (const build of [cheap, read]) {
      const [before, after] = beforeAfter(commonFactor, build);
      expect(after).toBe(before);
    }
  });
  it("takes no more than a moment for very many products with one factor, none of which pays", () => {
    const [x, few] = [axis("x", 2), axis("few", 3)];
    const graph = graphOf((b) => {
      const f = b.input("f", [batch, x, few], "float");
      const terms = Array.from({ length: 20_000 }, (_, i) => b.contract(b.binary("multiply", b.input("y", [batch, n, x], "float"), b.fill(i + 2)), f, ["x"]));
      return terms.reduce((a, c) => b.binary("add", a, c));
    });
    expect(commonFactor.run(graph).nodes).toHaveLength(graph.nodes.length);
  }, 30_000);
  it("does not take for one factor what meets other axes", () => {
    // Sᵀ V and S V' have v in common, but the one sums n and the other p.
    const [before, after] = beforeAfter(commonFactor, (b) => {
      const v = b.input("v", [batch, n, m], "float");
      const left = b.contract(b.input("x", [batch, n, axis("r", 40)], "float"), v, ["n"]);
      const right = b.contract(b.input("y", [batch, m, axis("r", 40)], "float"), v, ["m"]);
      return b.binary("add", left, renamed(b, right, "n", "m"));
    });
    expect(after).toBe(before);
  });
  it("keeps the gradient of any product with itself, in one product less", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 4 }), fc.boolean(), (batches, scaled) => {
      const graph = graphOf((b) => {
        const v = b.input("v", [batch, n, p], "float");
        const s = b.contract(v, renamed(b, v, "n", "m"), ["p"]);
        const weights = b.softmax(scaled ? b.binary("multiply", s, b.fill(1 / 8)) : s, "m");
        return b.reduce("sum", b.unary("square", b.contract(weights, renamed(b, v, "n", "m"), ["m"])), ["batch", "n", "p"]);
      });
      const { graph: all, nodes } = gradients(graph, graph.outputs[0]?.node ?? -1, ["v"]);
      const node = nodes.get("v") as number;
      const before = prune({ nodes: all.nodes, outputs: [{ name: "gradient", node, wire: all.nodes[node]?.axes.map((x) => x.name) ?? [] }] });
      const after = checkGraph(commonFactor.run(before));
      expectSameValues(before, after, 1e-9, { batch: batches });
      const products = (g: Graph): number => operations(g).match(/contract/g)?.length ?? 0;
      expect(products(after)).toBe(products(before) - 1);
    }), { numRuns: 8 });
  });
});

describe("merged-order", () => {
  const patches = (use: (b: GraphBuilder, features: number) => number) => (b: GraphBuilder): number => {
    const image = b.input("image", [batch, axis("c", 3), axis("h", 6), axis("p", 2), axis("w", 4), axis("r", 2)], "float");
    return use(b, b.merge(image, ["p", "r", "c"], "f"));
  };
  const linear = (b: GraphBuilder, x: number): number => {
    const f = axis("f", 12);
    const scaled = b.binary("multiply", b.standardize(x, "f", 1e-5, true), b.parameter("s", [f]));
    return b.contract(scaled, b.parameter("W", [q, f]), ["f"]);
  };
  it("permutes the parameters instead of every patch", () => {
    const [before, after] = beforeAfter(mergedOrder, patches(linear));
    expect(before).toContain("merge p r c → f (%0)");
    expect(after).toContain("merge c p r → f (%0)");
    expect(after.match(/merge c p r → f/g)).toHaveLength(3);
  });
  it("keeps the order where an output or a slice shows it", () => {
    for (const use of [(_: GraphBuilder, x: number): number => x, (b: GraphBuilder, x: number): number => linear(b, b.pad(b.slice(x, "f", N(0), N(6)), "f", N(0), N(6)))]) {
      const [before, after] = beforeAfter(mergedOrder, patches(use));
      expect(after).toBe(before);
    }
  });
});

describe("all passes", () => {
  it("have names of their own, and reasons", () => {
    const all = [...passes, ...gradientPasses, ...cachePasses];
    expect(new Set(all.map((p) => p.name)).size).toBe(all.length);
    for (const p of all) expect(p.why.length).toBeGreaterThan(20);
  });
  it("do nothing at level 0, and only what costs nothing at level 1", () => {
    const graph = graphOf((b) => b.binary("add", tokens(b), b.parameter("s", [d])));
    expect(optimise(graph, 0)).toEqual({ graph, report: [] });
    expect(optimise(graph, 1).report.map((r) => r.pass)).toEqual(passes.filter((p) => p.level === 1).map((p) => p.name));
    expect(optimise(graph, 2).report).toHaveLength(passes.length);
  });
  it("find nothing more in what they left, and equal nodes are one", () => {
    const graph = graphOf((b) => {
      const z = tokens(b);
      const W = b.parameter("W", [d, q]);
      return b.binary("multiply", b.contract(z, W, ["d"]), b.unary("exp", b.contract(z, W, ["d"])));
    });
    expect(operations(graph).match(/contract/g)).toHaveLength(1);
    const once = optimise(graph, 2).graph;
    expect(operations(optimise(once, 2).graph)).toBe(operations(once));
  });
});
