/** The tools of the panel: search, filter, time, wrap, follow, pause, copy, download. */
import { type ClientOptions, request, runUrl } from "../client/request.js";
import { copyText } from "./copy-text.js";
import { button, element } from "./element.js";
import { createFilterMenu } from "./filter-menu.js";
import type { LineList, SearchState } from "./line-list.js";
import type { TimeMode } from "./line-row.js";

/** The toolbar. */
export interface Toolbar {
  readonly element: HTMLElement;
  /** Where a search is typed. */
  readonly searchBox: HTMLInputElement;
  showSearch(state: SearchState): void;
  showFollow(following: boolean): void;
  showPause(paused: boolean): void;
}

/** What the toolbar acts on. */
export interface ToolbarOptions {
  list: LineList;
  runId: string;
  client: ClientOptions;
  onFollow(on: boolean): void;
  onPause(on: boolean): void;
  /** Says what came of a click. */
  say(text: string): void;
}

const TIMES: Record<TimeMode, string> = { relative: "Since start", absolute: "Clock", off: "No time" };

/** Makes the toolbar of a list. */
export function createToolbar({ list, runId, client, onFollow, onPause, say }: ToolbarOptions): Toolbar {
  const searchBox = element("input", "search", {
    type: "search",
    placeholder: "Search (/)",
    ariaLabel: "Search",
    spellcheck: false,
  });
  const found = element("span", "found", { role: "status" });
  const previous = button("button", "↑", () => list.previous(), "Previous match");
  const next = button("button", "↓", () => list.next(), "Next match");
  searchBox.oninput = () => list.search(searchBox.value);
  searchBox.onkeydown = ({ key, shiftKey }) => {
    if (key === "Enter") (shiftKey ? previous : next).click();
  };

  const times = Object.entries(TIMES).map(([value, label]) => element("option", "", { value }, label));
  const clock = element("select", "button", { ariaLabel: "Time" }, ...times);
  clock.onchange = () => list.setTime(clock.value as TimeMode);
  const [wrap] = toggle("Wrap", (on) => list.setWrap(on));
  const [follow, showFollow] = toggle("Follow", onFollow);
  const [pause, showPause] = toggle("Pause", onPause);
  showPause(false);
  const copy = button("button", "Copy", async () => say(await copyText(list.copyText())));

  return {
    element: element(
      "div",
      "toolbar",
      {},
      element("div", "finder", { role: "search" }, searchBox, found, previous, next),
      createFilterMenu(list.facets, (filter) => list.setFilter(filter)),
      clock,
      wrap,
      follow,
      pause,
      copy,
      downloadOf(runId, client, say),
    ),
    searchBox,
    showSearch({ query, current, count }) {
      found.textContent = query && (count > 0 ? `${current || "–"}/${count}` : "No match");
    },
    showFollow,
    showPause,
  };
}

/** A link to the kept lines; where requests need headers, which links cannot have, they are fetched first. */
function downloadOf(runId: string, client: ClientOptions, say: (text: string) => void): HTMLElement {
  const url = `${runUrl(runId, client)}/download`;
  const link = element("a", "button", { href: url, download: `${runId}.ndjson` }, "Download");
  if (client.headers) {
    link.onclick = async (event) => {
      event.preventDefault();
      try {
        const blob = await request(url, client, {}, (response) => response.blob());
        element("a", "", { href: URL.createObjectURL(blob), download: link.download }).click();
      } catch (error) {
        say((error as Error).message);
      }
    };
  }
  return link;
}

function toggle(text: string, onChange: (on: boolean) => void): [HTMLButtonElement, show: (on: boolean) => void] {
  const show = (on: boolean) => {
    node.ariaPressed = String(on);
  };
  const node = button("button", text, () => {
    const on = node.ariaPressed !== "true";
    show(on);
    onChange(on);
  });
  show(true);
  return [node, show];
}
