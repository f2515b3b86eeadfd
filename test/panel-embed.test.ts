/** Panels in pages of their users: several, of a subject, with headers, moved, under a strict policy. */
import type { Page } from "playwright-core";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { definePanel, LivetailPanel } from "../src/panel/index.js";
import { ensureBuilt } from "./support/built.js";
import { lineTexts } from "./support/line-viewer.js";
import { openPanelPage, type PanelPage } from "./support/panel-page.js";
import { type RestartableOptions, startRestartableServer } from "./support/restartable-server.js";
import { until } from "./support/until.js";

vi.setConfig({ testTimeout: 90_000 });

const PATIENT_MS = 30_000;
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "require-trusted-types-for 'script'; trusted-types 'none'";

// The pages load the panel that was built.
beforeAll(ensureBuilt, 180_000);

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Serves a page with this body, which has the panel's script, under a policy that allows nothing inline. */
async function serve(body: string, options: RestartableOptions = {}) {
  const page = {
    headers: { "Content-Security-Policy": POLICY },
    html: `<!doctype html><html lang="en"><title>page</title>${body}<script src="/operations/-/panel.js"></script>`,
  };
  const server = await startRestartableServer({ authorize: () => true, ...options, page });
  open.push(() => server.close());
  return server;
}

async function visit(url: string): Promise<PanelPage> {
  const visitor = await openPanelPage(url);
  open.push(() => visitor.close());
  visitor.page.setDefaultTimeout(PATIENT_MS);
  return visitor;
}

const idOf = (name: string): string => `op_${name}_${"a".repeat(26)}`;
const status = (page: Page, text: string) => page.locator(".status", { hasText: text }).first().waitFor();
const hears = (visitor: PanelPage, messages: string[]) =>
  vi.waitFor(async () => expect(await visitor.messages()).toEqual(messages), { timeout: PATIENT_MS, interval: 20 });

describe("the module", () => {
  it("can be imported where there is no page, and defines nothing there", () => {
    expect(Reflect.get(globalThis, "customElements")).toBeUndefined();
    expect(definePanel()).toBeUndefined();
    expect(LivetailPanel.observedAttributes).toEqual(["src", "run-id", "subject-id"]);
  });
});

describe("seven panels in a page", () => {
  it("show each its own run to the end, under a policy that allows nothing inline", async () => {
    const ids = Array.from({ length: 7 }, (_, i) => idOf(`seven${i}`));
    const server = await serve(ids.map((id) => `<livetail-panel run-id="${id}"></livetail-panel>`).join(""));
    const runs = ids.map((id, i) => server.writing.createOperationRun("job", `seven-${i}`, { id }));
    for (const run of runs) run.log(`of ${run.id}`);
    await Promise.all(runs.map((run) => run.flush()));
    const visitor = await visit(server.origin);
    for (const [i, id] of ids.entries()) {
      const panel = visitor.page.locator("livetail-panel").nth(i);
      await panel.locator(".line", { hasText: `of ${id}` }).waitFor({ state: "attached" });
      await panel.locator(".operation", { hasText: `seven-${i}` }).waitFor({ state: "attached" });
    }
    await Promise.all(runs.map((run) => run.complete()));
    await until(
      async () => (await visitor.page.locator(".status[data-status=completed]").count()) === 7,
      "seven ends",
      PATIENT_MS,
    );
    expect((await visitor.events()).filter((name) => name === "complete")).toHaveLength(7);
    expect(visitor.faults).toEqual([]);
  });
});

describe("a panel of a subject", () => {
  it("waits for a run, shows the latest, and finds it again when the page is loaded anew", async () => {
    const server = await serve('<livetail-panel src="/operations/" subject-id="job 42"></livetail-panel>');
    const visitor = await visit(server.origin);
    await visitor.page.locator(".blank", { hasText: "Waiting for a run…" }).waitFor();
    const first = server.writing.createOperationRun("job 42", "first");
    first.log("of the first");
    await first.flush();
    await visitor.page.locator(".line", { hasText: "of the first" }).waitFor();
    await first.complete();
    const second = server.writing.createOperationRun("job 42", "second");
    second.log("of the second");
    await second.flush();
    await visitor.page.reload();
    await visitor.page.locator(".line", { hasText: "of the second" }).waitFor();
    await visitor.page.reload();
    await visitor.page.locator(".operation", { hasText: "second" }).waitFor();
    expect(visitor.faults).toEqual([]);
  });

  it("says why when runs may not be listed", async () => {
    const server = await serve('<livetail-panel subject-id="job"></livetail-panel>', {
      authorize: ({ action }) => action !== "list" || { status: 403, message: "Not for you." },
    });
    const visitor = await visit(server.origin);
    await visitor.page.locator(".blank", { hasText: "Not for you." }).waitFor();
    expect(await visitor.events()).toEqual(["error FORBIDDEN"]);
  });
});

