/** A syntax tree without its places: what two texts of one meaning share. */
export function withoutSpans(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSpans);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !/^span$|Span$/.test(key)).map(([key, v]) => [key, withoutSpans(v)]));
}
