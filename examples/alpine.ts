/**
 * livetail with Alpine.js: a page whose component watches a run.
 *
 *     npm run build && npx tsx examples/alpine.ts
 */
import { once } from "node:events";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import express from "express";
import { createLivetail } from "livetail";
import { createExpressHandler } from "livetail/express";
import { priceFiles } from "./pricing/price-files.js";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));
const ALPINE = createRequire(import.meta.url).resolve("alpinejs/dist/cdn.min.js");

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>What would it cost?</title>
<main x-data="run">
  <button id="start" @click="start">Price the files</button>
  <pre id="lines" x-text="lines.join('\\n')"></pre>
</main>
<script src="/operations/-/client.js"></script>
<script>
addEventListener("alpine:init", () => Alpine.data("run", () => ({
  lines: [],
  stop() {},
  show(text) {
    this.lines = [...this.lines, text].slice(-1000);
  },
  async start() {
    const { run_id } = await (await fetch("/prices", { method: "POST" })).json();
    const poller = new Livetail.LogPoller(run_id, { endpointBase: "/operations" });
    poller.onLog((entry) => this.show(entry.message));
    poller.onComplete((state) => this.show(state.status + ": $" + state.backend_stats.total.cost_usd));
    poller.onError((error) => this.show(error.message));
    poller.start();
    this.stop = poller.stop;
  },
  destroy() {
    this.stop();
  },
})));
</script>
<script src="/alpine.js"></script>
</html>
`;

/** Starts the service on `port` of 127.0.0.1 (0: a free one). `close()` ends its streams, runs and connections. */
export async function start(port: number): Promise<{ url: string; close(): Promise<void> }> {
  const livetail = createLivetail();
  const app = express();
  app.use("/operations", createExpressHandler(livetail));
  app.post("/prices", (_req, res) => {
    const run = livetail.startOperation("this-folder", "price-files", (run) => priceFiles(run, FOLDER));
    res.status(202).json({ run_id: run.id });
  });
  app.get("/alpine.js", (_req, res) => {
    res.sendFile(ALPINE);
  });
  app.get("/", (_req, res) => {
    res.type("html").send(PAGE);
  });

  const server = app.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      livetail.handler.closeViewers();
      await closed;
      await livetail.close();
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url, close } = await start(Number(process.env.PORT ?? 3000));
  console.log(`Open ${url}`);
  process.once("SIGINT", close);
}
