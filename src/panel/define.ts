import { LivetailPanel } from "./livetail-panel.js";

/**
 * Makes `<livetail-panel>` an element of the page; does nothing where it is one already, or where there is no page.
 * `name` is for pages that have another element of that name.
 */
export function definePanel(name = "livetail-panel"): void {
  const elements = globalThis.customElements;
  // A class can be defined once: a second name gets a class of its own.
  if (elements && !elements.get(name)) {
    elements.define(name, name === "livetail-panel" ? LivetailPanel : class extends LivetailPanel {});
  }
}
