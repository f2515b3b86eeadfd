import { EventEmitter } from "node:events";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { type RedisInput, redisStore } from "../src/store/redis.js";
import { openHints } from "../src/store/redis-hints.js";
import type { Hint } from "../src/store.js";
import { claimBy, line, lines } from "./contract/log-store/scene.js";
import { startRedis } from "./support/redis.js";
import { startTcpProxy } from "./support/tcp-proxy.js";
import { until } from "./support/until.js";

const server = await startRedis({ own: true });
afterAll(() => server.stop());

/** Less than the 15 s after which the connection is looked at in any case. */
const SOON_MS = 10_000;

describe("the connection for hints", () => {
  it("is cut when it is looked at and says nothing, and all is subscribed to again", async () => {
    const proxy = await startTcpProxy(server.port);
    let missed = 0;
    const hints = openHints(`redis://127.0.0.1:${proxy.port}`, 200, () => {});
    hints.subscribe("channel", (message) => {
      if (message === null) missed += 1;
    });
    await until(() => missed === 1, "the subscription");
    const subscribers = () => server.cli("PUBSUB", "NUMSUB", "channel");
    expect(await subscribers()).toBe("channel\n1");
    proxy.swallowAnswers();
    hints.look();
    await until(async () => (await subscribers()) === "channel\n0", "the cut", SOON_MS);
    proxy.heal();
    await until(() => missed === 2, "the subscription again", SOON_MS);
    hints.close();
    await proxy.close();
  });

  it("is looked at when a command is not answered", async () => {
    let missed = 0;
    const store = redisStore({ client: server.url, commandTimeoutMs: 200 });
    store.watch("op_silent", ({ next }) => {
      if (next === 0) missed += 1;
    });
    await until(() => missed === 1, "the subscription");
    await server.kill("SIGSTOP");
    for (let i = 0; i < 3; i++) expect(await store.ping()).toBe(false);
    await server.kill("SIGCONT");
    await until(() => missed === 2, "the subscription on another connection", SOON_MS);
    await store.close();
  });

  it("subscribes again after a failure that is no refusal, as a Cluster has them", async () => {
    let asked = 0;
    const connection = Object.assign(new EventEmitter(), {
      status: "ready",
      options: {},
      subscribe: async () => {
        asked += 1;
        if (asked < 3) throw new Error("No subscriber for the cluster");
      },
      disconnect: () => {},
    });
    const input = { status: "wait", options: {}, duplicate: () => connection } satisfies RedisInput;
    const refused: string[] = [];
    const hints = openHints(input, 200, ({ code }) => refused.push(code));
    let missed = 0;
    hints.subscribe("channel", () => {
      missed += 1;
    });
    await until(() => missed === 1, "the subscription");
    expect({ asked, refused }).toEqual({ asked: 3, refused: [] });
    hints.close();
  });
});

describe("a hint of new lines", () => {
  it("brings them along while they are few bytes and nothing else has changed, behind the numbers", async () => {
    const store = redisStore({ client: server.url });
    const owner = await claimBy({ store }, "op_brings");
    const hints: Hint[] = [];
    const texts: string[] = [];
    const stop = store.watch(owner.runId, (hint) => void hints.push(hint));
    const raw = new Redis(server.url);
    raw.on("message", (_channel, text) => void texts.push(text));
    await raw.subscribe("logs:op_brings:wake");
    await until(() => hints.length === 1, "the subscription");
    await owner.write(lines(2));
    const { next } = await owner.write([line("x".repeat(10_000))]);
    const { version } = await owner.write(lines(1), { totals: "{}" });
    await owner.write([line("two\nlines"), "two\nlines"]);
    await until(() => hints.length === 5 && texts.length === 4, "all hints");
    const { epoch } = owner;
    expect(hints.slice(1)).toEqual([
      { next: 2, version: version - 1, appended: { epoch, first: 0, from: 0, lines: lines(2) } },
      { next, version: version - 1 },
      { next: next + 1, version },
      { next: next + 3, version },
    ]);
    expect(texts[0]?.split("\n")).toEqual([`2 ${version - 1} ${epoch} 0 0`, ...lines(2)]);
    expect(texts[1]).toBe(`${next} ${version - 1}`);
    stop();
    raw.disconnect();
    await store.close();
  });
});
