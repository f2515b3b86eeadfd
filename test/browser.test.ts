import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express from "express";
import fastify from "fastify";
import { describe, expect, it } from "vitest";
import { createExpressHandler } from "../src/adapters/express.js";
import { livetailFastify } from "../src/adapters/fastify.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { launchBrowser } from "./support/browser.js";

/** A classic script tag and five lines. */
const pageFor = (runId: string): string => `<!doctype html><title>tail</title><ol id="lines"></ol><p id="end"></p>
<script src="/operations/-/client.js"></script>
<script>
const poller = new Livetail.LogPoller("${runId}", { endpointBase: "/operations" });
poller.onLog((entry) => document.getElementById("lines").append(Object.assign(document.createElement("li"), { textContent: entry.message })));
poller.onComplete((state) => document.getElementById("end").textContent = state.status + " $" + state.backend_stats.total.cost_usd);
poller.onError((error) => document.getElementById("end").textContent = "error " + error.code);
poller.start();
</script>`;

interface Served {
  url: string;
  close(): Promise<unknown>;
}

async function serveExpress(livetail: Livetail): Promise<Served> {
  const app = express();
  app.use("/operations", createExpressHandler(livetail));
  app.get("/page/:id", (req, res) => void res.type("html").send(pageFor(req.params.id)));
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      livetail.handler.closeViewers();
      server.closeAllConnections();
      server.close();
    },
  };
}

async function serveFastify(livetail: Livetail): Promise<Served> {
  const app = fastify({ forceCloseConnections: true });
  app.register(livetailFastify, { prefix: "/operations", livetail });
  app.get<{ Params: { id: string } }>("/page/:id", (request, reply) => {
    reply.type("text/html").send(pageFor(request.params.id));
  });
  return { url: await app.listen({ port: 0, host: "127.0.0.1" }), close: () => app.close() };
}

async function openPage(url: string) {
  const browser = await launchBrowser();
  const page = await browser.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  await page.goto(url);
  return { page, faults };
}

describe.each([
  ["Express", serveExpress],
  ["Fastify", serveFastify],
])("a page with the classic script and five lines, from %s", (_name, serve) => {
  it("shows history, then lines as they come, then the end with its cost", async () => {
    const livetail = createLivetail({ store: memoryStore() });
    const served = await serve(livetail);
    const run = livetail.createOperationRun("job", "browser");
    for (let i = 0; i < 700; i++) run.log(`history ${i}`);
    await run.flush();
    const { page, faults } = await openPage(`${served.url}/page/${run.id}`);
    await page.waitForFunction(() => document.querySelectorAll("li").length === 700);
    for (let i = 0; i < 50; i++) {
      run.log(`live ${i}`);
      await run.flush();
    }
    run.log("<img src=x onerror=alert(1)>");
    run.logger.llmCallComplete({ backend: "claude_cli", step_name: "grader", cost_usd: 0.05, duration_ms: 1500 });
    await run.complete();
    await page.waitForFunction(() => document.getElementById("end")?.textContent !== "");
    expect(await page.textContent("#end")).toBe("completed $0.05");
    const shown = await page.$$eval("li", (items) => items.map((item) => item.textContent));
    expect(shown).toEqual([
      ...Array.from({ length: 700 }, (_, i) => `history ${i}`),
      ...Array.from({ length: 50 }, (_, i) => `live ${i}`),
      "<img src=x onerror=alert(1)>",
      "grader: complete [claude_cli] (1500ms)",
    ]);
    expect(faults).toEqual([]);
    await page.close();
    await served.close();
    await livetail.close();
  });
});
