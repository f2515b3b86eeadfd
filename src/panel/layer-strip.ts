/** The layers of a run as a strip: how each one stands at a glance, and its lines at a click. */
import type { Layer, LayerMap } from "../protocol.js";
import { duration, ticking } from "./amounts.js";
import { button, element } from "./element.js";

/** The strip, to be shown anew whenever a layer changes or a second has passed. */
export interface LayerStrip {
  readonly element: HTMLElement;
  /** `now` is the server's time in milliseconds since 1970. */
  show(layers: LayerMap, now: number): void;
}

const GLYPHS = { pending: "○", running: "◐", success: "✓", failed: "✗", skipped: "⤼" } as const;

/** Makes the strip; `onJump` is called with the name of a layer that was clicked. */
export function createLayerStrip(onJump: (name: string) => void): LayerStrip {
  const list = element("ol", "layers", { ariaLabel: "Layers", hidden: true });
  const chips = new Map<string, Chip>();
  let shownOrder = "";
  return {
    element: list,
    show(layers, now) {
      const sorted = Object.entries(layers).sort(([, a], [, b]) => a.order - b.order);
      const shown = sorted.map(([name, layer]) => {
        const chip = chips.get(name) ?? createChip(name, onJump);
        chips.set(name, chip);
        return { chip, news: chip.show(layer, now) };
      });
      // What stays in its place keeps the focus.
      const order = JSON.stringify(sorted.map(([name]) => name));
      if (order !== shownOrder) list.replaceChildren(...shown.map(({ chip }) => chip.item));
      shownOrder = order;
      list.hidden = sorted.length === 0;
      // The layer that has just begun or failed is seen, however many there are.
      const item = shown.findLast(({ news }) => news)?.chip.item;
      if (item) list.scrollTo(item.offsetLeft - list.clientWidth / 2, item.offsetTop - list.offsetTop);
    },
  };
}

interface Chip {
  readonly item: HTMLElement;
  /** True when the layer has just begun or failed. */
  show(layer: Layer, now: number): boolean;
}

function createChip(name: string, onJump: (name: string) => void): Chip {
  const glyph = element("span", "glyph");
  const progress = element("span", "progress");
  const jump = button("layer", "", () => onJump(name));
  jump.append(glyph, element("bdi", "", {}, name), progress);
  return {
    item: element("li", "", {}, jump),
    show({ status, message = "", current = 0, total, started_at, duration_ms }, now) {
      const news = jump.dataset.status !== status && /running|failed/.test(status);
      jump.dataset.status = status;
      jump.title = `${status} ${message}`;
      glyph.textContent = GLYPHS[status];
      glyph.role = "img";
      glyph.ariaLabel = status;
      const running = status === "running";
      const steps = total && (running || status === "failed") ? `${current}/${total}` : "";
      const passed = running && started_at ? ticking(now - Date.parse(started_at)) : "";
      progress.textContent = `${steps} ${duration_ms === undefined ? passed : duration(duration_ms)}`;
      jump.style.setProperty("--done", `${running && total ? (100 * current) / total : 0}%`);
      return news;
    },
  };
}
