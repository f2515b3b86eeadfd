/** An operation of the kind that livetail is for, on a clock that is wound forward, and a server that shows it. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createNodeHandler } from "../../src/adapters/node.js";
import { createLivetail } from "../../src/livetail.js";
import type { Run } from "../../src/run.js";
import { memoryStore } from "../../src/store/memory.js";

/** A run that stands where it does on a picture. */
export interface PictureScene {
  readonly run: Run;
  /** The page of the run. */
  readonly url: string;
  close(): Promise<void>;
}

/** Plays it up to the moment of a picture; of its lines the newest `maxLines` are kept. */
export async function playScene(maxLines: number, play: (run: Run) => Promise<void> = perform): Promise<PictureScene> {
  behindMs = 96_000;
  const kept = { maxLines, maxBufferBytes: 1e9 };
  const livetail = createLivetail({
    store: memoryStore({ now: clock.now, ...kept }),
    ...kept,
    clock,
    authorize: () => true,
  });
  const server = createServer(createNodeHandler(livetail, { mount: "/livetail" })).listen(0, "127.0.0.1");
  await once(server, "listening");
  const run = livetail.createOperationRun("job-42", "generate-cv");
  await play(run);
  return {
    run,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/livetail/${run.id}/view`,
    async close() {
      await run.fail("the picture is taken");
      await livetail.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What the clock is behind; the scene winds it to the present. */
let behindMs = 96_000;
const clock = {
  now: () => Date.now() - behindMs,
  after: () => () => {},
};

async function pass(run: Run, ms: number): Promise<void> {
  await run.flush();
  behindMs = Math.max(0, behindMs - ms);
}

/** An operation of the kind that livetail is for, up to the moment of the picture. */
export async function perform(run: Run): Promise<void> {
  const { logger } = run;
  for (const layer of ["fetch_posting", "find_pain_points", "annotate", "write_cv", "render_pdf"]) {
    run.layer(layer, "pending");
  }
  run.start();
  for (let page = 1; page <= 260; page += 1) run.log(`crawled page ${page} of the board`);
  run.layer("fetch_posting", "running");
  run.logOutput("2026-01-14 10:22:33 [INFO] fetcher.http: GET https://jobs.example.com/42 200 in 412 ms", "stdout");
  await pass(run, 2400);
  logger.info("fetch_complete", {
    layer: "fetch_posting",
    message: "posting fetched, 18,204 bytes",
    duration_ms: 2412,
  });
  run.layer("fetch_posting", "success");
  run.layer("find_pain_points", "running");
  await pass(run, 14_200);
  logger.llmCallComplete({
    stepName: "pain_points",
    backend: "claude_cli",
    model: "sonnet",
    costUsd: 0.0512,
    durationMs: 14_210,
  });
  run.layer("find_pain_points", "success");
  run.layer("annotate", "skipped", "there is nothing to annotate");
  run.layer("write_cv", "running", "section 1", { current: 1, total: 8 });
  await pass(run, 8100);
  logger.warn("retry_attempt", { message: "claude: overloaded, trying again in 2 s", attempt: 2 });
  await pass(run, 2000);
  logger.llmCallFallback({ stepName: "writer", backend: "langchain", model: "gpt-4o", durationMs: 6120 });
  await pass(run, 9400);
  for (const section of [1, 2, 3]) {
    logger.llmCallComplete({
      stepName: `section ${section}`,
      backend: "claude_cli",
      model: "sonnet",
      costUsd: 0.018 + section / 1000,
      durationMs: 9000 + 317 * section,
    });
    run.layer("write_cv", "running", `section ${section + 1}`, { current: section + 1, total: 8 });
    run.logOutput(`\u001b[32m✔\u001b[0m section ${section} \u001b[2m(412 words, 3 bullets)\u001b[0m`, "stdout");
    await pass(run, 9500);
  }
  logger.llmCallError({ stepName: "section 4", backend: "claude_cli", model: "sonnet" }, new Error("overloaded_error"));
  run.logOutput("\u001b[33mwarning\u001b[0m: Overfull \\hbox (12.3pt too wide) at lines 41--43", "stderr");
  await pass(run, behindMs);
  run.logOutput("\u001b[32m✔\u001b[0m section 4 \u001b[2m(388 words, 4 bullets)\u001b[0m", "stdout");
  await run.flush();
}
