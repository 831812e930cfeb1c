import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dimAdd, dimSymbol } from "../../src/expression/dim.js";
import { GraphBuilder, prune } from "../../src/tensor/builder.js";
import { checkGraph } from "../../src/tensor/check-graph.js";
import { costValue, graphCost, nodeCost, parameterCount } from "../../src/tensor/cost.js";
import { arrange, evaluateGraph, evaluateNodes } from "../../src/tensor/evaluate-graph.js";
import type { Axis, Graph } from "../../src/tensor/graph.js";
import { printGraph } from "../../src/tensor/print-graph.js";
import { expectClose, N, noise, randomArray } from "./networks.js";

const axis = (name: string, size: number): Axis => ({ name, size: N(size) });
const [r, c, k] = [axis("r", 3), axis("c", 4), axis("k", 2)];
const n: Axis = { name: "n", size: dimSymbol("n") };

/** The text of what `build` makes of parameters x [r, c], y [c], without the parameters' own lines. */
function text(build: (b: GraphBuilder, x: number, y: number) => number): string {
  const b = new GraphBuilder();
  const [x, y] = [b.parameter("x", [r, c]), b.parameter("y", [c])];
  const node = build(b, x, y);
  const graph = checkGraph(b.finish([{ name: "out", node, wire: b.axes(node).map((a) => a.name) }]));
  return printGraph(graph).split("\n").slice(0, -1).filter((line) => !line.includes("= parameter")).join("\n");
}

