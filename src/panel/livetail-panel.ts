import type { ClientError } from "../client/request.js";
import { element } from "./element.js";
import { findRun } from "./find-run.js";
import { handleKey } from "./keyboard.js";
import { createRunPanel, type RunPanel } from "./run-panel.js";
import type { Hear, PanelEvents, PanelOptions } from "./run-watch.js";
import { panelStyle } from "./style.js";

/**
 * The events of the panel with their `detail`; they bubble out of whatever it stands in: `livetail-log` (lines that came
 * together, in order), `livetail-status`, `livetail-gap`, `livetail-reset`, `livetail-complete`, `livetail-error`.
 */
export type LivetailPanelEvents = { [Name in keyof PanelEvents as `livetail-${Name}`]: CustomEvent<PanelEvents[Name]> };

// Where there is no page the class can be imported, and nothing can be made of it.
const Base: typeof HTMLElement = globalThis.HTMLElement ?? (Object as never);

/** Property → attribute. */
const REFLECTED = { src: "src", runId: "run-id", subjectId: "subject-id" } as const;

/**
 * `<livetail-panel src="/operations" run-id="…">`: a run, live. With `subject-id` in place of `run-id` it is the
 * latest run of that subject, waited for if there is none. With `cancellable` it has a button that cancels the run;
 * with `standalone` the page is about this run alone: its fragment names lines (`#L10-L20`), and the keys work wherever
 * the focus is.
 */
export class LivetailPanel extends Base {
  /** The attributes whose change begins anew. */
  static readonly observedAttributes: string[] = Object.values(REFLECTED);

  #options: PanelOptions = {};
  #panel: RunPanel | undefined;
  /** Ends with its stay in the page. */
  #stay = new AbortController();
  #due = false;

  /** Where the handler is mounted. Default `/operations`. */
  declare src: string;
  /** The run; "" for none. */
  declare runId: string;
  /** The subject whose latest run is shown, where no run is named; the server must allow listing. */
  declare subjectId: string;

  static {
    for (const [name, attribute] of Object.entries(REFLECTED)) {
      Object.defineProperty(LivetailPanel.prototype, name, {
        get(this: LivetailPanel) {
          return this.getAttribute(attribute) ?? "";
        },
        set(this: LivetailPanel, value: string) {
          this.setAttribute(attribute, value);
        },
      });
    }
  }

  /** Headers, credentials, `fetch` and the transport of its requests. */
  get options(): PanelOptions {
    return this.#options;
  }
  /** Begins anew with these. */
  set options(options: PanelOptions) {
    this.#options = options;
    this.#beginSoon();
  }

  /** Called by the browser: begins, or goes on where it was moved to. */
  connectedCallback(): void {
    // What a page set before the element was defined hides what the class has.
    for (const [name, early] of Object.entries(this)) {
      if (Reflect.deleteProperty(this, name)) Reflect.set(this, name, early);
    }
    // One that was moved goes on.
    if (this.#panel) this.#start(this.#panel);
    else this.#beginSoon();
  }

  /** Called by the browser: asks for nothing any more. */
  disconnectedCallback(): void {
    this.#stay.abort();
    this.#panel?.stop();
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

  async #begin(): Promise<void> {
    this.disconnectedCallback();
    this.#panel = undefined;
    this.#stay = new AbortController();
    const { signal } = this.#stay;
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    const blank = element("p", "blank", {}, "Waiting for a run…");
    root.adoptedStyleSheets = [panelStyle()];
    root.replaceChildren(blank);
    const client = { ...this.#options, endpointBase: (this.src || "/operations").replace(/\/$/, "") };
    let { runId } = this;
    try {
      runId ||= this.subjectId && (await findRun(this.subjectId, client, signal));
    } catch (cause) {
      if (signal.aborted) return;
      const error = cause as ClientError;
      blank.textContent = error.message;
      this.#report("error", error);
    }
    if (!runId || signal.aborted) return;
    const cancellable = this.hasAttribute("cancellable");
    this.#panel = createRunPanel(runId, client, cancellable, this.hasAttribute("standalone"), this.#report);
    root.replaceChildren(...this.#panel.nodes);
    this.#start(this.#panel);
  }

  #start(panel: RunPanel): void {
    this.#stay = new AbortController();
    const { signal } = this.#stay;
    const standalone = this.hasAttribute("standalone");
    const page = standalone ? document : this;
    page.addEventListener("keydown", (event) => handleKey(event as KeyboardEvent, panel.keys), { signal });
    if (standalone) {
      const go = () => panel.goTo(location.hash);
      addEventListener("hashchange", go, { signal });
      go();
    }
    panel.start();
  }

  readonly #report: Hear = (name, detail) => {
    this.dispatchEvent(new CustomEvent(`livetail-${name}`, { detail, bubbles: true, composed: true }));
  };
}

declare global {
  // The name of the element is not declared: a program with both formats of the package would have two classes for it.
  interface HTMLElementEventMap extends LivetailPanelEvents {}
}
