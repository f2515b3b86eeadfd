/** A viewer in a test: watches a run to its end and keeps all it was told, by epoch. */
import { LogPoller, type LogPollerOptions } from "../../src/client/log-poller.js";
import type { Completion } from "../../src/client/poll-state.js";
import type { OwnerState } from "../../src/protocol.js";
import type { Sight } from "./oracle.js";

export interface Viewer {
  readonly name: string;
  readonly sights: Sight[];
  /** The states of the owner, as it was told of them. */
  readonly ownerStates: OwnerState[];
  /** Resolves when the viewer has seen the end, rejects at a fatal error. */
  readonly finished: Promise<Completion>;
  /** Lines that it was told, over all epochs. */
  seen(): number;
  /** The index that it wants next, as far as the server said. */
  position(): number;
  /** Asks for nothing, until `wake`. */
  sleep(): void;
  /** Goes on where it fell asleep. */
  wake(): void;
  stop(): void;
}

/** Starts to watch. */
export function startViewer(name: string, runId: string, options: LogPollerOptions): Viewer {
  const poller = new LogPoller(runId, { pollInterval: 20, ...options });
  let sight: Sight = {
    viewer: name,
    epoch: "",
    from: options.since ?? (options.tail === undefined ? 0 : null),
    seen: [],
  };
  let seen = 0;
  const sights = [sight];
  const ownerStates: OwnerState[] = [];
  const closeEpoch = (): void => {
    sight.epoch = poller.cursor?.split(".")[0] ?? "";
  };
  poller.onLog((entry) => {
    seen += 1;
    sight.seen.push(entry);
  });
  poller.onGap((gap) => sight.seen.push(gap));
  poller.onOwner(({ state }) => ownerStates.push(state));
  poller.onReset((reset) => {
    closeEpoch();
    sight = { viewer: name, epoch: "", from: reset.first_index, seen: [] };
    sights.push(sight);
  });
  const finished = new Promise<Completion>((resolve, reject) => {
    poller.onComplete((state) => {
      closeEpoch();
      resolve(state);
    });
    poller.onError((error) => {
      if (error.fatal) reject(error);
    });
  });
  finished.catch(() => {});
  poller.start();
  return {
    name,
    sights,
    ownerStates,
    finished,
    seen: () => seen,
    position: () => Number(poller.cursor?.split(".")[1] ?? 0),
    sleep: () => poller.stop(),
    wake: () => void poller.start(),
    stop() {
      closeEpoch();
      poller.stop();
    },
  };
}