describe("what always holds is simplified", () => {
  it.each<[string, (b: GraphBuilder, x: number, y: number) => number, string]>([
    ["x·1", (b, x) => b.binary("multiply", x, b.fill(1, [c])), ""],
    ["x + 0", (b, x) => b.binary("add", b.fill(0), x), ""],
    ["x − x", (b, x) => b.binary("subtract", x, x), "%0 = fill 0 [r=3, c=4]"],
    ["0·x", (b, x) => b.binary("multiply", x, b.fill(0)), "%0 = fill 0 [r=3, c=4]"],
    ["numbers in a row", (b, x) => b.binary("multiply", b.binary("multiply", x, b.fill(2)), b.fill(0.5)), ""],
    ["a fill that covers an axis", (b, x) => b.binary("multiply", x, b.fill(3, [c])), "%1 = fill 3 []\n%2 = multiply (%0, %1) [r=3, c=4]"],
    ["x·(−1)", (b, x) => b.binary("multiply", x, b.fill(-1)), "%1 = negate (%0) [r=3, c=4]"],
    ["x + (−y)", (b, x, y) => b.binary("add", x, b.unary("negate", y)), "%2 = subtract (%0, %1) [r=3, c=4]"],
    ["x·x", (b, x) => b.binary("multiply", x, x), "%1 = square (%0) [r=3, c=4]"],
    ["x·(1/y)", (b, x, y) => b.binary("multiply", x, b.unary("reciprocal", y)), "%2 = divide (%0, %1) [r=3, c=4]"],
    ["x^½", (b, x) => b.binary("power", x, b.fill(0.5)), "%1 = sqrt (%0) [r=3, c=4]"],
    ["renamed and back", (b, x) => b.rename(b.rename(x, new Map([["r", "s"]])), new Map([["s", "r"]])), ""],
    ["a swap of two names stays", (b, x) => b.rename(x, new Map([["r", "c"], ["c", "r"]])), "%1 = rename r→c c→r (%0) [c=3, r=4]"],
    ["a contraction of two numbers", (b) => b.contract(b.fill(2, [r, c]), b.fill(3, [c]), ["c"]), "%0 = fill 24 [r=3]"],
    ["a contraction with ones", (b, x) => b.contract(x, b.fill(1, [c]), ["c"]), "%1 = reduce sum over c (%0) [r=3]"],
    ["a sum of what is spread", (b, _, y) => b.reduce("sum", b.spread(y, [k]), ["k"]), "%1 = fill 2 []\n%2 = multiply (%0, %1) [c=4]"],
    ["a sum over a contraction's own axis", (b, x, y) => b.reduce("sum", b.contract(x, y, ["c"]), ["r"]), "%2 = reduce sum over r (%0) [c=4]\n%3 = contract over c (%1, %2) []"],
    ["a sum over a shared axis joins the contraction",
      (b) => b.reduce("sum", b.contract(b.parameter("U", [k, r, c]), b.parameter("V", [k, c, n]), ["c"]), ["k"]), "%2 = contract over c k (%0, %1) [r=3, n]"],
    ["one value under two names is computed once",
      (b, x) => b.binary("add", b.unary("exp", x), b.rename(b.unary("exp", b.rename(x, new Map([["r", "s"]]))), new Map([["s", "r"]]))),
      "%1 = exp (%0) [r=3, c=4]\n%2 = add (%1, %1) [r=3, c=4]"],
    ["constants are computed", (b) => b.binary("equal", b.iota(axis("i", 2)), b.iota(axis("j", 2))), "%0 = constant 1 0 0 1 [i=2, j=2]"],
    ["ints shift together", (b) => b.binary("subtract", b.binary("add", b.input("t", [c], "int"), b.fill(1, [], "int")), b.fill(1, [], "int")), "%0 = input t [c=4] int"],
    ["sums of reductions", (b, x) => b.reduce("sum", b.reduce("sum", x, ["r"]), ["c"]), "%1 = reduce sum over c r (%0) []"],
    ["a slice of all", (b, x) => b.slice(x, "r", N(0), N(3)), ""],
    ["split and merged", (b, x) => b.merge(b.split(x, "c", [axis("u", 2), axis("v", 2)]), ["u", "v"], "c"), ""],
  ])("%s", (_, build, expected) => expect(text(build)).toBe(expected));

  it("keeps what spreads: ones beside fewer axes are not dropped", () => {
    const b = new GraphBuilder();
    const y = b.parameter("y", [c]);
    expect(b.axes(b.binary("multiply", y, b.fill(1, [n]))).map((a) => a.name)).toEqual(["c", "n"]);
  });
  it("counts a free axis by its size", () => {
    const b = new GraphBuilder();
    const sum = b.reduce("sum", b.spread(b.parameter("y", [c]), [n]), ["n"]);
    expect(printGraph(b.finish([{ name: "out", node: sum, wire: ["c"] }]))).toContain("= size n []");
  });
  it("draws two dropouts apart, one for each place", () => {
    const b = new GraphBuilder();
    const x = b.parameter("x", [r]);
    b.path = "first";
    const first = b.dropout(x, 0.5);
    expect(b.dropout(x, 0.5)).toBe(first);
    b.path = "second";
    expect(b.dropout(x, 0.5)).not.toBe(first);
  });

  it("every simplification keeps the value", () => {
    const step = fc.record({
      kind: fc.constantFrom("add", "subtract", "multiply", "divide", "contract", "reduce", "mean", "rename", "negate", "scale", "spread"),
      i: fc.nat(9), j: fc.nat(9), name: fc.constantFrom("r", "c", "k"), number: fc.constantFrom(0, 1, -1, 2, 0.5),
    });
    fc.assert(fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      const b = new GraphBuilder();
      const leaves = { x: [r, c], y: [c], z: [k, r] } as const;
      const random = noise(2);
      const parameters = Object.fromEntries(Object.entries(leaves).map(([name, axes]) => [name, randomArray(axes.map((a) => Number(a.size.key)), random)]));
      const pool = Object.entries(leaves).map(([name, axes]) => b.parameter(name, axes));
      // The same graph without any simplification, node by node.
      const plain: Graph["nodes"][number][] = pool.map((id) => b.node(id));
      const push = (node: object, axes: readonly Axis[]): void => { plain.push({ ...node, id: plain.length, axes, type: "float", path: "", label: "" } as Graph["nodes"][number]); };
      const union = (p: readonly Axis[], q: readonly Axis[]): Axis[] => [...p, ...q.filter((a) => !p.some((x) => x.name === a.name))];
      const map: number[] = pool.map((_, i) => i);
      for (const s of steps) {
        const [i, j] = [s.i % pool.length, s.j % pool.length];
        const [x, y] = [pool[i] as number, pool[j] as number];
        const [p, q] = [map[i] as number, map[j] as number];
        const [px, py] = [plain[p]?.axes ?? [], plain[q]?.axes ?? []];
        const has = px.some((a) => a.name === s.name);
        switch (s.kind) {
          case "add": case "subtract": case "multiply":
            pool.push(b.binary(s.kind, x, y));
            push({ op: "binary", fn: s.kind, a: p, b: q }, union(px, py));
            break;
          case "divide": case "scale": {
            const value = s.kind === "divide" ? 4 : s.number;
            pool.push(b.binary(s.kind === "divide" ? "divide" : "multiply", x, b.fill(value)));
            push({ op: "fill", value }, []);
            push({ op: "binary", fn: s.kind === "divide" ? "divide" : "multiply", a: p, b: plain.length - 1 }, px);
            break;
          }
          case "negate":
            pool.push(b.unary("negate", x));
            push({ op: "unary", fn: "negate", x: p }, px);
            break;
          case "contract":
            if (!has || !py.some((a) => a.name === s.name)) continue;
            pool.push(b.contract(x, y, [s.name]));
            push({ op: "contract", a: p, b: q, over: [s.name] }, union(px, py).filter((a) => a.name !== s.name));
            break;
          case "reduce": case "mean":
            if (!has) continue;
            pool.push(b.reduce(s.kind === "mean" ? "mean" : "sum", x, [s.name]));
            push({ op: "reduce", fn: s.kind === "mean" ? "mean" : "sum", x: p, over: [s.name] }, px.filter((a) => a.name !== s.name));
            break;
          case "rename": {
            const [from, to] = ["k", "kk"].some((m) => px.some((a) => a.name === m)) ? (px.some((a) => a.name === "k") ? ["k", "kk"] : ["kk", "k"]) : ["", ""];
            if (!from || !to || px.some((a) => a.name === to)) continue;
            pool.push(b.rename(x, new Map([[from, to]])));
            push({ op: "rename", x: p, names: new Map([[from, to]]) }, px.map((a) => (a.name === from ? { ...a, name: to } : a)));
            break;
          }
          case "spread":
            if (has) continue;
            pool.push(b.spread(x, [s.name === "r" ? r : s.name === "c" ? c : k]));
            push({ op: "fill", value: 1 }, [s.name === "r" ? r : s.name === "c" ? c : k]);
            push({ op: "binary", fn: "multiply", a: p, b: plain.length - 1 }, union(px, plain[plain.length - 1]?.axes ?? []));
            break;
        }
        map.push(plain.length - 1);
      }
      const made = b.axes(pool.at(-1) as number).map((a) => a.name);
      const graph = checkGraph(b.finish([{ name: "out", node: pool.at(-1) as number, wire: made }]));
      const expected = evaluateNodes({ nodes: plain, outputs: [] }, { inputs: {}, parameters })[map.at(-1) as number];
      expect([...(expected?.axes ?? [])].sort()).toEqual([...made].sort());
      if (!expected) throw new Error("no value");
      expectClose(evaluateGraph(graph, { inputs: {}, parameters }).get("out")?.data ?? [], arrange(expected, made).data, 1e-9);
    }), { numRuns: 300, seed: 4 });
  });
});

