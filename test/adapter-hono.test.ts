import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { compress } from "hono/compress";
import { cors } from "hono/cors";
import { describe, expect, it } from "vitest";
import { createHonoHandler } from "../src/adapters/hono.js";
import { configureLivetail, createLivetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { describeHttp } from "./contract/http.js";
import { ask, openStream } from "./contract/http-client.js";
import { served } from "./support/served.js";

describeHttp(
  "Hono",
  async (livetail, { mount, front }) => {
    const app = new Hono();
    app.all(`${mount}/*`, createHonoHandler(livetail));
    const { url, close } = await served(getRequestListener(app.fetch), front);
    return {
      url: `${url}${mount}`,
      close() {
        livetail.handler.closeViewers();
        return close();
      },
    };
  },
  (raw) => typeof raw === "object" && raw !== null && "req" in raw && "env" in raw,
  { speaksFetch: true },
);

describe("the Hono handler", () => {
  it("knows its mount below routes with parameters and sub-apps", async () => {
    const handler = {
      handle: ({ mount, path, query, url }: { mount: string; path: string; query: string; url: string }) => ({
        status: 200,
        headers: {},
        body: `${mount} ${path} ${query} ${url}`,
      }),
      closeViewers() {},
      close() {},
      viewers: () => 0,
    };
    const tenant = new Hono().all("/operations/*", createHonoHandler({ handler }));
    const app = new Hono().route("/tenants/:tenant", tenant);
    const mount = "/tenants/t%201/operations";
    const text = async (path: string) => (await app.request(path)).text();
    expect(await text(`${mount}/a%2fb?c=d`)).toBe(`${mount} /a%2fb c=d ${mount}/a%2fb?c=d`);
    expect(await text(mount)).toBe(`${mount} /  ${mount}`);
    expect((await app.request(`${mount}x`)).status).toBe(404);
  });

  it("works behind the framework's own CORS, compression and authentication", async () => {
    const livetail = createLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    run.log("one");
    await run.flush();
    const app = new Hono();
    app.use(cors({ origin: "https://app.test" }), compress({ threshold: 0 }), bearerAuth({ token: "t" }));
    app.all("/operations/*", createHonoHandler(livetail));
    const { url, close } = await served(getRequestListener(app.fetch));
    const headers = { Authorization: "Bearer t", Origin: "https://app.test", "Accept-Encoding": "gzip" };
    expect((await ask(url, `/operations/${run.id}/stream`)).status).toBe(401);
    const stream = await openStream(url, `/operations/${run.id}/stream`, { headers });
    expect(stream.headers).toMatchObject({ "access-control-allow-origin": "https://app.test" });
    expect(stream.headers).not.toHaveProperty("content-encoding");
    await stream.until(({ event }) => event === "log");
    run.log("two");
    expect((await stream.until(({ event }) => event === "log")).at(-1)?.data.message).toBe("two");
    stream.vanish();
    const poll = await fetch(`${url}/operations/${run.id}`, { headers });
    expect(poll.headers.get("content-encoding")).toBe("gzip");
    expect(await poll.json()).toMatchObject({ next_index: 2 });
    livetail.handler.closeViewers();
    await close();
    await livetail.close();
  });

  it("serves the default livetail when it is given none", async () => {
    const livetail = configureLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    await run.complete();
    const app = new Hono().all("/operations/*", createHonoHandler());
    const answer = await app.request(`/operations/${run.id}`);
    expect(await answer.json()).toMatchObject({ run_id: run.id, status: "completed" });
    await livetail.close();
  });
});
