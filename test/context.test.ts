import { AsyncLocalStorage } from "node:async_hooks";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { bindRun, type CurrentRun, currentRun, withRun } from "../src/context.js";

const FILE = fileURLToPath(import.meta.url);

function runNamed(id: string): CurrentRun {
  const calls = { log() {}, price: () => null, now: () => 0 };
  return { id, sink: { write() {}, count() {}, layer() {} }, calls, log() {}, logOutput() {} };
}

test("there is no current run outside of one", () => {
  expect(currentRun()).toBeUndefined();
});

test("code below withRun sees its run, also after it waited, and what fn returns comes back", async () => {
  const run = runNamed("a");
  const seen = await withRun(run, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return currentRun();
  });
  expect(seen).toBe(run);
  expect(currentRun()).toBeUndefined();
});

test("two runs at the same time do not see each other, and the inner of two nested ones counts", async () => {
  const ids = await Promise.all(
    ["a", "b"].map((id) =>
      withRun(runNamed(id), async () => {
        await new Promise((resolve) => setImmediate(resolve));
        const inner = withRun(runNamed(`${id}/inner`), () => currentRun()?.id);
        return [currentRun()?.id, inner];
      }),
    ),
  );
  expect(ids).toEqual([
    ["a", "a/inner"],
    ["b", "b/inner"],
  ]);
});

test("what fn throws is thrown, and the run is over", () => {
  expect(() =>
    withRun(runNamed("a"), () => {
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(currentRun()).toBeUndefined();
});

test("two copies of the package in one process share the current run", async () => {
  vi.resetModules();
  const copy = await import("../src/context.js");
  expect(copy.withRun).not.toBe(withRun);
  const run = runNamed("shared");
  expect(withRun(run, () => copy.currentRun())).toBe(run);
  expect(Reflect.get(globalThis, Symbol.for("livetail.context"))).toBeInstanceOf(AsyncLocalStorage);
});

describe("the current run is found", () => {
  /** Resolves to the id that `start` finds when it calls back, though nothing in between belongs to a run. */
  function seenBy(start: (see: () => void) => unknown): Promise<string | undefined> {
    return withRun(
      runNamed("a"),
      () =>
        new Promise((resolve, reject) => {
          const see = (): void => resolve(currentRun()?.id);
          Promise.resolve(start(see)).catch(reject);
        }),
    );
  }

  test.each<[string, (see: () => void) => unknown]>([
    ["in a promise", (see) => Promise.resolve().then(see)],
    [
      "after an await in an async generator",
      async (see) => {
        async function* two() {
          yield 1;
          await new Promise((resolve) => setImmediate(resolve));
          yield 2;
        }
        for await (const each of two()) if (each === 2) see();
      },
    ],
    ["in setTimeout", (see) => void setTimeout(see, 1)],
    [
      "in setInterval",
      (see) => {
        const timer = setInterval(() => {
          clearInterval(timer);
          see();
        }, 1);
      },
    ],
    ["in setImmediate", (see) => void setImmediate(see)],
    ["in process.nextTick", (see) => process.nextTick(see)],
    ["in a microtask", (see) => queueMicrotask(see)],
    ["in the events of a file's stream", (see) => void createReadStream(FILE).on("end", see).resume()],
    [
      "in a transform that a pipeline feeds",
      async (see) => {
        const looks = new Transform({
          transform(chunk, _encoding, done) {
            see();
            done(null, chunk);
          },
        });
        await pipeline(createReadStream(FILE), looks, new PassThrough().resume());
      },
    ],
    [
      "in the answer to a request",
      async (see) => {
        const server = createServer((_request, response) => response.end("body")).listen(0, "127.0.0.1");
        await once(server, "listening");
        get({ port: (server.address() as AddressInfo).port, agent: false }, (response) => {
          response.resume().on("end", () => {
            see();
            server.close();
          });
        });
      },
    ],
    ["when a child process ends", (see) => void spawn(process.execPath, ["--version"]).on("close", see)],
    [
      "by a listener that is called in the run",
      (see) => {
        const emitter = new EventEmitter().on("event", see);
        setImmediate(() => emitter.emit("event"));
      },
    ],
  ])("%s", async (_where, start) => {
    expect(await seenBy(start)).toBe("a");
    expect(currentRun()).toBeUndefined();
  });
});

describe("what is bound to a run", () => {
  test("runs in it wherever it is called from, with its this, its arguments and what it returns", () => {
    const object = {
      name: "o",
      tell(this: { name: string }, a: number, b: number) {
        return [currentRun()?.id, this.name, a + b];
      },
    };
    object.tell = bindRun(runNamed("a"), object.tell);
    expect(object.tell(1, 2)).toEqual(["a", "o", 3]);
    expect(withRun(runNamed("b"), () => object.tell(3, 4))).toEqual(["a", "o", 7]);
    expect(currentRun()).toBeUndefined();
  });

  test("throws what the function throws", () => {
    const bound = bindRun(runNamed("a"), () => {
      throw new Error("no");
    });
    expect(bound).toThrow("no");
    expect(currentRun()).toBeUndefined();
  });

  test("is an emitter's every listener, before and after, once and async ones too, when another run emits", async () => {
    const emitter = new EventEmitter<{ event: [string] }>();
    const seen: unknown[] = [];
    const see = (how: string) => (word: string) => seen.push([how, word, currentRun()?.id]);
    const removed = see("removed");
    emitter.on("event", see("before"));
    emitter.on("event", removed);
    expect(bindRun(runNamed("a"), emitter)).toBe(emitter);
    emitter.once("event", see("once"));
    emitter.on("event", async (word) => {
      await Promise.resolve();
      see("async")(word);
    });
    emitter.off("event", removed);
    const emits = () => emitter.emit("event", "x");
    expect([emits(), withRun(runNamed("b"), emits)]).toEqual([true, true]);
    await Promise.resolve();
    expect(seen).toEqual([
      ["before", "x", "a"],
      ["once", "x", "a"],
      ["before", "x", "a"],
      ["async", "x", "a"],
      ["async", "x", "a"],
    ]);
  });
});
