/** A headless Chromium, where there is one, spoken to over pipes: what pages look like is asked of a real browser. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
/** The browser's command, or undefined: then tests say so and are skipped. */
export function findBrowser(): string | undefined {
  const given = process.env["CHROMIUM"];
  if (given !== undefined) return existsSync(given) ? given : undefined;
  return names.find((name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0);
}
/** Screenshots stay here; the folder ignores itself. */
export const artefacts = "test-artefacts";

// biome-ignore lint/suspicious/noExplicitAny: the protocol's messages are free-form JSON
type Message = any;
export interface PageView {
  readonly evaluate: (expression: string) => Promise<Message>;
  readonly press: (key: string) => Promise<void>;
  readonly screenshot: (name: string) => Promise<void>;
  /** Bytes of the page as PDF. */
  readonly print: () => Promise<number>;
  /** Messages of the console, exceptions, and requests other than for the page itself. */
  readonly complaints: readonly string[];
}
export interface ViewOptions { readonly width: number; readonly height?: number; readonly dark?: boolean }

export class Browser {
  private readonly waiting = new Map<number, { resolve: (m: Message) => void; reject: (e: Error) => void }>();
  private readonly listeners = new Set<(m: Message) => void>();
  private next = 1;
  private rest = "";
  private constructor(private readonly child: ChildProcess, private readonly profile: string) {
    (child.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => this.read(text));
  }
  static start(command: string): Browser {
    const profile = mkdtempSync(join(tmpdir(), "browser-"));
    // A container's root may not have a sandbox, and its /dev/shm is small.
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--remote-debugging-pipe", `--user-data-dir=${profile}`];
    return new Browser(spawn(command, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] }), profile);
  }
  private read(text: string): void {
    const parts = (this.rest + text).split("\0");
    this.rest = parts.pop() ?? "";
    for (const part of parts) {
      const message: Message = JSON.parse(part);
      const own = this.waiting.get(message.id);
      if (own) {
        this.waiting.delete(message.id);
        if (message.error) own.reject(new Error(message.error.message));
        else own.resolve(message.result);
      } else this.listeners.forEach((f) => f(message));
    }
  }
  private send(method: string, params: object = {}, sessionId?: string): Promise<Message> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      (this.child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) })}\0`);
    });
  }
  async open(file: string, options: ViewOptions): Promise<PageView> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const call = (method: string, params: object = {}): Promise<Message> => this.send(method, params, sessionId);
    const url = pathToFileURL(file).href;
    const complaints: string[] = [];
    const loaded = new Promise<void>((resolve) => this.listeners.add((m) => {
      if (m.sessionId !== sessionId) return;
      if (m.method === "Page.loadEventFired") resolve();
      if (m.method === "Runtime.consoleAPICalled") complaints.push(`console: ${JSON.stringify(m.params.args)}`);
      if (m.method === "Runtime.exceptionThrown") complaints.push(`exception: ${m.params.exceptionDetails.text}`);
      if (m.method === "Log.entryAdded") complaints.push(`log: ${m.params.entry.text}`);
      if (m.method === "Network.requestWillBeSent" && m.params.request.url !== url && !m.params.request.url.startsWith("data:")) complaints.push(`request: ${m.params.request.url}`);
    }));
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await call(`${domain}.enable`);
    const size = { width: options.width, height: options.height ?? 900 };
    await call("Emulation.setDeviceMetricsOverride", { ...size, deviceScaleFactor: 1, mobile: options.width < 600 });
    await call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: options.dark ? "dark" : "light" }] });
    await call("Page.navigate", { url });
    await loaded;
    return {
      complaints,
      evaluate: async (expression) => (await call("Runtime.evaluate", { expression, returnByValue: true })).result.value,
      press: async (key) => { for (const type of ["keyDown", "keyUp"]) await call("Input.dispatchKeyEvent", { type, key, code: key, windowsVirtualKeyCode: key === "Tab" ? 9 : 13 }); },
      screenshot: async (name) => {
        const { data } = await call("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
        mkdirSync(artefacts, { recursive: true });
        writeFileSync(join(artefacts, ".gitignore"), "*\n");
        writeFileSync(join(artefacts, `${name}.png`), Buffer.from(data, "base64"));
      },
      print: async () => Buffer.from((await call("Page.printToPDF", { printBackground: false })).data, "base64").length,
    };
  }
  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.child.once("exit", () => resolve()));
    this.send("Browser.close").catch(() => undefined);
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5000))]);
    if (this.child.exitCode === null) this.child.kill("SIGKILL");
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
