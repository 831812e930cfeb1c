/** Is a page well-formed enough that every browser reads it the same way: elements closed in order, attributes quoted, ids met once? */
const voids = new Set(["meta", "link", "br", "img", "input", "hr", "col"]);

export function markupFaults(html: string): readonly string[] {
  const faults: string[] = [];
  const open: string[] = [];
  const body = html.replace(/<!DOCTYPE html>/i, "").replace(/<style>[\s\S]*?<\/style>/g, "<style></style>");
  const tag = /<(\/?)([A-Za-z][A-Za-z0-9-]*)((?:\s+[A-Za-z:-]+(?:=(?:"[^"<]*"|'[^'<]*'))?)*)\s*(\/?)>/gy;
  for (let at = 0; at < body.length;) {
    const next = body.indexOf("<", at);
    const text = body.slice(at, next < 0 ? body.length : next);
    if (/>/.test(text)) faults.push(`a bare > in: ${text.trim().slice(0, 60)}`);
    if (/&(?!(?:amp|lt|gt|quot|nbsp|#\d+|#x[0-9a-f]+);)/i.test(text)) faults.push(`a bare & in: ${text.trim().slice(0, 60)}`);
    if (next < 0) break;
    tag.lastIndex = next;
    const m = tag.exec(body);
    if (!m) {
      faults.push(`no tag: ${body.slice(next, next + 60)}`);
      break;
    }
    const [, closing, name = "", , selfClosed] = m;
    if (closing) {
      const was = open.pop();
      if (was !== name) faults.push(`</${name}> closes <${was}>`);
    } else if (!selfClosed && !voids.has(name.toLowerCase())) open.push(name);
    at = tag.lastIndex;
  }
  if (open.length > 0) faults.push(`left open: ${open.join(", ")}`);
  const ids = [...body.matchAll(/ id="([^"]*)"/g)].map((m) => m[1] as string);
  for (const id of new Set(ids)) if (ids.filter((x) => x === id).length > 1 && id !== "head") faults.push(`id ${id} twice`);
  const links = [...body.matchAll(/href="#([^"]*)"/g)].map((m) => m[1] as string);
  for (const link of links) if (!ids.includes(link)) faults.push(`#${link} leads nowhere`);
  return faults;
}
/** What a page would fetch: there must be nothing. */
export function requests(html: string): readonly string[] {
  const styles = [...html.matchAll(/<style>([\s\S]*?)<\/style>/g)].map((m) => m[1] as string);
  const tags = [...html.replaceAll('xmlns="http://www.w3.org/2000/svg"', "").matchAll(/<[A-Za-z][^>]*>/g)].map((m) => m[0]);
  const fetching = /(?:src|href|action|data)\s*=\s*["']?(?!["']?(?:#|data:))[^"'\s>]+|<script|<iframe|<object|\son[a-z]+\s*=/i;
  return [...tags.filter((t) => fetching.test(t)), ...styles.filter((t) => /url\((?!#)|@import/.test(t))];
}
