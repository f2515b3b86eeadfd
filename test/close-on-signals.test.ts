import { EventEmitter } from "node:events";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { closeOnSignals, type SignalHost } from "../src/close-on-signals.js";
import { createLivetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { settle } from "./support/hand-clock.js";
import { killOwners, startOwner } from "./support/owner-process.js";
import { startRedis } from "./support/redis.js";
import { until } from "./support/until.js";

/** A process that is told what became of it in place of ending. */
function fakeHost(pid = 42) {
  const emitter = new EventEmitter();
  const told: string[] = [];
  const host: SignalHost = Object.assign(emitter, {
    pid,
    kill: (to: number, signal: string) => told.push(`${to === pid ? "itself" : to}: ${signal}`),
    exit: (code: number) => told.push(`exit ${code}`),
  });
  return { emitter, host, told };
}

/** Something that closes when the test says so. */
function gate() {
  let open = (): void => {};
  let asked = 0;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    open: () => open(),
    asked: () => asked,
    close: () => {
      asked += 1;
      return opened;
    },
  };
}

/** Reads the body of an answer as text. */
function readerOf({ body }: Response) {
  const reader = (body as ReadableStream<Uint8Array<ArrayBuffer>>).pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const more = async (): Promise<boolean> => {
    const { done, value } = await reader.read();
    text += value ?? "";
    return !done;
  };
  return {
    async until(part: string): Promise<void> {
      while (!text.includes(part) && (await more()));
    },
    /** Resolves at the proper end of the body. */
    async rest(): Promise<void> {
      while (await more());
    },
  };
}

describe("a signal", () => {
  it("ends the process when all that is registered has closed, and not before", async () => {
    const { emitter, host, told } = fakeHost();
    const [first, second] = [gate(), gate()];
    for (const { close } of [first, second]) closeOnSignals(["SIGTERM"], close, host);
    emitter.emit("SIGTERM");
    first.open();
    await settle();
    expect([first.asked(), second.asked()]).toEqual([1, 1]);
    expect(told).toEqual([]);
    second.open();
    await settle();
    expect(told).toEqual(["itself: SIGTERM"]);
    expect(emitter.listenerCount("SIGTERM")).toBe(0);
  });

  it("ends the process at once when it comes again", async () => {
    const { emitter, host, told } = fakeHost();
    closeOnSignals(["SIGTERM", "SIGINT"], gate().close, host);
    emitter.emit("SIGTERM");
    await settle();
    expect(told).toEqual([]);
    emitter.emit("SIGTERM");
    expect(told).toEqual(["itself: SIGTERM"]);
  });

  it.each(["on", "once"] as const)(
    "leaves the end to somebody who listens too (%s), whoever came first",
    async (how) => {
      for (const theirsFirst of [true, false]) {
        const { emitter, host, told } = fakeHost();
        const { close, open, asked } = gate();
        if (theirsFirst) emitter[how]("SIGTERM", () => {});
        closeOnSignals(["SIGTERM"], close, host);
        if (!theirsFirst) emitter[how]("SIGTERM", () => {});
        emitter.emit("SIGTERM");
        open();
        await settle();
        expect(asked()).toBe(1);
        expect(told).toEqual([]);
      }
    },
  );

  it("ends the first process of a container too, which a signal spares", async () => {
    const { emitter, host, told } = fakeHost(1);
    const { close, open } = gate();
    closeOnSignals(["SIGTERM"], close, host);
    open();
    emitter.emit("SIGTERM");
    await settle();
    expect(told).toEqual(["itself: SIGTERM", "exit 143"]);
  });

  it("finds nobody when all have been taken away again", () => {
    const { emitter, host } = fakeHost();
    const leave = [gate(), gate()].map(({ close }) => closeOnSignals(["SIGTERM", "SIGHUP"], close, host));
    expect(["SIGTERM", "SIGHUP"].map((signal) => emitter.listenerCount(signal))).toEqual([1, 1]);
    leave[0]?.();
    leave[0]?.();
    expect(["SIGTERM", "SIGHUP"].map((signal) => emitter.listenerCount(signal))).toEqual([1, 1]);
    leave[1]?.();
    expect(["SIGTERM", "SIGHUP"].map((signal) => emitter.listenerCount(signal))).toEqual([0, 0]);
  });
});

