import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type TextMateRule, textMateGrammar } from "../../grammar/textmate.js";

const grammar = textMateGrammar();
interface Scoped { readonly text: string; readonly scope: string }

function expand(patterns: readonly TextMateRule[]): readonly TextMateRule[] {
  return patterns.flatMap((p) => (p.include ? expand(grammar.repository[p.include.slice(1)]!.patterns) : [p]));
}
/** Walks a text as an editor does: at each place the first rule of the innermost block that matches earliest. */
function scopesOf(text: string): Scoped[] {
  const out: Scoped[] = [];
  const blocks: TextMateRule[] = [];
  for (const line of text.split("\n")) {
    let at = 0;
    while (at <= line.length) {
      const block = blocks.at(-1);
      const candidates = [...(block ? [{ rule: block, source: block.end!, closes: true }] : []),
        ...expand(block ? (block.patterns ?? []) : grammar.patterns).map((rule) => ({ rule, source: rule.match ?? rule.begin!, closes: false }))];
      let best: { match: RegExpExecArray; rule: TextMateRule; closes: boolean } | undefined;
      for (const { rule, source, closes } of candidates) {
        const expression = new RegExp(source, "gu");
        expression.lastIndex = at;
        const match = expression.exec(line);
        if (match && (!best || match.index < best.match.index)) best = { match, rule, closes };
      }
      if (!best) break;
      const { match, rule, closes } = best;
      const captures = rule.captures ?? rule.beginCaptures;
      if (closes) blocks.pop();
      else if (captures) for (const [i, { name }] of Object.entries(captures)) out.push({ text: match[Number(i)]!, scope: name });
      else out.push({ text: match[0], scope: rule.name ?? "" });
      if (!closes && rule.begin) blocks.push(rule);
      at = match.index + Math.max(1, match[0].length);
    }
  }
  return out;
}
const scope = (text: string, word: string): string[] => scopesOf(text).filter((s) => s.text === word).map((s) => s.scope);

describe("the TextMate grammar", () => {
  const spec = readFileSync("examples/crate.srr", "utf8");
  it.each([
    ["network", "keyword.declaration.srr"], ["CRATE", "entity.name.type.srr"], ["compress", "entity.name.type.srr"], ["dim", "keyword.declaration.srr"],
    ["real", "storage.type.srr"], ["class", "storage.type.srr"], ["init", "storage.modifier.srr"], ["repeat", "storage.modifier.srr"],
    ["minimize", "keyword.control.sense.srr"], ["by", "keyword.control.step.srr"], ["prenorm", "keyword.control.step.srr"], ["using", "keyword.control.step.srr"],
    ["gradient", "support.function.srr"], ["sq_norm", "support.function.srr"], ["epochs", "keyword.other.train.srr"], ["optimizer", "keyword.other.train.srr"],
    ["2e-3", "constant.numeric.srr"], ["|>", "keyword.operator.srr"], ['"std/rates"', "string.quoted.double.srr"], ["eta", "variable.other.srr"],
    ["// layers", "comment.line.double-slash.srr"],
  ])("in crate.srr: %s is %s", (word, expected) => {
    const found = scope(spec, word);
    expect(found.length).toBeGreaterThan(0);
    expect(new Set(found)).toEqual(new Set([expected]));
  });
  it("tells the clause rate from the option rate", () => {
    expect(scope(spec, "rate")).toContain("keyword.other.train.srr");
    expect(scope("by gradient(rate: kappa)", "rate")).toEqual(["variable.parameter.srr"]);
    expect(scope("step = step + 1", "step")).not.toContain("keyword.declaration.srr");
  });
  it("knows documentation and comments over several lines", () => {
    expect(scopesOf("/// doc")[0]!.scope).toBe("comment.line.documentation.srr");
    expect(scopesOf("/* a\nnetwork N */ dim").map((s) => s.scope)).toEqual(["comment.block.srr", "keyword.declaration.srr"]);
  });
});
