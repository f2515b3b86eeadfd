/** Everything that is shown of one run, put together. */
import { type ClientError, type ClientOptions, request, runUrl } from "../client/request.js";
import { count } from "./amounts.js";
import { copyText } from "./copy-text.js";
import { button, element } from "./element.js";
import { createHeader } from "./header.js";
import type { Keys } from "./keyboard.js";
import { createLayerStrip } from "./layer-strip.js";
import { formatLineLink, parseLineLink } from "./line-link.js";
import { createLineList, type LineRange } from "./line-list.js";
import { type Hear, type PanelOptions, type RunView, watchRun } from "./run-watch.js";
import { createToolbar } from "./toolbar.js";

/** One run in a panel. */
export interface RunPanel {
  /** What is put into the shadow root. */
  readonly nodes: readonly Node[];
  readonly keys: Keys;
  /** Begins, or goes on where it stopped. */
  start(): void;
  /** Ends requests and timers; what is shown stays. */
  stop(): void;
  /** Goes to the lines that a fragment names, as soon as they are there. */
  goTo(hash: string): void;
}

/**
 * Builds the panel of a run; nothing is asked for before `start()`. The user may cancel it if it is `cancellable`; if it
 * is `standalone` the page is about this run alone, and its fragment names lines. `report` hears of what was shown.
 */
export function createRunPanel(
  runId: string,
  client: PanelOptions & ClientOptions,
  cancellable: boolean,
  standalone: boolean,
  report: Hear,
): RunPanel {
  const url = runUrl(runId, client);
  let paused = false;
  let following = true;
  let link = "";
  let awaited: LineRange | undefined;
  let tick: ReturnType<typeof setInterval> | undefined;
  let due = false;

  const said = element("p", "said", { role: "status" });
  const toast = element("p", "toast", { role: "status", hidden: true });
  let fade: ReturnType<typeof setTimeout> | undefined;
  const say = (text: string) => {
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(fade);
    fade = setTimeout(() => {
      toast.hidden = true;
    }, 4000);
  };

  const list = createLineList(
    (on, unseen, search) => {
      following = on;
      toolbar.showFollow(on);
      toolbar.showSearch(search);
      fresh.hidden = unseen === 0;
      fresh.textContent = `${count(unseen, "new line")} ↓`;
    },
    (range) => {
      link = range ? formatLineLink(range) : "";
      chosen.hidden = !range;
      chosenText.textContent = link;
      if (standalone) history.replaceState(history.state, "", link || location.pathname + location.search);
    },
  );
  const pause = (on: boolean) => {
    paused = on;
    list.pause(on);
    toolbar.showPause(on);
    show();
  };
  const follow = (on: boolean) => {
    if (on && paused) pause(false);
    list.follow(on);
  };
  const toolbar = createToolbar(list, runId, client, follow, pause, say);
  const fresh = button("fresh", "", () => {
    follow(true);
    list.element.focus();
  });
  fresh.hidden = true;
  const chosenText = element("span", "");
  const chosen = element(
    "div",
    "chosen",
    { hidden: true },
    chosenText,
    button("button", "Copy link", async () => say(await copyText(new URL(`${url}/view${link}`, location.href).href))),
    button("button", "✕", () => list.select(), "Choose no lines"),
  );

  const cancel = () =>
    request(`${url}/cancel`, client, { method: "POST" }, watch.refresh).catch((error: ClientError) =>
      say(error.message),
    );
  const header = createHeader(runId, cancellable ? cancel : undefined);
  const strip = createLayerStrip((name) => {
    if (!list.jumpToLayer(name)) say("No line of it");
  });

  const arrive = () => {
    if (!awaited || !list.jumpToLine(awaited.from)) return;
    list.select(awaited);
    awaited = undefined;
  };
  const show = () => {
    const { view } = watch;
    const summary = summaryOf(view);
    due = false;
    header.show(view, paused);
    strip.show(view.layers, Date.now() + view.skewMs);
    if (said.textContent !== summary) said.textContent = summary;
  };
  const watch = watchRun(
    runId,
    client,
    () => {
      // However much changes in one answer, it is shown once.
      if (!due) queueMicrotask(show);
      due = true;
    },
    (...event) => {
      const [name, value] = event;
      if (name === "log") {
        list.append(value);
        arrive();
      }
      if (name === "gap") list.gap(value);
      if (name === "reset") list.reset();
      report(...event);
    },
  );
  show();

  const stop = () => {
    clearInterval(tick);
    watch.stop();
  };
  const body = element("div", "body", {}, list.element, chosen, fresh, toast);
  return {
    nodes: [header.element, strip.element, toolbar.element, body, said],
    keys: {
      "/": () => toolbar.searchBox.select(),
      Escape() {
        const { searchBox } = toolbar;
        if (searchBox.value) {
          searchBox.value = "";
          list.search("");
          list.element.focus();
        } else list.select();
        // The menus share a name, so at most one is open.
        const menu = body.parentNode?.querySelector<HTMLDetailsElement>("[name=menu][open]");
        if (menu) menu.open = false;
      },
      n: list.next,
      N: list.previous,
      j: () => list.element.scrollBy(0, 20),
      k: () => list.element.scrollBy(0, -20),
      End: () => follow(true),
      f: () => follow(!following),
    },
    start() {
      stop();
      watch.start();
      tick = setInterval(show, 1000);
    },
    stop,
    goTo(hash) {
      awaited = parseLineLink(hash);
      arrive();
    },
  };
}

/** What a screen reader is told: where the run stands, without its lines. */
function summaryOf({ status, layers, connection, completion, refusal }: RunView): string {
  const parts = [`Run ${status ?? "awaited"}`, connection, refusal?.message ?? completion?.error ?? []].flat();
  for (const [name, layer] of Object.entries(layers)) {
    if (/running|failed/.test(layer.status)) parts.push(`${name} ${layer.status}`);
  }
  return parts.join(", ");
}
