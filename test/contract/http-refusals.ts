import { describe, expect, it, vi } from "vitest";
import type { Answer, AskOptions } from "./http-client.js";
import { type FrameworkFacts, type Scene, unbornId } from "./http-scene.js";

/** Every code of protocol §7. A framework that speaks fetch resolves dots before anybody sees them. */
export function describeRefusals(scene: Scene, { speaksFetch = false }: FrameworkFacts): void {
  const allowAll = { authorize: () => true } as const;

  const expectProblem = (answer: Answer, status: number, code: string): void => {
    expect(answer.status).toBe(status);
    expect(answer.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
    expect(answer.headers["cache-control"]).toBe("no-store");
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
    const problem = answer.json();
    expect(problem).toEqual({
      type: "about:blank",
      title: expect.any(String),
      status,
      detail: expect.any(String),
      code,
    });
    expect(problem.detail).not.toBe("");
  };

  const dots: [string, string][] = [
    ["dots", ".."],
    ["dots that lead on", "../../etc/passwd"],
    ["encoded dots", "%2e%2e"],
  ];

  describe("refusing", () => {
    if (speaksFetch) {
      it.each(dots)("finds nothing for an id with %s, which lies elsewhere", async (_what, id) => {
        const server = await scene.open(allowAll);
        for (const path of [`/${id}`, `/${id}/status`, `/${id}/stream`]) {
          expect([path, (await server.ask(path)).status]).toEqual([path, 404]);
        }
        expect(server.livetail.reader.feeds).toBe(0);
      });
    }

    it.each<[string, string]>([
      ...(speaksFetch ? [] : dots),
      ["an encoded slash", "a%2fb"],
      ["an encoded slash and dots", "..%2f..%2fetc%2fpasswd"],
      ["NUL", "a%00b"],
      ["a line break", "a%0d%0ab"],
      ["10 kB", "x".repeat(10_000)],
      ["129 characters", "x".repeat(129)],
      ["an owner's key", "owner:x"],
      ["an owner's key, encoded", "%6fwner%3ax"],
      ["a dot in front", ".a"],
      ["a space", "a%20b"],
      ["a letter beyond ASCII", "%c3%bc"],
      ["markup", "%3Cscript%3E"],
    ])("answers INVALID_RUN_ID for an id with %s, on every path of a run", async (_what, id) => {
      const server = await scene.open(allowAll);
      const asked: [string, AskOptions?][] = [
        [`/${id}`],
        [`/${id}?wait=1`],
        [`/${id}/status`],
        [`/${id}/stream`],
        [`/${id}/result`],
        [`/${id}/download`],
        [`/${id}/view`],
        [`/${id}/cancel`, { method: "POST" }],
        [`/${id}`, { method: "DELETE" }],
      ];
      for (const [path, options] of asked) expectProblem(await server.ask(path, options), 400, "INVALID_RUN_ID");
      expect(server.livetail.reader.feeds).toBe(0);
    });

    it.each([
      "since=-1",
      "since=1e9",
      "since=NaN",
      "since=1.5",
      "since=",
      "since=0x10",
      "since=1&since=2",
      "since=99999999999999999999",
      "since=%zz",
      "cursor=",
      "cursor=x",
      "cursor=a.b",
      "cursor=abc.-1",
      "cursor=abc.1.2.3",
      "cursor=ABC.1",
      "tail=-1",
      "tail=ten",
      "limit=0",
      "limit=1001",
      "limit=-5",
      "limit=all",
      "wait=-1",
      "wait=31",
      "wait=1e1",
      "wait=forever",
    ])("answers INVALID_PARAMETER for ?%s and names the parameter, on a poll and on a stream", async (query) => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      run.log("a line");
      await run.flush();
      for (const path of [`/${run.id}?${query}`, `/${run.id}/stream?${query}`]) {
        const answer = await server.ask(path);
        expectProblem(answer, 400, "INVALID_PARAMETER");
        expect(answer.json().detail).toContain(query.split("=")[0]);
        expect(answer.text).not.toContain("a line");
      }
    });

    it.each(["limit=0", "limit=1001", "status=done", "limit=1&limit=2"])(
      "answers INVALID_PARAMETER for a list with ?%s",
      async (query) => {
        const server = await scene.open(allowAll);
        expectProblem(await server.ask(`/?${query}`), 400, "INVALID_PARAMETER");
      },
    );

    it("answers INVALID_PARAMETER to a poll whose Last-Event-ID is no cursor", async () => {
      const server = await scene.open();
      const headers = { "Last-Event-ID": "rubbish" };
      expectProblem(await server.ask(`/${unbornId()}`, { headers }), 400, "INVALID_PARAMETER");
    });

    it("answers what authorize said: UNAUTHORIZED with its message, or FORBIDDEN", async () => {
      const server = await scene.open({
        authorize: ({ header }) =>
          header("authorization") === undefined ? { status: 401, message: "Log in." } : false,
      });
      const paths = ["/", `/${unbornId()}`, `/${unbornId()}/stream`, `/${unbornId()}/view`, "/-/health"];
      for (const path of paths) {
        const anonymous = await server.ask(path);
        expectProblem(anonymous, 401, "UNAUTHORIZED");
        expect(anonymous.json().detail).toBe("Log in.");
        const headers = { Authorization: "Bearer other" };
        expectProblem(await server.ask(path, { headers }), 403, "FORBIDDEN");
      }
    });

    it.each<[string, () => never | Promise<never>]>([
      [
        "throws",
        () => {
          throw new Error("no database");
        },
      ],
      ["rejects", () => Promise.reject(new Error("no database"))],
    ])("answers FORBIDDEN when authorize %s, and says so to onError alone", async (_how, authorize) => {
      const server = await scene.open({ authorize });
      const answer = await server.ask(`/${unbornId()}`);
      // Not for good: a viewer asks again.
      expectProblem(answer, 503, "FORBIDDEN");
      expect(answer.text).not.toContain("no database");
      expect(server.errors.map((error) => String(error.cause))).toEqual(["Error: no database"]);
    });

    it("answers FORBIDDEN without authorize to whatever is not reading a run by an unguessable id", async () => {
      const server = await scene.open();
      const run = server.livetail.createOperationRun("s", "op");
      const guessable = server.livetail.createOperationRun("s", "op", { id: "nightly-import" });
      await Promise.all([run.complete(), guessable.complete()]);
      const asked: [string, AskOptions?][] = [
        ["/"],
        [`/${run.id}/cancel`, { method: "POST" }],
        [`/${run.id}`, { method: "DELETE" }],
        ["/nightly-import"],
        ["/nightly-import/stream"],
        ["/nightly-import/download"],
      ];
      for (const [path, options] of asked) expectProblem(await server.ask(path, options), 403, "FORBIDDEN");
      expect((await server.poll(run.id)).status).toBe("completed");
    });

    it("answers RUN_NOT_FOUND for a run that never was and for a path that is none", async () => {
      const server = await scene.open(allowAll);
      const id = unbornId();
      const asked: [string, AskOptions?][] = [
        [`/${id}`],
        [`/${id}?cursor=abc.5.1`],
        [`/${id}?wait=0.05`],
        [`/${id}/status`],
        [`/${id}/progress`],
        [`/${id}/result`],
        [`/${id}/download`],
        [`/${id}/cancel`, { method: "POST" }],
        [`/${id}`, { method: "DELETE" }],
        [`/${id}/`],
        [`/${id}/nothing`],
        [`/${id}/status/more`],
        ["/-/nothing"],
        ["/-/../health"],
      ];
      for (const [path, options] of asked) expectProblem(await server.ask(path, options), 404, "RUN_NOT_FOUND");
    });

    it.each([
      ["PUT", "/", "GET, HEAD, OPTIONS"],
      ["POST", "/", "GET, HEAD, OPTIONS"],
      ["POST", "/:run", "GET, HEAD, DELETE, OPTIONS"],
      ["PATCH", "/:run", "GET, HEAD, DELETE, OPTIONS"],
      ["DELETE", "/:run/status", "GET, HEAD, OPTIONS"],
      ["PUT", "/:run/stream", "GET, HEAD, POST, OPTIONS"],
      ["GET", "/:run/cancel", "POST, OPTIONS"],
      ["POST", "/-/health", "GET, HEAD, OPTIONS"],
    ])("answers METHOD_NOT_ALLOWED for %s %s and says what is", async (method, path, allowed) => {
      const server = await scene.open(allowAll);
      const answer = await server.ask(path.replace(":run", unbornId()), { method });
      expectProblem(answer, 405, "METHOD_NOT_ALLOWED");
      expect(answer.headers.allow).toBe(allowed);
    });

    it("answers RUN_NOT_COMPLETED for the result of a failed or cancelled run, and for deleting an open one", async () => {
      const server = await scene.open(allowAll);
      const failed = server.livetail.createOperationRun("s", "op");
      await failed.fail(new Error("the disk is full"));
      const answer = await server.ask(`/${failed.id}/result`);
      expectProblem(answer, 409, "RUN_NOT_COMPLETED");
      expect(answer.json().detail).toContain("the disk is full");

      const open = server.livetail.createOperationRun("s", "op");
      await open.ready;
      expectProblem(await server.ask(`/${open.id}`, { method: "DELETE" }), 409, "RUN_NOT_COMPLETED");
      await server.livetail.cancelRun(open.id);
      await open.fail(new Error("stopped"));
      expectProblem(await server.ask(`/${open.id}/result`), 409, "RUN_NOT_COMPLETED");
    });

    it.each([
      ["in all", { maxViewers: 1 }],
      ["of a run", { maxViewersPerRun: 1 }],
    ])(
      "answers TOO_MANY_VIEWERS with Retry-After to a stream or a held poll beyond the limit %s",
      async (_what, limit) => {
        const server = await scene.open(limit);
        const run = server.livetail.createOperationRun("s", "op");
        run.log("first");
        await run.flush();
        const first = await server.stream(`/${run.id}/stream`);
        await first.next();
        for (const path of [`/${run.id}/stream`, `/${run.id}?wait=20`]) {
          const answer = await server.ask(path);
          expectProblem(answer, 429, "TOO_MANY_VIEWERS");
          expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
        }
        // What holds nothing is answered.
        expect((await server.poll(run.id)).logs).toHaveLength(1);
        first.vanish();
        await vi.waitFor(() => expect(server.livetail.handler.viewers()).toBe(0));
        const next = await server.stream(`/${run.id}/stream`);
        expect(next.status).toBe(200);
        next.vanish();
      },
    );

    it("answers STORE_UNAVAILABLE with Retry-After while the store is away, and goes on when it is back", async () => {
      const server = await scene.open(allowAll);
      const run = server.livetail.createOperationRun("s", "op");
      await run.complete({ ok: true });
      server.away = true;
      const asked: [string, AskOptions?][] = [
        [`/${run.id}`],
        [`/${run.id}?wait=5`],
        [`/${run.id}/status`],
        [`/${run.id}/result`],
        [`/${run.id}/download`],
        [`/${run.id}/cancel`, { method: "POST" }],
        [`/${run.id}`, { method: "DELETE" }],
        ["/"],
      ];
      for (const [path, options] of asked) {
        const answer = await server.ask(path, options);
        expectProblem(answer, 503, "STORE_UNAVAILABLE");
        expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
      }
      expect((await server.ask("/-/health")).json()).toMatchObject({ store: "unavailable" });
      server.away = false;
      expect((await server.ask(`/${run.id}/result`)).json()).toEqual({ ok: true });
    });
  });
}