describe("a graph is checked", () => {
  const make = (): { b: GraphBuilder; graph: Graph } => {
    const b = new GraphBuilder();
    const [x, y] = [b.parameter("x", [r, c]), b.parameter("y", [c])];
    const z = b.contract(x, y, ["c"]);
    return { b, graph: b.finish([{ name: "z", node: z, wire: ["r"] }]) };
  };
  const changed = (graph: Graph, id: number, change: object): Graph => ({ ...graph, nodes: graph.nodes.map((x) => (x.id === id ? { ...x, ...change } as typeof x : x)) });
  it("accepts what the builder makes", () => expect(() => checkGraph(make().graph)).not.toThrow());
  it.each<[string, object, string]>([
    ["an operand that comes after", { a: 2 }, "does not come before"], ["a missing axis", { over: ["r"] }, "no axis r"],
    ["wrong axes", { axes: [c] }, "gives r=3"], ["a wrong place", { id: 7 }, "stands at"], ["axes twice", { axes: [r, r] }, "not unique"],
  ])("refuses %s", (_, change, message) => expect(() => checkGraph(changed(make().graph, 2, change))).toThrow(message));
  it("refuses axes of two sizes that meet, and outputs without their axes", () => {
    const { graph } = make();
    expect(() => checkGraph(changed(graph, 1, { axes: [axis("c", 5)] }))).toThrow("axis c is 4 and 5");
    expect(() => checkGraph({ ...graph, outputs: [{ name: "z", node: 2, wire: ["c"] }] })).toThrow("output z");
  });
  it("prunes what no output needs", () => {
    const { b, graph } = make();
    b.unary("exp", 0);
    expect(prune({ nodes: b.nodes, outputs: graph.outputs }).nodes).toHaveLength(3);
  });
});

describe("cost", () => {
  it("is a formula in the free sizes and a number at given ones", () => {
    const b = new GraphBuilder();
    const batch: Axis = { name: "batch", size: dimSymbol("batch") };
    const Z = b.input("Z", [batch, n, c], "float");
    b.path = "block.1/step";
    const y = b.contract(Z, b.parameter("W", [c, r]), ["c"]);
    const longer = b.pad(y, "n", N(0), N(1));
    const graph = b.finish([{ name: "y", node: longer, wire: ["batch", "n", "r"] }]);
    const product = graph.nodes.find((x) => x.op === "contract");
    if (!product) throw new Error("no product");
    expect(nodeCost(product, graph).flops.key).toBe("24*batch*n");
    expect(costValue(graphCost(graph).total, { batch: 2, n: 5 })).toEqual({ flops: 240, bytes: 4 * (40 + 12 + 30 + 30 + 36) });
    expect([...graphCost(graph).places.keys()]).toEqual(["block.1/step"]);
    expect(parameterCount(graph).key).toBe("12");
    expect(b.axis(longer, "n").size.key).toBe(dimAdd(dimSymbol("n"), N(1)).key);
  });
});
