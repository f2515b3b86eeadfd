/** A process with one constant route and something in front of it or nothing; its parent says what, and asks. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { AddressInfo } from "node:net";
import express from "express";
import fastify from "fastify";
import { createLivetail, memoryStore } from "livetail";
import { createExpressCoverage } from "livetail/express";
import { livetailFastifyCoverage } from "livetail/fastify";
import { ownCpu } from "./cpu-time.js";

/** What the parent says first. */
export interface CoverageServerRole {
  server: "express" | "fastify";
  /** What is in front of the route. */
  front: "nothing" | "storage" | "coverage";
  /** What the route answers. */
  body: string;
}

const livetail = createLivetail({ store: memoryStore() });

process.on("message", async (message: CoverageServerRole | "cpu" | "requests") => {
  if (message === "cpu") process.send?.(ownCpu());
  else if (message === "requests") process.send?.(await requests());
  else process.send?.({ port: await listen(message) });
});
process.on("disconnect", () => process.exit(0));

/** How many requests were measured so far. */
async function requests(): Promise<number> {
  const { routes } = await livetail.coverage.report();
  return routes.reduce((sum, route) => sum + route.requests, 0);
}

async function listen({ server, front, body }: CoverageServerRole): Promise<number> {
  const headers = { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store" };
  const storage = new AsyncLocalStorage();
  if (server === "fastify") {
    const app = fastify();
    if (front === "storage") app.addHook("onRequest", (request, _reply, next) => storage.run(request, next));
    if (front === "coverage") await app.register(livetailFastifyCoverage, { livetail });
    app.get("/jobs/:id", (_request, reply) => void reply.headers(headers).send(body));
    await app.listen({ port: 0, host: "127.0.0.1" });
    return (app.server.address() as AddressInfo).port;
  }
  const app = express();
  if (front === "storage") app.use((request, _response, next) => storage.run(request, next));
  if (front === "coverage") app.use(createExpressCoverage(livetail));
  app.get("/jobs/:id", (_request, response) => void response.set(headers).send(body));
  return new Promise((resolve) => {
    const listening = app.listen(0, "127.0.0.1", () => resolve((listening.address() as AddressInfo).port));
  });
}
