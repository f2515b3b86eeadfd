/** The list of runs in a real browser, at a real server: what it shows, how it asks, and what a user does with it. */
import axe from "axe-core";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Authorize } from "../src/authorize.js";
import { defineRuns, LivetailRuns, type LivetailRunsEvents } from "../src/runs/index.js";
import { ensureBuilt } from "./support/built.js";
import { openPanelPage, type PanelPage, type PanelPageOptions } from "./support/panel-page.js";
import {
  type RestartableOptions,
  type RestartableServer,
  startRestartableServer,
} from "./support/restartable-server.js";
import { until } from "./support/until.js";

vi.setConfig({ testTimeout: 90_000 });

const PATIENT_MS = 30_000;
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "require-trusted-types-for 'script'; trusted-types 'none'";

// The pages load the list that was built.
beforeAll(ensureBuilt, 180_000);

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Serves a page with this body, which has the list's script, under a policy that allows nothing inline. */
async function serve(options: RestartableOptions = {}, body = "<livetail-runs></livetail-runs>") {
  const page = {
    headers: { "Content-Security-Policy": POLICY },
    html: `<!doctype html><html lang="en"><title>page</title><main><h1>Runs</h1>${body}</main><script src="/operations/-/runs.js"></script>`,
  };
  const server = await startRestartableServer({ authorize: () => true, ...options, page });
  open.push(() => server.close());
  return server;
}

/** Opens a page whose clock the test can put forward. */
async function visit(url: string, options?: PanelPageOptions): Promise<PanelPage> {
  const visitor = await openPanelPage(url, options, (page) => page.clock.install());
  open.push(() => visitor.close());
  visitor.page.setDefaultTimeout(PATIENT_MS);
  return visitor;
}

/** Starts a run that is stored when it is returned. */
async function started(server: RestartableServer, operation: string, subject = "job") {
  const run = server.writing.createOperationRun(subject, operation);
  run.start();
  await run.flush();
  return run;
}

const listed = (server: RestartableServer) => server.asked.filter(({ url }) => url.startsWith("/operations/?"));

/** Waits for what holds, and puts the page's clock forward meanwhile. */
async function soon({ page }: PanelPage, holds: () => Promise<void>): Promise<void> {
  const look = async () => {
    try {
      await holds();
    } catch (error) {
      await page.clock.fastForward(500);
      throw error;
    }
  };
  await vi.waitFor(look, { timeout: PATIENT_MS, interval: 20 });
}

/** Waits until the cells of the rows say this; `parts` names the cells. */
async function rows(visitor: PanelPage, parts: string[], wanted: string[]): Promise<void> {
  const { page } = visitor;
  const texts = () =>
    page
      .locator(".run")
      .evaluateAll(
        (all, parts) => all.map((row) => parts.map((part) => row.querySelector(`td.${part}`)?.textContent).join(" | ")),
        parts,
      );
  await soon(visitor, async () => expect(await texts()).toEqual(wanted));
}

/** Waits until a part says this. */
const says = (visitor: PanelPage, part: string, text: string | RegExp) =>
  soon(visitor, async () => {
    const found = visitor.page.locator(part, { hasText: text }).filter({ visible: true });
    expect(await found.count()).toBe(1);
  });

describe("the module", () => {
  it("can be imported where there is no page, and defines nothing there", () => {
    expect(Reflect.get(globalThis, "customElements")).toBeUndefined();
    expect(defineRuns()).toBeUndefined();
    expect(LivetailRuns.observedAttributes).toEqual(["src", "query"]);
  });
});

