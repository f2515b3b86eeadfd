/** A livetail that needs no wiring, and the functions of every livetail bound to it. */
import { currentRun as contextRun } from "./context.js";
import type { Handle } from "./handle.js";
import { createLivetail, type Livetail } from "./livetail.js";
import type { LivetailOptions } from "./livetail-options.js";

const DEFAULT = Symbol.for("livetail.default");
// On globalThis, because the ESM and the CJS copy of this package can meet in one process.
const shared = globalThis as { [DEFAULT]?: Livetail };

/** The default instance, made at its first use from the environment. */
export function defaultLivetail(): Livetail {
  shared[DEFAULT] ??= createLivetail();
  return shared[DEFAULT];
}

/** Makes the default instance anew with `options`; the one before is closed in the background. Returns the new one. */
export function configureLivetail(options: LivetailOptions): Livetail {
  const made = createLivetail(options);
  void shared[DEFAULT]?.close();
  shared[DEFAULT] = made;
  return made;
}

/** `Livetail.createOperationRun` of the default instance. */
export const createOperationRun: Livetail["createOperationRun"] = (...args) =>
  defaultLivetail().createOperationRun(...args);
/** `Livetail.createLogCallback` of the default instance. */
export const createLogCallback: Livetail["createLogCallback"] = (runOrId) =>
  defaultLivetail().createLogCallback(runOrId);
/** `Livetail.createLayerCallback` of the default instance. */
export const createLayerCallback: Livetail["createLayerCallback"] = (runOrId) =>
  defaultLivetail().createLayerCallback(runOrId);
/** `Livetail.runOperation` of the default instance. */
export const runOperation: Livetail["runOperation"] = (...args) => defaultLivetail().runOperation(...args);
/** `Livetail.startOperation` of the default instance. */
export const startOperation: Livetail["startOperation"] = (...args) => defaultLivetail().startOperation(...args);
/** `Livetail.joinRun` of the default instance. */
export const joinRun: Livetail["joinRun"] = (ref) => defaultLivetail().joinRun(ref);
/** `Livetail.latestRun` of the default instance. */
export const latestRun: Livetail["latestRun"] = (...args) => defaultLivetail().latestRun(...args);
/** `Livetail.ownerOf` of the default instance. */
export const ownerOf: Livetail["ownerOf"] = (runId) => defaultLivetail().ownerOf(runId);
/** `Livetail.cancelRun` of the default instance. */
export const cancelRun: Livetail["cancelRun"] = (runId) => defaultLivetail().cancelRun(runId);

/**
 * The run whose operation this code belongs to: below `runOperation` or `startOperation`, in what was bound with
 * `run.bind`, and after `joinRun()` everywhere else; undefined outside of one.
 */
export function currentRun(): Handle | undefined {
  return contextRun() as Handle | undefined;
}