describe("a panel in a page of its own kind", () => {
  it("takes properties that were set before it was defined, and headers that are asked for anew", async () => {
    const server = await serve("<div></div>", {
      authorize: ({ header, action }) => action === "asset" || header("x-key") === "2" || { status: 401 },
    });
    const run = server.writing.createOperationRun("job", "headers", { id: idOf("headers") });
    run.log("a secret");
    await run.flush();
    const visitor = await visit(server.origin);
    await visitor.page.evaluate((id) => {
      let asked = 0;
      const options = { headers: () => ({ "x-key": String(++asked > 1 ? 2 : 1) }) };
      const panel = document.createElement("livetail-panel");
      document.querySelector("div")?.append(Object.assign(panel, { runId: id, options }));
      // One that was made before the script was there has properties of its own.
      const early = document.createElement("early-panel");
      Object.assign(early, { runId: id, options });
      document.body.append(early);
      class Early extends (customElements.get("livetail-panel") as CustomElementConstructor) {}
      customElements.define("early-panel", Early);
    }, run.id);
    await visitor.page.locator("livetail-panel .line", { hasText: "a secret" }).waitFor({ state: "attached" });
    await visitor.page.locator("early-panel .line", { hasText: "a secret" }).waitFor({ state: "attached" });
    expect(await visitor.page.locator("early-panel").getAttribute("run-id")).toBe(run.id);
    const downloading = visitor.page.waitForEvent("download");
    await visitor.page.locator("livetail-panel").getByText("Download").click();
    expect((await downloading).suggestedFilename()).toBe(`${run.id}.ndjson`);
    await run.complete();
    expect(visitor.faults).toEqual([]);
  });

  it("says why when the run may not be read", async () => {
    const server = await serve(`<livetail-panel run-id="${idOf("refused")}"></livetail-panel>`, {
      authorize: ({ action }) => action === "asset" || { status: 403, message: "Not for you." },
    });
    const visitor = await visit(server.origin);
    await visitor.page.locator(".failure", { hasText: "FORBIDDEN Not for you." }).waitFor();
    await visitor.page.locator(".connection", { hasText: "refused" }).waitFor();
    expect(await visitor.events()).toEqual(["error FORBIDDEN"]);
  });

  it("goes on where it was when it is moved, and begins anew with another run", async () => {
    const ids = [idOf("moved"), idOf("next")];
    const server = await serve(`<livetail-panel run-id="${ids[0]}"></livetail-panel><main></main>`);
    const [moved, next] = ids.map((id) => server.writing.createOperationRun("job", "moved", { id }));
    for (const line of lineTexts(2)) moved?.log(line);
    next?.log("another");
    await moved?.flush();
    const visitor = await visit(server.origin);
    await hears(visitor, lineTexts(2));
    await visitor.page.evaluate(() => {
      const panel = document.querySelector("livetail-panel");
      if (panel) document.querySelector("main")?.append(panel);
    });
    for (const line of lineTexts(4).slice(2)) moved?.log(line);
    await hears(visitor, lineTexts(4));
    await visitor.page.evaluate(
      (id) => document.querySelector("livetail-panel")?.setAttribute("run-id", id),
      ids[1] ?? "",
    );
    await visitor.page.locator(".line", { hasText: "another" }).waitFor();
    expect(await visitor.messages()).toEqual([...lineTexts(4), "another"]);
    await moved?.complete();
    await next?.complete();
    await status(visitor.page, "completed");
    expect(visitor.faults).toEqual([]);
  });

  it("asks for nothing once it was taken away", async () => {
    const server = await serve(`<livetail-panel run-id="${idOf("away")}"></livetail-panel>`);
    const run = server.writing.createOperationRun("job", "away", { id: idOf("away") });
    run.log("line");
    await run.flush();
    const visitor = await visit(server.origin);
    await hears(visitor, ["line"]);
    await until(() => server.serving.handler.viewers() === 1, "a held poll", PATIENT_MS);
    await visitor.page.evaluate(() => document.querySelector("livetail-panel")?.remove());
    await until(() => server.serving.handler.viewers() === 0, "its end", PATIENT_MS);
    const asked = server.asked.length;
    await run.complete();
    expect(await visitor.page.evaluate(() => fetch("/other").then(({ status }) => status))).toBe(200);
    expect(server.asked).toHaveLength(asked);
  });

  it("is written in either direction", async () => {
    const server = await serve(`<div dir="rtl"><livetail-panel run-id="${idOf("rtl")}"></livetail-panel></div>`);
    const run = server.writing.createOperationRun("job", "rtl", { id: idOf("rtl") });
    run.log("سطر من اليمين");
    run.layer("طبقة", "running");
    await run.flush();
    const visitor = await visit(server.origin);
    await visitor.page.locator(".layer", { hasText: "طبقة" }).waitFor();
    const sides = await visitor.page.evaluate(() => {
      const root = document.querySelector("livetail-panel")?.shadowRoot;
      const left = (part: string) => root?.querySelector(part)?.getBoundingClientRect().left ?? 0;
      return left(".status") > left(".connection");
    });
    expect(sides).toBe(true);
    await run.complete();
  });
});
