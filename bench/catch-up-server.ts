/** A process that answers whoever wants all lines of a run, in one of several ways; its parent says which and asks. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { Redis } from "ioredis";
import { createLivetail, type Livetail } from "livetail";
import { createNodeHandler } from "livetail/node";
import { ownCpu } from "./cpu-time.js";
import { jobLogsReader } from "./job-logs.js";

/**
 * How a server answers: by livetail, with constant bytes, with the rows that Redis has of the run, or with the logs of
 * a job as bull-board does.
 */
export interface CatchUpRole {
  answers: "livetail" | "constant" | "rows" | "job logs";
  redisPort: number;
  /** What the constant route answers. */
  body: string;
}

/** What a parent asks of a server: its CPU time, or to know of no run any more. */
export type CatchUpQuestion = "cpu" | "forget";

/** What it says when it listens. */
export interface CatchUpReady {
  port: number;
}

let livetail: Livetail | null = null;
let forget = async (): Promise<void> => {};

process.on("message", async (message: CatchUpRole | CatchUpQuestion) => {
  if (message === "cpu") {
    process.send?.(ownCpu());
  } else if (message === "forget") {
    await forget();
    process.send?.({});
  } else {
    process.send?.({ port: await listen(message) } satisfies CatchUpReady);
  }
});
process.on("disconnect", () => process.exit(0));

async function listen(role: CatchUpRole): Promise<number> {
  const server = createServer(role.answers === "livetail" ? livetailRoute(role) : plainRoute(role));
  // A connection has to last until its turn comes again.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function livetailRoute({ redisPort }: CatchUpRole): RequestListener {
  const create = (): RequestListener => {
    livetail = createLivetail({ redis: `redis://127.0.0.1:${redisPort}` });
    return createNodeHandler(livetail, { mount: "/operations" });
  };
  let route = create();
  forget = async () => {
    const before = livetail;
    route = create();
    await before?.close();
  };
  return (request, response) => route(request, response);
}

function plainRoute(role: CatchUpRole): RequestListener {
  const answer = answerOf(role);
  return async (request, response) => {
    const id = /^\/operations\/([^?]+)/.exec(request.url ?? "")?.[1] ?? "";
    const body = await answer(id);
    response.writeHead(200, {
      "Content-Type": "application/json; charset=utf-8",
      "Cache-Control": "no-store",
      "Content-Length": Buffer.byteLength(body),
    });
    response.end(body);
  };
}

function answerOf({ answers, redisPort, body }: CatchUpRole): (id: string) => Promise<string | Buffer> {
  if (answers === "rows") {
    const client = new Redis({ host: "127.0.0.1", port: redisPort });
    return async (id) => {
      const rows = await client.lrange(`logs:${id}:buffer`, 0, -1);
      return JSON.stringify({ logs: rows.map((row) => JSON.parse(row)), count: rows.length });
    };
  }
  if (answers === "job logs") return jobLogsReader(redisPort);
  const bytes = Buffer.from(body);
  return async () => bytes;
}
