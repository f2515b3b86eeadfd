/** The panel in a real browser, at a real server: what it shows, and what a user does with it. */
import axe from "axe-core";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Run } from "../src/run.js";
import { ensureBuilt } from "./support/built.js";
import { lineTexts } from "./support/line-viewer.js";
import { openPanelPage, type PanelPage, type PanelPageOptions } from "./support/panel-page.js";
import {
  type RestartableOptions,
  type RestartableServer,
  startRestartableServer,
} from "./support/restartable-server.js";
import { until } from "./support/until.js";

vi.setConfig({ testTimeout: 90_000 });

const PATIENT_MS = 30_000;

// The pages load the panel that was built.
beforeAll(ensureBuilt, 180_000);

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function serve(options: RestartableOptions = {}): Promise<RestartableServer> {
  const server = await startRestartableServer(options);
  open.push(() => server.close());
  return server;
}

async function visit(url: string, options?: PanelPageOptions): Promise<PanelPage> {
  const visitor = await openPanelPage(url, options);
  open.push(() => visitor.close());
  visitor.page.setDefaultTimeout(PATIENT_MS);
  return visitor;
}

/** Opens the page of a run. */
const view = (server: RestartableServer, run: Run, hash = "", options?: PanelPageOptions): Promise<PanelPage> =>
  visit(`${server.base}/${run.id}/view${hash}`, options);

/** Waits until a part of the panel says this, or something like it. */
async function says({ page }: PanelPage, part: string, text: string | RegExp): Promise<void> {
  const found = page
    .locator(part)
    .filter(typeof text === "string" ? { hasText: new RegExp(`^\\s*${text}\\s*$`) } : { hasText: text });
  await found.first().waitFor({ state: "attached" });
}

const hears = (visitor: PanelPage, messages: string[]): Promise<void> =>
  until(async () => (await visitor.messages()).length >= messages.length, `${messages.length} lines`, PATIENT_MS).then(
    async () => expect(await visitor.messages()).toEqual(messages),
  );

