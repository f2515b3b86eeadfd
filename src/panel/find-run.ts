/** Finds the latest run of a subject. */
import { type ClientError, type ClientOptions, request } from "../client/request.js";
import type { ListAnswer } from "../protocol.js";

const RETRY_MS = 2000;

/**
 * Calls back with the id of the newest run of a subject, as soon as there is one; the server must allow listing.
 * Returns what ends the search. `onError` hears of the first failure of a series, with `fatal` when it is given up.
 */
export function findRun(
  subjectId: string,
  client: ClientOptions,
  onFound: (runId: string) => void,
  onError: (error: ClientError) => void,
): () => void {
  const url = `${client.endpointBase ?? "/operations"}/?subject_id=${encodeURIComponent(subjectId)}&limit=1`;
  const ended = new AbortController();
  let timer: ReturnType<typeof setTimeout>;
  let told = false;
  const look = async () => {
    let failure: ClientError | undefined;
    try {
      const init = { signal: ended.signal };
      const { runs } = await request<ListAnswer>(url, client, init, (response) => response.json());
      if (ended.signal.aborted) return;
      if (runs[0]) return onFound(runs[0].run_id);
      told = false;
    } catch (error) {
      if (ended.signal.aborted) return;
      failure = error as ClientError;
      failure.fatal = failure.status >= 400 && failure.status < 500 && failure.status !== 429;
      if (failure.fatal || !told) onError(failure);
      told = true;
    }
    if (!failure?.fatal) timer = setTimeout(look, Math.max(RETRY_MS, failure?.retryAfterMs ?? 0));
  };
  look();
  return () => {
    ended.abort();
    clearTimeout(timer);
  };
}
