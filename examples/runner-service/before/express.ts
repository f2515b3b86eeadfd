/** The service on Express. Each of these endpoints answers when all is done: until then, nobody sees anything. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express, { type Express } from "express";
import type { Service, ServiceOptions } from "../service/options.js";
import { openTools } from "../service/tools.js";
import { annotateJob } from "./annotate-job.js";
import { importJob } from "./import-job.js";
import { ingestJobs } from "./ingest-jobs.js";
import { openModels } from "./models.js";
import { searchJobs } from "./search-jobs.js";
import { writeOutreach } from "./write-outreach.js";

/** Adds the service's endpoints to an application. */
export function routes(app: Express, options: ServiceOptions): void {
  const tools = openTools(options, openModels(options));
  app.use(express.json());

  app.post("/jobs/import", async (req, res) => {
    res.json(await importJob(req.body.job_id, tools));
  });
  app.post("/job-search", async (req, res) => {
    res.json(await searchJobs(req.body, tools));
  });
  app.post("/jobs/ingest", async (req, res) => {
    res.json(await ingestJobs(req.body, tools));
  });
  app.post("/jobs/:id/annotations", async (req, res) => {
    res.json(await annotateJob(req.params.id, tools));
  });
  app.post("/jobs/:id/outreach", async (req, res) => {
    res.json(await writeOutreach(req.params.id, req.body.kind, tools));
  });
}

/** Starts the service on `port` of 127.0.0.1 (0: a free one). */
export async function start(port: number, options: ServiceOptions): Promise<Service> {
  const app = express();
  routes(app, options);

  const server = app.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}
