/** What coverage says of the example's service before and after its retrofit, which is what the README says. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startWorld, type World } from "../examples/runner-service/world/start-world.js";
import { COVERAGE_HEADS, coverageRows } from "../src/coverage-table.js";
import type { CoverageAnswer, PollAnswer } from "../src/protocol.js";
import { ensureBuilt } from "./support/built.js";
import { endedRun, post, recordsFolder, SLOW_REQUESTS } from "./support/runner-service.js";
import { served } from "./support/served.js";
import { until } from "./support/until.js";

const readme = readFileSync(fileURLToPath(new URL("../README.md", import.meta.url)), "utf8");

type Service = { url: string; close(): Promise<void> };

const closing: (() => Promise<void>)[] = [];
let world: World;

beforeAll(async () => {
  await ensureBuilt();
  world = await startWorld({ speed: 100 });
  closing.push(world.close);
}, 120_000);

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

/** Starts a service, the ones before with coverage in front of their routes, which is all that they know of livetail. */
const services: Record<"before" | "after", Record<"express" | "fastify", () => Promise<Service>>> = {
  before: {
    async express() {
      const { default: express } = await import("express");
      const { createExpressCoverage, createExpressHandler } = await import("livetail/express");
      const { routes } = await import("../examples/runner-service/before/express.js");
      const livetail = await openLivetail();
      const app = express();
      app.use(createExpressCoverage(livetail));
      app.use("/operations", createExpressHandler(livetail));
      routes(app, await options());
      return served(app);
    },
    async fastify() {
      const { fastify } = await import("fastify");
      const { livetailFastify, livetailFastifyCoverage } = await import("livetail/fastify");
      const { routes } = await import("../examples/runner-service/before/fastify.js");
      const livetail = await openLivetail();
      const app = fastify();
      app.register(livetailFastifyCoverage, { livetail });
      app.register(livetailFastify, { prefix: "/operations", livetail });
      routes(app, await options());
      return { url: await app.listen({ port: 0, host: "127.0.0.1" }), close: () => app.close() };
    },
  },
  after: {
    async express() {
      const { start } = await import("../examples/runner-service/after/express.js");
      return start(0, { ...(await options()), livetail: await openLivetail() });
    },
    async fastify() {
      const { start } = await import("../examples/runner-service/after/fastify.js");
      return start(0, { ...(await options()), livetail: await openLivetail() });
    },
  },
};

async function options() {
  return { ...world, folder: await recordsFolder() };
}

/** One that keeps runs in memory, whatever the environment says. */
async function openLivetail() {
  const { openLivetail } = await import("../examples/runner-service/after/livetail.js");
  const { memoryStore } = await import("livetail");
  const livetail = openLivetail({ store: memoryStore() });
  closing.push(() => livetail.close());
  return livetail;
}

/** Asks each endpoint once, one after the other; resolves to what came out, when all is done. */
async function askAll(url: string): Promise<unknown[]> {
  const results: unknown[] = [];
  for (const [path, body] of SLOW_REQUESTS) {
    const response = await post(url, path, body);
    const runId = response.headers.get("x-run-id");
    const answer = await response.json();
    if (runId !== null) expect((await endedRun(url, runId)).status).toBe("completed");
    results.push(response.status === 202 ? await (await fetch(`${url}/operations/${runId}/result`)).json() : answer);
  }
  return results;
}

/** The table of `livetail coverage` as Markdown, without what differs from one machine to another. */
async function coverageTable(url: string): Promise<string> {
  let answer: CoverageAnswer | undefined;
  // The server notes an answer when its caller has it.
  await until(async () => {
    answer = (await (await fetch(`${url}/operations/-/coverage`)).json()) as CoverageAnswer;
    return answer.routes.length === SLOW_REQUESTS.length;
  }, "the five routes");
  const columns = ["Route", "Requests", "Visibility", "Missing"].map((head) => COVERAGE_HEADS.indexOf(head as "Route"));
  const rows = coverageRows(answer as CoverageAnswer).sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  const lines = [COVERAGE_HEADS, ["---", "---:", "---:", "---:", "---:", "---", "---", "---:"], ...rows];
  return lines.map((cells) => `| ${columns.map((column) => cells[column]).join(" | ")} |\n`).join("");
}

/** What stands in the README between comments of this name. */
function inReadme(name: string): string {
  return new RegExp(`<!-- ${name}: [^>]* -->\\n\\n([\\s\\S]*?)\\n<!-- end of ${name} -->`).exec(readme)?.[1] ?? "";
}

const results: unknown[][] = [];

describe.each(["before", "after"] as const)("the service %s its retrofit", (when) => {
  it.each(["express", "fastify"] as const)("has the coverage that the README shows, on %s", async (framework) => {
    const { url, close } = await services[when][framework]();
    closing.push(close);
    results.push(await askAll(url));
    const table = await coverageTable(url);
    expect(table).toBe(inReadme(`coverage ${when}`));
    const seen = table.split("\n").filter((row) => row.includes(when === "before" ? "| none |" : "| full |"));
    expect(seen).toHaveLength(SLOW_REQUESTS.length);
  });
});

it("does the same work, before and after, on either framework", () => {
  expect(results).toHaveLength(4);
  for (const result of results) expect(result).toEqual(results[0]);
});

it("ends what it waits for when it is cancelled after its retrofit, be it a site or a model", async () => {
  const slow = await startWorld({ speed: 0.001 });
  const { openDatabase } = await import("../examples/runner-service/service/database.js");
  const { start } = await import("../examples/runner-service/after/express.js");
  const folder = await recordsFolder();
  const job = { id: "job-7", title: "Engineer", company: "Northwind", location: "Berlin", salary: "-" };
  await openDatabase(folder).jobs.save({ ...job, requirements: ["You know SQL."], company_page: "northwind" });
  const { url, close } = await start(0, { ...slow, folder, livetail: await openLivetail() });
  closing.push(slow.close, close);

  /** Starts it, cancels it once it has logged this, and resolves to its run when that has ended. */
  const cancelled = async (path: string, body: object | undefined, event: string): Promise<PollAnswer> => {
    const runId = (await post(url, path, body)).headers.get("x-run-id") ?? "";
    const read = async () => (await (await fetch(`${url}/operations/${runId}`)).json()) as PollAnswer;
    await until(async () => (await read()).logs.some((entry) => entry.event === event), event);
    expect((await fetch(`${url}/operations/${runId}/cancel`, { method: "POST" })).status).toBe(202);
    return endedRun(url, runId);
  };
  const importing = await cancelled("/jobs/import", { job_id: "job-101" }, "layer_start");
  expect([importing.status, importing.layer_status.fetch?.status]).toEqual(["cancelled", "skipped"]);
  const annotating = await cancelled("/jobs/job-7/annotations", undefined, "llm_call_start");
  expect([annotating.status, annotating.layer_status.annotate?.status]).toEqual(["cancelled", "skipped"]);
  const call = annotating.logs.find(({ event }) => event === "llm_call_error");
  expect(call).toMatchObject({ step_name: "annotate", backend: "anthropic", metadata: { aborted: true } });
});
