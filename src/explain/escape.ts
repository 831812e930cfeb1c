/** Text put into HTML, SVG or MathML: nothing in it can end an element, an attribute or a comment. */
const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "`": "&#96;" };

/** Characters that XML forbids, and marks that turn the direction of what follows, are shown as their code. */
const unsafe = /[&<>"'`\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/g;
export function escapeHtml(text: string): string {
  return text.replace(unsafe, (c) => entities[c] ?? `[U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}]`);
}
/** A name as part of an id: letters, digits, dashes; different names stay different. */
export function idOf(...parts: readonly string[]): string {
  return parts.map((p) => [...p].map((c) => (/[A-Za-z0-9-]/.test(c) ? c : `_${(c.codePointAt(0) ?? 0).toString(16)}_`)).join("")).join("-");
}
