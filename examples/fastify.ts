/**
 * livetail on Fastify 5: an endpoint that starts an operation, and a page that watches it.
 *
 *     npm run build && npx tsx examples/fastify.ts
 */
import { fileURLToPath } from "node:url";
import { fastify } from "fastify";
import { createLivetail } from "livetail";
import { livetailFastify } from "livetail/fastify";
import { PAGE } from "./pricing/page.js";
import { priceFiles } from "./pricing/price-files.js";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));

/** Starts the service on `port` of 127.0.0.1 (0: a free one). `close()` ends its streams, runs and connections. */
export async function start(port: number): Promise<{ url: string; close(): Promise<void> }> {
  const livetail = createLivetail();
  const app = fastify();
  app.register(livetailFastify, { prefix: "/operations", livetail });
  app.post("/prices", (_request, reply) => {
    const run = livetail.startOperation("this-folder", "price-files", (run) => priceFiles(run, FOLDER));
    reply.code(202).send({ run_id: run.id });
  });
  app.get("/", (_request, reply) => {
    reply.type("text/html").send(PAGE);
  });
  app.addHook("onClose", () => livetail.close());

  return { url: await app.listen({ port, host: "127.0.0.1" }), close: () => app.close() };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url, close } = await start(Number(process.env.PORT ?? 3000));
  console.log(`Open ${url}`);
  process.once("SIGINT", close);
}
