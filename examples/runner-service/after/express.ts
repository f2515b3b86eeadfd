/** The service on Express. Whoever starts one of these operations can watch it, from its first line to its cost. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express, { type Express, type Request } from "express";
import type { Livetail } from "livetail";
import { createExpressCoverage, createExpressHandler, createExpressOperations } from "livetail/express";
import type { Service } from "../service/options.js";
import { openTools } from "../service/tools.js";
import { annotateJob } from "./annotate-job.js";
import { importJob } from "./import-job.js";
import { ingestJobs } from "./ingest-jobs.js";
import { openLivetail, type WatchedServiceOptions } from "./livetail.js";
import { openModels } from "./models.js";
import { searchJobs } from "./search-jobs.js";
import { writeCv } from "./write-cv.js";
import { writeOutreach } from "./write-outreach.js";

/** Adds the service's endpoints to an application. */
export function routes(app: Express, options: WatchedServiceOptions, livetail: Livetail): void {
  const tools = openTools(options, openModels(options));
  const { operation, synchronous } = createExpressOperations({ livetail, mount: "/operations" });
  const ofJob = { subject: (req: Request<{ id: string }>) => req.params.id };
  app.use(createExpressCoverage(livetail));
  app.use("/operations", createExpressHandler(livetail));
  app.use(express.json());

  app.post(
    "/jobs/import",
    operation("import-job", (run, req) => importJob(run, req.body.job_id, tools), {
      subject: (req) => req.body.job_id,
    }),
  );
  app.post(
    "/job-search",
    operation("search-jobs", (run, req) => searchJobs(run, req.body, tools), {
      subject: (req) => req.body.titles.join(),
    }),
  );
  app.post(
    "/jobs/ingest",
    operation("ingest-jobs", (run, req) => ingestJobs(run, req.body, tools), { subject: (req) => req.body.source }),
  );
  app.post(
    "/jobs/:id/annotations",
    operation("annotate-job", (run, req) => annotateJob(run, req.params.id, tools), ofJob),
  );
  app.post(
    "/jobs/:id/outreach",
    synchronous(
      "write-outreach",
      async (req, res) => {
        res.json(await writeOutreach(req.params.id, req.body.kind, tools));
      },
      ofJob,
    ),
  );
  app.post(
    "/jobs/:id/cv",
    operation("write-cv", (run, req) => writeCv(run, req.params.id, tools), ofJob),
  );
  if (options.page !== undefined) app.get("/", (_req, res) => void res.type("html").send(options.page));
}

/** Starts the service on `port` of 127.0.0.1 (0: a free one). */
export async function start(port: number, options: WatchedServiceOptions): Promise<Service> {
  const livetail = options.livetail ?? openLivetail();
  const app = express();
  routes(app, options, livetail);

  const server = app.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      livetail.handler.closeViewers();
      await closed;
      if (options.livetail === undefined) await livetail.close();
    },
  };
}
