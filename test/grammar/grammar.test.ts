import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { generateGrammarFiles } from "../../grammar/generate.js";
import { SrrParser } from "../../grammar/parser.js";
import { lexicalRules, type Production, rules } from "../../grammar/productions.js";

describe("the grammar", () => {
  it("has no ambiguity that Chevrotain finds", () => {
    expect(() => new SrrParser({ skipValidations: false })).not.toThrow();
  });
  it.each(Object.entries(generateGrammarFiles()))("is what grammar/%s says (else run: npx tsx scripts/grammar.ts)", (name, text) => {
    expect(readFileSync(`grammar/${name}`, "utf8")).toBe(text);
  });
  it("uses every rule, and no rule that is not there", () => {
    const used = new Set<string>();
    const visit = (p: Production): void => {
      if (p.kind === "rule") used.add(p.name);
      if ("part" in p) visit(p.part);
      if ("parts" in p) p.parts.forEach(visit);
    };
    rules().forEach((rule) => { visit(rule.body); });
    const known = [...rules(), ...lexicalRules].map((rule) => rule.name);
    expect([...used].filter((name) => !known.includes(name))).toEqual([]);
    expect(known.filter((name) => name !== "file" && !used.has(name))).toEqual([]);
  });
  it("draws diagrams that need no network", () => {
    const html = generateGrammarFiles()["railroad.html"]!;
    expect(html).not.toMatch(/<script|https?:\/\/|src=/);
    expect(html.match(/<section/g)!.length).toBe(rules().length + lexicalRules.length);
  });
});
