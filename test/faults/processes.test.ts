import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/until.js";

const program = fileURLToPath(new URL("../fixtures/one-run.ts", import.meta.url));
const server = await startRedis({ own: true });
const raw = new Redis(server.url);
const children = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  raw.disconnect();
  await server.stop();
});

/** Starts the program; resolves when it has logged. */
async function start(url: string, runId: string, lines: number, how: string, leaseMs = 30_000) {
  const args = ["--import", "tsx", program, url, runId, String(lines), how, String(leaseMs)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  const exited = once(child, "exit").then(([code]) => code as number | null);
  await Promise.race([once(child.stdout, "data"), exited]);
  return { child, exited };
}

async function read(livetail: Livetail, runId: string) {
  const from = { kind: "at", epoch: "", index: 0 } as const;
  const answer = await livetail.store.read({ runId, from, limit: 10_000, known: null });
  if (answer === null) throw new Error("There is no such run.");
  return {
    ...answer,
    messages: answer.lines.map((line): string => JSON.parse(line).message ?? JSON.parse(line).event),
  };
}

describe("a program that does not close livetail", () => {
  it("ends by itself soon after its run ended, with everything stored", async () => {
    const { exited } = await start(server.url, "op_ends", 500, "end");
    const logged = performance.now();
    expect(await exited).toBe(0);
    expect(performance.now() - logged).toBeLessThan(3000);
    expect(await raw.hmget("logs:op_ends:meta", "status", "next")).toEqual(["completed", "500"]);
  });

  it("ends by itself when it only logged, with everything stored", async () => {
    const { exited } = await start(server.url, "op_leaves", 500, "leave");
    const logged = performance.now();
    expect(await exited).toBe(0);
    expect(performance.now() - logged).toBeLessThan(3000);
    expect(await raw.hmget("logs:op_leaves:meta", "status", "next")).toEqual(["running", "500"]);
  });

  it("ends by itself when there is no store at all", async () => {
    const { exited } = await start("redis://127.0.0.1:1", "op_alone", 500, "leave");
    const logged = performance.now();
    expect(await exited).toBe(0);
    expect(performance.now() - logged).toBeLessThan(8000);
  });
});

describe("an owner that is killed with -9", () => {
  it("fails as OWNER_LOST within its lease and four sweeps, with all that was acknowledged before", async () => {
    const leaseMs = 900;
    const sweeping = createLivetail({ redis: server.url, leaseMs, onError: () => {} });
    const { child, exited } = await start(server.url, "op_killed", 100, "stay", leaseMs);
    await until(
      async () => (await read(sweeping, "op_killed").catch(() => null))?.messages.includes("still here") === true,
      "lines",
    );
    child.kill("SIGKILL");
    await exited;
    const killed = performance.now();
    const before = (await read(sweeping, "op_killed")).messages;
    await until(async () => (await read(sweeping, "op_killed")).run.status === "failed", "the failure", 10_000);
    // A lease, four sweeps at a third of a lease each, and what a busy machine adds.
    expect(performance.now() - killed).toBeLessThan(leaseMs + (4 * leaseMs) / 3 + 1000);
    const { run, messages } = await read(sweeping, "op_killed");
    expect(run).toMatchObject({ errorCode: "OWNER_LOST", expectedLogCount: before.length + 1 });
    expect(messages).toEqual([...before, "owner_lost"]);
    await sweeping.close();
  });
});

describe("eight processes that log to one run", () => {
  it("store every line of each once and in its order", async () => {
    const livetail = createLivetail({ redis: server.url, onError: () => {} });
    const run = livetail.createOperationRun("subject", "many", { id: "op_many" });
    await run.ready;
    const started = await Promise.all(Array.from({ length: 8 }, () => start(server.url, run.id, 120, "join")));
    expect(await Promise.all(started.map(({ exited }) => exited))).toEqual(Array(8).fill(0));
    await run.complete();
    const { run: record, messages } = await read(livetail, run.id);
    expect(record.next).toBe(960);
    for (const { child } of started) {
      const own = messages.filter((message) => message.startsWith(`${child.pid} `));
      expect(own).toEqual(Array.from({ length: 120 }, (_, i) => `${child.pid} ${i}`));
    }
    await livetail.close();
  }, 45_000);
});
