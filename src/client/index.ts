/** Viewers for browsers and Node: a poller, and what a run's status says. */
export type * from "../protocol.js";
export { fetchStatus, getBackendStats } from "./fetch-status.js";
export { LogPoller, type LogPollerCallbacks, type LogPollerOptions, type Subscribe } from "./log-poller.js";
export type { Completion, PollerEvents } from "./poll-state.js";
export type { ClientError, ClientHeaders, ClientOptions } from "./request.js";
export type { Transport } from "./transport.js";
