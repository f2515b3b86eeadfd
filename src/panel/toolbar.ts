/** The tools of the panel: search, filter, time, wrap, follow, pause, copy, download. */
import { type ClientError, type ClientOptions, request, runUrl } from "../client/request.js";
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

const TIMES: Record<TimeMode, string> = { relative: "Since start", absolute: "Clock", off: "No time" };

/** Makes the toolbar of a list; `say` is told what came of a click. */
export function createToolbar(
  list: LineList,
  runId: string,
  client: ClientOptions,
  onFollow: (on: boolean) => void,
  onPause: (on: boolean) => void,
  say: (text: string) => void,
): Toolbar {
  const searchBox = element("input", "search", {
    type: "search",
    placeholder: "Search (/)",
    ariaLabel: "Search",
  });
  const found = element("span", "found", { role: "status" });
  const previous = button("button", "↑", list.previous, "Previous match");
  const next = button("button", "↓", list.next, "Next match");
  searchBox.oninput = () => list.search(searchBox.value);
  searchBox.onkeydown = ({ key, shiftKey }) => {
    if (key === "Enter") (shiftKey ? previous : next).click();
  };

  const times = Object.entries(TIMES).map(([value, label]) => element("option", "", { value }, label));
  const clock = element("select", "button", { ariaLabel: "Time" }, ...times);
  clock.onchange = () => list.setTime(clock.value as TimeMode);
  const [wrap] = toggle("Wrap", true, list.setWrap);
  const [follow, showFollow] = toggle("Follow", true, onFollow);
  const [pause, showPause] = toggle("Pause", false, onPause);
  const copy = button("button", "Copy", async () => say(await copyText(list.copyText())));

  // Fetched first, because links have no headers.
  const download = () =>
    request(`${runUrl(runId, client)}/download`, client, {}, (response) => response.blob()).then(
      (blob) => element("a", "", { href: URL.createObjectURL(blob), download: `${runId}.ndjson` }).click(),
      (error: ClientError) => say(error.message),
    );

  return {
    element: element(
      "div",
      "toolbar",
      {},
      element("div", "finder", { role: "search" }, searchBox, found, previous, next),
      createFilterMenu(list.facets, list.setFilter),
      clock,
      wrap,
      follow,
      pause,
      copy,
      button("button", "Download", download),
    ),
    searchBox,
    showSearch({ query, current, count }) {
      found.textContent = query && (count > 0 ? `${current || "–"}/${count}` : "No match");
    },
    showFollow,
    showPause,
  };
}

function toggle(
  text: string,
  pressed: boolean,
  onChange: (on: boolean) => void,
): [HTMLButtonElement, show: (on: boolean) => void] {
  const show = (on: boolean) => {
    node.ariaPressed = `${on}`;
  };
  const node = button("button", text, () => {
    const on = node.ariaPressed !== "true";
    show(on);
    onChange(on);
  });
  show(pressed);
  return [node, show];
}
