/**
 * Kills of a Redis that keeps every write, while lines are offered without a pause. `LIVETAIL_FAULTS_LINES` sets how
 * many (default 40,000), with a kill after every twentieth part, at most 20; every third one comes between a write
 * and its answer.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, expect, it } from "vitest";
import { createLivetail } from "../../src/livetail.js";
import { startRedis } from "../support/redis.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { until } from "./scene.js";

const LINES = Number(process.env.LIVETAIL_FAULTS_LINES || 40_000);
const KILLS = Math.min(20, Math.max(3, Math.floor(LINES / 10_000)));
const LINES_A_TURN = 200;

const server = await startRedis({ aof: true });
const proxy = await startTcpProxy(server.port);
afterAll(async () => {
  await proxy.close();
  await server.stop();
});

it(
  `loses, doubles and disorders none of ${LINES} lines through ${KILLS} kills of a Redis that keeps every write`,
  async () => {
    const livetail = createLivetail({
      redis: `redis://127.0.0.1:${proxy.port}`,
      commandTimeoutMs: 500,
      maxLines: LINES + 10,
      maxBufferBytes: 1e9,
      maxWaitingLines: LINES + 10,
      maxWaitingBytes: 1e9,
      onError: () => {},
    });
    const run = livetail.createOperationRun("job", "kills");
    await run.ready;
    const stored = async (): Promise<number> => {
      const raw = new Redis(server.url);
      const next = Number(await raw.hget(`logs:${run.id}:meta`, "next"));
      raw.disconnect();
      return next;
    };
    let offered = 0;
    const writing = (async () => {
      while (offered < LINES) {
        for (let i = 0; i < LINES_A_TURN; i++) run.log(`line ${offered++}`);
        // 20,000 lines a second.
        await delay(10);
      }
    })();
    let unanswered = 0;
    for (let kill = 1; kill <= KILLS; kill++) {
      await until(() => offered >= (kill * LINES) / (KILLS + 1), "lines");
      if (kill % 3 === 0) {
        await until(async () => (await stored()) > offered / 2, "the writer to catch up", 30_000);
        proxy.swallowAnswers();
        const before = await stored();
        const swallowed = proxy.swallowed;
        await until(async () => (await stored()) > before && proxy.swallowed > swallowed, "a write without its answer");
        unanswered += 1;
      }
      await server.restart();
      proxy.heal();
    }
    await writing;
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    const raw = new Redis(server.url);
    expect(await raw.hmget(`logs:${run.id}:meta`, "next", "expected_log_count")).toEqual([`${LINES}`, `${LINES}`]);
    for (let from = 0; from < LINES; from += 10_000) {
      const texts = await raw.lrange(`logs:${run.id}:buffer`, from, from + 9999);
      const wrong = texts.findIndex((text, i) => JSON.parse(text).message !== `line ${from + i}`);
      if (wrong !== -1) throw new Error(`At ${from + wrong} stands ${texts[wrong]}`);
    }
    raw.disconnect();
    console.log(`kills: ${LINES} lines, ${KILLS} kills, ${unanswered} of them between a write and its answer`);
    expect(unanswered).toBeGreaterThan(0);
    await livetail.close();
  },
  60_000 + LINES,
);
