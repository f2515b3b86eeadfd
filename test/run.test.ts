import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../src/clock.js";
import type { LivetailError } from "../src/errors.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import { memoryStore } from "../src/store/memory.js";
import { eagerClock } from "./support/eager-clock.js";
import { faultyStore } from "./support/faulty-store.js";

const opened: Livetail[] = [];
afterEach(() => Promise.all(opened.splice(0).map((livetail) => livetail.close())));

function open(options: LivetailOptions = {}) {
  const heard: string[] = [];
  const livetail = createLivetail({
    store: memoryStore(),
    onError: (error: LivetailError) => heard.push(error.code),
    ...options,
  });
  opened.push(livetail);
  const read = async (runId: string) => {
    const from = { kind: "at", epoch: "", index: 0 } as const;
    const answer = await livetail.store.read({ runId, from, limit: 1000, known: null });
    if (answer === null) throw new Error("there is no such run");
    return { ...answer, lines: answer.lines.map((line) => JSON.parse(line)) };
  };
  return { heard, livetail, read };
}

describe("what an operation throws", () => {
  const unreadable: unknown[] = [
    Object.create(null),
    {
      toString: () => {
        throw new Error("no");
      },
    },
    Object.defineProperty(new Error("x"), "message", {
      get: () => {
        throw new Error("no");
      },
    }),
    Object.assign(new Error("x"), { code: Object.create(null) }),
    Symbol("s"),
    undefined,
  ];

  it.each(unreadable.map((thrown, i) => [i, thrown] as const))(
    "fails the run, whatever it is (%i)",
    async (_, thrown) => {
      const { livetail, read } = open();
      let id = "";
      const outcome = livetail.runOperation("s", "throws", (run) => {
        id = run.id;
        throw thrown;
      });
      await expect(
        outcome.then(
          () => "returned",
          (error) => error === thrown,
        ),
      ).resolves.toBe(true);
      while ((await read(id)).run.expectedLogCount === null) await new Promise((resolve) => setImmediate(resolve));
      expect((await read(id)).run).toMatchObject({ status: "failed" });
    },
  );

  it("comes along with every answer only in part when it is long", async () => {
    const { livetail, read } = open();
    const run = livetail.createOperationRun("s".repeat(5000), "o".repeat(5000));
    await run.fail("e".repeat(5_000_000));
    const { run: record } = await read(run.id);
    expect([record.error.length, record.subjectId.length, record.operation.length]).toEqual([4096, 256, 256]);
  });
});

describe("a call that never throws", () => {
  it("takes a getter that throws, a proxy, and names that are no text", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("s", "odd");
    const angry = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error("no");
        },
        get: () => {
          throw new Error("no");
        },
      },
    );
    const getter = Object.defineProperty({}, "current", {
      enumerable: true,
      get: () => {
        throw new Error("no");
      },
    });
    for (const odd of [angry, getter, Object.create(null), Symbol("s")]) {
      run.log(odd, odd as never);
      run.layer(odd as never, odd as never, odd as never, odd as never);
      run.logOutput(odd as never, "stdout");
    }
    expect(
      await run.complete({
        toJSON: () => {
          throw Object.create(null);
        },
      }),
    ).toMatchObject({ status: "completed" });
    expect((await livetail.reader.status(run.id)).total_count).toBe(9);
  });
});

