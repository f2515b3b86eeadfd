/** The seed of the fuzzing tests. */
import { length } from "./length.js";

/**
 * `LIVETAIL_FUZZ_SEED` if it is set; else the same in each short run, so that what is new there is what was changed,
 * and another one each time under `npm run test:faults`.
 */
export const FUZZ_SEED = Number(process.env.LIVETAIL_FUZZ_SEED || length(Math.floor(Math.random() * 1e9), 20_260_114));
