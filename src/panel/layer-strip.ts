/** The layers of a run as a strip: how each one stands at a glance, and its lines at a click. */
import type { Layer, LayerMap } from "../protocol.js";
import { duration, ticking } from "./amounts.js";
import { button, element } from "./element.js";
import { GLYPHS } from "./glyphs.js";

/** The strip, to be shown anew whenever a layer changes or a second has passed. */
export interface LayerStrip {
  readonly element: HTMLElement;
  /** `now` is the server's time in milliseconds since 1970. */
  show(layers: LayerMap, now: number): void;
}

/** Makes the strip; `onJump` is called with the name of a layer that was clicked. */
export function createLayerStrip(onJump: (name: string) => void): LayerStrip {
  const list = element("ol", "layers", { ariaLabel: "Layers" });
  const chips = new Map<string, HTMLElement>();
  return {
    element: list,
    show(layers, now) {
      const sorted = Object.entries(layers).sort(([, a], [, b]) => a.order - b.order);
      let news: HTMLElement | undefined;
      const shown = sorted.map(([name, layer]) => {
        const chip = chips.get(name) ?? button("layer", "", () => onJump(name));
        chips.set(name, chip);
        if (chip.dataset.status !== layer.status && /running|failed/.test(layer.status)) news = chip;
        showLayer(chip, name, layer, now);
        return chip;
      });
      // What stays in its place keeps the focus.
      if (list.childElementCount !== shown.length) {
        list.replaceChildren(...shown.map((chip) => element("li", "", {}, chip)));
      }
      // The layer that has just begun or failed is seen, however many there are.
      if (news) {
        list.scrollTo(news.offsetLeft - list.clientWidth / 2, news.offsetTop - list.offsetTop);
      }
    },
  };
}

function showLayer(chip: HTMLElement, name: string, layer: Layer, now: number): void {
  const { status, message = "", current = 0, total, started_at, duration_ms } = layer;
  const passed = status === "running" && started_at && ticking(now - Date.parse(started_at));
  const time = duration_ms === undefined ? passed : duration(duration_ms);
  chip.dataset.status = status;
  chip.title = `${status} ${message}`;
  chip.replaceChildren(
    element("span", "glyph", { role: "img", ariaLabel: status }, GLYPHS[status]),
    element("bdi", "", {}, name),
    element("span", "progress", {}, [total && `${current}/${total}`, time].filter(Boolean).join(" · ")),
  );
}
