import { describe, expect, it } from "vitest";
import { createLivetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const kinds: [string, () => object][] = [
  ["a revoked proxy", revokedProxy],
  ["a proxy that hides its prototype", () => new Proxy({}, { getPrototypeOf: () => revokedProxy() })],
];

describe.each(kinds)("%s", (_, make) => {
  it("can be logged: nothing is thrown, and a line is stored", async () => {
    const store = memoryStore();
    const livetail = createLivetail({ store });
    const run = livetail.createOperationRun("job-1", "import");
    expect(() => run.log(make())).not.toThrow();
    expect(() => run.log("text", make() as Record<string, unknown>)).not.toThrow();
    await run.flush();
    const answer = await store.read({ runId: run.id, from: { kind: "tail", count: 5 }, limit: 5, known: null });
    expect(answer?.lines).toHaveLength(2);
    await livetail.close();
  });

  it("can be what an operation fails with: the run fails, and nothing rejects", async () => {
    const livetail = createLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("job-1", "import");
    expect(await run.fail(make())).toEqual({ status: "failed", stored: true });
    await livetail.close();
  });
});
