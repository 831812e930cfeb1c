/** Writing text: symbols follow the model's scores, the window slides, vocabularies by bytes and by characters. */
import { describe, expect, it } from "vitest";
import type { Batch, HostTensor, ModelDescription, TrainingEngine } from "../../src/runtime/contract.js";
import { Random } from "../../src/runtime/random.js";
import { decode, encode, languageOf, sample } from "../../src/runtime/sample.js";

const [V, n] = [7, 4];
const model: ModelDescription = {
  format: 1, name: "N", compiler: "t", specHash: "", constants: {}, seed: 1, parameters: [],
  inputs: [{ name: "text", kind: "token", classes: V, shape: ["batch", n] }], targets: [{ name: "next", kind: "token", classes: V, shape: ["batch", n] }],
  outputs: [{ name: "logits", kind: "real", shape: ["batch", n, V] }],
};
/** A model with a rule that is known: after token t comes t + 1, ten times likelier than any other. */
function counting(seen: number[][]): TrainingEngine {
  const evaluate = async (batch: Batch) => {
    const text = batch["text"] as HostTensor;
    expect(batch["next"]?.shape).toEqual([1, n]);
    seen.push([...text.data]);
    const data = new Float32Array(n * V);
    for (let t = 0; t < n; t++) data[t * V + (((text.data[t] as number) + 1) % V)] = Math.log(10);
    return { outputs: { logits: { shape: [1, n, V], data } } };
  };
  return { evaluate } as unknown as TrainingEngine;
}

describe("sampling", () => {
  it("takes the likeliest symbol at temperature 0, and forgets what has left the window", async () => {
    const seen: number[][] = [];
    const tokens = await sample(counting(seen), model, [2, 3], { prompt: "", length: 5, temperature: 0 }, Random.named(1, "s"));
    expect(tokens).toEqual([2, 3, 4, 5, 6, 0, 1]);
    expect(seen[0]).toEqual([2, 3, 0, 0]);
    expect(seen.at(-1)).toEqual([4, 5, 6, 0]);
  });
  it("draws by the scores otherwise, the same again with the same seed", async () => {
    const run = (seed: number) => sample(counting([]), model, [0], { prompt: "", length: 400, temperature: 1 }, Random.named(seed, "s"));
    const tokens = await run(1);
    expect(await run(1)).toEqual(tokens);
    expect(await run(2)).not.toEqual(tokens);
    // 10 of 16 steps follow the rule; five standard deviations of 400 draws are 48.
    const followed = tokens.slice(1).filter((t, i) => t === ((tokens[i] as number) + 1) % V).length;
    expect(Math.abs(followed - 250)).toBeLessThan(48);
  });
  it("writes only symbols that stand for something, and stops where nobody listens", async () => {
    const tokens = await sample(counting([]), model, [0], { prompt: "", length: 100, temperature: 1, known: 3 }, Random.named(1, "s"));
    expect([...new Set(tokens)].sort()).toEqual([0, 1, 2]);
    expect(await sample(counting([]), model, [0], { prompt: "", length: 100, temperature: 0 }, Random.named(1, "s"), (token) => token < 3)).toEqual([0, 1, 2, 3]);
  });
  it("knows bytes and characters, and refuses a character that the model never saw", () => {
    expect(encode("é", undefined)).toEqual([0xc3, 0xa9]);
    expect(decode([0xc3, 0xa9], undefined)).toBe("é");
    expect(encode("ba", ["a", "b"])).toEqual([1, 0]);
    expect(decode([1, 0], ["a", "b"])).toBe("ba");
    expect(() => encode("abx", ["a", "b"])).toThrow(/"x"/);
  });
  it("refuses an empty prompt, and a network that writes no text", async () => {
    await expect(sample(counting([]), model, [], { prompt: "", length: 1, temperature: 0 }, Random.named(1, "s"))).rejects.toThrow(/empty prompt/);
    expect(languageOf({ ...model, outputs: [] })).toBeUndefined();
    await expect(sample(counting([]), { ...model, outputs: [] }, [1], { prompt: "", length: 1, temperature: 0 }, Random.named(1, "s"))).rejects.toThrow(/writes no text/);
  });
});
