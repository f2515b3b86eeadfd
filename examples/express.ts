/**
 * livetail on Express 5: an endpoint that starts an operation, and a page that watches it.
 *
 *     npm run build && npx tsx examples/express.ts
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import express from "express";
import { createLivetail } from "livetail";
import { createExpressHandler } from "livetail/express";
import { PAGE } from "./pricing/page.js";
import { priceFiles } from "./pricing/price-files.js";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));

/** Starts the service on `port` of 127.0.0.1 (0: a free one). `close()` ends its streams, runs and connections. */
export async function start(port: number): Promise<{ url: string; close(): Promise<void> }> {
  const livetail = createLivetail();
  const app = express();
  app.use("/operations", createExpressHandler(livetail));
  app.post("/prices", (_req, res) => {
    const run = livetail.startOperation("this-folder", "price-files", (run) => priceFiles(run, FOLDER));
    res.status(202).json({ run_id: run.id });
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
      // Without it the server would wait for the open streams.
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
