/** Finds the latest run of a subject. */
import { type ClientError, type ClientOptions, request } from "../client/request.js";
import type { ListAnswer } from "../protocol.js";

const RETRY_MS = 2000;

/**
 * Calls back with the id of the newest run of a subject, as soon as there is one; the server must allow listing.
 * Returns what ends the search. `onError` hears why it was given up: what may pass is tried again.
 */
export function findRun(
  subjectId: string,
  client: ClientOptions,
  onFound: (runId: string) => void,
  onError: (error: ClientError) => void,
): () => void {
  const url = `${client.endpointBase}/?subject_id=${encodeURIComponent(subjectId)}&limit=1`;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ended = false;
  const look = async () => {
    let delay = RETRY_MS;
    try {
      const { runs } = await request<ListAnswer>(url, client, {}, (response) => response.json());
      if (ended) return;
      if (runs[0]) return onFound(runs[0].run_id);
    } catch (cause) {
      const error = cause as ClientError;
      error.fatal = /^4(?!29)/.test(`${error.status}`);
      if (error.fatal && !ended) return onError(error);
      delay += error.retryAfterMs;
    }
    if (!ended) timer = setTimeout(look, delay);
  };
  look();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
