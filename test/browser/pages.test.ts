/** The pages in a real browser: mathematics and plots drawn, nothing fetched, usable on a phone, in the dark, on paper, by keyboard. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Browser, findBrowser, type PageView } from "../support/browser.js";

const command = findBrowser();
if (command === undefined) console.warn("no Chromium here: the pages are not looked at in a browser (install chromium, or name it in CHROMIUM)");
const folder = mkdtempSync(join(tmpdir(), "pages-"));
const make = (...args: string[]): void => { execFileSync(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...args], { stdio: "ignore" }); };
const explained = join(folder, "explained.html");
const audited = join(folder, "audited.html");

describe.skipIf(command === undefined)("the pages in a browser", () => {
  let browser: Browser;
  beforeAll(() => {
    make("explain", "examples/crate.srr", "--preset", "mnist", "--format", "html", "--out", explained);
    make("audit", "examples/crate.srr", "--preset", "mnist", "--samples", "1", "--report", audited);
    browser = Browser.start(command as string);
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const drawn = (selector: string): string => `[...document.querySelectorAll(${JSON.stringify(selector)})].filter((e) => { const b = e.getBoundingClientRect(); return b.width > 0 && b.height > 0; }).length`;
  const all = (selector: string): string => `document.querySelectorAll(${JSON.stringify(selector)}).length`;
  const check = async (page: PageView): Promise<void> => {
    expect(page.complaints).toEqual([]);
    // Nothing makes the page itself scroll sideways.
    expect(await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")).toBeLessThanOrEqual(0);
  };
  it.each([["phone", 390], ["wide", 1280]] as const)("explained: typeset and drawn on a %s screen", async (name, width) => {
    const page = await browser.open(explained, { width });
    await check(page);
    const formulas = await page.evaluate(all("math"));
    expect(formulas).toBeGreaterThan(40);
    expect(await page.evaluate(drawn("math"))).toBe(formulas);
    // Typeset, not left as text: a fraction is taller than a letter.
    expect(await page.evaluate("Math.max(...[...document.querySelectorAll('mfrac')].map((e) => e.getBoundingClientRect().height))")).toBeGreaterThan(20);
    expect(await page.evaluate(drawn("svg rect"))).toBeGreaterThan(8);
    await page.screenshot(`explained-${name}`);
  });
  it.each([["phone", 390], ["wide", 1280]] as const)("audited: plots and pictures on a %s screen", async (name, width) => {
    const page = await browser.open(audited, { width });
    await check(page);
    expect(await page.evaluate(drawn("figure svg"))).toBeGreaterThan(8);
    expect(await page.evaluate(drawn("figure svg circle"))).toBeGreaterThan(30);
    expect(await page.evaluate(drawn("figure svg image"))).toBeGreaterThan(10);
    await page.screenshot(`audited-${name}`);
  });
  it.skipIf(!existsSync("docs/reproduce.html"))("the papers' claims: cards and pictures on a phone screen", async () => {
    const page = await browser.open("docs/reproduce.html", { width: 390 });
    await check(page);
    expect(await page.evaluate(drawn(".card"))).toBeGreaterThan(8);
    expect(await page.evaluate(drawn("figure svg"))).toBeGreaterThan(3);
    await page.screenshot("reproduce-phone");
  });
  it("turns dark where the reader asks for it, with enough contrast", async () => {
    const colours = async (dark: boolean): Promise<string[]> => {
      const page = await browser.open(explained, { width: 800, dark });
      if (dark) await page.screenshot("explained-dark");
      return page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]");
    };
    const brightness = (c: string): number => (c.match(/\d+/g) ?? []).slice(0, 3).reduce((s, x) => s + Number(x), 0) / 3;
    const [light, dark] = [await colours(false), await colours(true)];
    expect(brightness(light[0] as string)).toBeGreaterThan(200);
    expect(brightness(dark[0] as string)).toBeLessThan(60);
    for (const [back, ink] of [light, dark] as [string, string][]) expect(Math.abs(brightness(back) - brightness(ink))).toBeGreaterThan(150);
  });
  it("is reached by keyboard: first the skip link, then the sections, each with a visible focus", async () => {
    const page = await browser.open(explained, { width: 800 });
    await page.press("Tab");
    expect(await page.evaluate("document.activeElement.className")).toBe("skip");
    expect(await page.evaluate("document.activeElement.getBoundingClientRect().left >= 0")).toBe(true);
    await page.press("Tab");
    expect(await page.evaluate("document.activeElement.getAttribute('href')")).toBe("#objective");
    expect(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")).not.toBe("none");
  });
  it("goes on paper", async () => {
    const page = await browser.open(explained, { width: 800 });
    expect(await page.print()).toBeGreaterThan(20_000);
  });
});
