/**
 * Work at the end of a turn of the event loop: no more of it in one turn than an operation in the same process can
 * spare, the rest in the next ones.
 */

/** Does its work and returns what that weighs: about the bytes that were sent. */
export type TurnWork = () => number;

/** What a turn may take. A batch, and its way into the socket, weighs at most eight times as much: about 2 ms. */
const MOST_WEIGHT = 65_536;
/** What work weighs at least. */
const LEAST_WEIGHT = 1024;

/** The work of a process that waits for the end of this turn, or of one of the next. */
export class TurnQueue {
  readonly #waiting = new Set<TurnWork>();
  readonly #atTurnEnd: (work: () => void) => void;
  #scheduled = false;

  /** `atTurnEnd` calls what it is given at the end of this turn. */
  constructor(atTurnEnd: (work: () => void) => void = setImmediate) {
    this.#atTurnEnd = atTurnEnd;
  }

  /** Does `work` once, after what was added before; what waits already is not added again. */
  add(work: TurnWork): void {
    this.#waiting.add(work);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#atTurnEnd(this.#turn);
  }

  readonly #turn = (): void => {
    let weight = 0;
    // What is added meanwhile comes last, in this turn if there is room.
    for (const work of this.#waiting) {
      if (weight >= MOST_WEIGHT) break;
      this.#waiting.delete(work);
      weight += Math.max(LEAST_WEIGHT, work());
    }
    this.#scheduled = this.#waiting.size > 0;
    if (this.#scheduled) this.#atTurnEnd(this.#turn);
  };
}
