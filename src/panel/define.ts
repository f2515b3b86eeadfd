import { LivetailPanel } from "./livetail-panel.js";

/** Makes `<livetail-panel>` an element of the page; does nothing where it is one already, or where there is no page. */
export function definePanel(): void {
  const elements = globalThis.customElements;
  if (elements && !elements.get("livetail-panel")) elements.define("livetail-panel", LivetailPanel);
}
