/** A process that judges texts by number, so that one which takes too long or too much can be ended: scripts/fuzz.ts starts it. */
import { memoryHost } from "../test/support/build.js";
import { judge } from "../test/fuzz/judge-text.js";
import { randomText } from "../test/fuzz/random-texts.js";

process.on("message", ({ from, to }: { from: number; to: number }) => {
  for (let seed = from; seed < to; seed++) {
    process.send?.({ begin: seed });
    process.send?.({ seed, ...judge(randomText(seed), memoryHost), memory: process.memoryUsage().rss });
  }
  process.send?.({ done: true });
});