describe("a livetail", () => {
  it("listens for no signal unless it is told to, and for none any more when it is closed", async () => {
    const before = process.listenerCount("SIGTERM");
    const silent = createLivetail({ store: memoryStore() });
    expect(process.listenerCount("SIGTERM")).toBe(before);
    const listening = createLivetail({ store: memoryStore(), closeOnSignals: ["SIGTERM"] });
    expect(process.listenerCount("SIGTERM")).toBe(before + 1);
    await Promise.all([silent.close(), listening.close()]);
    expect(process.listenerCount("SIGTERM")).toBe(before);
  });

  it("refuses signals that end nothing or cannot be heard", () => {
    for (const signal of ["SIGKILL", "SIGUSR1", "sigterm"]) {
      expect(() => createLivetail({ store: memoryStore(), closeOnSignals: [signal as never] })).toThrowError(
        expect.objectContaining({ code: "INVALID_OPTION" }),
      );
    }
  });
});

describe("a process that gets SIGTERM", async () => {
  const server = await startRedis({ own: true });
  const raw = new Redis(server.url, { maxRetriesPerRequest: null });
  afterAll(async () => {
    killOwners();
    raw.disconnect();
    await server.stop();
  });
  const closing = { redis: server.url, closeOnSignals: ["SIGTERM"] } as const;
  const metaOf = (id: string) => raw.hgetall(`logs:${id}:meta`);
  const bySigterm = { code: null, signal: "SIGTERM" };

  it("stores what waits, fails or gives back what is open, ends its streams, and ends by the signal", async () => {
    const owner = await startOwner({ options: closing });
    const base = await owner.call("serve");
    await owner.call("create", "op_fails");
    await owner.call("create", "op_returns", { releaseOnClose: true });
    await owner.call("create", "op_cancelled");
    await owner.call("layer", "op_fails", "fetch");
    const cancelling = createLivetail({ redis: server.url });
    await cancelling.cancelRun("op_cancelled");
    await cancelling.close();
    await owner.call("heartbeat", "op_cancelled");
    const body = readerOf(await fetch(`${base}/op_fails/stream`));
    await body.until("event: hello");
    owner.call("logAndSignal", "op_fails", "SIGTERM", "waits").catch(() => {});
    expect(await owner.exited).toEqual(bySigterm);
    // A body that is cut off rejects.
    await body.rest();
    expect(await metaOf("op_fails")).toMatchObject({ status: "failed", error_code: "OWNER_CLOSED", next: "1" });
    expect(await raw.get("logs:op_fails:layers")).toContain('"status":"failed"');
    expect(await metaOf("op_returns")).toMatchObject({ status: "queued", owner: "" });
    expect(await metaOf("op_cancelled")).toMatchObject({ status: "cancelled" });
  });

  it("gives back all that is open when its livetail is told to", async () => {
    const owner = await startOwner({ options: { ...closing, releaseOnClose: true } });
    await owner.call("create", "op_queue");
    await owner.call("create", "op_mine", { releaseOnClose: false });
    owner.call("logAndSignal", "op_queue", "SIGTERM", "attempt 1").catch(() => {});
    expect(await owner.exited).toEqual(bySigterm);
    expect(await metaOf("op_queue")).toMatchObject({ status: "queued", owner: "", next: "1" });
    expect(await metaOf("op_mine")).toMatchObject({ status: "failed", error_code: "OWNER_CLOSED" });
  });

  it("goes on when something else in it listens for the signal too, with its livetail closed", async () => {
    const owner = await startOwner({ options: closing });
    await owner.call("listen", "SIGTERM", "once");
    await owner.call("create", "op_left");
    owner.kill("SIGTERM");
    await until(async () => (await metaOf("op_left")).status === "failed", "the end of the run");
    expect(await owner.call("create", "op_late").catch(String)).toContain("closed");
    expect(owner.heard).toEqual(["SIGTERM"]);
    await until(async () => (await owner.call("listeners", "SIGTERM")) === 0, "the end of the close");
    // Nobody listens any more: as it would have without livetail.
    owner.kill("SIGTERM");
    expect(await owner.exited).toEqual(bySigterm);
  });

  it("ends within endTimeoutMs though the store does not answer, and at once by a second signal", async () => {
    const [patient, hasty] = await Promise.all([
      startOwner({ options: { ...closing, endTimeoutMs: 1000 } }),
      startOwner({ options: { ...closing, endTimeoutMs: 600_000 } }),
    ]);
    await Promise.all([patient.call("create", "op_patient"), hasty.call("create", "op_hasty")]);
    await server.kill("SIGSTOP");
    patient.kill("SIGTERM");
    expect(await patient.exited).toEqual(bySigterm);
    hasty.kill("SIGTERM");
    await until(async () => (await hasty.call("status", "op_hasty")) === "failed", "the first signal");
    hasty.kill("SIGTERM");
    expect(await hasty.exited).toEqual(bySigterm);
    await server.kill("SIGCONT");
  });
});
