import { describe, expect, it, vi } from "vitest";
import { LIMITS, type LogEntry, type PollAnswer } from "../../src/protocol.js";
import { type FrameworkFacts, range, type Scene, unbornId } from "./http-scene.js";

/** `GET /{run_id}`. */
export function describePolls(scene: Scene, { hidesLengths = false }: FrameworkFacts): void {
  const messages = (answer: PollAnswer): string[] => answer.logs.map((entry: LogEntry) => entry.message);
  const indexes = (answer: PollAnswer): number[] => answer.logs.map((entry: LogEntry) => entry.index);

  describe("polling", () => {
    it("answers with exactly the fields of the protocol", async () => {
      const server = await scene.open({ ownerId: "host_1", ownerUrl: "http://10.0.0.1" });
      const run = server.livetail.createOperationRun("job-42", "generate-cv");
      run.layer("fetch", "running", "Fetching", { current: 1, total: 4 });
      run.log({ event: "llm_call_complete", message: "graded", backend: "claude_cli", cost_usd: 0.05, extra: [1] });
      run.log("plain text");
      await run.flush();
      const answer = await server.ask(`/${run.id}`);
      expect(answer.status).toBe(200);
      expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
      expect(answer.headers["cache-control"]).toBe("no-store");
      expect(answer.headers["x-content-type-options"]).toBe("nosniff");
      const length = String(Buffer.byteLength(answer.text));
      expect(answer.headers["content-length"]).toBe(hidesLengths ? undefined : length);
      const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      const stat = { calls: 1, errors: 0, cost_usd: 0.05, unpriced_calls: 0 };
      expect(answer.json()).toEqual({
        run_id: run.id,
        operation: "generate-cv",
        subject_id: "job-42",
        status: "running",
        logs: [
          expect.objectContaining({
            index: 0,
            timestamp: time,
            level: "info",
            source: "structured",
            event: "llm_call_complete",
            message: "graded",
            backend: "claude_cli",
            cost_usd: 0.05,
            metadata: expect.objectContaining({ extra: [1] }),
          }),
          expect.objectContaining({ index: 1, message: "plain text", metadata: expect.any(Object) }),
        ],
        cursor: expect.stringMatching(/^[a-z0-9]{12}\.2\.\d+$/),
        next_index: 2,
        first_index: 0,
        total_count: 2,
        expected_log_count: null,
        late_lines: 0,
        layer_status: {
          fetch: { status: "running", order: 0, message: "Fetching", current: 1, total: 4, started_at: time },
        },
        backend_stats: { backends: { claude_cli: stat }, total: stat },
        owner: { id: "host_1", url: "http://10.0.0.1", state: "live", attempt: 1 },
        cancel_requested: false,
        gap: null,
        reset: null,
        error: null,
        error_code: null,
        next_poll_ms: expect.any(Number),
      });
    });

    it("gives every line once, page by page, and then the end", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      for (const n of range(0, 25)) run.log(`line ${n}`);
      await run.flush();
      const seen: number[] = [];
      let query = "?limit=10";
      for (const expected of [10, 10, 5, 0]) {
        const page = await server.poll(run.id, query);
        expect(page.logs).toHaveLength(expected);
        expect(page.next_index).toBe(seen.length + expected);
        seen.push(...indexes(page));
        query = `?limit=10&cursor=${page.cursor}`;
      }
      run.log("line 25");
      await run.complete();
      const last = await server.poll(run.id, query);
      expect(messages(last)).toEqual(["line 25"]);
      expect(last).toMatchObject({ status: "completed", expected_log_count: 26, next_index: 26 });
      expect(seen).toEqual(range(0, 25));
    });

    it("answers an idle poll with the same cursor, and asks for patience", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      run.log("x");
      await run.flush();
      const { cursor } = await server.poll(run.id);
      for (const _ of range(0, 3)) {
        const idle = await server.poll(run.id, `?cursor=${cursor}`);
        expect(idle).toMatchObject({ logs: [], cursor, gap: null, reset: null });
        expect(idle.next_poll_ms).toBeGreaterThanOrEqual(LIMITS.pollBusyMs);
      }
    });

    it("begins at since or with the newest lines of tail; cursor wins over since, since over tail", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      for (const n of range(0, 10)) run.log(`line ${n}`);
      await run.flush();
      const { cursor } = await server.poll(run.id, "?limit=8");
      expect(indexes(await server.poll(run.id, "?since=6"))).toEqual([6, 7, 8, 9]);
      expect(indexes(await server.poll(run.id, "?tail=3"))).toEqual([7, 8, 9]);
      expect(indexes(await server.poll(run.id, "?tail=100"))).toEqual(range(0, 10));
      expect(indexes(await server.poll(run.id, "?tail=3&since=5"))).toEqual(range(5, 10));
      expect(indexes(await server.poll(run.id, `?tail=3&since=5&cursor=${cursor}`))).toEqual([8, 9]);
      const headers = { "Last-Event-ID": cursor.replace(/\.8\./, ".9.") };
      expect(indexes(await server.poll(run.id, `?cursor=${cursor}`, { headers }))).toEqual([9]);
    });

    it("tells one who joins after 5,000 lines with 1,000 kept the exact gap, and lets him finish", async () => {
      const server = await scene.open({ maxLines: 1000 });
      const run = server.livetail.createOperationRun("s", "op");
      for (const n of range(0, 5000)) run.log(`line ${n}`);
      await run.complete();
      const first = await server.poll(run.id, "?since=0&limit=600");
      expect(first.gap).toEqual({ from: 0, to: 3999, lost: 4000, reason: "trimmed" });
      expect(first).toMatchObject({ first_index: 4000, total_count: 5000, reset: null, expected_log_count: 5000 });
      expect(indexes(first)).toEqual(range(4000, 4600));
      const second = await server.poll(run.id, `?cursor=${first.cursor}&limit=600`);
      expect(second).toMatchObject({ gap: null, status: "completed", next_index: 5000, expected_log_count: 5000 });
      expect(indexes(second)).toEqual(range(4600, 5000));
    });

    it.each<[string, (cursor: string) => string, string]>([
      ["of another run", (cursor) => cursor, "epoch"],
      ["beyond what is stored", (cursor) => cursor.replace(/\.\d+\.\d+$/, ".999.1"), "ahead"],
    ])("answers a cursor %s with a reset and every line", async (what, forge, reason) => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      const other = server.livetail.createOperationRun("s", "op");
      for (const one of [run, other]) {
        one.log("first");
        one.log("second");
        await one.flush();
      }
      const source = what === "of another run" ? other : run;
      const { cursor } = await server.poll(source.id);
      const answer = await server.poll(run.id, `?cursor=${forge(cursor)}`);
      expect(answer.reset).toEqual({ reason, first_index: 0 });
      expect(messages(answer)).toEqual(["first", "second"]);
      const next = await server.poll(run.id, `?cursor=${answer.cursor}`);
      expect(next).toMatchObject({ reset: null, logs: [] });
    });
  });

  describe("holding a poll", () => {
    it.each<
      [string, (run: ReturnType<Awaited<ReturnType<Scene["open"]>>["livetail"]["createOperationRun"]>) => void, object]
    >([
      ["a new line", (run) => run.log("news"), { logs: [expect.objectContaining({ index: 1, message: "news" })] }],
      ["a layer", (run) => run.layer("fetch", "running"), { logs: [], layer_status: { fetch: expect.anything() } }],
      ["the end", (run) => void run.complete(), { logs: [], status: "completed", expected_log_count: 1 }],
    ])("answers it with %s, at once", async (_what, cause, expected) => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      run.log("first");
      await run.flush();
      const { cursor } = await server.poll(run.id);
      let answered = false;
      const held = server.poll(run.id, `?cursor=${cursor}&wait=20`).finally(() => {
        answered = true;
      });
      await vi.waitFor(() => expect(server.livetail.handler.viewers()).toBe(1));
      expect(answered).toBe(false);
      const begun = performance.now();
      cause(run);
      expect(await held).toMatchObject(expected);
      expect(performance.now() - begun).toBeLessThan(5000);
      expect(server.livetail.handler.viewers()).toBe(0);
    });

    it("answers it with nothing when the time is over", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      await run.ready;
      const { cursor } = await server.poll(run.id);
      expect(await server.poll(run.id, `?cursor=${cursor}&wait=0.05`)).toMatchObject({ logs: [], cursor });
    });

    it("answers one that already has the end at once", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      await run.complete();
      const { cursor } = await server.poll(run.id);
      const begun = performance.now();
      expect(await server.poll(run.id, `?cursor=${cursor}&wait=20`)).toMatchObject({ status: "completed", logs: [] });
      expect(performance.now() - begun).toBeLessThan(5000);
    });

    it("lets go of it when the viewer leaves", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      await run.ready;
      const { cursor } = await server.poll(run.id);
      const leave = new AbortController();
      const polls = range(0, 5).map(() => server.poll(run.id, `?cursor=${cursor}&wait=20`, { signal: leave.signal }));
      const left = Promise.allSettled(polls);
      await vi.waitFor(() => expect(server.livetail.handler.viewers()).toBe(5));
      leave.abort();
      for (const outcome of await left) expect(outcome.status).toBe("rejected");
      await vi.waitFor(() => expect(server.livetail.handler.viewers()).toBe(0));
      run.log("for nobody");
      await run.flush();
      expect(server.errors).toEqual([]);
    });

    it("gives all who wait at one place the same answer", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      await run.ready;
      const { cursor } = await server.poll(run.id);
      const polls = range(0, 20).map(() => server.ask(`/${run.id}?cursor=${cursor}&wait=20`));
      await vi.waitFor(() => expect(server.livetail.handler.viewers()).toBe(20));
      run.log("one");
      run.log("two");
      const texts = new Set((await Promise.all(polls)).map((answer) => answer.text));
      expect([...texts].map((text) => messages(JSON.parse(text)))).toEqual([["one", "two"]]);
    });

    it("waits for a run that is not stored yet", async () => {
      const server = await scene.open();
      const id = unbornId();
      const held = server.poll(id, "?wait=20");
      await vi.waitFor(() => expect(server.livetail.handler.viewers()).toBe(1));
      const run = server.livetail.createOperationRun("job-42", "test", { id });
      run.log("there it is");
      expect(await held).toMatchObject({ run_id: id, subject_id: "job-42", reset: null, gap: null });
      const { cursor } = await server.poll(id);
      expect(await server.poll(id, `?cursor=${cursor}`)).toMatchObject({ reset: null, next_index: 1 });
    });
  });
}
