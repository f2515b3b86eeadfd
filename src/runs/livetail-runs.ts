import { handleKey } from "../panel/keyboard.js";
import type { RunSummary } from "../protocol.js";
import { createRunsList, type RunsList } from "./runs-list.js";
import { runsStyle } from "./runs-style.js";
import type { RunsOptions } from "./runs-watch.js";

/** The events of the list with their `detail`; they bubble out of whatever it stands in. */
export interface LivetailRunsEvents {
  /** A run was clicked, or Enter was pressed on it. Where it is prevented, its page is not opened. */
  "livetail-open": CustomEvent<RunSummary>;
}

// Where there is no page the class can be imported, and nothing can be made of it.
const Base: typeof HTMLElement = globalThis.HTMLElement ?? (Object as never);

/** Properties that are attributes of the same name. */
const REFLECTED = ["src", "query"] as const;

/**
 * `<livetail-runs src="/operations" query="limit=100">`: recent and open runs, kept up to date; the server must allow
 * listing. With `standalone` the page is about this list alone: its own query stands for one that is not given, and the
 * keys work wherever the focus is.
 */
export class LivetailRuns extends Base {
  /** The attributes whose change begins anew. */
  static readonly observedAttributes: string[] = [...REFLECTED];

  #options: RunsOptions = {};
  #list: RunsList | undefined;
  #keys: AbortController | undefined;
  #due = false;

  /** Where the handler is mounted. Default `/operations`. */
  declare src: string;
  /** Which runs, as `GET /` takes it: `status`, `operation`, `subject_id`, `parent_id`, `limit` (default 50). */
  declare query: string;

  static {
    for (const name of REFLECTED) {
      Object.defineProperty(LivetailRuns.prototype, name, {
        get(this: LivetailRuns) {
          return this.getAttribute(name) ?? "";
        },
        set(this: LivetailRuns, value: string) {
          this.setAttribute(name, value);
        },
      });
    }
  }

  /** Headers, credentials and `fetch` of its requests. */
  get options(): RunsOptions {
    return this.#options;
  }
  /** Begins anew with these. */
  set options(options: RunsOptions) {
    this.#options = options;
    this.#beginSoon();
  }

  /** Called by the browser: begins, or goes on where it was moved to. */
  connectedCallback(): void {
    // What a page set before the element was defined hides what the class has.
    for (const name of [...REFLECTED, "options"]) {
      const early = Object.getOwnPropertyDescriptor(this, name);
      if (early && Reflect.deleteProperty(this, name)) Reflect.set(this, name, early.value);
    }
    // One that was moved goes on.
    if (this.#list) this.#start(this.#list);
    else this.#beginSoon();
  }

  /** Called by the browser: asks for nothing any more. */
  disconnectedCallback(): void {
    this.#keys?.abort();
    this.#list?.stop();
  }

  /** Called by the browser: begins anew. */
  attributeChangedCallback(_name: string, before: string | null, after: string | null): void {
    if (before !== after) this.#beginSoon();
  }

  /** Begins anew once, however many attributes change together. */
  #beginSoon(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      if (this.isConnected) this.#begin();
    });
  }

  #begin(): void {
    this.disconnectedCallback();
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [runsStyle()];
    const list = createRunsList({
      client: { ...this.#options, endpointBase: (this.src || "/operations").replace(/\/$/, "") },
      query: this.query || (this.hasAttribute("standalone") ? location.search : ""),
      onOpen: (detail) =>
        this.dispatchEvent(
          new CustomEvent("livetail-open", { detail, bubbles: true, composed: true, cancelable: true }),
        ),
    });
    this.#list = list;
    root.replaceChildren(...list.nodes);
    this.#start(list);
  }

  #start(list: RunsList): void {
    this.#keys = new AbortController();
    const keys = (event: Event) => handleKey(event as KeyboardEvent, list.keys);
    (this.hasAttribute("standalone") ? document : this).addEventListener("keydown", keys, {
      signal: this.#keys.signal,
    });
    list.start();
  }
}

declare global {
  // The name of the element is not declared: a program with both formats of the package would have two classes for it.
  interface HTMLElementEventMap extends LivetailRunsEvents {}
}
