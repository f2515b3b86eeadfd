import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express, { type Express } from "express";
import { describe, expect, it } from "vitest";
import { createExpressHandler } from "../src/adapters/express.js";
import { configureLivetail } from "../src/default-livetail.js";
import type { Handle } from "../src/handler.js";
import { memoryStore } from "../src/store/memory.js";
import { describeHttp } from "./contract/http.js";
import { ask } from "./contract/http-client.js";

async function listen(app: Express) {
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    const closed = once(server, "close");
    server.close();
    await closed;
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

describeHttp(
  "Express",
  async (livetail, { mount, front }) => {
    const app = express();
    if (front) app.use(front);
    app.use(mount === "" ? "/" : mount, createExpressHandler(livetail));
    const { url, close } = await listen(app);
    return {
      url: `${url}${mount}`,
      close() {
        livetail.handler.closeViewers();
        return close();
      },
    };
  },
  (raw) => typeof raw === "object" && raw !== null && "app" in raw && "baseUrl" in raw,
);

describe("the Express handler", () => {
  const saying = (handle: Handle) => ({ handler: { handle, closeViewers() {}, close() {}, viewers: () => 0 } });

  it("knows its mount below routers with parameters, and leaves what is beside it to others", async () => {
    const app = express();
    const tenant = express.Router();
    const handler = createExpressHandler(
      saying(({ mount, path, query, url }) => ({ status: 200, headers: {}, body: `${mount} ${path} ${query} ${url}` })),
    );
    tenant.use("/operations", handler);
    app.use("/tenants/:tenant", tenant);
    app.use((_req, res) => void res.status(404).send("theirs"));
    const { url, close } = await listen(app);
    const mount = "/tenants/t%201/operations";
    expect((await ask(url, `${mount}/a%2fb?c=d`)).text).toBe(`${mount} /a%2fb c=d ${mount}/a%2fb?c=d`);
    expect((await ask(url, mount)).text).toBe(`${mount} /  ${mount}`);
    expect((await ask(url, `${mount}x`)).text).toBe("theirs");
    await close();
  });

  it("does no harm to a body that express.json() has parsed, nor is harmed by it", async () => {
    const app = express();
    app.use(express.json());
    app.use(
      "/operations",
      createExpressHandler(
        saying(({ raw }) => ({ status: 200, headers: {}, body: JSON.stringify((raw as express.Request).body) })),
      ),
    );
    const { url, close } = await listen(app);
    const headers = { "Content-Type": "application/json" };
    const answer = await ask(url, "/operations/x", { method: "POST", headers, body: '{"a":1}' });
    expect(answer.json()).toEqual({ a: 1 });
    await close();
  });

  it("answers an id that is not even well encoded itself", async () => {
    const app = express();
    app.use("/operations", createExpressHandler(saying(({ path }) => ({ status: 400, headers: {}, body: path }))));
    const { url, close } = await listen(app);
    expect(await ask(url, "/operations/%zz")).toMatchObject({ status: 400, text: "/%zz" });
    await close();
  });

  it("serves the default livetail when it is given none", async () => {
    const livetail = configureLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    await run.complete();
    const app = express();
    app.use("/operations", createExpressHandler());
    const { url, close } = await listen(app);
    expect((await ask(url, `/operations/${run.id}`)).json()).toMatchObject({ run_id: run.id, status: "completed" });
    await close();
    await livetail.close();
  });
});
