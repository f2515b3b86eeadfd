import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { redisStore } from "../src/store/redis.js";
import { meansOutage, meansReplica, openCommands } from "../src/store/redis-connection.js";
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

describe("what Redis answers", () => {
  const inScript = "ERR Error running script (call to f_0123456789abcdef): @user_script:12: ";
  const inOlderScript = "ERR Error running script (call to f_0123456789abcdef): @user_script: 12: ";

  it.each([
    "OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY You can't write against a read only replica.",
    "MISCONF Redis is configured to save RDB snapshots",
    "BUSY Redis is busy running a script.",
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    `${inScript}-OOM command not allowed when used memory > 'maxmemory'.`,
    `${inScript}-READONLY You can't write against a read only replica.`,
    `${inScript}-MISCONF Redis is configured to save RDB snapshots`,
    `${inScript}-NOREPLICAS Not enough good replicas to write.`,
    `${inOlderScript}-OOM command not allowed when used memory > 'maxmemory'.`,
    "READONLY You can't write against a read only replica. script: 0123, on @user_script:12.",
  ])("reads as an outage: %s", (message) => {
    expect(meansOutage(message)).toBe(true);
    expect(meansReplica(message)).toBe(message.includes("READONLY"));
  });

  it.each([
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "BUSYGROUP Consumer Group name already exists",
    "ERR unknown command 'OOM'",
    `${inScript}WRONGTYPE Operation against a key holding the wrong kind of value`,
    `${inScript}-NOPERM this user has no permissions to access: -OOM`,
    "ERR user_script: 12: -OOM",
    "",
  ])("reads as a refusal: %s", (message) => {
    expect(meansOutage(message)).toBe(false);
    expect(meansReplica(message)).toBe(false);
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
