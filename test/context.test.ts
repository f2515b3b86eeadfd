import { AsyncLocalStorage } from "node:async_hooks";
import { expect, test, vi } from "vitest";
import { type CurrentRun, currentRun, withRun } from "../src/context.js";

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
