import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { runBulk } from "../src/bulk.js";
import { createLivetail } from "../src/livetail.js";
import { readStatus } from "../src/run-status.js";
import { memoryStore } from "../src/store/memory.js";
import { deferred } from "./contract/http-client.js";
import { until } from "./support/until.js";

function open() {
  const livetail = createLivetail({ store: memoryStore() });
  const status = (runId: string) => readStatus(livetail.store, runId);
  return { livetail, status };
}

describe("a bulk operation", () => {
  it("has a run for each item, and one progress and the counts of all in its parent", async () => {
    const { livetail, status } = open();
    let most = 0;
    let now = 0;
    const outcome = await livetail.runOperation("batch-7", "import-all", async (run) => {
      const jobs = ["a", "b", "c", "d", "e"].map((id) => ({ id }));
      const work = async (job: { id: string }): Promise<string> => {
        most = Math.max(most, ++now);
        await setImmediate();
        now--;
        if (job.id === "c") throw new Error("no such job");
        return job.id;
      };
      return { id: run.id, ...(await runBulk("import", jobs, work, { livetail, concurrency: 2 })) };
    });
    expect(outcome).toMatchObject({ completed: 4, failed: 1, cancelled: 0 });
    expect(most).toBe(2);
    await until(async () => (await status(outcome.id))?.children.total === 5, "the children");
    await until(async () => (await status(outcome.id))?.children.completed === 4, "their ends");
    const answer = await status(outcome.id);
    expect(answer?.children).toMatchObject({ completed: 4, failed: 1, total: 5 });
    expect(answer?.layer_status.import).toMatchObject({ status: "failed", message: "1 failed", current: 5, total: 5 });
    const child = (await livetail.latestRun("d", "import")) ?? "";
    expect(await status(child)).toMatchObject({ status: "completed", parent_id: outcome.id });
    await livetail.close();
  });

  it("stops with its parent: what is under way is cancelled, and no other begins", async () => {
    const { livetail } = open();
    const begun: string[] = [];
    const gate = deferred<void>();
    const parent = livetail.createOperationRun("batch", "all");
    await parent.ready;
    const bulk = runBulk(
      "import",
      ["a", "b", "c"],
      async (item, run) => {
        begun.push(item);
        run.signal.addEventListener("abort", () => gate.resolve());
        await gate.promise;
        run.signal.throwIfAborted();
      },
      { livetail, parent, concurrency: 1 },
    );
    await until(() => begun.length === 1, "the first");
    await livetail.cancelRun(parent.id);
    expect(await bulk).toEqual({ completed: 0, failed: 0, cancelled: 3 });
    expect(begun).toEqual(["a"]);
    await livetail.close();
  });

  it("is done at once without items", async () => {
    const { livetail, status } = open();
    const parent = livetail.createOperationRun("batch", "all");
    expect(await runBulk("import", [], () => {}, { livetail, parent })).toEqual({
      completed: 0,
      failed: 0,
      cancelled: 0,
    });
    await parent.complete();
    expect((await status(parent.id))?.layer_status.import).toMatchObject({ status: "success", current: 0, total: 0 });
    await livetail.close();
  });
});
