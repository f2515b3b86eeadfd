/** The panel: an element that shows a run, live. Importing it defines nothing, and works on a server. */
export { definePanel } from "./define.js";
export { LivetailPanel, type LivetailPanelEvents } from "./livetail-panel.js";
export type { PanelOptions } from "./run-watch.js";
