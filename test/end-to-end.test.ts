import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { LogPoller, type LogPollerOptions } from "../src/client/log-poller.js";
import { sseTransport } from "../src/client/sse.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { Gap, LogEntry } from "../src/protocol.js";
import { freePort, startRedis } from "./support/redis.js";

const LINES = 20_000;
const loudWriter = fileURLToPath(new URL("./fixtures/loud-writer.ts", import.meta.url));

/** What one viewer saw of one epoch. */
interface Sight {
  epoch: string;
  entries: LogEntry[];
  gaps: Gap[];
}

/** Watches a run to its end and keeps all it was told, by epoch. */
function watch(runId: string, options: LogPollerOptions) {
  const sights: Sight[] = [{ epoch: "", entries: [], gaps: [] }];
  const newest = () => sights.at(-1) as Sight;
  const poller = new LogPoller(runId, { pollInterval: 5, limit: 100, ...options });
  const closeEpoch = () => {
    newest().epoch = poller.cursor?.split(".")[0] ?? "";
  };
  poller.onLog((entry) => newest().entries.push(entry));
  poller.onGap((gap) => newest().gaps.push(gap));
  poller.onReset(() => {
    closeEpoch();
    sights.push({ epoch: "", entries: [], gaps: [] });
  });
  const finished = new Promise<Sight[]>((resolve, reject) => {
    poller.onComplete((state) => {
      closeEpoch();
      state.status === "completed" ? resolve(sights) : reject(new Error(`ended as ${state.status}`));
    });
    poller.onError((error) => {
      if (error.fatal) reject(error);
    });
  });
  poller.start();
  return { finished, seen: () => newest().entries.length, resets: () => sights.length - 1 };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe("from a log call in another process to its viewers", () => {
  it("shows every viewer the same lines through a restart of the viewers' server and one of Redis", async () => {
    const redis = await startRedis({ aof: true });
    const port = await freePort();
    let livetail: Livetail;
    let server: Server;
    const serve = async () => {
      livetail = createLivetail({ redis: redis.url, onError: () => {} });
      server = createServer(createNodeHandler(livetail, { mount: "/operations" })).listen(port, "127.0.0.1");
      await once(server, "listening");
    };
    const stopServing = async () => {
      livetail.handler.closeViewers();
      server.closeAllConnections();
      server.close();
      await livetail.close();
    };
    await serve();

    const runId = "op_loud_abcdefghijklmnopqrstuvwx";
    const writer = spawn(process.execPath, ["--import", "tsx", loudWriter, redis.url, runId, String(LINES)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const printed = text(writer.stdout);
    const endpointBase = `http://127.0.0.1:${port}/operations`;
    const viewers = [
      watch(runId, { endpointBase, waitSeconds: 0 }),
      watch(runId, { endpointBase, waitSeconds: 20 }),
      watch(runId, { endpointBase, transport: sseTransport() }),
    ];

    await until(() => viewers.every((viewer) => viewer.seen() > 500));
    await stopServing();
    await serve();
    await until(() => viewers.every((viewer) => viewer.seen() > 2000));
    await redis.restart();

    const sights = await Promise.all(viewers.map((viewer) => viewer.finished));
    expect(JSON.parse(await printed)).toEqual({ status: "completed", stored: true });

    // Within an epoch an index carries one line, whoever looked.
    const lines = new Map<string, string>();
    for (const { epoch, entries, gaps } of sights.flat()) {
      let next = 0;
      for (const entry of entries) {
        const gap = gaps.find(({ from }) => from === next);
        if (gap !== undefined) next = gap.to + 1;
        expect(entry.index).toBe(next);
        next += 1;
        const key = `${epoch}.${entry.index}`;
        expect(lines.get(key) ?? entry.message).toBe(entry.message);
        lines.set(key, entry.message);
      }
    }
    // Redis is another process since the restart: everyone was told, and has everything after it.
    for (const viewer of sights) {
      expect(viewer.length).toBeGreaterThan(1);
      const last = viewer.at(-1) as Sight;
      expect(last.entries.map((entry) => entry.message)).toEqual(Array.from({ length: LINES }, (_, i) => `line ${i}`));
      expect(last.gaps).toEqual([]);
    }
    await stopServing();
    await redis.stop();
  }, 60_000);
});
