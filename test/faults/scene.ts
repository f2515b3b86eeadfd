/**
 * The stage of the random run: a Redis with its writes on disk, a proxy in front of it, writers in livetails of
 * their own that never wait, and viewers on a real HTTP server that can be restarted.
 */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { Redis } from "ioredis";
import { createNodeHandler } from "../../src/adapters/node.js";
import type { LogPollerOptions } from "../../src/client/log-poller.js";
import { sseTransport } from "../../src/client/sse.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import { redisStore } from "../../src/store/redis.js";
import { clockAhead } from "../support/oracle.js";
import { startRedis, type TestRedis } from "../support/redis.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { startViewer, type Viewer } from "../support/viewer.js";

/** What stands on the stage all the time. */
export interface Stage {
  readonly redis: TestRedis;
  readonly proxy: TcpProxy;
  /** A client of the test's own, beside livetail. */
  readonly raw: Redis;
  /** What happened, for whoever has to find out why. */
  readonly history: string[];
  note(what: string): void;
  /** A livetail of a writer, whose clock is `hour` hours ahead. */
  openWriter(name: string, hour: number, options: LivetailOptions): Livetail;
  /** Viewers of the first, the second or the third run: on a plain poll, a held poll and a stream. */
  watch(runId: string, seat: number): Viewer[];
  /** One more viewer, on a plain poll. */
  watchByPoll(name: string, runId: string, options?: LogPollerOptions): Viewer;
  /** What stands between the viewers and their server. */
  readonly viewerProxies: readonly TcpProxy[];
  /** How a writer reaches Redis: every other one without the proxy, so that what one loses, another one has. */
  redisUrl(hour: number): string;
  /** The livetail of the viewers. */
  readonly viewing: Livetail;
  restartServer(): Promise<void>;
  /** Stops Redis with -9, deletes what it wrote, and starts it again. */
  restartEmpty(): Promise<void>;
  close(): Promise<void>;
}

/** Of every process on the stage, unless it says otherwise. */
export const LEASE_MS = 5000;
/** How long is waited for what is bound to happen, on a machine that does much else; a process may have to start. */
export const PATIENCE_MS = 60_000;
const COMMAND_TIMEOUT_MS = 500;
const HISTORY = 20_000;

/** Sets the stage. */
export async function openStage(): Promise<Stage> {
  const redis = await startRedis({ aof: true });
  const proxy = await startTcpProxy(redis.port);
  const proxied = `redis://127.0.0.1:${proxy.port}`;
  const raw = new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
  raw.on("error", () => {});
  const history: string[] = [];
  const began = performance.now();
  const note = (what: string): void => {
    if (history.push(`${(performance.now() - began).toFixed(0).padStart(7)} ${what}`) > HISTORY) {
      history.splice(0, HISTORY / 2);
    }
  };

  // Two held requests are all that a viewer's process has for an origin: each transport gets one for every two runs.
  let servers: Server[] = [];
  const portOf = (at: number): number => (servers[at]?.address() as AddressInfo | null)?.port ?? 0;
  const viewerProxies = await Promise.all(Array.from({ length: 5 }, (_, at) => startTcpProxy(() => portOf(at))));
  const [polls, ...held] = viewerProxies.map(({ port }) => `http://127.0.0.1:${port}/operations`) as [
    string,
    ...string[],
  ];
  let viewing: Livetail;
  const serve = async (): Promise<void> => {
    viewing = createLivetail({
      redis: proxied,
      authorize: () => true,
      leaseMs: LEASE_MS,
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      onError: (error) => note(`viewers' server: ${error.code}`),
    });
    const handler = createNodeHandler(viewing, { mount: "/operations" });
    servers = viewerProxies.map(() => createServer(handler).listen(0, "127.0.0.1"));
    await Promise.all(servers.map((server) => once(server, "listening")));
  };
  const stopServing = async (): Promise<void> => {
    viewing.handler.closeViewers();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await viewing.close();
  };
  await serve();

  const redisUrl = (hour: number): string => (hour % 2 === 1 ? proxied : redis.url);
  const watchByPoll: Stage["watchByPoll"] = (name, runId, options) =>
    startViewer(name, runId, { endpointBase: polls, waitSeconds: 0, limit: 200, ...options });

  return {
    redis,
    proxy,
    raw,
    history,
    note,
    viewerProxies,
    redisUrl,
    watchByPoll,
    get viewing() {
      return viewing;
    },

    openWriter(name, hour, options) {
      const limits = { maxLines: options.maxLines ?? 1000, maxBufferBytes: options.maxBufferBytes ?? 1_048_576 };
      const store = redisStore({
        client: redisUrl(hour),
        commandTimeoutMs: COMMAND_TIMEOUT_MS,
        ...limits,
      });
      const livetail = createLivetail({
        store: noted(store, name, note),
        clock: clockAhead(hour),
        leaseMs: LEASE_MS,
        endTimeoutMs: 20_000,
        onError: (error, runId) => note(`${name}: ${error.code} ${error.message} ${runId ?? ""}`),
        ...options,
      });
      const { close } = livetail;
      livetail.close = async () => {
        await close.call(livetail);
        await store.close();
      };
      return livetail;
    },

    watch(runId, seat) {
      const [longPolls, streams] = (seat < 2 ? held.slice(0, 2) : held.slice(2)) as [string, string];
      return [
        watchByPoll("poll", runId),
        startViewer("long poll", runId, { endpointBase: longPolls }),
        startViewer("stream", runId, { endpointBase: streams, transport: sseTransport() }),
      ];
    },

    async restartServer() {
      await stopServing();
      await serve();
    },

    async restartEmpty() {
      await redis.kill();
      rmSync(join(dirname(redis.socketPath), "appendonlydir"), { recursive: true, force: true });
      await redis.restart();
    },

    async close() {
      await stopServing();
      raw.disconnect();
      await Promise.all([proxy, ...viewerProxies].map((each) => each.close()));
      await redis.stop();
    },
  };
}

/** The same store; every answer to a write that is not a plain OK is noted. */
function noted(store: Livetail["store"], name: string, note: (what: string) => void): Livetail["store"] {
  const wrap =
    <Request extends { runId: string }, Answer extends { code: string }>(
      method: string,
      call: (request: Request) => Promise<Answer>,
    ) =>
    async (request: Request): Promise<Answer> => {
      const {
        runId,
        lines: _lines,
        birth: _birth,
        owner: _owner,
        result: _result,
        layers: _layers,
        ...rest
      } = request as Request & Record<string, unknown>;
      const told = `${name} ${method} ${runId} ${JSON.stringify(rest)}`;
      try {
        const answer = await call(request);
        note(`${told} → ${JSON.stringify(answer).slice(0, 160)}`);
        return answer;
      } catch (error) {
        note(`${told} → ${String(error)}`);
        throw error;
      }
    };
  return {
    ...store,
    claim: wrap("claim", store.claim),
    append: wrap("append", store.append),
    end: wrap("end", store.end),
    release: wrap("release", store.release),
    recreate: wrap("recreate", store.recreate),
  };
}
