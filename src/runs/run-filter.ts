/** Which runs of a list are shown. Pure. */
import { isTerminal, type RunSummary } from "../protocol.js";

/** What the user chose; "" shows everything. */
export interface RunFilter {
  /** Words, all of which a run has to have in what is shown of it, or in its id. */
  text: string;
  /** A status, or `open`: queued or running. */
  status: string;
  operation: string;
}

/** Whether anything is chosen at all. */
export function isFiltering({ text, status, operation }: RunFilter): boolean {
  return `${text}${status}${operation}`.trim() !== "";
}

/** Whether a run is shown. */
export function isShown(run: RunSummary, { text, status, operation }: RunFilter): boolean {
  if (operation && run.operation !== operation) return false;
  if (status === "open" ? isTerminal(run.status) : status && run.status !== status) return false;
  const said = [run.run_id, run.status, run.operation, run.subject_id, run.error_code, run.error]
    .join("\n")
    .toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => said.includes(word));
}
