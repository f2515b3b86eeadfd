/**
 * How a run is named to a child process or a worker thread, in the variable LIVETAIL_RUN: `id@fence`; the id alone
 * while nobody knows the fence; `id@memory` for a run that only the process which keeps it can reach.
 */
import { isRunId } from "./protocol.js";

/** The variable of a child's environment, and the field of a worker's `workerData`, that name its run. */
export const RUN_VARIABLE = "LIVETAIL_RUN";

/** What such a name says. */
export interface RunRef {
  id: string;
  /** The fence to write under; 0: none. */
  fence: number;
  /** Only the process that keeps the run can reach it. */
  local: boolean;
}

const LOCAL = "memory";
const REF = new RegExp(`^([^@]+)(?:@(\\d{1,15}|${LOCAL}))?$`);

/** The text of a name. */
export function formatRunRef({ id, fence, local }: RunRef): string {
  if (local) return `${id}@${LOCAL}`;
  return fence > 0 ? `${id}@${fence}` : id;
}

/** Reads a name; undefined for what is none. */
export function parseRunRef(text: unknown): RunRef | undefined {
  const [, id, rest = "0"] = (typeof text === "string" && REF.exec(text)) || [];
  if (!isRunId(id)) return undefined;
  return rest === LOCAL ? { id, fence: 0, local: true } : { id, fence: Number(rest), local: false };
}