describe("the list of runs", () => {
  it("shows status, operation, subject, times and cost, and what changes, under a policy that allows nothing inline", async () => {
    const server = await serve();
    const visitor = await visit(server.origin);
    await says(visitor, ".blank", "There are no runs yet.");
    expect(await visitor.page.locator(".search").isVisible()).toBe(false);

    const first = await started(server, "import", "job-1");
    await rows(visitor, ["status", "operation", "subject", "cost"], ["◐ running | import | job-1 | "]);
    await says(visitor, ".started", /^(now|\ds ago)$/);
    await says(visitor, ".duration", /^\ds$/);
    first.log({ message: "scored", backend: "openrouter", cost_usd: 0.002 });
    first.log({ message: "scored", backend: "openrouter", cost_source: "unknown" });
    const waiting = server.writing.createOperationRun("job-2", "export", { handOver: true });
    await waiting.flush();
    await first.fail(Object.assign(new Error("the printer is on fire"), { code: "PRINTER" }));
    await rows(
      visitor,
      ["status", "operation", "subject", "duration", "cost"],
      [
        "○ queued | export | job-2 |  | ",
        expect.stringMatching(
          /^✗ failed \| importPRINTER the printer is on fire \| job-1 \| \S+ \| \$0\.002 \+ 1 unpriced$/,
        ),
      ],
    );
    await says(visitor, ".tally", "2 runs · 1 open");
    expect(visitor.faults).toEqual([]);
  });

  it("is the page for a browser, which without a script is a plain list", async () => {
    const server = await serve();
    const run = await started(server, "import");
    const visitor = await visit(`${server.base}/`);
    await rows(visitor, ["operation"], ["import"]);
    await visitor.page.locator(".open").click();
    await visitor.page.waitForURL(`${server.base}/${run.id}/view`);
    await visitor.page.locator("livetail-panel .operation", { hasText: "import" }).waitFor();
    expect(visitor.faults).toEqual([]);
    const plain = await visit(`${server.base}/?operation=import`, { javaScriptEnabled: false });
    await plain.page.locator("table a").click();
    await plain.page.waitForURL(`${server.base}/${run.id}/view`);
  });

  it("asks in its page for what the page was asked for", async () => {
    const server = await serve();
    const runs = [await started(server, "import"), await started(server, "export")];
    const visitor = await visit(`${server.base}/?operation=export`);
    await rows(visitor, ["operation"], ["export"]);
    await Promise.all(runs.map((run) => run.complete()));
  });

  it("opens a run by a click anywhere on its row and by Enter, unless the page takes it", async () => {
    const server = await serve();
    const run = await started(server, "import");
    const visitor = await visit(server.origin);
    const { page } = visitor;
    await page.evaluate(() => {
      const opened: unknown[] = [];
      Object.assign(globalThis, { opened });
      addEventListener("livetail-open", (event) => {
        opened.push((event as LivetailRunsEvents["livetail-open"]).detail.run_id);
        if (opened.length < 3) event.preventDefault();
      });
    });
    const opened = () => page.evaluate(() => Reflect.get(globalThis, "opened"));
    await page.locator(".run .subject").click({ position: { x: 2, y: 2 }, force: true });
    expect(await opened()).toEqual([run.id]);
    await page.locator("livetail-runs .open").focus();
    await page.keyboard.press("Enter");
    expect(await opened()).toEqual([run.id, run.id]);
    expect(page.url()).toBe(`${server.origin}/`);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${server.base}/${run.id}/view`);
    expect(visitor.faults).toEqual([]);
  });

  it("filters by text, status and operation, and says when nothing fits", async () => {
    const server = await serve();
    for (const operation of ["import", "export"]) await (await started(server, operation, "job-1")).complete();
    await started(server, "import", "job-2");
    const visitor = await visit(server.origin);
    const { page } = visitor;
    await rows(visitor, ["operation", "subject"], ["import | job-2", "export | job-1", "import | job-1"]);
    await page.getByLabel("Operation").selectOption("import");
    await rows(visitor, ["operation", "subject"], ["import | job-2", "import | job-1"]);
    await page.getByLabel("Status").selectOption("open");
    await rows(visitor, ["operation", "subject"], ["import | job-2"]);
    await says(visitor, ".tally", "1 of 3 runs · 1 open");
    await says(visitor, ".said", "1 of 3 runs shown");
    await page.locator(".search").fill("job-1");
    await says(visitor, ".blank", "None of the 3 runs fits.");
    await page.getByText("Show all").click();
    await rows(visitor, ["operation", "subject"], ["import | job-2", "export | job-1", "import | job-1"]);
  });

  it("is used by keys, and keeps the focus where it is when a run comes", async () => {
    const server = await serve({}, "<livetail-runs standalone></livetail-runs>");
    for (const subject of ["job-1", "job-2"]) await started(server, "import", subject);
    const visitor = await visit(server.origin);
    const { page } = visitor;
    await rows(visitor, ["subject"], ["job-2", "job-1"]);
    const focused = () =>
      page.evaluate(() => {
        const element = document.querySelector("livetail-runs")?.shadowRoot?.activeElement;
        return element?.closest("tr")?.querySelector(".subject")?.textContent ?? element?.localName;
      });
    const seen: unknown[] = [];
    for (const key of ["j", "ArrowDown", "j", "k", "/"]) {
      await page.keyboard.press(key);
      seen.push(await focused());
    }
    expect(seen).toEqual(["job-2", "job-1", "job-1", "job-2", "input"]);
    await page.keyboard.type("job-1j");
    await page.keyboard.press("Escape");
    await rows(visitor, ["subject"], ["job-2", "job-1"]);
    await page.keyboard.press("Escape");
    await page.keyboard.press("ArrowUp");
    expect(await focused()).toBe("job-2");
    await started(server, "import", "job-3");
    await rows(visitor, ["subject"], ["job-3", "job-2", "job-1"]);
    expect(await focused()).toBe("job-2");
  });

  it("also shows runs that are open for longer than the list reaches back", async () => {
    const server = await serve({}, '<livetail-runs query="limit=2"></livetail-runs>');
    await started(server, "old");
    for (const operation of ["a", "b"]) await (await started(server, operation)).complete();
    const visitor = await visit(server.origin);
    await rows(visitor, ["operation", "status"], ["b | ✓ completed", "a | ✓ completed", "old | ◐ running"]);
    await visitor.page.evaluate(() => document.querySelector("livetail-runs")?.setAttribute("query", "subject_id=x"));
    await says(visitor, ".blank", "There are no runs yet.");
    expect(listed(server).map(({ url }) => url.split("?")[1])).toEqual(
      expect.arrayContaining(["limit=2", "limit=2&status=open", "subject_id=x&limit=50"]),
    );
  });
});

describe("a list that gets no answer", () => {
  it.each([
    [401, "You are not signed in: Who are you?"],
    [403, "You may not see the runs: Who are you?"],
  ])("says what is missing at a %i, asks no more by itself, and again when it is told to", async (status, text) => {
    let verdict: ReturnType<Authorize> = { status, message: "Who are you?" };
    const server = await serve({ authorize: ({ action }) => action === "asset" || verdict });
    await started(server, "import");
    const visitor = await visit(server.origin);
    await says(visitor, ".blank", text);
    await says(visitor, ".said", text);
    expect(listed(server)).toHaveLength(1);
    verdict = true;
    await visitor.page.getByText("Try again").click();
    await rows(visitor, ["operation"], ["import"]);
  });

  it("says what an authorize has to be there for", async () => {
    const server = await startRestartableServer({
      page: { headers: {}, html: '<livetail-runs></livetail-runs><script src="/operations/-/runs.js"></script>' },
    });
    open.push(() => server.close());
    await says(
      await visit(server.origin),
      ".blank",
      "You may not see the runs: Without authorize nobody may list runs.",
    );
  });

  it("keeps its runs while the server is away, says so, and goes on when it is back", async () => {
    const server = await serve();
    const run = await started(server, "import");
    const visitor = await visit(server.origin);
    await rows(visitor, ["operation", "status"], ["import | ◐ running"]);
    await server.kill();
    await says(visitor, ".notice", "The server cannot be reached; it is asked again. This is the list of ");
    await rows(visitor, ["operation", "status"], ["import | ◐ running"]);
    await run.complete();
    await server.start();
    await rows(visitor, ["operation", "status"], ["import | ✓ completed"]);
    expect(await visitor.page.locator(".notice").isVisible()).toBe(false);
  });
});

describe("the pace of a list", () => {
  /** Lets the page's time pass, until what it asked is answered. */
  async function pass({ page }: PanelPage, ms: number): Promise<void> {
    await page.clock.runFor(ms);
    await page.evaluate(() => fetch("/other"));
  }

  it("grows slower while nothing changes, is fast again with news, and a look at nothing new carries no list", async () => {
    const statuses: number[] = [];
    const server = await serve({
      front(_request, response, next) {
        response.once("finish", () => statuses.push(response.statusCode));
        next();
      },
    });
    const run = await started(server, "import");
    const visitor = await visit(server.origin);
    await rows(visitor, ["operation"], ["import"]);
    for (let second = 0; second < 60; second += 2) await pass(visitor, 2000);
    // 2 s, 3 s, 4.5 s, … 10 s, each up to a fifth more.
    const idle = listed(server).length;
    expect(idle).toBeGreaterThanOrEqual(7);
    expect(idle).toBeLessThanOrEqual(11);
    expect(statuses.slice(1)).toEqual([200, ...Array(idle - 1).fill(304)]);
    await run.complete();
    await rows(visitor, ["status"], ["✓ completed"]);
    const fast = listed(server).length;
    await pass(visitor, 2500);
    await until(() => listed(server).length > fast, "a look after 2.4 s", PATIENT_MS);
  });

  it("asks for nothing while the page is hidden or the list is gone, and at once when it is shown again", async () => {
    const server = await serve();
    await started(server, "import");
    const visitor = await visit(server.origin);
    const { page } = visitor;
    await rows(visitor, ["operation"], ["import"]);
    // A headless browser shows all of its pages all of the time, and has no command to hide one.
    const show = (visible: boolean) =>
      page.evaluate((visible) => {
        Object.defineProperty(document, "hidden", { value: !visible, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, visible);
    await show(false);
    await pass(visitor, 60_000);
    expect(listed(server)).toHaveLength(1);
    await show(true);
    await until(() => listed(server).length === 2, "a look at once", PATIENT_MS);
    await page.evaluate(() => document.querySelector("livetail-runs")?.remove());
    await pass(visitor, 60_000);
    expect(listed(server)).toHaveLength(2);
  });

  it("has one request in flight, waits for as long as the server says, and longer and longer while it fails", async () => {
    let answer = 0;
    const server = await serve({
      front(request, response, next) {
        if (!request.url?.startsWith("/operations/?")) return next();
        answer += 1;
        // The first is held for good.
        if (answer === 2) response.writeHead(503, { "Retry-After": "7" }).end("{}");
        else if (answer > 2) response.writeHead(500).end("{}");
      },
    });
    const visitor = await visit(server.origin);
    await until(() => answer === 1, "the first request", PATIENT_MS);
    await visitor.page.evaluate(() => dispatchEvent(new Event("online")));
    await pass(visitor, 14_000);
    expect(answer).toBe(1);
    // It is given up, and the next one comes; timers of a signal are the browser's own.
    await soon(visitor, async () => expect(answer).toBe(2));
    await says(visitor, ".blank", "The server cannot be reached; it is asked again.");
    await pass(visitor, 6000);
    expect(answer).toBe(2);
    await soon(visitor, async () => expect(answer).toBe(3));
    for (let second = 0; second < 60; second += 2) await pass(visitor, 2000);
    expect(answer).toBeLessThanOrEqual(6);
  });
});

describe("a list for everybody", () => {
  it("meets no barrier that axe knows of: runs in light, dark and narrow, nothing that fits, away", async () => {
    const server = await serve();
    for (const operation of ["import", "export", "nightly"]) {
      const run = await started(server, operation);
      run.log({ message: "scored", backend: "openrouter", cost_source: "unknown" });
      if (operation === "import") await run.complete();
      if (operation === "export") await run.fail(new Error("no paper"));
    }
    const visitor = await visit(server.origin);
    const { page } = visitor;
    await rows(visitor, ["operation"], ["nightly", "exportno paper", "import"]);
    // Its source would be a script that the page's policy forbids.
    const session = await page.context().newCDPSession(page);
    await session.send("Runtime.evaluate", { expression: axe.source });
    const violations = async () => {
      const found = await page.evaluate(() => Reflect.get(globalThis, "axe").run());
      return (found as axe.AxeResults).violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`,
      );
    };
    expect(await violations()).toEqual([]);
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await violations()).toEqual([]);
    await page.setViewportSize({ width: 360, height: 700 });
    expect(await violations()).toEqual([]);
    await page.locator(".search").fill("nothing");
    await says(visitor, ".blank", "None of the 3 runs fits.");
    expect(await violations()).toEqual([]);
    await page.keyboard.press("Escape");
    await server.kill();
    await says(visitor, ".notice", "The server cannot be reached");
    expect(await violations()).toEqual([]);
  });

  it("takes properties that were set before it was defined, headers that are asked for anew, and goes on when it is moved", async () => {
    const server = await serve(
      { authorize: ({ header, action }) => action === "asset" || header("x-key") === "2" || { status: 401 } },
      "<div></div><section></section>",
    );
    await started(server, "import");
    const visitor = await visit(server.origin);
    const { page } = visitor;
    await page.evaluate(() => {
      let asked = 0;
      const early = Object.assign(document.createElement("early-runs"), {
        src: "/operations/",
        query: "limit=7",
        options: { headers: () => ({ "x-key": String(++asked > 1 ? 2 : 1) }) },
      });
      document.querySelector("div")?.append(early);
      class Early extends (customElements.get("livetail-runs") as CustomElementConstructor) {}
      customElements.define("early-runs", Early);
    });
    await rows(visitor, ["operation"], ["import"]);
    expect(await page.locator("early-runs").getAttribute("query")).toBe("limit=7");
    expect(listed(server).at(-1)?.url).toBe("/operations/?limit=7");
    await page.evaluate(() => document.querySelector("section")?.append(document.querySelector("early-runs") as Node));
    await started(server, "export");
    await rows(visitor, ["operation"], ["export", "import"]);
    expect(visitor.faults).toEqual([]);
  });
});