describe("the page of a run", () => {
  it("shows status, layers, cost and lines as they come, under a strict policy and Trusted Types", async () => {
    const server = await serve();
    const run = server.writing.createOperationRun("job-42", "generate-cv");
    run.layer("fetch", "running", "half", { current: 1, total: 2 });
    run.layer("write", "pending");
    run.log("first");
    await run.flush();
    const visitor = await view(server, run);
    await says(visitor, ".status", "◐ running");
    await says(visitor, ".operation", "generate-cv");
    await says(visitor, ".subject", "job-42");
    await says(visitor, ".owner", "owner live");
    await says(visitor, ".connection", "live");
    await says(visitor, ".layer[data-status=running]", /fetch.*1\/2/);
    await says(visitor, ".line", /first/);
    expect(await visitor.page.locator(".costs").isVisible()).toBe(false);
    expect(await visitor.page.locator(".cancel").isVisible()).toBe(false);

    run.log({ message: "scored", backend: "openrouter", cost_usd: 0.002 });
    run.logger.llmCallError({ backend: "claude_cli", stepName: "grader" }, new Error("overloaded"));
    run.layer("fetch", "success");
    run.layer("write", "failed", "no paper");
    await run.fail(Object.assign(new Error("the printer is on fire"), { code: "PRINTER" }));
    await says(visitor, ".status", "✗ failed");
    await says(visitor, ".failure", "PRINTER the printer is on fire");
    await says(visitor, ".layer[data-status=success]", /✓\s*fetch/);
    await says(visitor, ".layer[data-status=failed]", /✗\s*write/);
    await says(visitor, ".total", /^\s*\$0\.002\s*2 calls\s*1 error\s*1 unpriced$/);
    const rows = await visitor.page.locator(".backends tr").allTextContents();
    expect(rows).toEqual(["BackendCallsErrorsCost", "openrouter10$0.002", "claude_cli111 unpriced"]);
    expect(await visitor.page.locator(".connection").isVisible()).toBe(false);
    await says(visitor, ".elapsed", /\d+(ms|s)$/);
    expect(await visitor.events()).toEqual(["status running", "status failed", "complete"]);
    expect(visitor.faults).toEqual([]);
  });

  it("goes on by itself when the server was away: it says so, and has each line once", async () => {
    const server = await serve();
    const run = server.writing.createOperationRun("job", "restart");
    for (const line of lineTexts(3)) run.log(line);
    await run.flush();
    const visitor = await view(server, run);
    await hears(visitor, lineTexts(3));
    await server.kill();
    await says(visitor, ".connection", "reconnecting");
    for (const line of lineTexts(6).slice(3)) run.log(line);
    await run.flush();
    const asked = server.asked.length;
    await server.start();
    await says(visitor, ".connection", "live");
    // A server that is back and has no news would hold a poll, and nobody would know for as long that it is back.
    expect(server.asked[asked]?.url).toContain("wait=0");
    await hears(visitor, lineTexts(6));
    await run.complete();
    await says(visitor, ".status", "✓ completed");
    expect(await visitor.messages()).toEqual(lineTexts(6));
    expect(await visitor.events()).toEqual(["status running", "error NO_ANSWER", "status completed", "complete"]);
    expect(visitor.faults).toEqual([]);
  });

  it("says when the browser is offline", async () => {
    const server = await serve();
    const run = server.writing.createOperationRun("job", "offline");
    run.log("line 0");
    await run.flush();
    const visitor = await view(server, run);
    await says(visitor, ".connection", "live");
    await visitor.page.context().setOffline(true);
    await says(visitor, ".connection", "offline");
    await visitor.page.context().setOffline(false);
    await says(visitor, ".connection", "live");
  });

  it("shows what is missing as a row, and begins anew when the numbering does", async () => {
    const server = await serve({ maxLines: 10 });
    const run = server.writing.createOperationRun("job", "gap", { id: `op_gap_${"a".repeat(26)}` });
    for (const line of lineTexts(510)) run.log(line);
    await run.flush();
    const visitor = await view(server, run);
    await hears(visitor, lineTexts(510).slice(500));
    await says(visitor, ".note", /500 earlier lines/);
    await says(visitor, ".missing", "500 lines missing");
    expect(await visitor.events()).toEqual(["gap", "status running"]);
    await server.forgetEverything();
    const again = server.writing.createOperationRun("job", "gap", { id: run.id });
    again.log("anew");
    await again.flush();
    await until(async () => (await visitor.events()).includes("reset"), "a reset", PATIENT_MS);
    await says(visitor, ".line", /anew/);
    await says(visitor, ".missing", "");
    await until(
      async () => (await visitor.page.locator(".line", { hasText: "line 509" }).count()) === 0,
      "an empty list",
    );
    expect(visitor.faults).toEqual([]);
  });

  it("waits for a run that is not stored yet", async () => {
    const server = await serve();
    const visitor = await visit(`${server.base}/op_later_${"a".repeat(26)}/view`);
    await says(visitor, ".status", "○ waiting");
    const run = server.writing.createOperationRun("job", "later", { id: `op_later_${"a".repeat(26)}` });
    run.log("here");
    await says(visitor, ".line", /here/);
    await run.complete();
    await says(visitor, ".status", "✓ completed");
  });
});

describe("cancelling", () => {
  it("takes two clicks, and ends the run", async () => {
    const server = await serve({ authorize: () => true });
    const run = server.writing.createOperationRun("job", "cancel");
    run.start();
    await run.flush();
    run.signal.addEventListener("abort", () => void run.fail(run.signal.reason));
    const visitor = await view(server, run);
    const button = visitor.page.locator(".cancel");
    await button.click();
    expect(await button.textContent()).toBe("Really cancel?");
    expect(run.signal.aborted).toBe(false);
    await button.click();
    await says(visitor, ".status", "⊘ cancelled");
    expect(run.signal.aborted).toBe(true);
    await button.waitFor({ state: "hidden" });
  });

  it("that is refused says why", async () => {
    const server = await serve({
      authorize: ({ action }) => action !== "cancel" || { status: 403, message: "Not yours." },
    });
    const run = server.writing.createOperationRun("job", "cancel");
    run.start();
    await run.flush();
    const visitor = await view(server, run);
    await visitor.page.locator(".cancel").click();
    await visitor.page.locator(".cancel").click();
    await says(visitor, ".toast", "Not yours.");
    await says(visitor, ".status", "◐ running");
    expect(await visitor.page.locator(".cancel").isVisible()).toBe(true);
    expect(run.signal.aborted).toBe(false);
    await run.complete();
  });
});

