import { describe, expect, it } from "vitest";
import type { LogEntry, StatusAnswer } from "../../src/protocol.js";
import type { AskOptions } from "./http-client.js";
import { range, type Scene, unbornId } from "./http-scene.js";

/** Everything but polls and streams. */
export function describeRoutes(scene: Scene): void {
  const allowAll = { authorize: () => true } as const;

  describe("the other paths of a run", () => {
    it("tell its status, without lines, by two names", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("job-42", "op", {
        metadata: { wanted_by: "me", token: "s3cret" },
      });
      run.layer("fetch", "success");
      run.layer("grade", "running");
      run.log("a line");
      await run.flush();
      const answer = await server.ask(`/${run.id}/status`);
      expect(answer.json<StatusAnswer>()).toMatchObject({
        run_id: run.id,
        subject_id: "job-42",
        status: "running",
        total_count: 1,
        layers_done: 1,
        layers_total: 2,
        metadata: { wanted_by: "me" },
        children: { total: 0 },
      });
      expect(answer.text).not.toMatch(/s3cret|a line/);
      expect((await server.ask(`/${run.id}/progress`)).json()).toEqual(answer.json());
    });

    it("give the result when there is one, and 202 with Retry-After before", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      run.start();
      await run.flush();
      const early = await server.ask(`/${run.id}/result`);
      expect(early.status).toBe(202);
      expect(Number(early.headers["retry-after"])).toBeGreaterThan(0);
      expect(early.json()).toEqual({ run_id: run.id, status: "running" });
      await run.complete({ pages: 3, title: "grün" });
      const late = await server.ask(`/${run.id}/result`);
      expect(late.status).toBe(200);
      expect(late.json()).toEqual({ pages: 3, title: "grün" });
    });

    it("give null for a completed run without a result", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      await run.complete();
      expect((await server.ask(`/${run.id}/result`)).text).toBe("null");
    });

    it("download the kept lines, one entry a line", async () => {
      const server = await scene.open({ maxLines: 1200 });
      const run = server.livetail.createOperationRun("s", "op");
      for (const n of range(0, 2000)) run.log(`line ${n}\nsecond row ✓`);
      await run.complete();
      const answer = await server.ask(`/${run.id}/download`);
      expect(answer.headers["content-type"]).toBe("application/x-ndjson; charset=utf-8");
      expect(answer.headers["content-disposition"]).toBe(`attachment; filename="${run.id}.ndjson"`);
      expect(answer.headers["x-content-type-options"]).toBe("nosniff");
      const entries: LogEntry[] = answer.text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(entries.map(({ index }) => index)).toEqual(range(800, 2000));
      expect(entries[0]?.message).toBe("line 800\nsecond row ✓");
    });

    it("show a page that runs nothing but its own script", async () => {
      const server = await scene.open();
      const answer = await server.ask(`/${unbornId()}/view`);
      expect(answer.status).toBe(200);
      expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
      expect(answer.headers["x-content-type-options"]).toBe("nosniff");
      expect(answer.headers["cache-control"]).toBe("no-store");
      const policy = String(answer.headers["content-security-policy"]);
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toMatch(/unsafe-/);
      const nonce = /script-src 'nonce-([^']+)'/.exec(policy)?.[1];
      const scripts = [...answer.text.matchAll(/<script[^>]*>/g)].map(String);
      expect(scripts.length).toBeGreaterThan(0);
      for (const script of scripts) expect(script).toContain(`nonce="${nonce}"`);
      expect((await server.ask(`/${unbornId()}/view`)).headers["content-security-policy"]).not.toBe(policy);
    });

    it("answer HEAD like GET, without the body", async () => {
      const server = await scene.open(allowAll);
      const run = server.livetail.createOperationRun("s", "op");
      run.log("one");
      await run.complete({ ok: true });
      for (const path of [`/${run.id}`, `/${run.id}/status`, `/${run.id}/result`, `/${run.id}/view`, "/"]) {
        const full = await server.ask(path);
        const head = await server.ask(path, { method: "HEAD" });
        expect(head.text).toBe("");
        expect(head.status).toBe(200);
        for (const name of ["content-type", "content-length", "cache-control"]) {
          expect([path, name, head.headers[name]]).toEqual([path, name, full.headers[name]]);
        }
      }
      for (const path of [`/${run.id}/stream`, `/${run.id}/download`]) {
        const head = await server.ask(path, { method: "HEAD" });
        expect(head.status).toBe(200);
        expect(head.text).toBe("");
        expect(head.headers["content-type"]).toMatch(/event-stream|ndjson/);
        expect(head.headers["content-length"]).toBeUndefined();
      }
      expect((await server.ask(`/${unbornId()}`, { method: "HEAD" })).status).toBe(404);
      expect(server.livetail.handler.viewers()).toBe(0);
    });
  });

  describe("cancelling and deleting", () => {
    it("cancels a run once, tells its owner, and says the second time what stands", async () => {
      const server = await scene.open(allowAll);
      const run = server.livetail.createOperationRun("s", "op");
      run.start();
      await run.flush();
      const first = await server.ask(`/${run.id}/cancel`, { method: "POST" });
      expect(first.status).toBe(202);
      expect(first.json()).toEqual({ run_id: run.id, status: "running", cancel_requested: true });
      expect(run.signal.aborted).toBe(true);
      expect((await server.ask(`/${run.id}/cancel`, { method: "POST" })).status).toBe(200);
      await run.fail(new Error("stopped"));
      const last = await server.ask(`/${run.id}/cancel`, { method: "POST" });
      expect(last.status).toBe(200);
      expect(last.json()).toMatchObject({ status: "cancelled" });
    });

    it("deletes a run that has ended", async () => {
      const server = await scene.open(allowAll);
      const run = server.livetail.createOperationRun("s", "op");
      run.log("gone soon");
      await run.complete();
      await server.poll(run.id);
      const answer = await server.ask(`/${run.id}`, { method: "DELETE" });
      expect(answer.status).toBe(204);
      expect(answer.text).toBe("");
      expect((await server.ask(`/${run.id}`)).status).toBe(404);
      expect((await server.ask("/")).json()).toEqual({ runs: [] });
    });

    it("asks authorize what it may do, for which run", async () => {
      const asked: [string, string | null, string][] = [];
      const server = await scene.open({
        authorize: ({ action, runId, method }) => {
          asked.push([action, runId, method]);
          return action !== "delete";
        },
      });
      const run = server.livetail.createOperationRun("s", "op");
      await run.complete();
      expect((await server.ask(`/${run.id}/cancel`, { method: "POST" })).status).toBe(200);
      expect((await server.ask(`/${run.id}`, { method: "DELETE" })).status).toBe(403);
      expect((await server.ask(`/${run.id}`)).status).toBe(200);
      expect((await server.ask("/")).status).toBe(200);
      expect(asked).toEqual([
        ["cancel", run.id, "POST"],
        ["delete", run.id, "DELETE"],
        ["read", run.id, "GET"],
        ["list", null, "GET"],
      ]);
    });

    it("refuses a browser's cross-site request, whatever authorize says", async () => {
      const server = await scene.open(allowAll);
      const run = server.livetail.createOperationRun("s", "op");
      await run.complete();
      const asked: [string, AskOptions][] = [
        [`/${run.id}/cancel`, { method: "POST" }],
        [`/${run.id}`, { method: "DELETE" }],
      ];
      for (const [path, options] of asked) {
        const headers = { "Sec-Fetch-Site": "cross-site", Origin: "https://evil.test" };
        const answer = await server.ask(path, { ...options, headers });
        expect([answer.status, answer.json().code]).toEqual([403, "FORBIDDEN"]);
      }
      const headers = { "Sec-Fetch-Site": "same-origin" };
      expect((await server.ask(`/${run.id}`, { method: "DELETE", headers })).status).toBe(204);
    });
  });

  describe("the list", () => {
    it("names recent runs, the newest first, by status, operation, subject and parent", async () => {
      const server = await scene.open(allowAll);
      const parent = server.livetail.createOperationRun("a", "bulk");
      const child = server.livetail.createOperationRun("b", "import", { parentId: parent.id });
      const failed = server.livetail.createOperationRun("a", "import");
      await child.complete();
      await failed.fail(new Error("no such file"));
      await parent.ready;
      const ids = async (query: string): Promise<string[]> =>
        (await server.ask(`/${query}`)).json<{ runs: { run_id: string }[] }>().runs.map((run) => run.run_id);
      expect((await ids("")).toSorted()).toEqual([parent.id, child.id, failed.id].toSorted());
      expect(await ids("?status=failed")).toEqual([failed.id]);
      expect(await ids("?operation=bulk")).toEqual([parent.id]);
      expect(await ids("?subject_id=b")).toEqual([child.id]);
      expect(await ids(`?parent_id=${parent.id}`)).toEqual([child.id]);
      expect(await ids("?limit=2")).toHaveLength(2);
      expect(await ids("?status=cancelled")).toEqual([]);
    });

    it("is a page for a browser, with links below the mount and nobody else's markup", async () => {
      const server = await scene.open({ ...allowAll, mount: "/api/v1/logs" });
      const run = server.livetail.createOperationRun("<img src=x onerror=alert(1)>", "op");
      await run.complete();
      const answer = await server.ask("/", { headers: { Accept: "text/html,*/*" } });
      expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
      expect(answer.headers["content-security-policy"]).toContain("default-src 'none'");
      expect(answer.text).toContain(`href="./${run.id}/view"`);
      expect(answer.text).not.toContain("<img");
      expect((await server.ask("/", { headers: { Accept: "application/json" } })).json()).toHaveProperty("runs");
    });
  });

  describe("CORS", () => {
    const origin = "https://app.test";

    it("is off: no header says that another origin may read", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      await run.complete();
      for (const path of [`/${run.id}`, `/${run.id}/stream`, `/${run.id}/status`]) {
        for (const method of ["GET", "OPTIONS"]) {
          const answer = await server.ask(path, { method, headers: { Origin: origin } });
          expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
        }
      }
    });

    it("says in the answer to OPTIONS what is allowed here", async () => {
      const server = await scene.open();
      const answer = await server.ask(`/${unbornId()}`, { method: "OPTIONS" });
      expect(answer.status).toBe(204);
      expect(answer.headers.allow).toBe("GET, HEAD, DELETE, OPTIONS");
    });

    it("lets the named origins read, streams too, and answers their preflights without asking authorize", async () => {
      let asked = 0;
      const server = await scene.open({
        cors: { origins: [origin], credentials: true },
        authorize: () => {
          asked += 1;
          return true;
        },
      });
      const run = server.livetail.createOperationRun("s", "op");
      await run.complete();
      const preflight = await server.ask(`/${run.id}`, {
        method: "OPTIONS",
        headers: {
          Origin: origin,
          "Access-Control-Request-Method": "GET",
          "Access-Control-Request-Headers": "authorization",
        },
      });
      expect(preflight.status).toBe(204);
      expect(preflight.headers).toMatchObject({
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-allow-headers": "authorization",
      });
      expect(asked).toBe(0);
      for (const path of [`/${run.id}`, `/${run.id}/stream`, "/no%2fid"]) {
        const { headers } = await server.ask(path, { headers: { Origin: origin } });
        expect(headers["access-control-allow-origin"]).toBe(origin);
        expect(headers.vary).toMatch(/Origin/);
        const other = await server.ask(path, { headers: { Origin: "https://evil.test" } });
        expect(other.headers).not.toHaveProperty("access-control-allow-origin");
      }
    });
  });
}
