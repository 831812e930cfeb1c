/** Identifiers of generated code: readable, safe whatever the spec calls things, and never the same for two things. */

const reserved = new Set([
  "arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do", "else", "enum", "eval", "export",
  "extends", "false", "finally", "for", "function", "if", "implements", "import", "in", "instanceof", "interface", "let", "new", "null", "package",
  "private", "protected", "public", "return", "static", "super", "switch", "this", "throw", "true", "try", "typeof", "undefined", "var", "void", "while",
  "with", "yield", "tf", "params", "inputs", "sizes", "at", "context", "NaN", "Infinity", "constructor", "prototype", "__proto__",
]);

export class Names {
  private readonly taken = new Set<string>();
  constructor(taken: Iterable<string> = []) {
    for (const t of taken) this.taken.add(t);
  }
  /** An identifier like `wanted` that nothing else has. */
  fresh(wanted: string): string {
    let base = wanted.replace(/'/g, "Prime").replace(/[^A-Za-z0-9_]+/g, "_").replace(/^_+|_+$/g, "") || "value";
    if (/^\d/.test(base) || reserved.has(base)) base = `_${base}`;
    base = base.slice(0, 60);
    let name = base;
    for (let i = 2; this.taken.has(name) || reserved.has(name); i++) name = `${base}${i}`;
    this.taken.add(name);
    return name;
  }
}
/** Text inside a comment: nothing that ends it, no control characters. */
export function commentText(text: string): string {
  return text.replace(/\*\//g, "* /").replace(/[\u0000-\u001f\u007f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, " ");
}
