/** In a process of its own: what the compiler's modules do while they are loaded. */
import { expect, it } from "vitest";
import "../../src/compile.js";
import "../../src/targets.js";
import "../../src/audit/verify.js";
import "../../src/audit/audit.js";
import "../../src/audit/diff.js";
import "../../src/explain/latex.js";
import "../../src/explain/text.js";
import "../../src/cli/commands/grad.js";
import { number } from "../../src/expression/expr.js";

it("no expression is formed before a compilation begins: the numbering starts anew there, and it would be taken for another", () => {
  expect(number(0.125).id).toBe(1);
});
