/** A process that streams lines to viewers in one of several ways; its parent says which and asks. */
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createChannel, createSession } from "better-sse";
import { Redis } from "ioredis";
import { createLivetail } from "livetail";
import { createNodeHandler } from "livetail/node";
import { createResumableStreamContext } from "resumable-stream/ioredis";
import { ownCpu } from "./cpu-time.js";
import { BENCH_EPOCH, benchEntries, benchFrames, type Emit, type Telling, tell } from "./fan-out-source.js";

/** How lines get to viewers. */
export type FanOutWay = "raw" | "livetail" | "better-sse" | "resumable-stream";

/** What the parent says first. */
export interface FanOutRole {
  way: FanOutWay;
  redisUrl: string;
  /** A unix socket to listen on besides, "" for none: it holds less than a connection of TCP before its writer has to wait. */
  socketPath: string;
}

/** What the child says when it listens. */
export interface FanOutReady {
  port: number;
}

/** A server, and how it is told lines where they do not come from Redis. */
interface FanOutServer {
  listener: RequestListener;
  emit?: Emit;
}

const HEADERS = { "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache, no-transform" };

const OPENERS: Record<FanOutWay, (redisUrl: string) => FanOutServer> = {
  raw() {
    const viewers = new Set<ServerResponse>();
    return {
      listener(_req, res) {
        res.writeHead(200, HEADERS).flushHeaders();
        viewers.add(res);
        res.on("close", () => viewers.delete(res));
      },
      emit(lines, from) {
        const bytes = Buffer.from(benchFrames(lines, from));
        for (const viewer of viewers) viewer.write(bytes);
      },
    };
  },

  livetail: (redis) => ({ listener: createNodeHandler(createLivetail({ redis }), { mount: "/operations" }) }),

  "better-sse"() {
    const channel = createChannel();
    return {
      listener(req, res) {
        void createSession(req, res, { keepAlive: null }).then((session) => channel.register(session));
      },
      emit(lines, from) {
        benchEntries(lines, from).forEach((entry, i) => {
          channel.broadcast(entry, "log", { eventId: `${BENCH_EPOCH}.${from + i + 1}` });
        });
      },
    };
  },

  "resumable-stream"(redisUrl) {
    const [publisher, subscriber] = [new Redis(redisUrl), new Redis(redisUrl)];
    const context = createResumableStreamContext({ waitUntil: null, publisher, subscriber });
    return {
      async listener(req, res) {
        const stream = await context.resumeExistingStream((req.url ?? "").slice(1));
        if (!stream) throw new Error("There is no such stream.");
        res.writeHead(200, HEADERS).flushHeaders();
        const reader = stream.getReader();
        res.on("close", () => void reader.cancel());
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          if (value !== "") res.write(value);
        }
        res.end();
      },
    };
  },
};

let server: FanOutServer | null = null;

process.on("message", async (message: FanOutRole | Telling | "cpu") => {
  if (message === "cpu") {
    process.send?.(ownCpu());
  } else if ("way" in message) {
    server = OPENERS[message.way](message.redisUrl);
    process.send?.({ port: await listen(server.listener, message.socketPath) } satisfies FanOutReady);
  } else {
    if (server?.emit === undefined) throw new Error("This one gets its lines from Redis.");
    await tell(message, server.emit);
    process.send?.({});
  }
});
process.on("disconnect", () => process.exit(0));

async function listen(listener: RequestListener, socketPath: string): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  if (socketPath !== "") await new Promise<void>((resolve) => createServer(listener).listen(socketPath, resolve));
  return (server.address() as AddressInfo).port;
}
