import type { BackendStats, StatusAnswer } from "../protocol.js";
import { type ClientOptions, request, runUrl } from "./request.js";

/** Reads where a run stands, without its lines. Rejects with a client error; tries once. */
export function fetchStatus(runId: string, options: ClientOptions = {}): Promise<StatusAnswer> {
  return request(`${runUrl(runId, options)}/status`, options, {}, (response) => response.json());
}

/** Reads calls, errors and cost of a run, per backend and in total. Rejects with a client error; tries once. */
export async function getBackendStats(runId: string, options?: ClientOptions): Promise<BackendStats> {
  return (await fetchStatus(runId, options)).backend_stats;
}
