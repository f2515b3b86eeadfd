/** The logs of BullMQ's jobs, read as bull-board does: all of them at each request. */
import { Queue } from "bullmq";
import type { BenchLine } from "./inputs.js";

const QUEUE = "bench-logs";
/** Lines that a job keeps. */
export const JOB_LOGS_KEPT = 1000;

/** What is printed of whoever answers so. */
export const BULL_BOARD = "bull-board style: getJobLogs()";

/** Jobs that lines can be logged to. */
export interface LoggedJobs {
  ids: readonly string[];
  /** Logs lines to each of them. */
  log(lines: readonly BenchLine[]): Promise<void>;
  close(): Promise<void>;
}

/** Creates jobs. */
export async function openJobs(redisPort: number, count: number): Promise<LoggedJobs> {
  const queue = new Queue(QUEUE, { connection: { host: "127.0.0.1", port: redisPort } });
  const jobs = await Promise.all(
    Array.from({ length: count }, () => queue.add("bench", {}, { keepLogs: JOB_LOGS_KEPT })),
  );
  return {
    ids: jobs.map(({ id }) => id ?? ""),
    async log(lines) {
      const texts = lines.map((line) => JSON.stringify({ timestamp: "2026-01-14T10:00:00.000Z", ...line }));
      await Promise.all(jobs.flatMap((job) => texts.map((text) => job.log(text))));
    },
    close: () => queue.close(),
  };
}

/** Reads all that a job keeps, as the JSON text of an answer. */
export function jobLogsReader(redisPort: number): (id: string) => Promise<string> {
  const queue = new Queue(QUEUE, { connection: { host: "127.0.0.1", port: redisPort } });
  return async (id) => JSON.stringify(await queue.getJobLogs(id));
}
