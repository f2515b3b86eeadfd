import type { ServerResponse } from "node:http";
import { describe, expect, it, vi } from "vitest";
import type { EventStream, Frame } from "./http-client.js";
import { range, type Scene, unbornId } from "./http-scene.js";

/** `GET /{run_id}/stream`. */
export function describeStreams(scene: Scene): void {
  const isLog = (frame: Frame): boolean => frame.event === "log";
  const names = (frames: Frame[]): string[] => frames.map(({ event }) => event);
  const lines = (frames: Frame[]): unknown[] => frames.filter(isLog).map(({ data }) => data.message);
  const indexes = (frames: Frame[]): unknown[] => frames.filter(isLog).map(({ data }) => data.index);

  /** The frames up to the `count`th line. */
  const readLines = (stream: EventStream, count: number): Promise<Frame[]> => {
    let seen = 0;
    return stream.until((frame) => {
      if (isLog(frame)) seen += 1;
      return seen === count;
    });
  };

  describe("streaming", () => {
    it("tells a run from its first line to its end, every frame with the id to come back with", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("job-42", "generate-cv");
      run.log("first");
      await run.flush();
      const stream = await server.stream(`/${run.id}/stream`);
      expect(stream.status).toBe(200);
      expect(stream.headers).toMatchObject({
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
      });
      expect(stream.headers).not.toHaveProperty("content-length");
      const history = await readLines(stream, 1);
      run.log("second");
      const live = await readLines(stream, 1);
      await run.complete();
      const rest = await stream.rest();
      const frames = [...history, ...live, ...rest];
      expect(frames[0]).toMatchObject({
        event: "hello",
        data: { run_id: run.id, operation: "generate-cv", subject_id: "job-42", first_index: 0, next_index: 1 },
      });
      expect(names(frames).slice(0, 3)).toEqual(["hello", "state", "log"]);
      expect(frames[1]?.data).toMatchObject({ status: "running", layer_status: {}, store: "ok" });
      expect(lines(frames)).toEqual(["first", "second"]);
      expect(frames.filter(isLog).map(({ id }) => id?.split(".")[1])).toEqual(["1", "2"]);
      const end = frames.at(-1);
      expect(end?.event).toBe("end");
      expect(end?.id).toMatch(/^[a-z0-9]{12}\.2\.\d+$/);
      expect(end?.data).toMatchObject({ status: "completed", expected_log_count: 2, error: null });
      expect(new Set(frames.map(({ id }) => id?.split(".")[0])).size).toBe(1);
      expect(server.livetail.handler.viewers()).toBe(0);
    });

    it("goes on after the id that a viewer comes back with, and says nothing after the id of the end", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      for (const n of range(0, 10)) run.log(`line ${n}`);
      await run.flush();
      const first = await server.stream(`/${run.id}/stream`);
      const id = (await readLines(first, 4)).at(-1)?.id ?? "";
      first.vanish();
      await run.complete();
      const second = await server.stream(`/${run.id}/stream`, { headers: { "Last-Event-ID": id } });
      const frames = await second.rest();
      expect(indexes(frames)).toEqual(range(4, 10));
      expect(names(frames)).not.toContain("reset");
      const over = { headers: { "Last-Event-ID": frames.at(-1)?.id ?? "" } };
      for (const method of ["GET", "POST"]) {
        const answer = await server.ask(`/${run.id}/stream`, { ...over, method });
        expect(answer.status).toBe(204);
        expect(answer.text).toBe("");
      }
    });

    it("begins where its query says, Last-Event-ID first", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      for (const n of range(0, 10)) run.log(`line ${n}`);
      await run.complete();
      const { cursor } = await server.poll(run.id, "?limit=7");
      const read = async (query: string, headers = {}): Promise<unknown[]> =>
        indexes(await (await server.stream(`/${run.id}/stream${query}`, { headers })).rest());
      expect(await read("?tail=2")).toEqual([8, 9]);
      expect(await read("?since=6")).toEqual(range(6, 10));
      expect(await read(`?cursor=${cursor}`)).toEqual(range(7, 10));
      expect(await read(`?cursor=${cursor}`, { "Last-Event-ID": cursor.replace(/\.7\./, ".9.") })).toEqual([9]);
    });

    it("answers a rubbish Last-Event-ID with a reset and every line", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      run.log("one");
      run.log("two");
      await run.complete();
      const stream = await server.stream(`/${run.id}/stream`, { headers: { "Last-Event-ID": "rubbish" } });
      const frames = await stream.rest();
      expect(frames.find(({ event }) => event === "reset")?.data).toEqual({ reason: "cursor", first_index: 0 });
      expect(lines(frames)).toEqual(["one", "two"]);
      expect(names(frames).indexOf("reset")).toBeLessThan(names(frames).indexOf("log"));
    });

    it("answers the id of another run with a reset and every line", async () => {
      const server = await scene.open();
      const [run, other] = [1, 2].map(() => server.livetail.createOperationRun("s", "op"));
      for (const one of [run, other]) {
        one?.log("one");
        await one?.complete();
      }
      const { cursor } = await server.poll(other?.id ?? "");
      const stream = await server.stream(`/${run?.id}/stream`, { headers: { "Last-Event-ID": cursor } });
      const frames = await stream.rest();
      expect(frames.find(({ event }) => event === "reset")?.data).toEqual({ reason: "epoch", first_index: 0 });
      expect(lines(frames)).toEqual(["one"]);
    });

    it("tells one who joins after 5,000 lines with 1,000 kept the exact gap, the kept lines and the end", async () => {
      const server = await scene.open({ maxLines: 1000 });
      const run = server.livetail.createOperationRun("s", "op");
      for (const n of range(0, 5000)) run.log(`line ${n}`);
      await run.complete();
      const frames = await (await server.stream(`/${run.id}/stream`)).rest();
      const gap = frames.find(({ event }) => event === "gap");
      expect(gap?.data).toEqual({ from: 0, to: 3999, lost: 4000, reason: "trimmed" });
      expect(gap?.id?.split(".")[1]).toBe("4000");
      expect(indexes(frames)).toEqual(range(4000, 5000));
      expect(frames.at(-1)).toMatchObject({ event: "end", data: { status: "completed", expected_log_count: 5000 } });
    });

    it("reads a POST like a GET, and no body", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      run.log("one");
      await run.complete();
      const headers = { "Content-Type": "application/json" };
      const stream = await server.stream(`/${run.id}/stream`, { method: "POST", body: '{"since":"none"}', headers });
      expect(lines(await stream.rest())).toEqual(["one"]);
    });

    it("waits for a run that is not stored yet", async () => {
      const server = await scene.open();
      const id = unbornId();
      const opening = server.stream(`/${id}/stream`);
      await vi.waitFor(() => expect(server.livetail.handler.viewers()).toBe(1));
      const run = server.livetail.createOperationRun("s", "test", { id });
      run.log("there it is");
      const stream = await opening;
      expect(lines(await readLines(stream, 1))).toEqual(["there it is"]);
      stream.vanish();
    });

    it("says in the stream that the store is away, and goes on when it is back", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      run.log("one");
      await run.flush();
      server.away = true;
      const stream = await server.stream(`/${run.id}/stream`);
      expect(stream.status).toBe(200);
      expect(await stream.next()).toMatchObject({ event: "state", data: { store: "unavailable" } });
      server.away = false;
      const frames = await readLines(stream, 1);
      expect(lines(frames)).toEqual(["one"]);
      expect(frames.find(({ event }) => event === "state")?.data).toMatchObject({ store: "ok" });
      stream.vanish();
    });

    it("ends streams without an end when the server wants to close, so that their viewers come back", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      run.log("one");
      await run.flush();
      const streams = await Promise.all(range(0, 3).map(() => server.stream(`/${run.id}/stream`)));
      for (const stream of streams) await readLines(stream, 1);
      server.livetail.handler.closeViewers();
      for (const stream of streams) expect(names(await stream.rest())).not.toContain("end");
      expect(server.livetail.handler.viewers()).toBe(0);
    });

    it("forgets a viewer that vanishes", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      run.log("one");
      await run.flush();
      const streams = await Promise.all(range(0, 3).map(() => server.stream(`/${run.id}/stream`)));
      for (const stream of streams) await readLines(stream, 1);
      expect(server.livetail.handler.viewers()).toBe(3);
      for (const stream of streams) stream.vanish();
      await vi.waitFor(() => expect(server.livetail.handler.viewers()).toBe(0));
      run.log("for nobody");
      await run.complete();
      expect(server.errors).toEqual([]);
    });
  });

  describe("streaming to a viewer that pauses", () => {
    const COUNT = 20_000;
    const FILL = "x".repeat(500);

    it("holds megabytes back for it in bounded memory, and gives it every line in the end", async () => {
      const responses: ServerResponse[] = [];
      const server = await scene.open({
        maxLines: COUNT,
        maxBufferBytes: 64 * 1_048_576,
        maxWaitingLines: COUNT,
        maxWaitingBytes: 64 * 1_048_576,
        front: (_req, res, next) => {
          responses.push(res);
          next();
        },
      });
      const run = server.livetail.createOperationRun("s", "op");
      await run.ready;
      const paused = await server.stream(`/${run.id}/stream`);
      await paused.next();
      let pending = 0;
      for (const n of range(0, COUNT)) {
        run.log({ message: `line ${n}`, fill: FILL });
        if (n % 1000 === 999) {
          await run.flush();
          pending = Math.max(pending, ...responses.map((res) => res.writableLength));
        }
      }
      await run.complete();
      // 10 MB were logged; neither the connection nor the feed holds more than a little of it.
      expect(pending).toBeLessThan(1_048_576);
      expect(server.livetail.reader.keptBytes).toBeLessThanOrEqual(1_310_720);
      const frames = await paused.rest();
      expect(indexes(frames)).toEqual(range(0, COUNT));
      expect(frames.at(-1)).toMatchObject({ event: "end", data: { status: "completed" } });
      expect(paused.bytesRead()).toBeGreaterThan(10_000_000);
    });

    it("keeps no other viewer waiting", async () => {
      const server = await scene.open({ maxLines: 1000 });
      const run = server.livetail.createOperationRun("s", "op");
      await run.ready;
      const paused = await server.stream(`/${run.id}/stream`);
      const eager = await server.stream(`/${run.id}/stream`);
      await paused.next();
      const seen: unknown[] = [];
      for (const round of range(0, 40)) {
        for (const n of range(0, 500)) run.log({ message: `line ${round * 500 + n}`, fill: FILL });
        seen.push(...indexes(await readLines(eager, 500)));
      }
      await run.complete();
      await eager.rest();
      expect(seen).toEqual(range(0, COUNT));
      // The other took nothing meanwhile; what it missed is announced, and it sees the end.
      const frames = await paused.rest();
      const told = frames.flatMap(({ event, data }): unknown[] =>
        event === "log" ? [data.index] : event === "gap" ? range(Number(data.from), Number(data.to) + 1) : [],
      );
      expect(told).toEqual(range(0, COUNT));
      expect(names(frames)).toContain("gap");
      expect(frames.at(-1)?.event).toBe("end");
    });

    it("lets go of it when it vanishes without having read", async () => {
      const server = await scene.open({ maxLines: COUNT, maxBufferBytes: 64 * 1_048_576 });
      const run = server.livetail.createOperationRun("s", "op");
      await run.ready;
      const paused = await server.stream(`/${run.id}/stream`);
      await paused.next();
      for (const round of range(0, 20)) {
        for (const _ of range(0, 1000)) run.log({ message: `line ${round}`, fill: FILL });
        await run.flush();
      }
      expect(server.livetail.handler.viewers()).toBe(1);
      paused.vanish();
      await vi.waitFor(() => expect(server.livetail.handler.viewers()).toBe(0));
      run.log("for nobody");
      await run.complete();
      expect(server.errors).toEqual([]);
    });
  });
}
