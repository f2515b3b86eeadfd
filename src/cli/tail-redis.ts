/** A run read from Redis. */
import { LivetailError } from "../errors.js";
import { createLivetail } from "../livetail.js";
import { GONE_RUN_MS } from "../protocol.js";
import { FIRST_PATIENCE_MS, type TailEvent, type TailRequest } from "./tail-event.js";

/**
 * Follows a run in the Redis at `url` to its end. Throws `RUN_NOT_FOUND`, and `STORE_UNAVAILABLE` when Redis cannot
 * be reached for long.
 */
export async function* followRedis({ runId, url, begin, signal, clock }: TailRequest): AsyncGenerator<TailEvent> {
  // Outages come as events.
  const livetail = createLivetail({ redis: url, onError: () => {}, clock });
  const givingUp = new AbortController();
  let patienceMs = FIRST_PATIENCE_MS;
  let cancel: (() => void) | null = null;

  try {
    const events = livetail.reader.follow(runId, { from: begin, signal: AbortSignal.any([signal, givingUp.signal]) });
    for await (const event of events) {
      const away = event.type === "unavailable" || (event.type === "state" && event.store === "unavailable");
      if (away && cancel === null) {
        cancel = clock.after(patienceMs, () => givingUp.abort());
        yield { type: "news", text: "Redis cannot be reached, trying again" };
      } else if (!away) {
        patienceMs = GONE_RUN_MS;
        if (cancel !== null) {
          cancel();
          cancel = null;
          yield { type: "news", text: "Redis can be reached again" };
        }
      }
      if (event.type === "state") yield { type: "layers", layers: event.state.layer_status };
      else if (event.type !== "unavailable") yield event;
    }
    if (givingUp.signal.aborted) throw new LivetailError("STORE_UNAVAILABLE");
  } finally {
    cancel?.();
    await livetail.close();
  }
}
