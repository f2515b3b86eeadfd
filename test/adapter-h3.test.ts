import compression from "compression";
import { basicAuth, H3, handleCors, onRequest, toNodeHandler } from "h3";
import { describe, expect, it } from "vitest";
import { createH3Handler } from "../src/adapters/h3.js";
import { configureLivetail } from "../src/default-livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { itWorksBehindOthers } from "./contract/fronted.js";
import { describeHttp } from "./contract/http.js";
import type { Front } from "./contract/http-scene.js";
import { echo } from "./support/echo.js";
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
    const app = new H3().all("/tenants/:tenant/operations/**", createH3Handler(echo));
    const mount = "/tenants/t%201/operations";
    const text = async (path: string) => (await app.request(path)).text();
    expect(await text(`${mount}/a%2fb?c=d`)).toBe(`${mount} /a%2fb c=d ${mount}/a%2fb?c=d`);
    expect(await text(mount)).toBe(`${mount} /  ${mount}`);
    expect((await app.request(`${mount}x`)).status).toBe(404);
  });

  itWorksBehindOthers(
    async (livetail) => {
      const app = new H3();
      app.use(onRequest((event) => void handleCors(event, { origin: ["https://app.test"] })));
      app.use(basicAuth({ password: "p" }));
      app.all("/operations/**", createH3Handler(livetail));
      // It has no compression of its own.
      return served(toNodeHandler(app), compression({ threshold: 0 }) as unknown as Front);
    },
    { authorization: `Basic ${btoa("u:p")}` },
  );

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
