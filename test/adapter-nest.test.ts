import "reflect-metadata";
import type { AddressInfo } from "node:net";
import { Controller, Get, type INestApplication, Inject, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { describe, expect, it } from "vitest";
import { LIVETAIL, LivetailModule, type LivetailModuleOptions } from "../src/adapters/nest.js";
import { configureLivetail, createLivetail, type Livetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { describeHttp } from "./contract/http.js";
import { ask, openStream } from "./contract/http-client.js";
import type { Front } from "./contract/http-scene.js";

/** What starts an operation: it is handed the livetail. */
class JobController {
  constructor(readonly livetail: Livetail) {}

  start(): { run_id: string } {
    return { run_id: this.livetail.startOperation("job", "import", (run) => run.log("one")).id };
  }
}
// As the decorators would, which this build does not compile.
Controller("jobs")(JobController);
Inject(LIVETAIL)(JobController, undefined, 0);
Get("start")(JobController.prototype, "start", Object.getOwnPropertyDescriptor(JobController.prototype, "start") ?? {});

async function start(options: LivetailModuleOptions, prepare: (app: INestApplication) => void = () => {}) {
  class AppModule {}
  Module({ imports: [LivetailModule.forRoot(options)], controllers: [JobController] })(AppModule);
  // Its parser, like any in front, would answer broken JSON by itself.
  const app = await NestFactory.create(AppModule, { logger: false, bodyParser: false });
  prepare(app);
  await app.listen(0, "127.0.0.1");
  const { port } = app.getHttpServer().address() as AddressInfo;
  return { app, url: `http://127.0.0.1:${port}` };
}

describeHttp(
  "Nest",
  async (livetail, { mount, front }) => {
    const { app, url } = await start({ livetail, mount }, (app) => {
      if (front) app.use(front as Front);
    });
    return { url: `${url}${mount}`, close: () => app.close() };
  },
  (raw) => typeof raw === "object" && raw !== null && "app" in raw && "baseUrl" in raw,
);

describe("the Nest module", () => {
  it("hands the livetail to whoever asks for it, below a global prefix and with the framework's own CORS", async () => {
    const livetail = createLivetail({ store: memoryStore() });
    const { app, url } = await start({ livetail, mount: "/api/operations" }, (app) => {
      app.setGlobalPrefix("api");
      app.enableCors({ origin: "https://app.test" });
    });
    const { run_id } = (await ask(url, "/api/jobs/start")).json<{ run_id: string }>();
    const stream = await openStream(url, `/api/operations/${run_id}/stream`);
    expect(stream.headers).toMatchObject({ "access-control-allow-origin": "https://app.test" });
    const frames = await stream.rest();
    expect(frames.filter(({ event }) => event === "log").map(({ data }) => data.message)).toEqual(["one"]);
    expect((await ask(url, "/api/operationsx")).status).toBe(404);
    await app.close();
    await livetail.close();
  });

  it("serves the default livetail at /operations when it is told nothing", async () => {
    const livetail = configureLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    await run.complete();
    const { app, url } = await start({});
    expect((await ask(url, `/operations/${run.id}`)).json()).toMatchObject({ run_id: run.id, status: "completed" });
    await app.close();
    await livetail.close();
  });
});
