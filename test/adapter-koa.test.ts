import cors from "@koa/cors";
import Koa from "koa";
import compress from "koa-compress";
import { describe, expect, it } from "vitest";
import { createKoaHandler } from "../src/adapters/koa.js";
import { configureLivetail } from "../src/default-livetail.js";
import { createLivetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { itWorksBehindOthers } from "./contract/fronted.js";
import { describeHttp } from "./contract/http.js";
import { ask, openStream } from "./contract/http-client.js";
import { echo } from "./support/echo.js";
import { served } from "./support/served.js";

describeHttp(
  "Koa",
  async (livetail, { mount, front }) => {
    const app = new Koa();
    app.use(createKoaHandler(livetail, { mount }));
    const { url, close } = await served(app.callback(), front);
    return {
      url: `${url}${mount}`,
      close() {
        livetail.handler.closeViewers();
        return close();
      },
    };
  },
  (raw) => typeof raw === "object" && raw !== null && "originalUrl" in raw && "app" in raw,
);

describe("the Koa handler", () => {
  it("knows its mount below that of others, and leaves what is beside it to the next", async () => {
    const app = new Koa();
    // What koa-mount does.
    app.use(async (ctx, next) => {
      const { path } = ctx;
      ctx.path = path.replace(/^\/tenants\/[^/]*/, "") || "/";
      await next();
      ctx.path = path;
    });
    app.use(createKoaHandler(echo, { mount: "operations" }));
    app.use((ctx) => {
      ctx.body = "theirs";
    });
    const { url, close } = await served(app.callback());
    const mount = "/tenants/t%201/operations";
    expect((await ask(url, `${mount}/a%2fb?c=d`)).text).toBe(`${mount} /a%2fb c=d ${mount}/a%2fb?c=d`);
    expect((await ask(url, `${mount}x`)).text).toBe("theirs");
    await close();
  });

  itWorksBehindOthers(async (livetail) => {
    const app = new Koa();
    app.silent = true;
    app.use(cors({ origin: "https://app.test" }));
    app.use(compress({ threshold: 0, br: false }));
    app.use(async (ctx, next) => {
      if (ctx.get("Authorization") !== "Bearer t") ctx.throw(401);
      await next();
    });
    app.use(createKoaHandler(livetail, { mount: "/operations" }));
    return served(app.callback());
  });

  it("shows middlewares in front what it answered, and keeps what they set", async () => {
    const livetail = createLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    run.log("one");
    await run.complete();
    const app = new Koa();
    const seen: [number, string | undefined][] = [];
    app.use(async (ctx, next) => {
      ctx.set("Access-Control-Allow-Origin", "https://app.test");
      await next();
      seen.push([ctx.status, ctx.response.get("Content-Type")]);
      if (!ctx.headerSent) ctx.set("X-Late", "1");
    });
    app.use(createKoaHandler(livetail, { mount: "/operations" }));
    const { url, close } = await served(app.callback());
    const { headers } = await ask(url, `/operations/${run.id}`);
    expect(headers).toMatchObject({ "access-control-allow-origin": "https://app.test", "x-late": "1" });
    const stream = await openStream(url, `/operations/${run.id}/stream`);
    expect(stream.headers).toMatchObject({ "access-control-allow-origin": "https://app.test" });
    expect((await stream.rest()).at(-1)?.event).toBe("end");
    expect(seen.map(([status]) => status)).toEqual([200, 200]);
    expect(seen[0]?.[1]).toContain("application/json");
    await close();
    await livetail.close();
  });

  it("serves the default livetail when it is given none", async () => {
    const livetail = configureLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    await run.complete();
    const { url, close } = await served(new Koa().use(createKoaHandler()).callback());
    expect((await ask(url, `/${run.id}`)).json()).toMatchObject({ run_id: run.id, status: "completed" });
    await close();
    await livetail.close();
  });
});
