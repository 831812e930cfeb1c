/** How does a model know a free size while it runs? From the shape of an input that has it, or by arithmetic on such. */
import { Defect } from "../../diagnostics/declare.js";
import { type Dim, dimNumber, dimSymbol, dimSymbols, dimValue, isOne, one, solveDim } from "../../expression/dim.js";
import { floatTensor, type GraphWriter, type OnnxValue } from "./graph-writer.js";

interface Source {
  readonly input: string;
  readonly axis: number;
  readonly size: Dim;
}
const list: OnnxValue = { type: "int64", shape: [one] };
const scalar: OnnxValue = { type: "int64", shape: [] };

export class Sizes {
  private readonly found = new Map<string, string>();
  private readonly sources: readonly Source[];

  constructor(private readonly writer: GraphWriter, inputs: readonly { readonly name: string; readonly shape: readonly Dim[] }[]) {
    this.sources = inputs.flatMap(({ name, shape }) => shape.map((size, axis) => ({ input: name, axis, size })))
      .filter(({ size }) => dimValue(size) === undefined);
  }
  /** The size as a list of one int64. */
  list(size: Dim): string {
    const known = dimValue(size);
    if (known !== undefined) return this.writer.ints([known]);
    const before = this.found.get(size.key);
    if (before !== undefined) return before;
    const name = this.make(size);
    this.found.set(size.key, name);
    return name;
  }
  /** The size as an int64 scalar. */
  scalar(size: Dim): string {
    const known = dimValue(size);
    if (known !== undefined) return this.writer.int(known);
    const key = `scalar ${size.key}`;
    const before = this.found.get(key);
    if (before !== undefined) return before;
    const name = this.writer.node("Squeeze", this.writer.unique(`size/${size.key}/scalar`), [this.list(size), this.writer.ints([0])], scalar);
    this.found.set(key, name);
    return name;
  }
  /** Several sizes as one list, for Reshape and Expand; a size given as a number stands for itself (−1, 0). */
  shape(sizes: readonly (Dim | number)[], at: string): string {
    const numbers = sizes.map((s) => (typeof s === "number" ? s : dimValue(s)));
    if (numbers.every((n) => n !== undefined)) return this.writer.ints(numbers);
    const parts: string[] = [];
    let run: number[] = [];
    const close = (): void => {
      if (run.length > 0) parts.push(this.writer.ints(run));
      run = [];
    };
    sizes.forEach((size, i) => {
      const known = numbers[i];
      if (known !== undefined) run.push(known);
      else {
        close();
        parts.push(this.list(size as Dim));
      }
    });
    close();
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) return only;
    return this.writer.node("Concat", this.writer.unique(`${at}/shape`), parts, { type: "int64", shape: [dimNumber(sizes.length)] }, { axis: 0 });
  }

  /** A row [1, size] of ones: what sums a matrix's rows by a product. */
  ones(size: Dim): string {
    const key = `ones ${size.key}`;
    const before = this.found.get(key);
    if (before !== undefined) return before;
    const name = this.writer.unique(`size/${size.key}/ones`);
    const row = this.writer.node("ConstantOfShape", name, [this.shape([1, size], name)], { type: "float", shape: [one, size] }, { value: { tensor: floatTensor([1], [1]) } });
    this.found.set(key, row);
    return row;
  }

  private make(size: Dim): string {
    const source = this.sources.find((s) => s.size.key === size.key);
    if (source) {
      return this.writer.node("Shape", this.writer.unique(`size/${size.key}`), [source.input], list, { start: source.axis, end: source.axis + 1 });
    }
    const symbols = dimSymbols(size);
    return symbols.has(size.key) ? this.solved(size.key) : this.polynomial(size);
  }
  /** A symbol that no input shows bare, from an axis like `n + 1`. */
  private solved(symbol: string): string {
    for (const source of this.sources) {
      const placeholder = `size of ${source.input}, axis ${source.axis}`;
      const solution = solveDim(source.size, dimSymbol(placeholder), symbol);
      if (!solution || dimSymbols(solution).has(symbol)) continue;
      this.found.set(placeholder, this.writer.node("Shape", this.writer.unique(`size/${source.size.key}`), [source.input], list, { start: source.axis, end: source.axis + 1 }));
      return this.polynomial(solution);
    }
    throw new Defect(`no input has the free size ${symbol}`);
  }
  /** Numerators over one common denominator, so that every intermediate is whole. */
  private polynomial(size: Dim): string {
    const under = new Map<string, number>();
    let denominator = 1;
    for (const t of size.terms) {
      denominator = leastCommonMultiple(denominator, t.denominator);
      for (const [s, e] of t.powers) under.set(s, Math.max(under.get(s) ?? 0, -e));
    }
    const terms = size.terms.map((t) => {
      const powers = new Map(under);
      for (const [s, e] of t.powers) powers.set(s, (powers.get(s) ?? 0) + e);
      return this.product(size.key, (t.numerator * denominator) / t.denominator, powers);
    });
    const sum = terms.reduce((a, b) => this.arithmetic("Add", size.key, a, b));
    const divisor = this.product(size.key, denominator, under);
    return denominator === 1 && [...under.values()].every((e) => e === 0) ? sum : this.arithmetic("Div", size.key, sum, divisor);
  }
  private product(key: string, factor: number, powers: ReadonlyMap<string, number>): string {
    const factors = [...powers].flatMap(([s, e]) => Array.from({ length: e }, () => this.list(dimSymbol(s))));
    if (factor !== 1 || factors.length === 0) factors.push(this.writer.ints([factor]));
    return factors.reduce((a, b) => this.arithmetic("Mul", key, a, b));
  }
  private arithmetic(opType: "Add" | "Mul" | "Div", key: string, a: string, b: string): string {
    return this.writer.node(opType, this.writer.unique(`size/${key}`), [a, b], list);
  }
}
function leastCommonMultiple(a: number, b: number): number {
  const gcd = (x: number, y: number): number => (y === 0 ? x : gcd(y, x % y));
  return (a / gcd(a, b)) * b;
}

/** True where the shapes differ by axes of length one only. */
export function differByOnes(a: readonly Dim[], b: readonly Dim[]): boolean {
  const [x, y] = [a, b].map((shape) => shape.filter((d) => !isOne(d)));
  return x !== undefined && y !== undefined && x.length === y.length && x.every((d, i) => d.key === y[i]?.key);
}
