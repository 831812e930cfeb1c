/** The examples: how each is run, small and in full, and what it must reach. */
import { completionPicture, denoisingPicture } from "./pictures.js";
import type { HostTensor } from "../../src/runtime/contract.js";
import { agreeing, constructed, convergence, type Judgement, type Kind, trained } from "./kinds.js";

export interface Row {
  readonly name: string;
  /** Sizes of the small form. */
  readonly small?: Readonly<Record<string, number>>;
  readonly kind: Kind;
  readonly paper: string;
}
const digits = { d: 32, K: 2, p: 16, L: 2 };
const language = { d: 32, K: 2, p: 16, L: 2, n: 32 };

type Verdict = { readonly reached: string; readonly fault?: string };
const verdict = (reached: string, good: boolean): Verdict => ({ reached, ...(good ? {} : { fault: `only ${reached}` }) });
const accuracy = (full: number, small: number) => (j: Judgement): Verdict => {
  const a = j.after.metrics["accuracy"] ?? 0;
  return verdict(`${(100 * a).toFixed(1)} % of the test digits right`, a >= (j.full ? full : small));
};
const nats = (what: string, full: number, small: number) => (j: Judgement): Verdict => {
  const loss = j.after.loss ?? Number.NaN;
  return verdict(`${loss.toFixed(3)} nats ${what}`, loss <= (j.full ? full : small));
};
const decibels = (x: number): number => 10 * Math.log10(x);

export const rows: readonly Row[] = [
  { name: "crate", small: digits, kind: trained({ smallSteps: 150, judge: accuracy(0.94, 0.4) }),
    paper: "Yu et al. 2023, White-Box Transformers via Sparse Rate Reduction, arXiv 2306.01129" },
  { name: "crate-alpha", small: digits, kind: trained({ smallSteps: 150, judge: accuracy(0.94, 0.4) }),
    paper: "Yang et al. 2024, Scaling White-Box Transformers for Vision, arXiv 2405.20299" },
  { name: "tost", small: digits, kind: trained({ smallSteps: 400, judge: accuracy(0.93, 0.3) }),
    paper: "Wu et al. 2024, Token Statistics Transformer, arXiv 2412.17810" },
  { name: "crate-mae", small: digits, paper: "Pai et al. 2024, Masked Completion via Structured Diffusion with White-Box Transformers, arXiv 2404.02446",
    kind: trained({
      smallSteps: 150, picture: completionPicture,
      judge: (j) => {
        const loss = j.after.loss ?? Number.NaN;
        const mean = variance(j);
        return verdict(`squared error ${loss.toFixed(4)} on hidden patches; predicting the mean pixel gives ${mean.toFixed(4)}`, loss < (j.full ? 0.7 : 1) * mean);
      },
    }) },
  { name: "crate-gpt", small: language, kind: trained({ smallSteps: 200, judge: nats("a character of text that it has not seen", 2, 3.4) }), paper: "Yu et al. 2023, arXiv 2311.13110, section 4.4" },
  { name: "crate-bert", small: language, kind: trained({ smallSteps: 200, judge: nats("a hidden character of text that it has not seen", 3, 3.5) }), paper: "Yu et al. 2023, arXiv 2311.13110, section 4.4" },
  { name: "tost-causal", small: language, kind: trained({ smallSteps: 200, judge: nats("a character of text that it has not seen", 2.5, 3.4) }), paper: "Wu et al. 2024, arXiv 2412.17810" },
  { name: "lista", small: { L: 4 }, paper: "Gregor & LeCun 2010, Learning Fast Approximations of Sparse Coding",
    kind: trained({
      smallSteps: 300,
      // Its initial values are those of ISTA with the same number of iterations.
      judge: (j) => {
        const [ista, learned] = [j.before, j.after].map((e) => decibels(e.metrics["nmse"] ?? 1)) as [number, number];
        return verdict(`normalised squared error ${learned.toFixed(1)} dB; ISTA with as many iterations has ${ista.toFixed(1)} dB`, learned < ista - (j.full ? 3 : 0.3));
      },
    }) },
  { name: "denoise", small: { L: 2, q: 98 }, paper: "after Zhang & Ghanem 2018, ISTA-Net, arXiv 1706.07929",
    kind: trained({
      smallSteps: 150, picture: denoisingPicture,
      judge: (j) => {
        const [clean, noisy] = [j.after.metrics["psnr_clean"] ?? 0, j.after.metrics["psnr_noisy"] ?? 0];
        return verdict(`PSNR ${noisy.toFixed(2)} dB before, ${clean.toFixed(2)} dB after`, clean > noisy + (j.full ? 6 : 1));
      },
    }) },
  { name: "redunet", small: { L: 10 }, kind: constructed(), paper: "Chan et al. 2021, ReduNet: A White-box Deep Network from the Principle of Maximizing Rate Reduction, arXiv 2105.10446" },
  { name: "ista", kind: convergence({ layers: "L", long: 2000 }), paper: "Daubechies et al. 2004; Parikh & Boyd 2014, Proximal Algorithms" },
  { name: "fista", kind: convergence({ layers: "L", long: 1000 }), paper: "Beck & Teboulle 2009" },
  { name: "admm", kind: convergence({ layers: "L", long: 300 }), paper: "Boyd et al. 2011" },
  { name: "nonnegative-lasso", kind: convergence({ layers: "L", long: 2000 }), paper: "Parikh & Boyd 2014, Proximal Algorithms, section 6.5" },
  { name: "total-variation", kind: convergence({ layers: "L", long: 300, parameters: { F: differences(60) } }), paper: "Rudin et al. 1992; Boyd et al. 2011, section 6.4.1" },
  { name: "tost-attention", kind: agreeing({ n: 12 }), paper: "Wu et al. 2024, arXiv 2412.17810; test/parity compares it with the authors' program" },
  { name: "group-lasso", kind: convergence({ layers: "L", long: 2000 }), paper: "Yuan & Lin 2006; Parikh & Boyd 2014, section 6.5" },
];

/** First differences of n values: [n − 1, n]. */
function differences(n: number): HostTensor {
  const data = new Float32Array((n - 1) * n);
  for (let i = 0; i < n - 1; i++) data.set([-1, 1], i * n + i);
  return { shape: [n - 1, n], data };
}
/** The variance of a pixel over the test digits: the error of predicting the mean. */
function variance({ session }: Judgement): number {
  const { data } = session.data.test.batch(Array.from({ length: session.data.test.size }, (_, i) => i))["image"] as { data: Float32Array };
  const mean = data.reduce((a, b) => a + b, 0) / data.length;
  return data.reduce((s, x) => s + (x - mean) ** 2, 0) / data.length;
}
