/** A process that judges random networks by number: scripts/fuzz.ts starts it. */
import { judgeNetwork, onnxRuntimes } from "../test/fuzz/judge-network.js";
import { randomNetwork } from "../test/fuzz/random-networks.js";
import { runTfjs } from "../test/support/tfjs.js";

export interface Networks {
  readonly agrees: number;
  readonly refused: number;
  readonly differs: number;
  /** Of those that agree: the largest error, the largest as a part of what is allowed, and how many are allowed more than a thousandth. */
  readonly largest: number;
  readonly part: number;
  readonly loose: number;
}
process.on("message", async ({ first, count }: { readonly first: number; readonly count: number }) => {
  const outcomes = { agrees: 0, refused: 0, differs: 0 };
  let [largest, part, loose] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const number = first + i;
    try {
      const found = await judgeNetwork(randomNetwork(number), number, { ...onnxRuntimes, tfjs: runTfjs, "tfjs -O2": (n, w, f) => runTfjs(n, w, f, 2) });
      outcomes[found.outcome] += 1;
      if (found.outcome === "differs") process.send?.({ fault: `network ${number}: ${found.detail}` });
      else if (found.allowed !== undefined) {
        // A network that cancels nearly everything says nothing about the compiler's accuracy.
        if (found.allowed > 1e-3) loose += 1;
        else largest = Math.max(largest, found.largestError);
        part = Math.max(part, found.largestError / found.allowed);
      }
    } catch (error) {
      process.send?.({ fault: `network ${number}: ${error instanceof Error ? error.stack : String(error)}` });
    }
    if (i % 100 === 99) process.send?.({ said: `${i + 1} networks` });
  }
  process.send?.({ judged: { ...outcomes, largest, part, loose } satisfies Networks });
});
