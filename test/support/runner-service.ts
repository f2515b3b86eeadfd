/** Asks the services of examples/runner-service, as their users do. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PollAnswer } from "../../src/protocol.js";

/** The five slow endpoints, each with a request for it. */
export const SLOW_REQUESTS: readonly [path: string, body?: object][] = [
  ["/jobs/import", { job_id: "job-101" }],
  ["/job-search", { titles: ["data engineer"] }],
  ["/jobs/ingest", { source: "himalayas", limit: 5 }],
  ["/jobs/job-102/annotations"],
  ["/jobs/job-102/outreach", { kind: "recruiter" }],
];

/** A folder for the records of a service; the system tidies it up. */
export function recordsFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "livetail-runner-service-"));
}

/** Posts a request. Resolves to the answer when it is there. */
export function post(url: string, path: string, body?: object): Promise<Response> {
  const json = body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return fetch(`${url}${path}`, { method: "POST", ...json });
}

/** A run with all its lines, when it has ended. */
export async function endedRun(url: string, runId: string): Promise<PollAnswer> {
  const read = async (query: string) =>
    (await (await fetch(`${url}/operations/${runId}?${query}`)).json()) as PollAnswer;
  let answer = await read("since=0");
  while (answer.expected_log_count !== answer.next_index) answer = await read(`cursor=${answer.cursor}&wait=20`);
  return read("since=0&limit=1000");
}
