/** Two thousand random texts, in CI; `npm run fuzz -- --language N` takes more, with a process of its own that can be ended. */
import { describe, expect, it } from "vitest";
import { memoryHost } from "../support/build.js";
import { judge } from "./judge-text.js";
import { randomText } from "./random-texts.js";

const count = 2000, first = 1_000_000;
/** Two seconds of work are promised; the garbage collector's threads are counted with it. */
const longest = 3000;

describe("random texts", () => {
  it(`${count} of them: a model or diagnostics, soon`, () => {
    const outcomes = { model: 0, diagnostics: 0, defect: 0 };
    const before = process.memoryUsage().heapUsed;
    for (let seed = first; seed < first + count; seed++) {
      const text = randomText(seed);
      const { outcome, milliseconds, detail } = judge(text, memoryHost);
      expect(outcome, `text ${seed}: ${detail}\n${text}`).not.toBe("defect");
      expect(milliseconds, `text ${seed}\n${text}`).toBeLessThan(longest);
      outcomes[outcome] += 1;
    }
    expect(outcomes.model).toBeGreaterThan(0.04 * count);
    expect(outcomes.diagnostics).toBeGreaterThan(0.4 * count);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(500 * 2 ** 20);
  }, 180_000);
});
