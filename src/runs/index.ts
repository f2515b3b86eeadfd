/** The list of runs as an element. Importing it defines nothing, and works on a server. */
export { defineRuns } from "./define.js";
export { LivetailRuns, type LivetailRunsEvents } from "./livetail-runs.js";
export type { RunsOptions } from "./runs-watch.js";
