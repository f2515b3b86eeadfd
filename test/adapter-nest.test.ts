import "reflect-metadata";
import type { AddressInfo } from "node:net";
import {
  Controller,
  Get,
  HttpCode,
  type INestApplication,
  Inject,
  Module,
  Post,
  UseInterceptors,
} from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { describe, expect, it } from "vitest";
import { createNestOperations, LIVETAIL, LivetailModule, type LivetailModuleOptions } from "../src/adapters/nest.js";
import { configureLivetail, currentRun } from "../src/default-livetail.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { AcceptedOperation } from "../src/operation-routes.js";
import type { Run } from "../src/run.js";
import { memoryStore } from "../src/store/memory.js";
import { describeHttp } from "./contract/http.js";
import { ask, deferred, openStream } from "./contract/http-client.js";
import type { Front } from "./contract/http-scene.js";
import { describeOperations } from "./contract/operations.js";
import { until } from "./support/until.js";

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

async function start(
  options: LivetailModuleOptions,
  prepare: (app: INestApplication) => void = () => {},
  { controller = JobController as new (...args: never[]) => object, bodyParser = false } = {},
) {
  class AppModule {}
  Module({ imports: [LivetailModule.forRoot(options)], controllers: [controller] })(AppModule);
  // Its parser, like any in front, would answer broken JSON by itself.
  const app = await NestFactory.create(AppModule, { logger: false, bodyParser });
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

/** Puts decorators on a method, as `@` would. */
function decorate(prototype: object, name: string, ...decorators: MethodDecorator[]): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name) ?? {};
  for (const each of decorators) each(prototype, name, descriptor);
}

describeOperations("Nest", async ({ livetail, ...options }, test) => {
  const operations = createNestOperations({ livetail, ...options });
  class WorkController {
    work(): unknown {
      return test.work(currentRun() as Run);
    }
    plain(): unknown {
      return test.handler();
    }
  }
  Controller()(WorkController);
  const subject = ({ query }: { query: unknown }) => String((query as { of?: string }).of);
  decorate(WorkController.prototype, "work", Post("work"), UseInterceptors(operations.operation("work", { subject })));
  // What a synchronous one answers is its own: of a POST, Nest makes 201.
  const ok = HttpCode(200);
  decorate(WorkController.prototype, "plain", Post("plain"), ok, UseInterceptors(operations.synchronous("plain")));
  const { app, url } = await start({ livetail, operations }, () => {}, {
    controller: WorkController,
    bodyParser: true,
  });
  return { url, drain: operations.drain, close: () => app.close() };
});

describe("the Nest module", () => {
  it("takes no more operations when the application closes, and ends streams when those that it took are done", async () => {
    const livetail = createLivetail({ store: memoryStore() });
    const operations = createNestOperations({ livetail });
    const gate = deferred<string>();
    class WorkController {
      work(): Promise<string> {
        return gate.promise;
      }
    }
    Controller()(WorkController);
    decorate(WorkController.prototype, "work", Post("work"), UseInterceptors(operations.operation("work")));
    const { app, url } = await start({ livetail, operations }, () => {}, { controller: WorkController });
    const post = () => ask(url, "/work", { method: "POST" });
    const stream = await openStream(url, (await post()).json<AcceptedOperation>().stream_url);
    let closed = false;
    const closing = app.close().then(() => {
      closed = true;
    });
    await until(async () => (await post()).status === 503, "the refusal");
    expect([closed, livetail.handler.viewers()]).toEqual([false, 1]);
    gate.resolve("done");
    await Promise.all([closing, stream.rest()]);
    await livetail.close();
  });

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
