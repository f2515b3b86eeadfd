import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { OpenEvents } from "../src/logger.js";
import { StructuredLogger } from "../src/logger.js";
import type { Run } from "../src/run.js";

interface JobEvents {
  job_scored: { job_id: string; score: number; note?: string };
  jobs_done: { count?: number };
}

/** What the compiler says here is the test: `tsc` fails when an error that is expected does not come. */
function compiled(run: Run<JobEvents>): void {
  run.logger.info("job_scored", { job_id: "7", score: 8 });
  run.logger.child({ step: "grade" }).warn("job_scored", { job_id: "7", score: 8, note: "close" });
  run.logger.debug("jobs_done");
  run.logger.layerStart("any layer", { current: 1 });
  // @ts-expect-error a field is missing
  run.logger.info("job_scored", { job_id: "7" });
  // @ts-expect-error all fields are missing
  run.logger.info("job_scored");
  // @ts-expect-error a field is of another type
  run.logger.error("job_scored", { job_id: "7", score: "8" });
  // @ts-expect-error a field that the event does not have
  run.logger.info("jobs_done", { total: 8 });
  // @ts-expect-error an event that is not in the map
  run.logger.info("job_scorde", { job_id: "7", score: 8 });
}

describe("a map of events", () => {
  it("makes the compiler check what loggers are told", async () => {
    const livetail = createLivetail<JobEvents>({ redis: "redis://127.0.0.1:1", onError: () => {}, endTimeoutMs: 1 });
    expectTypeOf(livetail.createOperationRun).returns.toEqualTypeOf<Run<JobEvents>>();
    expectTypeOf(compiled).parameter(0).toEqualTypeOf<Parameters<Parameters<typeof livetail.startOperation>[2]>[0]>();
    const logger = new StructuredLogger<JobEvents>({ out: { write: () => true } });
    // @ts-expect-error a field is missing
    logger.info("job_scored", { score: 8 });
    await livetail.close();
  });

  it("is no hindrance where any run or livetail will do", () => {
    expectTypeOf<Run<JobEvents>>().toExtend<Run>();
    expectTypeOf<Livetail<JobEvents>>().toExtend<Livetail>();
    expectTypeOf<StructuredLogger<JobEvents>>().toExtend<StructuredLogger>();
  });

  it("is open where nothing is said", () => {
    const plain = () => createLivetail();
    expectTypeOf<ReturnType<typeof plain>>().toEqualTypeOf<Livetail<OpenEvents>>();
    const open = (run: Run): void => {
      run.logger.info("anything", { at: "all" });
      run.logger.info("anything");
      // @ts-expect-error fields are no text
      run.logger.info("anything", "text");
    };
    expect(open).toBeTypeOf("function");
  });

  it("comes of schemas for the events that have one, and leaves the others open", async () => {
    const livetail = createLivetail({
      redis: "redis://127.0.0.1:1",
      onError: () => {},
      endTimeoutMs: 1,
      events: {
        job_scored: {
          schema: z.object({ job_id: z.string(), score: z.number() }),
          message: ({ job_id, score }) => `${job_id}: ${score.toFixed(1)} of 10`,
        },
      },
    });
    const checked = (run: Parameters<Parameters<typeof livetail.startOperation>[2]>[0]): void => {
      run.logger.info("job_scored", { job_id: "7", score: 8 });
      run.logger.info("anything", { at: "all" });
      // @ts-expect-error a field is of another type
      run.logger.info("job_scored", { job_id: "7", score: "8" });
    };
    expect(checked).toBeTypeOf("function");
    await livetail.close();
  });

  it("is what the rules are checked against", () => {
    const make = () =>
      createLivetail<JobEvents>({
        events: {
          job_scored: { message: ({ job_id }) => job_id },
          // @ts-expect-error the schema is of other fields
          jobs_done: { schema: z.object({ count: z.string() }) },
        },
      });
    expect(make).toBeTypeOf("function");
  });
});
