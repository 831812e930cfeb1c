/** Names and numbers as LaTeX mathematics. */
import { numberText, shownName } from "../expression/reading.js";

const greekWords = [
  "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "pi", "rho", "sigma",
  "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
];
const greekLetters: Readonly<Record<string, string>> = {
  α: "alpha", β: "beta", γ: "gamma", δ: "delta", ε: "varepsilon", ϵ: "epsilon", ζ: "zeta", η: "eta", θ: "theta", ϑ: "vartheta", ι: "iota",
  κ: "kappa", λ: "lambda", μ: "mu", µ: "mu", ν: "nu", ξ: "xi", π: "pi", ρ: "rho", σ: "sigma", ς: "varsigma", τ: "tau", υ: "upsilon",
  φ: "phi", ϕ: "phi", χ: "chi", ψ: "psi", ω: "omega", Γ: "Gamma", Δ: "Delta", Θ: "Theta", Λ: "Lambda", Ξ: "Xi", Π: "Pi", Σ: "Sigma",
  Υ: "Upsilon", Φ: "Phi", Ψ: "Psi", Ω: "Omega",
};
const greek = new Map<string, string>([
  ...greekWords.map((w) => [w, `\\${w}`] as const),
  ...Object.entries(greekLetters).map(([letter, word]) => [letter, `\\${word}`] as const),
  ["eps", "\\varepsilon"], ["ell", "\\ell"],
]);

const escapes: Readonly<Record<string, string>> = {
  "\\": "\\backslash{}", "{": "\\{", "}": "\\}", $: "\\$", "&": "\\&", "#": "\\#", "%": "\\%", _: "\\_", "^": "\\hat{}", "~": "\\sim{}",
};
/** Text that is safe within mathematics, whatever it holds. */
export function escapeLatex(text: string): string {
  return [...text].map((c) => escapes[c] ?? c).join("");
}

const textEscapes: Readonly<Record<string, string>> = {
  ...escapes, "\\": "\\textbackslash{}", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}", "–": "--",
};
/** Text that is safe between paragraphs, whatever it holds: what T1 fonts have stays, Greek becomes mathematics, the rest its code point. */
export function escapeLatexText(text: string): string {
  return [...text].map((c) => {
    const letter = greekLetters[c];
    if (letter !== undefined) return `\\ensuremath{\\${letter}}`;
    if (/[\n\t\x20-\x7e\u00a1-\u017e–]/.test(c)) return textEscapes[c] ?? c;
    const point = (c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    return `\\texttt{U+${point}}`;
  }).join("");
}

/** A name's own symbol, and what stands below it: `W_out` is W with out, `Z0` is Z with 0. */
export interface LatexName {
  readonly head: string;
  readonly below: readonly string[];
}
const isSingle = (word: string): boolean => greek.has(word) || /^[A-Za-z]$/.test(word);

function word(text: string): string {
  const letter = greek.get(text);
  if (letter) return letter;
  if (/^([A-Za-z]|\d+)$/.test(text)) return text;
  // Letters outside of ASCII are not in the fonts for mathematics.
  return /^[\x20-\x7e]*$/.test(text) ? `\\mathit{${escapeLatex(text)}}` : `\\text{\\textit{${escapeLatexText(text)}}}`;
}

export function latexName(name: string): LatexName {
  const [first = "", ...rest] = shownName(name).split("_");
  const numbered = /^(.*?\D)(\d+)$/su.exec(first);
  if (numbered?.[1] && numbered[2] && isSingle(numbered[1]) && rest.every((r) => r !== "")) {
    return { head: word(numbered[1]), below: [numbered[2], ...rest.map(word)] };
  }
  if (isSingle(first) && rest.every((r) => r !== "")) return { head: word(first), below: rest.map(word) };
  return { head: word(shownName(name)), below: [] };
}

/** `2.4e-4` as 2.4 · 10⁻⁴; one half and one quarter as fractions. `compound` where it needs brackets under an exponent. */
export function latexNumber(value: number): { readonly text: string; readonly compound: boolean } {
  if (!Number.isFinite(value)) {
    return { text: Number.isNaN(value) ? "\\mathrm{NaN}" : value > 0 ? "\\infty" : "-\\infty", compound: value < 0 };
  }
  if (value === 0.5) return { text: "\\tfrac{1}{2}", compound: true };
  if (value === 0.25) return { text: "\\tfrac{1}{4}", compound: true };
  const [mantissa = "", exponent] = numberText(value).split("e");
  if (exponent === undefined) return { text: mantissa, compound: value < 0 };
  return { text: mantissa === "1" ? `10^{${exponent}}` : `${mantissa} \\cdot 10^{${exponent}}`, compound: true };
}
