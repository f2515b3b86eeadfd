import { basicAuth, H3, handleCors, onRequest, toNodeHandler } from "h3";
import { describe, expect, it } from "vitest";
import { createH3Handler } from "../src/adapters/h3.js";
import { configureLivetail, createLivetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { describeHttp } from "./contract/http.js";
import { ask, openStream } from "./contract/http-client.js";
import { served } from "./support/served.js";

describeHttp(
  "h3",
  async (livetail, { mount, front }) => {
    const app = new H3();
    app.all(`${mount}/**`, createH3Handler(livetail));
    const { url, close } = await served(toNodeHandler(app), front);
    return {
      url: `${url}${mount}`,
      close() {
        livetail.handler.closeViewers();
        return close();
      },
    };
  },
  (raw) => typeof raw === "object" && raw !== null && "req" in raw && "context" in raw,
  { speaksFetch: true },
);

describe("the h3 handler", () => {
  it("knows its mount below routes with parameters", async () => {
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
    const app = new H3().all("/tenants/:tenant/operations/**", createH3Handler({ handler }));
    const mount = "/tenants/t%201/operations";
    const text = async (path: string) => (await app.request(path)).text();
    expect(await text(`${mount}/a%2fb?c=d`)).toBe(`${mount} /a%2fb c=d ${mount}/a%2fb?c=d`);
    expect(await text(mount)).toBe(`${mount} /  ${mount}`);
    expect((await app.request(`${mount}x`)).status).toBe(404);
  });

  it("works behind the framework's own CORS and authentication", async () => {
    const livetail = createLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    run.log("one");
    await run.complete();
    const app = new H3();
    app.use(onRequest((event) => void handleCors(event, { origin: ["https://app.test"] })));
    app.use(basicAuth({ password: "p" }));
    app.all("/operations/**", createH3Handler(livetail));
    const { url, close } = await served(toNodeHandler(app));
    expect((await ask(url, `/operations/${run.id}/stream`)).status).toBe(401);
    const headers = { Authorization: `Basic ${btoa("u:p")}`, Origin: "https://app.test" };
    const stream = await openStream(url, `/operations/${run.id}/stream`, { headers });
    expect(stream.headers).toMatchObject({ "access-control-allow-origin": "https://app.test" });
    expect((await stream.rest()).at(-1)?.event).toBe("end");
    await close();
    await livetail.close();
  });

  it("serves the default livetail when it is given none", async () => {
    const livetail = configureLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    await run.complete();
    const app = new H3().all("/operations/**", createH3Handler());
    const answer = await app.request(`/operations/${run.id}`);
    expect(await answer.json()).toMatchObject({ run_id: run.id, status: "completed" });
    await livetail.close();
  });
});
