/** A process that answers polls in one of several ways; its parent says which and asks. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import fastify from "fastify";
import { Redis } from "ioredis";
import { livetailFastify } from "../src/adapters/fastify.js";
import { createNodeHandler } from "../src/adapters/node.js";
import { createLivetail } from "../src/livetail.js";

/** How a server answers: by livetail, with a constant text, or with what Redis says at each request. */
export interface PollServerRole {
  server: "http" | "fastify";
  answers: "livetail" | "constant" | "redis";
  redisUrl: string;
  runId: string;
  /** What the constant route answers. */
  body: string;
  /** Position of the viewer, for the route that reads Redis: it asks for what comes after these kept lines. */
  kept: number;
}

/** What the child says when it listens. */
export interface PollServerReady {
  port: number;
}

/** What the child says when it is asked for its CPU time, in microseconds since its start. */
export interface PollServerCpu {
  cpuMicros: number;
}

process.on("message", (message: PollServerRole | "cpu") => {
  if (message === "cpu") {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMicros: user + system } satisfies PollServerCpu);
  } else {
    void listen(message).then((port) => process.send?.({ port } satisfies PollServerReady));
  }
});
process.on("disconnect", () => process.exit(0));

async function listen(role: PollServerRole): Promise<number> {
  const answer = answerOf(role);
  const livetail = role.answers === "livetail" ? createLivetail({ redis: role.redisUrl }) : null;
  if (role.server === "fastify") {
    const app = fastify();
    if (livetail !== null) app.register(livetailFastify, { prefix: "/operations", livetail });
    else {
      app.get("/operations/:id", (_request, reply) => {
        reply.header("Content-Type", "application/json; charset=utf-8").header("Cache-Control", "no-store");
        answer((body) => void reply.send(body));
      });
    }
    await app.listen({ port: 0, host: "127.0.0.1" });
    return (app.server.address() as AddressInfo).port;
  }
  const plain: RequestListener = (_request, response) => {
    answer((body) => {
      response.writeHead(200, {
        "Content-Type": "application/json; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Length": Buffer.byteLength(body),
      });
      response.end(body);
    });
  };
  const server = createServer(livetail === null ? plain : createNodeHandler(livetail, { mount: "/operations" }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function answerOf({ answers, redisUrl, runId, body, kept }: PollServerRole): (send: (body: string) => void) => void {
  if (answers !== "redis") return (send) => send(body);
  const client = new Redis(redisUrl);
  return async (send) => {
    const [lines, meta] = await Promise.all([
      client.lrange(`logs:${runId}:buffer`, kept, -1),
      client.hgetall(`logs:${runId}:meta`),
    ]);
    const logs = lines.map((line) => JSON.parse(line));
    send(JSON.stringify({ run_id: runId, status: meta.status, logs, next_index: Number(meta.next) }));
  };
}
