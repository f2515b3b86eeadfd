/** An operation on the embedded store, and the entries that a viewer gets of what was logged in it. */
import { withRun } from "../../src/context.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LogEntry, PollAnswer } from "../../src/protocol.js";
import type { Run } from "../../src/run.js";
import { request } from "./plain-request.js";

/** Runs `work` as an operation, and resolves to its run as a poll tells of it. */
export async function capturedIn(work: (run: Run) => unknown): Promise<PollAnswer> {
  const livetail = createLivetail({ authorize: () => true });
  const run = livetail.createOperationRun("job", "capture");
  await withRun(run, () => work(run));
  await run.complete();
  const answer = await poll(livetail, run.id);
  await livetail.close();
  return answer;
}

/** A run as a poll tells of it. */
export async function poll({ handler }: Livetail, runId: string): Promise<PollAnswer> {
  const { status, body } = await handler.handle(request(`/${runId}`));
  if (status !== 200) throw new Error(`${status}: ${String(body)}`);
  return JSON.parse(String(body));
}

/** What tests of a capture look at. */
export function told({ logs }: PollAnswer): Partial<LogEntry>[] {
  return logs.map(({ level, message }) => ({ level, message }));
}
