/** A process that answers polls in one of several ways; its parent says which and asks. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import fastify from "fastify";
import { Redis } from "ioredis";
import { createLivetail } from "livetail";
import { livetailFastify } from "livetail/fastify";
import { createNodeHandler } from "livetail/node";
import { ownCpu } from "./cpu-time.js";
import { jobLogsReader } from "./job-logs.js";

/**
 * How a server answers: by livetail, with a constant text, with what Redis says at each request, or with all logs of a
 * job as bull-board does.
 */
export interface PollServerRole {
  server: "http" | "fastify";
  answers: "livetail" | "constant" | "redis" | "job logs";
  redisUrl: string;
  /** What the constant route answers. */
  body: string;
}

/** What the child says when it listens. */
export interface PollServerReady {
  port: number;
}

process.on("message", (message: PollServerRole | "cpu") => {
  if (message === "cpu") {
    process.send?.(ownCpu());
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
      app.get("/operations/:id", (request, reply) => {
        const { id } = request.params as { id: string };
        const { since, limit } = request.query as { since?: string; limit?: string };
        reply.header("Content-Type", "application/json; charset=utf-8").header("Cache-Control", "no-store");
        answer({ id, since: Number(since), limit: Number(limit) }, (body) => void reply.send(body));
      });
    }
    await app.listen({ port: 0, host: "127.0.0.1" });
    return (app.server.address() as AddressInfo).port;
  }
  const plain: RequestListener = (request, response) => {
    answer(questionOf(request.url ?? ""), (body) => {
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

/** What a route that reads Redis is asked: the lines of a run from `since` on, `limit` of them. */
interface LinesQuestion {
  id: string;
  since: number;
  limit: number;
}

function questionOf(url: string): LinesQuestion {
  const [path = "", query] = url.split("?");
  const parameters = new URLSearchParams(query);
  const number = (name: string): number => Number(parameters.get(name));
  return { id: path.slice(path.lastIndexOf("/") + 1), since: number("since"), limit: number("limit") };
}

function answerOf({
  answers,
  redisUrl,
  body,
}: PollServerRole): (question: LinesQuestion, send: (body: string) => void) => void {
  if (answers === "job logs") {
    const read = jobLogsReader(Number(new URL(redisUrl).port));
    return async ({ id }, send) => send(await read(id));
  }
  if (answers !== "redis") return (_question, send) => send(body);
  const client = new Redis(redisUrl);
  return async ({ id, since, limit }, send) => {
    const [lines, meta] = await Promise.all([
      client.lrange(`logs:${id}:buffer`, since, since + limit - 1),
      client.hgetall(`logs:${id}:meta`),
    ]);
    const logs = lines.map((line) => JSON.parse(line));
    send(JSON.stringify({ run_id: id, status: meta.status, logs, next_index: since + logs.length }));
  };
}
