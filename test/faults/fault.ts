import type { Cast } from "./cast.js";

/** A fault of the random run. It does its damage, sees that it was done, and mends it before it resolves. */
export interface Fault {
  /** True: something is lost, so that it may not happen once an end is stored: nobody could still be told of it. */
  loses: boolean;
  /** True: it concerns servers and networks, no run. */
  outside?: boolean;
  /** True: the next fault does not wait for it. */
  alongside?: boolean;
  /** True: it comes after all others of an episode, because who is dead mends nothing that the store loses then. */
  last?: boolean;
  /** Sees that there is what the fault needs, before the first one of an episode. */
  prepare?(cast: Cast): Promise<void> | void;
  fire(cast: Cast): Promise<void>;
}
