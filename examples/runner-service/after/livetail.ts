/** The one place where livetail is set up. */
import { createLivetail, type Livetail, type LivetailOptions } from "livetail";
import { genaiPrices } from "livetail/genai-prices";
import type { ServiceOptions } from "../service/options.js";

/** What the service is started with. */
export interface WatchedServiceOptions extends ServiceOptions {
  /** Who opened it closes it. Default: one of the service's own. */
  livetail?: Livetail;
  /** The HTML at `/`. Default: none. */
  page?: string;
}

/** A livetail that knows what calls of models cost. */
export function openLivetail(options: LivetailOptions = {}): Livetail {
  return createLivetail({
    price: genaiPrices(),
    // The service listens on 127.0.0.1 only: whoever reaches it may list, cancel, and see the coverage.
    authorize: ({ action }) => action !== "delete",
    ...options,
  });
}