describe("reading", () => {
  async function viewLines(number: number, hash?: string) {
    const server = await serve();
    const run = server.writing.createOperationRun("job", "reading");
    for (const line of lineTexts(number)) run.log(line);
    await run.flush();
    const visitor = await view(server, run, hash);
    await hears(visitor, lineTexts(number));
    return { run, visitor, page: visitor.page };
  }
  const shows = ({ page }: PanelPage, text: string) =>
    page
      .locator(".line", { hasText: new RegExp(`${text}$`) })
      .first()
      .waitFor({ state: "visible" });

  it("finds by keys: / begins, Enter and n go on, N goes back, Escape ends", async () => {
    const { visitor, page } = await viewLines(300);
    await page.keyboard.press("/");
    await page.keyboard.type("line 12");
    await says(visitor, ".found", /\/11$/);
    await page.keyboard.press("Enter");
    const found = () => page.locator(".found").textContent();
    const first = await found();
    await page.locator(".lines").focus();
    await page.keyboard.press("n");
    await until(async () => (await found()) !== first, "the next match");
    await page.keyboard.press("N");
    await until(async () => (await found()) === first, "the match before");
    await page.keyboard.press("/");
    await page.keyboard.press("Escape");
    await says(visitor, ".found", "");
    expect(await page.locator(".search").inputValue()).toBe("");
  });

  it("follows the end until it is let go by f, counts what came, and goes on by End", async () => {
    const { run, visitor, page } = await viewLines(300);
    await shows(visitor, "line 299");
    const follows = (pressed: boolean) => page.getByRole("button", { name: "Follow", pressed }).waitFor();
    await follows(true);
    await page.keyboard.press("f");
    await follows(false);
    run.log("line 300");
    run.log("line 301");
    await says(visitor, ".fresh", "2 new lines ↓");
    await page.keyboard.press("End");
    await shows(visitor, "line 301");
    await follows(true);
    await page.locator(".fresh").waitFor({ state: "hidden" });
  });

  it("stands still while it is paused", async () => {
    const { run, visitor, page } = await viewLines(3);
    await page.getByRole("button", { name: "Pause" }).click();
    await says(visitor, ".connection", "paused");
    run.log("line 3");
    await says(visitor, ".fresh", "1 new line ↓");
    expect(await page.locator(".line", { hasText: "line 3" }).count()).toBe(0);
    await page.locator(".fresh").click();
    await shows(visitor, "line 3");
    await says(visitor, ".connection", "live");
  });

  it("goes to the lines that the address names, and names those that are chosen", async () => {
    const { visitor, page } = await viewLines(400, "#L120-L121");
    await shows(visitor, "line 120");
    await says(visitor, ".chosen", /^#L120-L121/);
    await page.evaluate(() => {
      location.hash = "#L7";
    });
    await shows(visitor, "line 7");
    await says(visitor, ".chosen", /^#L7/);
    await page.getByRole("button", { name: "Choose no lines" }).click();
    expect(new URL(page.url()).hash).toBe("");
    await page
      .locator(".line", { hasText: /line 9$/ })
      .first()
      .locator("a.number")
      .click();
    await says(visitor, ".chosen", /^#L9/);
    expect(new URL(page.url()).hash).toBe("#L9");
  });

  it("shows only what the filter lets through", async () => {
    const server = await serve();
    const run = server.writing.createOperationRun("job", "filter");
    for (const level of ["debug", "info", "warn", "error"]) run.log({ message: `a ${level}`, level });
    await run.flush();
    const visitor = await view(server, run);
    await says(visitor, ".line", /a error/);
    const { page } = visitor;
    await page.locator(".filter summary").click();
    await page.getByLabel("warn").check();
    await says(visitor, ".filter summary", "Filter · 1");
    await until(async () => (await page.locator(".line").allTextContents()).length === 1, "one line");
    expect(await page.locator(".line").allTextContents()).toEqual([expect.stringContaining("a warn")]);
    await page.getByRole("button", { name: "Show all" }).click();
    await says(visitor, ".filter summary", "Filter");
    await says(visitor, ".line", /a debug/);
    await page.keyboard.press("Escape");
    expect(await page.locator(".filter .menu").isVisible()).toBe(false);
  });

  it("jumps to the lines of a layer", async () => {
    const server = await serve();
    const run = server.writing.createOperationRun("job", "layers");
    run.logger.layerStart("first");
    for (const line of lineTexts(300)) run.log(line);
    run.logger.layerStart("second");
    await run.flush();
    const visitor = await view(server, run);
    await shows(visitor, "line 299");
    await visitor.page.locator(".layer", { hasText: "first" }).click();
    await shows(visitor, "line 0");
  });

  it("downloads the kept lines", async () => {
    const { page, run } = await viewLines(3);
    const downloading = page.waitForEvent("download");
    await page.getByText("Download").click();
    expect((await downloading).suggestedFilename()).toBe(`${run.id}.ndjson`);
  });
});

describe("whoever cannot see or use a mouse", () => {
  it.each([
    ["light", { colorScheme: "light" as const }],
    ["dark", { colorScheme: "dark" as const }],
    ["narrow", { viewport: { width: 360, height: 700 } }],
  ])("meets no barrier that axe knows of: running, failed, with menus open (%s)", async (_name, options) => {
    const server = await serve({ maxLines: 40, authorize: () => true });
    const run = server.writing.createOperationRun("job", "barriers");
    for (const line of lineTexts(60)) run.log(line);
    run.layer("fetch", "success");
    run.layer("write", "running", "page 1", { current: 1, total: 3 });
    run.layer("print", "pending");
    run.logger.layerError("write", new Error("no paper"), { deep: { list: [1, true, null] } });
    run.logger.llmCallComplete({ backend: "claude_cli", step_name: "grader", cost_usd: 0.05, duration_ms: 1500 });
    run.log({ message: "\u001b[31mred\u001b[0m warning", level: "warn", backend: "langchain" });
    await run.flush();
    const visitor = await view(server, run, "", options);
    const { page } = visitor;
    await says(visitor, ".line", /warning/);
    await page.evaluate(axe.source);
    const violations = async () => {
      const found = await page.evaluate(() => Reflect.get(globalThis, "axe").run());
      return (found as axe.AxeResults).violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`,
      );
    };
    expect(await violations()).toEqual([]);
    await page.locator(".costs summary").click();
    expect(await violations()).toEqual([]);
    await page.keyboard.press("Escape");
    await page.locator(".filter summary").click();
    expect(await violations()).toEqual([]);
    await page.keyboard.press("Escape");
    await page.locator(".search").fill("line");
    await says(visitor, ".found", /\d$/);
    await page.locator("a.number").last().click();
    expect(await violations()).toEqual([]);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await run.fail(new Error("no paper"));
    await says(visitor, ".status", "✗ failed");
    expect(await violations()).toEqual([]);
    expect(visitor.faults).toEqual([]);
  });

  it("sees the layer that failed on a narrow screen, however many there are", async () => {
    const server = await serve();
    const run = server.writing.createOperationRun("job", "narrow");
    for (let i = 0; i < 30; i += 1) run.layer(`layer ${i}`, i === 20 ? "failed" : "pending");
    await run.flush();
    const visitor = await view(server, run, "", { viewport: { width: 360, height: 700 } });
    await says(visitor, ".layer[data-status=failed]", /layer 20/);
    const box = () => visitor.page.locator(".layer[data-status=failed]").boundingBox();
    await until(async () => {
      const { x = -1, width = 0 } = (await box()) ?? {};
      return x >= 0 && x + width <= 360;
    }, "the failed layer in sight");
    await run.complete();
  });

  it("is told where the run stands, and not each line", async () => {
    const server = await serve();
    const run = server.writing.createOperationRun("job", "spoken");
    run.layer("fetch", "running");
    run.log("a line");
    await run.flush();
    const visitor = await view(server, run);
    await says(visitor, ".said", "Run running, live, fetch running");
    expect(await visitor.page.locator("[role=log]").getAttribute("aria-live")).toBe("off");
    await run.fail(new Error("no paper"));
    await says(visitor, ".said", /Run failed.*no paper/);
  });
});