describe("the handles of an id", () => {
  it("leave a live run what it is when another claim of its id is refused", async () => {
    const { heard, livetail, read } = open();
    const run = livetail.createOperationRun("s", "first");
    await run.ready;
    const second = livetail.createOperationRun("s", "second", { id: run.id });
    await expect(second.ready).rejects.toMatchObject({ code: "OWNED" });
    expect(await second.complete()).toEqual({ status: "queued", stored: false });
    livetail.createLogCallback(run.id)("by id");
    await livetail.close();
    expect((await read(run.id)).run).toMatchObject({ status: "failed", errorCode: "OWNER_CLOSED", next: 1 });
    expect(heard).toEqual(["OWNED"]);
  });

  it("join a run that was given back here", async () => {
    const store = memoryStore();
    const { heard, livetail, read } = open({ store });
    const run = livetail.createOperationRun("s", "released");
    run.log("first");
    await run.release();
    livetail.createLogCallback(run.id)("joined");
    while ((await read(run.id)).run.next < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([]);
  });

  it("say once that a run which was handed over is another's to write", async () => {
    const { heard, livetail, read } = open();
    const run = livetail.createOperationRun("s", "handed", { handOver: true });
    await run.ready;
    run.log("lost");
    run.log("lost too");
    expect(await run.complete()).toEqual({ status: "queued", stored: false });
    expect((await read(run.id)).run).toMatchObject({ status: "queued", next: 0 });
    expect(heard).toEqual(["OWNED"]);
  });
});

describe("cost", () => {
  it("is counted wherever the entry shows it", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("s", "cost");
    const cost = { backend: "openrouter", cost_usd: 0.001 };
    run.log("text", cost);
    run.log({ message: "object" }, cost);
    run.log(new Error("failed"), cost);
    run.log({ message: "its own", ...cost });
    await run.complete();
    expect((await livetail.reader.status(run.id)).backend_stats.total).toMatchObject({ calls: 4, cost_usd: 0.004 });
  });
});

describe("an end", () => {
  it("is stored though a batch before it was refused, with a gap in its place", async () => {
    const faulty = faultyStore();
    const { livetail, read } = open({ store: faulty.store, clock: eagerClock });
    const run = livetail.createOperationRun("s", "refused");
    await run.ready;
    let refusals = 1;
    faulty.fate = (method) => (method === "append" && refusals-- > 0 ? "refused" : null);
    for (let i = 0; i < 1500; i++) run.log(`line ${i}`);
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    const { run: record, lines } = await read(run.id);
    expect(record).toMatchObject({ status: "completed", expectedLogCount: 501 });
    expect(lines[0]).toMatchObject({ event: "log_gap", dropped: 1000 });
  });

  it("is given up when even an end without lines is refused", async () => {
    const faulty = faultyStore();
    const { livetail } = open({ store: faulty.store, clock: eagerClock });
    const run = livetail.createOperationRun("s", "refused for good");
    await run.ready;
    faulty.fate = () => "refused";
    run.log("line");
    expect(await run.complete()).toMatchObject({ stored: false });
  });

  it("waits with all who close at once", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("s", "open");
    run.log("waiting");
    const [first, second] = [livetail.close(), livetail.close()];
    expect(first).toBe(second);
    await second;
    expect(run.status).toBe("failed");
  });
});

describe("layers", () => {
  it("that others set since are not set back when a new epoch begins", async () => {
    let server = "one";
    const store = memoryStore({ server: () => server });
    const { livetail, read } = open({ store });
    const later = { ...systemClock, now: () => Date.now() + 1000 };
    const other = open({ store, clock: later }).livetail;
    const run = livetail.createOperationRun("s", "layers");
    run.layer("shared", "running");
    run.layer("ours", "running");
    await run.flush();
    other.createLayerCallback(run.id)("shared", "success");
    const layers = async () => JSON.parse((await read(run.id)).state?.layers ?? "{}");
    while ((await layers()).shared.status !== "success") await new Promise((resolve) => setImmediate(resolve));
    server = "two";
    run.log("after");
    await run.flush();
    expect(await layers()).toMatchObject({ shared: { status: "success" }, ours: { status: "running" } });
  });
});

describe("options", () => {
  it("are whole numbers that a timer can hold", () => {
    for (const options of [{ maxLines: 2.5 }, { openTtlSeconds: 0.5 }, { leaseMs: 3e9 }, { endTimeoutMs: -1 }]) {
      expect(() => createLivetail({ store: memoryStore(), ...options })).toThrowError(
        expect.objectContaining({ code: "INVALID_OPTION" }),
      );
    }
  });
});
