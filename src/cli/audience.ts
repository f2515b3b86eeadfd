/** Who watches a run here, and whether they have seen its end. Viewers that poll are attached between two polls too. */
import { isLiveBody } from "../exchange.js";
import type { Handler, HandlerRequest, HandlerResponse } from "../handler.js";
import { isTerminal, type PollAnswer } from "../protocol.js";

/** The viewers of one run in this process. */
export interface Audience {
  /** The handler to serve in place of the one that was handed in. */
  readonly handler: Handler;
  /** How many have seen the end of the run. */
  readonly served: number;
  /** How many are attached and have not. */
  waiting(): number;
}

/** A viewer that has not come back for so long is gone, in milliseconds. */
const RETURN_MS = 3000;
/** What a viewer brings that has no cursor yet. */
const NEW = "";

/** Counts the viewers of a run: a viewer is known by the cursor that it was given, which it brings with its next poll. */
export function countAudience(handler: Handler, runId: string, now: () => number): Audience {
  /** When viewers went away with a cursor, by cursor. */
  const away = new Map<string, number[]>();
  let present = 0;
  let served = 0;

  const comeBack = (cursor: string): void => {
    const times = away.get(cursor);
    if (times === undefined) return;
    times.shift();
    if (times.length === 0) away.delete(cursor);
  };
  const goAway = (cursor: string): void => {
    away.set(cursor, [...(away.get(cursor) ?? []), now()]);
  };

  const answered = (answer: HandlerResponse, request: HandlerRequest): HandlerResponse => {
    const { status, body } = answer;
    if (status !== 200 || body === null || isLiveBody(body) || request.signal.aborted) return answer;
    const page = JSON.parse(typeof body === "string" ? body : Buffer.from(body).toString()) as PollAnswer;
    if (isTerminal(page.status) && page.next_index >= (page.expected_log_count ?? page.total_count)) served += 1;
    else goAway(page.cursor);
    return answer;
  };

  const poll = (request: HandlerRequest): HandlerResponse | Promise<HandlerResponse> => {
    comeBack(new URLSearchParams(request.query).get("cursor") ?? NEW);
    const answer = handler.handle(request);
    if (!("then" in answer)) return answered(answer, request);
    present += 1;
    return answer.then((late) => {
      present -= 1;
      return answered(late, request);
    });
  };

  const stream = async (request: HandlerRequest): Promise<HandlerResponse> => {
    comeBack(NEW);
    const answer = await handler.handle(request);
    const { body } = answer;
    if (!isLiveBody(body)) return answer;
    return {
      ...answer,
      body: {
        attach(sink) {
          present += 1;
          let newest: string | Uint8Array = "";
          const viewer = body.attach({
            write(chunk) {
              newest = chunk;
              return sink.write(chunk);
            },
            get pendingBytes() {
              return sink.pendingBytes;
            },
            end() {
              // A stream ends for other reasons, too; the end of the run is the last thing that a viewer is written.
              if (Buffer.from(newest).includes("\nevent: end\n")) served += 1;
              sink.end();
            },
            destroy: () => sink.destroy(),
          });
          return {
            onDrain: () => viewer.onDrain(),
            onClose() {
              present -= 1;
              viewer.onClose();
            },
          };
        },
      },
    };
  };

  return {
    handler: {
      ...handler,
      handle(request) {
        if (request.method !== "GET" || !request.path.startsWith(`/${runId}`)) return handler.handle(request);
        const below = request.path.slice(runId.length + 1);
        if (below === "") return poll(request);
        if (below === "/stream") return stream(request);
        // Whoever opens the page is about to poll.
        if (below === "/view") goAway(NEW);
        return handler.handle(request);
      },
    },
    get served() {
      return served;
    },
    waiting() {
      const gone = now() - RETURN_MS;
      for (const [cursor, times] of away) {
        const left = times.filter((at) => at > gone);
        if (left.length === 0) away.delete(cursor);
        else away.set(cursor, left);
      }
      let count = present;
      for (const times of away.values()) count += times.length;
      return count;
    },
  };
}
