import { Agent } from "node:http";
import compression from "compression";
import { describe, expect, it, vi } from "vitest";
import { connectRaw } from "../support/raw-http.js";
import { until } from "../support/until.js";
import type { FrameworkFacts, Front, Scene } from "./http-scene.js";
import { range, unbornId } from "./http-scene.js";

/**
 * What only a real server shows: mounts, middleware in front, bodies, closing. Where a framework speaks fetch it, and not
 * `adapters/node.ts`, writes answers to the connection.
 */
export function describeServing(scene: Scene, facts: FrameworkFacts): void {
  const { speaksFetch = false, evadesCompression = false, needsBodies = false, waitsForViewers = false } = facts;

  describe("being mounted", () => {
    it.each(["/operations", "/api/v1/logs", ""])("works below %j", async (mount) => {
      const server = await scene.open({ mount, authorize: () => true });
      expect(new URL(server.url).pathname.replace(/\/$/, "")).toBe(mount);
      const run = server.livetail.createOperationRun("s", "op");
      run.log("one");
      await run.complete();
      expect((await server.poll(run.id)).logs).toHaveLength(1);
      expect((await (await server.stream(`/${run.id}/stream`)).rest()).at(-1)?.event).toBe("end");
      for (const path of mount === "" ? ["/", "/?limit=5"] : ["", "/", "?limit=5", "/?limit=5"]) {
        expect((await server.ask(path)).json<{ runs: unknown[] }>().runs).toHaveLength(1);
      }
      expect((await server.ask("/no/such/path")).json()).toMatchObject({ code: expect.any(String) });
    });

    it("shows authorize the whole URL and the framework's own request, on every poll and resume", async () => {
      const asked: { url: string; own: boolean; token: string | undefined }[] = [];
      let open = true;
      const server = await scene.open({
        mount: "/api/v1/logs",
        authorize: ({ url, raw, header }) => {
          asked.push({ url, own: scene.isOwnRequest(raw), token: header("x-token") });
          return open;
        },
      });
      const run = server.livetail.createOperationRun("s", "op");
      run.log("one");
      await run.flush();
      const { cursor } = await server.poll(run.id, "", { headers: { "X-Token": "t" } });
      await server.poll(run.id, `?cursor=${cursor}`);
      const stream = await server.stream(`/${run.id}/stream`);
      const id = (await stream.until(({ event }) => event === "log")).at(-1)?.id ?? "";
      stream.vanish();
      open = false;
      const resumed = await server.ask(`/${run.id}/stream`, { headers: { "Last-Event-ID": id } });
      expect(resumed.status).toBe(403);
      const path = `/api/v1/logs/${run.id}`;
      expect(asked).toEqual([
        { url: path, own: true, token: "t" },
        { url: `${path}?cursor=${cursor}`, own: true, token: undefined },
        { url: `${path}/stream`, own: true, token: undefined },
        { url: `${path}/stream`, own: true, token: undefined },
      ]);
    });
  });

  describe("behind others", () => {
    if (!speaksFetch) {
      it("answers a request that waits for its turn on a connection, and for a 100 Continue, whole and in order", async () => {
        const server = await scene.open();
        const run = server.livetail.createOperationRun("s", "op");
        run.log("one");
        await run.flush();
        await server.poll(run.id);
        const { pathname, port } = new URL(server.url);
        const path = `${pathname.replace(/\/$/, "")}/${run.id}`;
        const connection = await connectRaw(Number(port), () => "GET");
        const request = (below: string, header = "") => `GET ${path}${below} HTTP/1.1\r\nHost: x\r\n${header}\r\n`;
        const expecting = request("?since=0", "Expect: 100-continue\r\n");
        connection.write(Buffer.from(request("/status") + expecting + request("?tail=0")));
        const { reader } = connection;
        await until(() => reader.complete === 3 || connection.fault !== null || connection.closed, "three answers");
        connection.destroy();
        expect(connection.fault).toBeNull();
        const bodies = reader.answers.map(({ body }) => JSON.parse(String(body)) as Record<string, unknown>);
        expect(bodies).toMatchObject([{ layers_done: 0 }, { logs: [{ index: 0 }] }, { logs: [] }]);
      });
    }

    it("keeps the headers that were set in front, on polls, problems and streams", async () => {
      const front: Front = (_req, res, next) => {
        res.setHeader("Access-Control-Allow-Origin", "https://app.test");
        res.setHeader("Set-Cookie", ["a=1", "b=2"]);
        res.setHeader("X-Request-Id", "r1");
        next();
      };
      const server = await scene.open({ front });
      const run = server.livetail.createOperationRun("s", "op");
      await run.complete();
      for (const path of [`/${run.id}`, `/${unbornId()}`, `/${run.id}/stream`, `/${run.id}/download`]) {
        const { headers } = await server.ask(path);
        expect([path, headers["access-control-allow-origin"]]).toEqual([path, "https://app.test"]);
        expect(headers["set-cookie"]).toEqual(["a=1", "b=2"]);
        expect(headers["x-request-id"]).toBe("r1");
      }
    });

    it("asks nothing and writes nothing where somebody in front has answered", async () => {
      let asked = 0;
      const front: Front = (_req, res) => res.writeHead(401, { "Content-Type": "text/plain" }).end("not you");
      const server = await scene.open({
        front,
        authorize: () => {
          asked += 1;
          return true;
        },
      });
      for (const path of ["/", `/${unbornId()}/stream`]) {
        expect(await server.ask(path)).toMatchObject({ status: 401, text: "not you" });
      }
      expect(asked).toBe(0);
    });

    it("delivers events at once through a compressing middleware, and lets it compress what it may", async () => {
      const server = await scene.open({ front: compression({ threshold: 0 }) as unknown as Front });
      const run = server.livetail.createOperationRun("s", "op");
      await run.ready;
      const headers = { "Accept-Encoding": "gzip" };
      const stream = await server.stream(`/${run.id}/stream`, { headers });
      expect(stream.headers).not.toHaveProperty("content-encoding");
      for (const n of range(0, 5)) {
        run.log(`line ${n}`);
        const frames = await stream.until(({ event }) => event === "log");
        expect(frames.at(-1)?.data.message).toBe(`line ${n}`);
      }
      stream.vanish();
      const response = await fetch(`${server.url}/${run.id}`, { headers });
      expect(response.headers.get("content-encoding")).toBe(evadesCompression ? null : "gzip");
      expect(await response.json()).toMatchObject({ next_index: 5 });
    });

    if (!speaksFetch) {
      it("sends a whole download through a compressing middleware", async () => {
        const front = compression({ threshold: 0, filter: () => true }) as unknown as Front;
        const server = await scene.open({ maxLines: 5000, front });
        const run = server.livetail.createOperationRun("s", "op");
        for (const n of range(0, 3000)) run.log(`line ${n}`);
        await run.complete();
        const response = await fetch(`${server.url}/${run.id}/download`);
        expect(response.headers.get("content-encoding")).not.toBeNull();
        expect((await response.text()).trimEnd().split("\n")).toHaveLength(3000);
      });
    }
  });

  describe("requests with a body", () => {
    const bodies: [string, string, string][] = [
      ["that is no JSON, said to be JSON", "application/json", "{not json"],
      ["of JSON", "application/json", '{"wait":20}'],
      ["of a form", "application/x-www-form-urlencoded", "a=1&b=2"],
      ["of an unknown type", "application/x-unheard-of", "???"],
      ["of text", "text/plain", "hello"],
      ["of 2 MB", "application/octet-stream", "x".repeat(2_000_000)],
    ];

    it.each(bodies)("are answered whatever they carry: a body %s", async (_what, type, body) => {
      const server = await scene.open({ authorize: () => true });
      const run = server.livetail.createOperationRun("s", "op");
      run.log("one");
      await run.complete();
      const headers = { "Content-Type": type };
      const stream = await server.stream(`/${run.id}/stream`, { method: "POST", headers, body });
      expect(stream.status).toBe(200);
      expect((await stream.rest()).at(-1)?.event).toBe("end");
      const cancel = await server.ask(`/${run.id}/cancel`, { method: "POST", headers, body });
      expect(cancel.status).toBe(200);
      expect((await server.ask(`/${run.id}`, { method: "DELETE", headers, body })).status).toBe(204);
    });

    if (!needsBodies) {
      it("are answered when somebody in front has read the body already", async () => {
        const front: Front = (req, _res, next) => {
          req.resume().on("end", next);
        };
        const server = await scene.open({ front, authorize: () => true });
        const run = server.livetail.createOperationRun("s", "op");
        await run.complete();
        const sent = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" };
        const stream = await server.stream(`/${run.id}/stream`, sent);
        expect((await stream.rest()).at(-1)?.event).toBe("end");
        expect((await server.ask(`/${run.id}/cancel`, sent)).status).toBe(200);
      });
    }
  });

  describe("closing", () => {
    /** Fails when the server is still open after `ms`. */
    const closesWithin = (ms: number, close: Promise<void>): Promise<void> =>
      Promise.race([
        close,
        new Promise<never>((_, reject) => {
          setTimeout(() => reject(new Error(`The server is still open after ${ms} ms.`)), ms).unref();
        }),
      ]);

    it("is done at once with streams, held polls and idle connections open, and answers them properly", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      run.log("one");
      await run.flush();
      const { cursor } = await server.poll(run.id);
      const agent = new Agent({ keepAlive: true });
      await server.poll(run.id, "", { agent });
      const stream = await server.stream(`/${run.id}/stream`, { agent });
      await stream.until(({ event }) => event === "log");
      const held = range(0, 3).map(() => server.poll(run.id, `?cursor=${cursor}&wait=20`, { agent }));
      await vi.waitFor(() => expect(server.livetail.handler.viewers()).toBe(4));
      await closesWithin(4000, server.close());
      expect(await stream.rest()).toEqual([]);
      for (const answer of await Promise.all(held)) expect(answer).toMatchObject({ logs: [], cursor });
      agent.destroy();
    });

    it(`is done ${waitsForViewers ? "when a viewer has left" : "at once with a viewer"} that reads nothing`, async () => {
      const server = await scene.open({ maxLines: 20_000, maxBufferBytes: 64 * 1_048_576 });
      const run = server.livetail.createOperationRun("s", "op");
      await run.ready;
      const stream = await server.stream(`/${run.id}/stream`);
      await stream.next();
      for (const round of range(0, 20)) {
        for (const _ of range(0, 1000)) run.log({ message: `line ${round}`, fill: "x".repeat(500) });
        await run.flush();
      }
      const closed = server.close();
      await vi.waitFor(() => expect(server.livetail.handler.viewers()).toBe(0));
      if (waitsForViewers) stream.vanish();
      await closesWithin(4000, closed);
      stream.vanish();
    });
  });
}
