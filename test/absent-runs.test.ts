import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it } from "vitest";
import { deferred } from "./contract/http-client.js";
import { setScene } from "./support/reading-scene.js";

it("says of a run that does not exist that it does not, though another viewer of it leaves while it is read", async () => {
  const scene = await setScene();
  const leaving = new AbortController();
  const held = scene.poll("unborn", { waitMs: 5000, signal: leaving.signal });
  held.catch(() => {});
  while (scene.reader.feeds === 0 || scene.reads.length === 0) await nextTurn();
  await nextTurn();

  const answered = deferred<void>();
  scene.slow = answered.promise;
  const asked = scene.poll("unborn");
  asked.catch(() => {});
  await nextTurn();
  leaving.abort();
  await expect(held).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  answered.resolve();

  await expect(asked).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  expect(scene.reader.feeds).toBe(0);
  await scene.harness.close();
});
