/** The main function: calls of step functions in order. Copies of a layer that call the same functions in a row become a loop. */
import type { Names } from "./names.js";

export interface Call {
  readonly fn: string;
  /** `block.3`, or "" outside of layers. */
  readonly prefix: string;
  /** Ids of values. */
  readonly args: readonly number[];
  readonly gives: readonly number[];
  /** Names that the values given would like to have. */
  readonly wanted: readonly string[];
  /** Names for them where a loop carries them. */
  readonly carried: readonly string[];
}
interface Copy {
  readonly base: string;
  readonly number: number;
  readonly calls: readonly Call[];
}
/** A run of copies that one loop can make. */
interface Loop {
  readonly base: string;
  readonly from: number;
  readonly to: number;
  readonly first: readonly Call[];
  /** Place of a value in a copy, for those that the next copy reads: [call, result]. */
  readonly carried: readonly (readonly [number, number])[];
  /** Ids of the carried values before the first copy and after the last one. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}
const split = (prefix: string): { base: string; number: number } => {
  const m = /^(.+)\.(\d+)$/.exec(prefix);
  return m ? { base: m[1] as string, number: Number(m[2]) } : { base: "", number: 0 };
};
function copiesOf(calls: readonly Call[]): readonly Copy[] {
  const copies: { base: string; number: number; calls: Call[] }[] = [];
  for (const call of calls) {
    const { base, number } = split(call.prefix);
    const last = copies.at(-1);
    if (last && base !== "" && last.base === base && last.number === number) last.calls.push(call);
    else copies.push({ base, number, calls: [call] });
  }
  return copies;
}
const placeIn = (copy: Copy, id: number): string | undefined => {
  for (const [c, call] of copy.calls.entries()) {
    const r = call.gives.indexOf(id);
    if (r >= 0) return `${c}.${r}`;
  }
  return undefined;
};
/** How a copy reads its values: of itself, of the copy before, or of elsewhere. */
function signature(copy: Copy, before: Copy): string {
  return copy.calls.map((call) => `${call.fn}(${call.args.map((id) => {
    const own = placeIn(copy, id);
    if (own !== undefined) return `own ${own}`;
    const previous = placeIn(before, id);
    return previous === undefined ? `outer ${id}` : `before ${previous}`;
  }).join()})${call.gives.length}`).join(";");
}
/** The longest loop that begins at copy `start`, if there is one of at least three copies. */
function loopAt(copies: readonly Copy[], start: number, readers: ReadonlyMap<number, ReadonlySet<Copy | undefined>>): { loop: Loop; length: number } | undefined {
  const [first, second] = [copies[start], copies[start + 1]];
  if (!first || !second || first.base === "" || second.base !== first.base) return undefined;
  const shape = signature(second, first);
  let end = start + 2;
  while (copies[end]?.base === first.base && signature(copies[end] as Copy, copies[end - 1] as Copy) === shape) end++;
  const members = copies.slice(start, end);
  if (members.length < 3 || members.some((c, i) => c.number !== first.number + i)) return undefined;
  // The first copy must call the same functions, and read its carried values from before the loop.
  const carried = new Map<string, number>();
  for (const [c, call] of second.calls.entries()) {
    const own = first.calls[c];
    if (own?.fn !== call.fn || own.gives.length !== call.gives.length) return undefined;
    for (const [a, id] of call.args.entries()) {
      const initial = own.args[a] as number;
      const previous = placeIn(first, id);
      if (previous === undefined) {
        const [mine, its] = [placeIn(first, initial), placeIn(second, id)];
        if (its === undefined ? initial !== id : mine !== its) return undefined;
      } else if (placeIn(first, initial) !== undefined || (carried.has(previous) && carried.get(previous) !== initial)) return undefined;
      else carried.set(previous, initial);
    }
  }
  const last = members.at(-1) as Copy;
  const places = [...carried.keys()].map((k) => k.split(".").map(Number) as unknown as readonly [number, number]);
  const at = (copy: Copy, [c, r]: readonly [number, number]): number => copy.calls[c]?.gives[r] as number;
  const after = places.map((p) => at(last, p));
  const visible = new Set(after);
  const inside = new Set<Copy | undefined>(members);
  for (const copy of members) {
    for (const id of copy.calls.flatMap((c) => c.gives)) {
      if (!visible.has(id) && [...(readers.get(id) ?? [])].some((r) => !inside.has(r))) return undefined;
    }
  }
  return {
    loop: { base: first.base, from: first.number, to: last.number, first: first.calls, carried: places, before: [...carried.values()], after },
    length: members.length,
  };
}

export function writeBody(
  calls: readonly Call[], leaves: ReadonlyMap<number, string>, outputs: readonly number[], names: Names,
): { lines: readonly string[]; values: ReadonlyMap<number, string> } {
  const copies = copiesOf(calls);
  const readers = new Map<number, Set<Copy | undefined>>();
  const read = (id: number, by: Copy | undefined): void => { readers.set(id, (readers.get(id) ?? new Set()).add(by)); };
  for (const copy of copies) for (const call of copy.calls) for (const id of call.args) read(id, copy);
  for (const id of outputs) read(id, undefined);
  const values = new Map(leaves);
  const lines: string[] = [];
  const codeOf = (id: number, local?: ReadonlyMap<number, string>): string => {
    const code = local?.get(id) ?? values.get(id);
    if (code === undefined) throw new Error(`value ${id} is used before it is made`);
    return code;
  };
  const plainCall = (call: Call): void => {
    const { number } = split(call.prefix);
    const results = call.gives.map((id, r) => {
      const name = names.fresh(`${call.wanted[r]}${number > 0 ? `_${number}` : ""}`);
      values.set(id, name);
      return name;
    });
    const args = [...call.args.map((id) => codeOf(id)), "run", ...(call.prefix === "" ? [] : [JSON.stringify(call.prefix)])];
    lines.push(`const ${results.length === 1 ? results[0] : `[${results.join(", ")}]`} = ${call.fn}(${args.join(", ")});`);
  };
  const loop = (l: Loop): void => {
    const local = new Map<number, string>();
    const variables = l.carried.map(([c, r], i) => {
      const name = names.fresh(l.first[c]?.carried[r] ?? "value");
      lines.push(`let ${name} = ${codeOf(l.before[i] as number)};`);
      return name;
    });
    l.before.forEach((id, i) => local.set(id, variables[i] as string));
    lines.push(`for (let layer = ${l.from}; layer <= ${l.to}; layer++) {`, `  const at = \`${l.base.replace(/[\\`$]/g, "\\$&")}.\${layer}\`;`);
    const [only] = l.carried;
    const direct = l.carried.length === 1 && only?.[0] === l.first.length - 1 && l.first.at(-1)?.gives.length === 1;
    const calls = direct ? l.first.slice(0, -1) : l.first;
    const code = (call: Call): string => `${call.fn}(${[...call.args.map((id) => codeOf(id, local)), "run", "at"].join(", ")})`;
    for (const call of calls) {
      const results = call.gives.map((id, r) => {
        const name = names.fresh(`${call.wanted[r]}`);
        local.set(id, name);
        return name;
      });
      lines.push(`  const ${results.length === 1 ? results[0] : `[${results.join(", ")}]`} = ${code(call)};`);
    }
    const fresh = l.carried.map(([c, r]) => local.get(l.first[c]?.gives[r] as number) ?? "");
    const last = l.first.at(-1);
    const assignment = direct && last ? `${variables[0]} = ${code(last)}` : variables.length === 1 ? `${variables[0]} = ${fresh[0]}` : `[${variables.join(", ")}] = [${fresh.join(", ")}]`;
    lines.push(`  ${assignment};`, "}");
    l.after.forEach((id, i) => values.set(id, variables[i] as string));
  };
  for (let i = 0; i < copies.length;) {
    const found = loopAt(copies, i, readers);
    if (found) loop(found.loop);
    else copies[i]?.calls.forEach(plainCall);
    i += found?.length ?? 1;
  }
  return { lines, values };
}
