/** Finds the latest run of a subject. */
import { type ClientError, type ClientOptions, request } from "../client/request.js";
import type { ListAnswer } from "../protocol.js";

const RETRY_MS = 2000;

/**
 * Resolves to the id of the newest run of a subject, as soon as there is one; the server must allow listing. Rejects
 * with a client error when it is given up, or after the signal: what may pass is tried again.
 */
export async function findRun(subjectId: string, client: ClientOptions, signal: AbortSignal): Promise<string> {
  const url = `${client.endpointBase}/?subject_id=${encodeURIComponent(subjectId)}&limit=1`;
  for (;;) {
    let delay = RETRY_MS;
    try {
      const { runs } = await request<ListAnswer>(url, client, { signal }, (response) => response.json());
      if (runs[0]) return runs[0].run_id;
    } catch (cause) {
      const error = cause as ClientError;
      error.fatal = /^4(?!08|25|29)/.test(`${error.status}`);
      if (error.fatal || signal.aborted) throw error;
      delay += error.retryAfterMs;
    }
    await new Promise((resolve) => setTimeout(resolve, delay));
  }
}
