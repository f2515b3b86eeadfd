/** The faults of the random run that befall one run: its owner, its producers, its viewers. */
import type { Sight } from "../support/oracle.js";
import { until } from "../support/until.js";
import type { Fault } from "./fault.js";
import { PATIENCE_MS } from "./scene.js";

const NAPS = 8;

/** By name. */
export const RUN_FAULTS = {
  takeover: {
    loses: false,
    alongside: true,
    fire: ({ takeOver }) => takeOver(),
  },
  cancel: {
    loses: false,
    alongside: true,
    fire: ({ cancel }) => cancel(),
  },
  "viewer that sleeps past the trim": {
    loses: false,
    prepare: (cast) => cast.watchMore("sleeper"),
    async fire(cast) {
      const sleeper = cast.viewer("sleeper");
      for (let nap = 0; nap < NAPS; nap++) {
        sleeper.sleep();
        const position = sleeper.position();
        const epochs = sleeper.sights.length;
        const told = sleeper.sights.at(-1)?.seen.length ?? 0;
        await until(async () => (await cast.firstIndex()) > position + nap * 200, "lines to be trimmed", PATIENCE_MS);
        sleeper.wake();
        const seen = (): Sight["seen"] => sleeper.sights[epochs - 1]?.seen.slice(told) ?? [];
        await until(
          () => sleeper.sights.length > epochs || seen().length > 1,
          "the sleeper to be told something",
          PATIENCE_MS,
        );
        const [gap, line] = seen();
        // The numbering began anew for an earlier fault, or the server still has what the store has not: no gap then.
        if (sleeper.sights.length > epochs || gap === undefined || "index" in gap) continue;
        if (gap.from !== position || line === undefined || !("index" in line) || line.index !== gap.to + 1) {
          throw new Error(`Asleep at ${position}, told ${JSON.stringify(gap)} and ${JSON.stringify(line)}`);
        }
        return;
      }
      throw new Error("No nap was long enough.");
    },
  },
  "viewer that reads slowly": {
    loses: false,
    prepare: (cast) =>
      cast.watchMore("slow poll", {
        limit: 50,
        setTimer(callback, ms) {
          const timer = setTimeout(callback, ms + 150);
          return () => clearTimeout(timer);
        },
      }),
    async fire(cast) {
      const slow = cast.viewer("slow poll");
      await until(
        () => cast.viewer("poll").position() > slow.position() + 50,
        "the slow viewer to fall behind",
        PATIENCE_MS,
      );
    },
  },
  "owner whose event loop is blocked": {
    loses: false,
    prepare: (cast) => cast.openElsewhere(),
    async fire(cast) {
      const { child, viewers } = cast.elsewhere();
      await child.isWell();
      const told = viewers.map(({ ownerStates }) => ownerStates.length);
      const allTold = (state: string): boolean =>
        viewers.every(({ ownerStates }, at) => ownerStates.slice(told[at]).includes(state as never));
      const release = child.block();
      await until(() => allTold("stalled"), "all viewers to hear of a stalled owner", PATIENCE_MS).finally(release);
      await until(
        () => viewers.every(({ ownerStates }) => ownerStates.at(-1) === "live"),
        "the owner to live again",
        PATIENCE_MS,
      );
    },
  },
  "owner killed with -9": {
    loses: false,
    last: true,
    prepare: (cast) => cast.openElsewhere(),
    fire: (cast) => cast.killElsewhere(),
  },
  "joined producer killed with -9": {
    loses: false,
    last: true,
    prepare: (cast) => cast.joinElsewhere(),
    fire: (cast) => cast.killJoined(),
  },
} satisfies Record<string, Fault>;
