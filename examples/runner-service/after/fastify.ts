/** The service on Fastify. Whoever starts one of these operations can watch it, from its first line to its cost. */
import { type FastifyInstance, type FastifyRequest, fastify } from "fastify";
import type { Livetail } from "livetail";
import { createFastifyOperations, livetailFastify, livetailFastifyCoverage } from "livetail/fastify";
import type { Contact } from "../service/job-pages.js";
import type { Service } from "../service/options.js";
import { openTools } from "../service/tools.js";
import { annotateJob } from "./annotate-job.js";
import { importJob } from "./import-job.js";
import { type Feed, ingestJobs } from "./ingest-jobs.js";
import { openLivetail, type WatchedServiceOptions } from "./livetail.js";
import { openModels } from "./models.js";
import { type Search, searchJobs } from "./search-jobs.js";
import { writeCv } from "./write-cv.js";
import { writeOutreach } from "./write-outreach.js";

type Id = { id: string };

/** Adds the service's endpoints to an application. */
export function routes(app: FastifyInstance, options: WatchedServiceOptions, livetail: Livetail): void {
  const tools = openTools(options, openModels(options));
  const { operation, synchronous } = createFastifyOperations({ livetail, mount: "/operations" });
  const ofJob = { subject: (request: FastifyRequest<{ Params: Id }>) => request.params.id };
  app.register(livetailFastifyCoverage, { livetail });
  app.register(livetailFastify, { prefix: "/operations", livetail });

  app.post<{ Body: { job_id: string } }>(
    "/jobs/import",
    operation("import-job", (run, request) => importJob(run, request.body.job_id, tools), {
      subject: (request) => request.body.job_id,
    }),
  );
  app.post<{ Body: Search }>(
    "/job-search",
    operation("search-jobs", (run, request) => searchJobs(run, request.body, tools), {
      subject: (request) => request.body.titles.join(),
    }),
  );
  app.post<{ Body: Feed }>(
    "/jobs/ingest",
    operation("ingest-jobs", (run, request) => ingestJobs(run, request.body, tools), {
      subject: (request) => request.body.source,
    }),
  );
  app.post<{ Params: Id }>(
    "/jobs/:id/annotations",
    operation("annotate-job", (run, request) => annotateJob(run, request.params.id, tools), ofJob),
  );
  app.post<{ Params: Id; Body: Pick<Contact, "kind"> }>(
    "/jobs/:id/outreach",
    synchronous("write-outreach", (request) => writeOutreach(request.params.id, request.body.kind, tools), {
      subject: (request) => request.params.id,
    }),
  );
  app.post<{ Params: Id }>(
    "/jobs/:id/cv",
    operation("write-cv", (run, request) => writeCv(run, request.params.id, tools), ofJob),
  );
  const { page } = options;
  if (page !== undefined) app.get("/", (_request, reply) => reply.type("text/html").send(page));
}

/** Starts the service on `port` of 127.0.0.1 (0: a free one). */
export async function start(port: number, options: WatchedServiceOptions): Promise<Service> {
  const livetail = options.livetail ?? openLivetail();
  const app = fastify();
  routes(app, options, livetail);
  if (options.livetail === undefined) app.addHook("onClose", () => livetail.close());
  return { url: await app.listen({ port, host: "127.0.0.1" }), close: () => app.close() };
}
