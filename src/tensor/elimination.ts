/** The logarithm of a determinant of known, small size: elimination written out, Σ log of the pivots. */
import { dimNumber, dimValue } from "../expression/dim.js";
import { type LowerContext, type Lowered, materialise, NotLowerable, scalarOf } from "./lowered.js";

const largestUnrolled = 32;

/** log det of a matrix whose leading minors are positive, as those of a positive definite one are. */
export function lowerLogdet(context: LowerContext, x: Lowered): Lowered {
  const b = context.builder;
  const { node, roles: [row, col] } = materialise(b, x);
  if (!row || !col) return scalarOf(b.unary("log", node));
  const size = dimValue(row.size);
  if (size === undefined || size > largestUnrolled) {
    throw new NotLowerable("logdet", `its matrix has ${row.size.key} rows; up to ${largestUnrolled} are unrolled`);
  }
  const whole = dimNumber(1);
  let rest = node;
  let total = b.fill(0);
  for (let n = size; n > 0; n--) {
    const end = dimNumber(n);
    const head = b.slice(rest, row.name, dimNumber(0), whole);
    const pivotRow = b.reduce("sum", head, [row.name]);
    const pivot = b.reduce("sum", b.slice(pivotRow, col.name, dimNumber(0), whole), [col.name]);
    total = b.binary("add", total, b.unary("log", pivot));
    if (n === 1) break;
    const column = b.reduce("sum", b.slice(rest, col.name, dimNumber(0), whole), [col.name]);
    const factors = b.binary("divide", b.slice(column, row.name, whole, end), pivot);
    const corner = b.slice(b.slice(rest, row.name, whole, end), col.name, whole, end);
    rest = b.binary("subtract", corner, b.binary("multiply", factors, b.slice(pivotRow, col.name, whole, end)));
  }
  return scalarOf(total);
}
