/** The service on Fastify. Each of these endpoints answers when all is done: until then, nobody sees anything. */
import { type FastifyInstance, fastify } from "fastify";
import type { Contact } from "../service/job-pages.js";
import type { Service, ServiceOptions } from "../service/options.js";
import { openTools } from "../service/tools.js";
import { annotateJob } from "./annotate-job.js";
import { importJob } from "./import-job.js";
import { type Feed, ingestJobs } from "./ingest-jobs.js";
import { openModels } from "./models.js";
import { type Search, searchJobs } from "./search-jobs.js";
import { writeOutreach } from "./write-outreach.js";

type Id = { id: string };

/** Adds the service's endpoints to an application. */
export function routes(app: FastifyInstance, options: ServiceOptions): void {
  const tools = openTools(options, openModels(options));

  app.post<{ Body: { job_id: string } }>("/jobs/import", (request) => importJob(request.body.job_id, tools));
  app.post<{ Body: Search }>("/job-search", (request) => searchJobs(request.body, tools));
  app.post<{ Body: Feed }>("/jobs/ingest", (request) => ingestJobs(request.body, tools));
  app.post<{ Params: Id }>("/jobs/:id/annotations", (request) => annotateJob(request.params.id, tools));
  app.post<{ Params: Id; Body: Pick<Contact, "kind"> }>("/jobs/:id/outreach", (request) =>
    writeOutreach(request.params.id, request.body.kind, tools),
  );
}

/** Starts the service on `port` of 127.0.0.1 (0: a free one). */
export async function start(port: number, options: ServiceOptions): Promise<Service> {
  const app = fastify();
  routes(app, options);
  return { url: await app.listen({ port, host: "127.0.0.1" }), close: () => app.close() };
}
