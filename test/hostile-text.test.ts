import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { harmless } from "../src/cli/harmless.js";
import { readTailCall, tail } from "../src/cli/tail.js";
import type { ListAnswer, LogEntry, PollAnswer } from "../src/protocol.js";
import { HOSTILE_TEXTS, PAGE_ATTACKS } from "./fixtures/hostile-text.js";
import { launchBrowser } from "./support/browser.js";
import { ensureBuilt } from "./support/built.js";
import { createTestIo, startCli } from "./support/cli.js";
import { type HostileScene, startHostileScene } from "./support/hostile-scene.js";
import { json, startScriptedServer } from "./support/scripted-server.js";

const README = readFileSync(fileURLToPath(new URL("../README.md", import.meta.url)), "utf8");

let scene: HostileScene;
const cleanups: (() => Promise<unknown>)[] = [];

// The pages load the client that was built.
beforeAll(ensureBuilt);

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function setScene(options?: Parameters<typeof startHostileScene>[0]): Promise<void> {
  scene = await startHostileScene(options);
  cleanups.push(() => scene.close());
}

/** A page, and whatever happens in it that no text may bring about. */
async function openPage(path: string): Promise<{ page: Page; faults: string[]; policy: string | undefined }> {
  const browser = await launchBrowser();
  const page = await browser.newPage();
  cleanups.push(() => page.close());
  const faults: string[] = [];
  page.on("dialog", (dialog) => {
    faults.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("pageerror", (error) => faults.push(`error ${error}`));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console ${message.text()}`);
  });
  page.on("popup", () => faults.push("popup"));
  page.on("framenavigated", (frame) => {
    if (frame.url() !== scene.origin + path) faults.push(`navigated to ${frame.url()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(`${scene.origin}/`)) faults.push(`request ${request.url()}`);
  });
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy ${event.blockedURI}`));
  });
  const response = await page.goto(scene.origin + path);
  return { page, faults, policy: response?.headers()["content-security-policy"] };
}

/** Asserts that nothing of the text was obeyed, once everything that it could have set going has come about. */
async function expectInert(page: Page, faults: string[]): Promise<void> {
  await page.mouse.move(200, 200);
  await page.evaluate(async () => {
    await Promise.allSettled([...document.images].map((image) => image.decode()));
    for (let turn = 0; turn < 3; turn += 1) await new Promise((next) => setTimeout(next, 20));
  });
  expect(await page.evaluate(() => Reflect.get(globalThis, "__pwned"))).toBeUndefined();
  expect(faults).toEqual([]);
}

/** What a text is after an HTML parser has read it: the standard says so of line ends and NUL. */
const parsed = (text: string): string => text.replace(/\r\n?/g, "\n").replaceAll("\0", "");

/** The names of all elements in the page with their number. */
const elements = (page: Page): Promise<Record<string, number>> =>
  page.evaluate(() => {
    const counts: Record<string, number> = {};
    for (const { localName } of document.querySelectorAll("*")) counts[localName] = (counts[localName] ?? 0) + 1;
    return counts;
  });

/** The elements that the panel is made of; no text adds another one. */
const PANEL_ELEMENTS = [
  ...["a", "b", "bdi", "button", "code", "details", "div", "h2", "header", "input", "li", "ol", "option"],
  ...["p", "select", "span", "summary", "table", "td", "th", "time", "tr"],
];

/** Scrolls through all lines of a panel, unfolding them; resolves to those that were seen, and to all names of elements. */
function walk(page: Page): Promise<{ rows: number[]; names: string[] }> {
  return page.evaluate(async () => {
    const root = document.querySelector("livetail-panel")?.shadowRoot;
    const lines = root?.querySelector(".lines");
    if (!root || !lines) throw new Error("There is no panel.");
    const rows = new Set<number>();
    const names = new Set<string>();
    const frame = () => new Promise((next) => requestAnimationFrame(next));
    lines.scrollTop = 0;
    for (;;) {
      await frame();
      await frame();
      for (const { localName } of root.querySelectorAll("*")) names.add(localName);
      for (const number of root.querySelectorAll("a.number")) rows.add(Number(number.textContent));
      if (lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 1) break;
      lines.scrollTop += lines.clientHeight / 2;
    }
    return { rows: [...rows].sort((a, b) => a - b), names: [...names].sort() };
  });
}

async function entriesOf(runId: string): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for (;;) {
    const response = await fetch(`${scene.origin}/operations/${runId}?since=${entries.length}&limit=1000`);
    const { logs, total_count } = (await response.json()) as PollAnswer;
    entries.push(...logs);
    if (entries.length >= total_count) return entries;
  }
}

describe("the corpus of hostile texts", () => {
  it("would run in a page that took text for markup, so that a page in which nothing runs proves something", async () => {
    await setScene();
    scene.html = "<!doctype html><div id=here></div>";
    const { page } = await openPage("/careless");
    const obeyed = await page.evaluate(
      async (texts) => {
        let count = 0;
        for (const text of texts) {
          // A frame for each: what one text has done must not be counted for another.
          const frame = document.createElement("iframe");
          document.body.append(frame);
          const inside = frame.contentWindow as Window & { __pwned?: unknown };
          frame.contentDocument?.write(text);
          frame.contentDocument?.close();
          await new Promise((next) => setTimeout(next, 5));
          const outside = globalThis as { __pwned?: unknown };
          let ran = outside.__pwned !== undefined;
          try {
            ran ||= inside.__pwned !== undefined;
          } catch {
            // It has sent its frame elsewhere.
            ran = true;
          }
          if (ran) count += 1;
          delete outside.__pwned;
          frame.remove();
        }
        return count;
      },
      PAGE_ATTACKS.map(({ text }) => text),
    );
    expect(PAGE_ATTACKS.length + HOSTILE_TEXTS.length).toBeGreaterThan(160);
    expect(obeyed).toBeGreaterThan(12);
  });
});

describe("hostile text in a page", () => {
  it("is text in the page of a run: in lines and layers, history and live", async () => {
    await setScene();
    const run = await scene.sayEverything();
    const { page, faults, policy } = await openPage(`/operations/${run.id}/view`);
    // The pointer is over the list afterwards, and text must not act because of that either.
    await page.locator(".line").first().waitFor();
    for (const { text } of HOSTILE_TEXTS) run.log(text, { live: true });
    await run.fail(Object.assign(new Error("</script><img src=x onerror=window.__pwned=1>"), { code: "<b>" }));
    await page.locator(".status[data-status=failed]").waitFor();
    await expectInert(page, faults);

    const entries = await entriesOf(run.id);
    const said = entries.map(({ message }) => message);
    for (const { name, text } of HOSTILE_TEXTS) expect(said, name).toContain(text.toWellFormed());
    const { rows, names } = await walk(page);
    expect(rows).toEqual(entries.map(({ index }) => index));
    expect(names).toEqual(PANEL_ELEMENTS);
    expect(await page.locator(".failure").textContent()).toBe("<b> </script><img src=x onerror=window.__pwned=1>");
    const layers = await page.locator(".layer bdi").allTextContents();
    for (const { name, text } of HOSTILE_TEXTS) expect(layers, name).toContain(text.slice(0, 256).toWellFormed());
    await expectInert(page, faults);
    expect(await elements(page)).toEqual({
      ...{ html: 1, head: 1, meta: 2, title: 1, style: 1, body: 1, main: 1, h1: 1, script: 1 },
      ...{ "livetail-panel": 1, p: 1, a: 1 },
    });
    expect(policy).toMatch(/^default-src 'none'; script-src 'nonce-[\w+/]{24}'; style-src 'nonce-[\w+/]{24}'; /);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
  });

  it("is text in the list of runs: subjects, operations and errors", async () => {
    await setScene({ authorize: () => true });
    const runs = await scene.nameEverything();
    // The page of a browser that asks for it.
    const { page, faults, policy } = await openPage("/operations/?limit=1000");
    await expectInert(page, faults);
    // Below the element stands the list for whoever runs no script.
    const rows = await page.evaluate(() =>
      [...document.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent)),
    );
    expect(rows).toHaveLength(runs.length);
    for (const { name, text } of HOSTILE_TEXTS) {
      const kept = text.slice(0, 256).toWellFormed();
      const row = rows.find(([, , operation]) => operation === parsed(kept));
      expect(row?.slice(1, 4), name).toEqual(["failed", parsed(kept), parsed(kept)]);
      expect(row?.[6], name).toBe(parsed(text.toWellFormed()));
    }
    const hrefs = await page.evaluate(() =>
      [...document.querySelectorAll("tbody a")].map((link) => link.getAttribute("href")),
    );
    expect(hrefs.sort()).toEqual(runs.map(({ id }) => `./${id}/view`).sort());
    const count = runs.length;
    expect(await elements(page)).toEqual({
      ...{ html: 1, head: 1, meta: 2, title: 1, style: 1, body: 1, main: 1, h1: 1, script: 1, "livetail-runs": 1 },
      ...{ table: 1, thead: 1, tbody: 1, th: 7, tr: count + 1, td: 7 * count, a: count },
    });

    await page.locator("livetail-runs .run").first().waitFor();
    const shown = await page.evaluate(() => {
      const root = document.querySelector("livetail-runs")?.shadowRoot as ShadowRoot;
      const texts = (row: Element) => [...row.querySelectorAll("bdi")].map((text) => text.textContent ?? "");
      const names = new Set([...root.querySelectorAll("*")].map((element) => element.localName));
      return { rows: [...root.querySelectorAll(".run")].map(texts), names: [...names].sort() };
    });
    const said = HOSTILE_TEXTS.map(({ text }) => {
      const kept = text.slice(0, 256).toWellFormed();
      return [kept, `${kept} ${text.toWellFormed()}`, kept];
    });
    expect(shown.rows.sort()).toEqual(said.sort());
    expect(shown.names).toEqual([
      ...["a", "bdi", "button", "div", "input", "option", "p", "select", "span"],
      ...["table", "tbody", "td", "th", "thead", "time", "tr"],
    ]);
    await expectInert(page, faults);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
  });

  it("is text in the README's five lines, in a page without any policy", async () => {
    await setScene();
    const run = await scene.sayEverything();
    await run.complete();
    const snippet = /```html\n([\s\S]*?)```/.exec(README)?.[1] ?? "";
    expect(snippet).toContain("/operations/-/client.js");
    scene.html = `<!doctype html><title>x</title><ol id="list"></ol>
<script>const runId = ${JSON.stringify(run.id)}; const list = document.getElementById("list");</script>\n${snippet}`;
    const { page, faults, policy } = await openPage("/page");
    expect(policy).toBeUndefined();
    await page.waitForFunction(() => document.getElementById("list")?.lastChild?.nodeType === Node.TEXT_NODE);
    await expectInert(page, faults);
    const entries = await entriesOf(run.id);
    const shown = await page.$$eval("#list li", (items) => items.map((item) => item.textContent));
    expect(shown).toEqual(entries.map(({ message }) => message));
    expect(await elements(page)).toEqual({
      ...{ html: 1, head: 1, title: 1, body: 1, ol: 1, script: 3, li: entries.length },
    });
  });
});

describe("hostile text in JSON", () => {
  it("is what it was, under headers that let no browser take it for a page", async () => {
    await setScene({
      authorize: () => true,
      ownerId: PAGE_ATTACKS.map(({ text }) => text).join(""),
      ownerUrl: "javascript:window.__pwned=1//\r\nX-Injected: 1",
    });
    const runs = await scene.nameEverything();
    const done = scene.livetail.createOperationRun("s", "op");
    const result = Object.fromEntries(HOSTILE_TEXTS.map(({ name, text }) => [name, { [text]: text }]));
    await done.complete(result);
    const types: Record<string, string> = {
      "": "application/json; charset=utf-8",
      "/status": "application/json; charset=utf-8",
      "/result": "application/json; charset=utf-8",
      "/download": "application/x-ndjson; charset=utf-8",
      "/stream": "text/event-stream; charset=utf-8",
      "/view": "text/html; charset=utf-8",
    };
    for (const [path, type] of Object.entries(types)) {
      const { headers } = await fetch(`${scene.origin}/operations/${done.id}${path}`);
      expect([path, headers.get("content-type")]).toEqual([path, type]);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe(path === "/stream" ? "no-cache, no-transform" : "no-store");
      expect(headers.get("x-injected")).toBeNull();
    }
    const json = async (path: string) => (await fetch(`${scene.origin}/operations/${path}`)).json();
    expect(await json(`${done.id}/result`)).toEqual(result);
    expect(await json(done.id)).toMatchObject({ owner: { url: "javascript:window.__pwned=1//\r\nX-Injected: 1" } });
    const list = (await json("?limit=1000")) as ListAnswer;
    for (const [i, { name, text }] of HOSTILE_TEXTS.entries()) {
      const { id } = runs[i] ?? {};
      const kept = text.slice(0, 256).toWellFormed();
      const status = (await json(`${id}/status`)) as Record<string, unknown>;
      expect(status, name).toMatchObject({
        ...{ operation: kept, subject_id: kept, error: text.toWellFormed(), error_code: kept },
        metadata: { deep: [text.toWellFormed()] },
      });
      expect(list.runs.find(({ run_id }) => run_id === id)?.operation, name).toBe(kept);
      // Whoever is told of the failure is told it as text of a problem.
      const refused = await fetch(`${scene.origin}/operations/${id}/result`);
      expect([refused.status, refused.headers.get("content-type")]).toEqual([
        409,
        "application/problem+json; charset=utf-8",
      ]);
      expect(((await refused.json()) as { detail: string }).detail, name).toContain(text.toWellFormed());
    }
  });
});

describe("hostile text in a terminal", () => {
  /** What `livetail tail` prints of a run. */
  async function tailed(url: string, env: NodeJS.ProcessEnv, ...more: string[]) {
    const io = createTestIo({ env, realClock: true });
    const call = readTailCall([url, ...more], io.env);
    if (call === null) throw new Error("Help was not wanted.");
    await tail(call, io);
    return io.printed;
  }

  // biome-ignore-start lint/suspicious/noControlCharactersInRegex: these are what is looked for
  const COLOURS = /\u001b\[[0-9;:]*m/g;
  /** What acts on a terminal: control characters but newline and tab, and what turns the direction of text. */
  const ACTS = /(?![\n\t])[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;
  const acting = (text: string): string[] => text.match(ACTS) ?? [];
  // biome-ignore-end lint/suspicious/noControlCharactersInRegex: see above

  it("acts on nothing: not in lines, layers, the summary or JSON, with colours or without", async () => {
    await setScene({ ownerId: HOSTILE_TEXTS.map(({ text }) => text).join("") });
    const run = await scene.sayEverything();
    await run.fail(new Error(HOSTILE_TEXTS.map(({ text }) => text).join("")));
    const url = `${scene.origin}/operations/${run.id}/view`;

    const plain = await tailed(url, { NO_COLOR: "1" });
    expect(acting(plain.stdout)).toEqual([]);
    expect(acting(plain.stderr)).toEqual([]);
    const coloured = await tailed(url, { FORCE_COLOR: "1" });
    expect(acting(coloured.stdout.replace(COLOURS, ""))).toEqual([]);
    expect(acting(coloured.stderr.replace(COLOURS, ""))).toEqual([]);
    const told = await tailed(url, { FORCE_COLOR: "1" }, "--json");
    expect(acting(told.stdout)).toEqual([]);
    expect(acting(told.stderr.replace(COLOURS, ""))).toEqual([]);

    // It is all there: what is harmless of every text, and in JSON every text as it was.
    for (const { name, text } of HOSTILE_TEXTS) {
      const [first = ""] = text.toWellFormed().split("\n");
      expect(plain.stdout.includes(harmless(first, false)), name).toBe(true);
    }
    const entries = told.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(entries).toEqual(await entriesOf(run.id));
    for (const { name, text } of HOSTILE_TEXTS) {
      expect(
        plain.stderr.includes(`  ✖ ${harmless(text.slice(0, 256).toWellFormed(), false)}  failed  1/2  `),
        name,
      ).toBe(true);
    }
  });

  it("hides no later line by a colour that it leaves on", async () => {
    await setScene();
    const run = scene.livetail.createOperationRun("subject", "operation");
    const left = ["\u001b[8mhidden", "\u001b[30;40mblack", "\u001b[0m\u001b[7m", "\u001b[31mred\u001b[0mx\u001b[2m"];
    for (const text of [...left, "\u001b[32mgreen\u001b[0m", "\u001b[32mgreen\u001b[m", "plain"])
      run.logOutput(text, "stdout");
    await run.complete();
    const { stdout } = await tailed(`${scene.origin}/operations/${run.id}`, { FORCE_COLOR: "1" });
    expect(stdout.split("\n")).toEqual([
      ...left.map((text) => `${text}\u001b[0m`),
      ...["\u001b[32mgreen\u001b[0m", "\u001b[32mgreen\u001b[m", "plain", ""],
    ]);
  });

  it("acts on nothing when it is the server that is hostile", async () => {
    const evil = HOSTILE_TEXTS.map(({ text }) => text).join("");
    const server = await startScriptedServer((_asked, response) => {
      const entry = {
        index: 5,
        timestamp: evil,
        level: evil,
        source: evil,
        message: evil,
        raw: evil,
        metadata: {},
        event: evil,
      };
      const state = {
        ...{ run_id: evil, operation: evil, subject_id: evil, status: "failed", error: evil, error_code: evil },
        layer_status: { [evil]: { status: "running", order: 0, message: evil } },
        backend_stats: { backends: { [evil]: ZERO }, total: ZERO },
        owner: { id: evil, url: evil, state: "none", attempt: 1 },
        ...{ cancel_requested: false, late_lines: 0, expected_log_count: 6 },
        ...{ logs: [entry], cursor: "aaaa.6.1", next_index: 6, first_index: 5, total_count: 6, next_poll_ms: 10 },
        ...{ gap: null, reset: { reason: evil, first_index: 5 } },
      };
      json(response, state);
    });
    cleanups.push(() => server.stop());
    // Not a stream: what is no stream ends, and the next request is a poll.
    const envs = [{ NO_COLOR: "1" }, { FORCE_COLOR: "1" }];
    for (const { stdout, stderr } of await Promise.all(envs.map((env) => tailed(`${server.base}/op_evil`, env)))) {
      expect(stdout).toContain("sudo password");
      expect(stderr).toContain("began anew at line 5");
      expect(acting(stdout.replace(COLOURS, ""))).toEqual([]);
      expect(acting(stderr.replace(COLOURS, ""))).toEqual([]);
    }
  });

  it("acts on nothing when it is in a URL or an option that somebody was given to paste", async () => {
    const pasted = [
      ["http://127.0.0.1:9/x/%1b%5d0;pwned%07%c2%9b2J"],
      ["op_x", "--url", "\u001b[2Jx"],
      ["--\u001b[2J"],
    ];
    const started = pasted.map((args) => startCli(["tail", ...args]));
    for (const cli of started) {
      expect(await cli.ended).toBe(64);
      expect(cli.stderr).toContain("livetail: ");
      expect(acting(cli.stdout + cli.stderr)).toEqual([]);
    }
  });
});

const ZERO = { calls: 0, errors: 0, cost_usd: 0, unpriced_calls: 0 };
