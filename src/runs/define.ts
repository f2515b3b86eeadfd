import { LivetailRuns } from "./livetail-runs.js";

/** Makes `<livetail-runs>` an element of the page; does nothing where it is one already, or where there is no page. */
export function defineRuns(): void {
  const elements = globalThis.customElements;
  if (elements && !elements.get("livetail-runs")) elements.define("livetail-runs", LivetailRuns);
}
