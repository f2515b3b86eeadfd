import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { redisStore } from "../src/store/redis.js";
import { openCommands } from "../src/store/redis-connection.js";
import { freePort, startRedis } from "./support/redis.js";

const server = await startRedis({ own: true });
afterAll(() => server.stop());

describe("the connection for commands", () => {
  it("rejects within the time-out while nobody answers", async () => {
    const commands = openCommands(`redis://127.0.0.1:${await freePort()}`, 100);
    await expect(commands.call("PING", [])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    commands.close();
  });

  it("rejects what waits for a connection at once when it is closed, and what comes later", async () => {
    const commands = openCommands(`redis://127.0.0.1:${await freePort()}`, 60_000);
    const waiting = commands.call("PING", []);
    commands.close();
    await expect(waiting).rejects.toMatchObject({ code: "CLOSED" });
    await expect(commands.call("PING", [])).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("tells a refusal from an outage", async () => {
    const commands = openCommands(server.url, 2000);
    await commands.call("SET", ["text", "x"]);
    await expect(commands.call("RPUSH", ["text", "y"])).rejects.toMatchObject({
      code: "STORE_REFUSED",
      message: expect.stringContaining("WRONGTYPE"),
    });
    commands.close();
  });

  it("gives up a connection on which nothing is answered, and finds the way back", async () => {
    const commands = openCommands(server.url, 200);
    expect(await commands.call("PING", [])).toBe("PONG");
    await server.kill("SIGSTOP");
    await expect(commands.call("PING", [])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await expect(commands.call("PING", [])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await server.kill("SIGCONT");
    let answer: unknown = null;
    while (answer === null) answer = await commands.call("PING", []).catch(() => null);
    expect(answer).toBe("PONG");
    commands.close();
  });
});

describe("the client that is handed in", () => {
  it("stays open, unchanged, and keeps its prefix to itself and to us", async () => {
    const client = new Redis(server.url, { keyPrefix: "mine:" });
    const store = redisStore({ client });
    await client.ping();
    const before = client.eventNames();
    await store.claim({
      runId: "op_x",
      producer: "p",
      newEpoch: "e",
      owner: null,
      takeOver: false,
      birth: { subjectId: "s", operation: "o", parentId: "", metadata: "" },
      ownerChangedLine: "{}",
    });
    expect(await client.exists("logs:op_x:meta")).toBe(1);
    await store.close();
    expect(await client.ping()).toBe("PONG");
    expect(client.eventNames()).toEqual(before);
    client.disconnect();
  });
});
