import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { compress } from "hono/compress";
import { cors } from "hono/cors";
import { describe, expect, it } from "vitest";
import { createHonoHandler } from "../src/adapters/hono.js";
import { configureLivetail } from "../src/default-livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { itWorksBehindOthers } from "./contract/fronted.js";
import { describeHttp } from "./contract/http.js";
import { echo } from "./support/echo.js";
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
    const tenant = new Hono().all("/operations/*", createHonoHandler(echo));
    const app = new Hono().route("/tenants/:tenant", tenant);
    const mount = "/tenants/t%201/operations";
    const text = async (path: string) => (await app.request(path)).text();
    expect(await text(`${mount}/a%2fb?c=d`)).toBe(`${mount} /a%2fb c=d ${mount}/a%2fb?c=d`);
    expect(await text(mount)).toBe(`${mount} /  ${mount}`);
    expect((await app.request(`${mount}x`)).status).toBe(404);
  });

  itWorksBehindOthers(async (livetail) => {
    const app = new Hono();
    app.use(cors({ origin: "https://app.test" }), compress({ threshold: 0 }), bearerAuth({ token: "t" }));
    app.all("/operations/*", createHonoHandler(livetail));
    return served(getRequestListener(app.fetch));
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
