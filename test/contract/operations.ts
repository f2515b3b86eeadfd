/** Slow endpoints as operations, over real servers of a framework. */
import { afterEach, describe, expect, it } from "vitest";
import { currentRun } from "../../src/default-livetail.js";
import type { LivetailError } from "../../src/errors.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { AcceptedOperation, OperationRoutesOptions } from "../../src/operation-routes.js";
import type { Run } from "../../src/run.js";
import { memoryStore } from "../../src/store/memory.js";
import { until } from "../support/until.js";
import { type AskOptions, ask, deferred } from "./http-client.js";

/** What the endpoints under test do; a test says it anew. */
export interface Work {
  work(run: Run): unknown;
  handler(): unknown;
}

/**
 * Starts a server with `POST /work` as an operation of the subject of `?of=`, and `POST /plain` as a synchronous one.
 * Where bodies are not parsed, the fingerprint is `?as=`.
 */
export type ServeOperations = (
  options: OperationRoutesOptions & { livetail: Livetail },
  test: Work,
) => Promise<{ url: string; drain(): Promise<void>; close(): Promise<void> }>;

/** What opens such servers, each with a livetail of its own or another's, until the end of the test. */
export function operationsScene() {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });
  return async (serve: ServeOperations, options: OperationRoutesOptions = {}, reuse?: Livetail) => {
    const errors: LivetailError[] = [];
    const livetail = reuse ?? createLivetail({ store: memoryStore(), onError: (error) => errors.push(error) });
    const test: Work = { work: () => "done", handler: () => ({ ok: true }) };
    const server = await serve({ ...options, livetail }, test);
    cleanups.push(
      () => server.close(),
      () => livetail.close(),
    );
    const post = (path: string, headers: Record<string, string> = {}, more: AskOptions = {}) =>
      ask(server.url, path, { method: "POST", headers, ...more });
    const result = async (id: string) => (await livetail.store.readResult(id)) ?? null;
    const read = async (id: string) =>
      (await livetail.store.read({ runId: id, from: { kind: "none" }, limit: 0, known: null }))?.run ?? null;
    return { livetail, test, server, post, result, read, errors };
  };
}

/** Declares the suite. */
export function describeOperations(name: string, serve: ServeOperations): void {
  describe(`a slow endpoint of ${name}`, () => {
    const open = operationsScene();

    it("is accepted at once, with the addresses of a run that can be read and has the result", async () => {
      const { test, post, read, result } = await open(serve);
      const gate = deferred<string>();
      test.work = async (run) => {
        expect(currentRun()?.id).toBe(run.id);
        run.log("working");
        return { said: await gate.promise };
      };
      const answer = await post("/work?of=job-42");
      const { run_id: id, ...body } = answer.json<AcceptedOperation & Record<string, unknown>>();
      expect(answer.status).toBe(202);
      expect(answer.headers).toMatchObject({ location: `/operations/${id}`, "retry-after": "1", "x-run-id": id });
      expect(body).toEqual({
        status: "queued",
        poll_url: `/operations/${id}`,
        stream_url: `/operations/${id}/stream`,
        view_url: `/operations/${id}/view`,
      });
      expect(await read(id)).toMatchObject({ operation: "work", subjectId: "job-42" });
      gate.resolve("hello");
      await until(async () => (await read(id))?.status === "completed", "its end");
      expect(await result(id)).toBe('{"said":"hello"}');
    });

    it("is answered with the result when it is there in the time that the caller would wait", async () => {
      const { test, post } = await open(serve);
      test.work = () => ({ pages: 2 });
      const answer = await post("/work?of=a", { Prefer: "respond-async, wait=20" });
      expect([answer.status, answer.json()]).toEqual([200, { pages: 2 }]);
      expect(answer.headers).toMatchObject({ "preference-applied": "wait=20" });
      expect(answer.headers.location).toBe(`/operations/${answer.headers["x-run-id"]}`);
    });

    it("can stay synchronous: it answers as before, names its run, and ends it by what it answers", async () => {
      const { test, post, read } = await open(serve);
      test.handler = () => {
        currentRun()?.log("visible");
        return { as: "before" };
      };
      const answer = await post("/plain");
      expect([answer.status, answer.json()]).toEqual([200, { as: "before" }]);
      const id = String(answer.headers["x-run-id"]);
      await until(async () => (await read(id))?.status === "completed", "its end");
      expect(await read(id)).toMatchObject({ operation: "plain", next: 1 });
    });

    it("goes on to the framework when a synchronous one throws, and the run has failed", async () => {
      const { test, post, read, livetail } = await open(serve);
      test.handler = () => Promise.reject(new Error("boom"));
      expect((await post("/plain")).status).toBe(500);
      const id = (await livetail.latestRun("plain", "plain")) ?? "";
      await until(async () => (await read(id))?.status === "failed", "its end");
      expect(await read(id)).toMatchObject({ error: "boom" });
    });

    it("refuses an Idempotency-Key that came with another body, while its run goes on and when it is over", async () => {
      const { test, post, read } = await open(serve);
      const gate = deferred<void>();
      test.work = () => gate.promise;
      const headers = { "Idempotency-Key": "k", "Content-Type": "application/json" };
      const send = (n: number) => post(`/work?of=a&as=${n}`, headers, { body: JSON.stringify({ n }) });
      const { run_id: id } = (await send(1)).json<AcceptedOperation>();
      const refused = async () => {
        const answer = await send(2);
        expect([answer.status, answer.json().code]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
      };
      expect((await send(1)).json()).toMatchObject({ run_id: id });
      await refused();
      gate.resolve();
      await until(async () => (await read(id))?.status === "completed", "its end");
      await refused();
      expect((await send(1)).json()).toMatchObject({ run_id: id, status: "completed" });
    });
  });
}
