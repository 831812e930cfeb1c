/** Whatever a spec calls its inputs, targets, outputs, parameters and variables: what the compiler adds makes way. */
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { createOrtEngine, type Ort } from "../../src/runtime/ort/engine.js";
import type { HostTensor, TensorMap } from "../../src/runtime/contract.js";
import { initialise } from "../../src/runtime/random.js";
import { createTfjsEngine } from "../../src/runtime/tfjs/engine.js";
import { addedNames, probeName } from "../../src/runtime/wire-names.js";
import { lowerNetwork } from "../../src/tensor/lower.js";
import { printGraph } from "../../src/tensor/print-graph.js";
import { trainingModelsOf } from "../../src/targets.js";
import { compileSpec, memoryHost } from "../support/build.js";
import { backend, describeNetwork, modelOf } from "../support/tfjs.js";

/** `names`: of an input, a target, a parameter, a variable and two outputs. */
const spec = ([input, target, parameter, variable, first, second]: readonly string[], dropout: number): string => `
network N { dim n = 3 input ${input}: real[n] target ${target}: real[n] param ${parameter}: real[n, n] init identity(scale: 0.9)
  var ${variable}: real[n] = ${input}
  layer l repeat 2 { step s { minimize 0.5*sq_norm(${parameter}*${variable} - ${input}) by gradient(rate: 0.3) } }
  output ${first}: real[n] = ${variable} output ${second}: real = dropout(sq_norm(${variable}), ${dropout})
  train { data idx("none") loss sq_norm(${first} - ${target}) + ${second} optimizer adam(rate: 0.01) } }`;
const plain = ["y", "t", "W", "z", "o", "p"];
const batchOf = ([input = "", target = ""]: readonly string[]): TensorMap => {
  const tensor = (start: number): HostTensor => ({ shape: [4, 3], data: Float32Array.from({ length: 12 }, (_, i) => Math.sin(start + i)) });
  return { [input]: tensor(0), [target]: tensor(5) };
};
async function run(names: readonly string[], engineName: string, dropout: number) {
  const network = compileSpec(spec(names, dropout));
  const model = describeNetwork(network);
  const engine = engineName === "ort"
    ? await createOrtEngine(ort as unknown as Ort, model, trainingModelsOf(network, { description: model, metadata: {}, version: "test", level: 1, probing: { probe: true } }), { threads: 1 })
    : await createTfjsEngine(model, await modelOf(network, 1), await backend());
  await engine.setParameters(initialise(model.parameters, 1));
  const batch = batchOf(names);
  const probed = await engine.probe?.(batch) ?? {};
  const step = await engine.trainStep(batch, { learningRate: 0.1, step: 1, seed: 3 });
  const evaluated = await engine.evaluate(batch);
  const [, , parameter = "", variable = "", first = "", second = ""] = names;
  const result = {
    step, loss: evaluated.loss, outputs: [first, second].map((name) => evaluated.outputs[name]?.data), after: (await engine.parameters())[parameter]?.data,
    probed: [probeName(variable, model), "l.1.s", "l.2.s", first, second].map((name) => probed[name]?.data),
  };
  engine.dispose();
  return result;
}
const awkward: readonly (readonly [string, readonly string[]])[] = [
  ["an output called as its variable", ["y", "t", "W", "x", "x", "p"]],
  ["an output called loss", ["y", "t", "W", "z", "o", "loss"]],
  ["a target called loss and a variable loss_", ["y", "loss", "W", "loss_", "o", "p"]],
  ["a variable called loss", ["y", "t", "W", "loss", "o", "p"]],
  ["names of a step's inputs", ["seed", "correction1", "learning_rate", "correction2", "gradient_norm", "learning_rate_"]],
  ["an output that is no property of a plain object", ["y", "t", "W", "z", "__proto__", "p"]],
  ["an input called so, among what every object has", ["__proto__", "toString", "constructor", "valueOf", "hasOwnProperty", "isPrototypeOf"]],
  ["a parameter called so", ["y", "constructor", "__proto__", "z", "toString", "p"]],
  ["a target called so", ["y", "__proto__", "valueOf", "z", "o", "toString"]],
  ["a variable called so", ["y", "t", "W", "__proto__", "o", "p"]],
];

describe.each([["ort", 0], ["ort", 0.5], ["tfjs", 0]] as const)("on %s, dropout %d", (engine, dropout) => {
  it.each(awkward)("%s: the numbers of plain names", async (_, names) => {
    const wanted = await run(plain, engine, dropout);
    expect(wanted.outputs.concat(wanted.probed).every((t) => t !== undefined)).toBe(true);
    expect(await run(names, engine, dropout)).toEqual(wanted);
  });
});
describe("added names", () => {
  it("are plain ones where the spec leaves them", () => {
    expect(addedNames(describeNetwork(compileSpec(spec(plain, 0))))).toEqual({
      loss: "loss", gradientNorm: "gradient_norm", learningRate: "learning_rate", correction1: "correction1", correction2: "correction2", seed: "seed",
    });
  });
  it("an output called as a parameter is declared twice", () => {
    expect(compile(spec(["y", "t", "W", "z", "W", "p"], 0), { file: "n.srr" }, memoryHost).diagnostics.map((d) => d.code)).toContain("SRR2002");
  });
});
describe("a free size called like the axis of samples", () => {
  const open = (n: string, more = ""): string => `network N { dim d = 2, ${n}${more} input X: real[d, ${n}] var Z: real[d, ${n}] = X
    step s { minimize 0.5*sq_norm(Z)/${n} by gradient(rate: 0.5) } output Y: real[d, ${n}] = Z*ones(${n})*ones(${n})' output W: real[d, 2*${n}] = ones(d)*ones(2*${n})' }`;
  const seen = (text: string) => {
    const network = compileSpec(text);
    const { inputs, outputs } = describeNetwork(network);
    return { graph: printGraph(lowerNetwork(network.unrolled)), shapes: [...inputs, ...outputs].map((w) => w.shape) };
  };
  it.each([["batch", "", "batch_"], ["batch", ", batch_", "batch__"]])("%s%s is %s there, and apart from it", (name, more, wire) => {
    const [plain, awkward] = [seen(open("n")), seen(open(name, more))];
    expect(plain.shapes).toEqual([["batch", "n", 2], ["batch", "n", 2], ["batch", "2*n", 2]]);
    expect(awkward.shapes).toEqual([["batch", wire, 2], ["batch", wire, 2], ["batch", `2*${wire}`, 2]]);
    const sizes = (graph: string): string => graph.replaceAll(/\bbatch_+/g, "n").replaceAll(/2\*batch(=2\*n)?/g, "2*n");
    expect(sizes(awkward.graph)).toBe(plain.graph);
  });
});
