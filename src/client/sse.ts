/** Server-sent events as a transport of the poller, over `fetch`: headers, POST and status codes work. */
import { createParser } from "eventsource-parser";
import type { FrameName } from "../protocol.js";
import type { PollPart } from "./poll-state.js";
import type { Transport } from "./transport.js";

export type { Transport } from "./transport.js";

/** How a stream is asked for. */
export interface SseOptions {
  /** Default `GET`. */
  method?: "GET" | "POST";
  /** Where the jitter of reconnecting comes from: 0 to 1. Default `Math.random`. */
  random?: () => number;
}

/** A transport that reads `GET /{run_id}/stream`; where it delivers nothing, the poller goes back to polls. */
export function sseTransport({ method = "GET", random = Math.random }: SseOptions = {}): Transport {
  return {
    path: "/stream",
    init: { method },
    async read(response, take, onBytes) {
      let retryMs = 2000;
      const parser = createParser({
        onRetry(ms) {
          retryMs = ms;
        },
        onEvent({ event, id, data }) {
          const part = partOf(event as FrameName, JSON.parse(data) as never);
          if (part) take(id ? { ...part, cursor: id, next_index: Number(id.split(".")[1]) } : part);
        },
      });
      // 204: the end was seen already. Nothing comes, so the poller asks for the final state by a poll.
      if (!response.body) return 0;
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return retryMs * (0.5 + random());
        onBytes();
        parser.feed(decoder.decode(value, { stream: true }));
      }
    },
  };
}

/** What a frame says in the words of a poll's answer; nothing for `hello` and for frames that are not known. */
function partOf(name: FrameName, data: never): PollPart | undefined {
  if (name === "log") return { logs: [data] };
  if (name === "gap" || name === "reset") return { [name]: data };
  if (name === "state" || name === "end") return data;
}
