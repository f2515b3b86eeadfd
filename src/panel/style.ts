/** The style of the panel. What stands well or ill has a `--tone`, and what tells of it is in that colour. */
import { LINE_LIST_STYLE } from "./line-list-style.js";
import { THEME } from "./theme.js";

const STYLE = `
:host {
  display: flex; flex-direction: column; position: relative; height: 32rem; overflow: hidden; container-type: inline-size;
  background: var(--lt-bg); color: var(--lt-text); font: var(--lt-font);
  border: 1px solid var(--lt-border); border-radius: 8px;
}
[hidden], .layers:empty, .facts :empty, .found:empty ~ *, [data-status=ended] { display: none !important; }
p, ol, fieldset, h2 { margin: 0; padding: 0; border: 0; font-size: inherit; list-style: none; }
.blank { margin: auto; }
.said { position: absolute; opacity: 0; }
.head, .facts, .layers, .toolbar, .finder, .facets, label { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; }
.subject, .facts, .progress, .tally, .found, legend { color: var(--lt-dim); font-weight: 400; }

[data-status=running], [aria-pressed=true] { --tone: var(--lt-accent); }
[data-status=completed], [data-status=success], [data-status=live] { --tone: var(--lt-success); }
[data-status=reconnecting], [data-status=paused], [data-status=stalled], .unpriced, .missing { --tone: var(--lt-warning); }
[data-status=failed], [data-status=offline], [data-status=refused], [data-status=lost], .errors, .failure { --tone: var(--lt-danger); }
.glyph, .connection, .owner, .errors, .unpriced, .missing, .code { color: var(--tone); }
.errors, .missing, .code { font-weight: 600; }

.button, .layer, .search {
  padding: 2px 9px; font: inherit; white-space: nowrap; text-decoration: none;
  background: var(--lt-bg); color: inherit; border: 1px solid var(--tone, var(--lt-border)); border-radius: 6px;
}
.button { color: var(--tone); }
.button:hover, .layer:hover { background: var(--lt-hover); }
.menu {
  position: absolute; z-index: 2; width: max-content; max-width: 88cqi; max-height: 20rem; overflow: auto; padding: 8px 14px;
  background: var(--lt-bg); color: var(--lt-text); border: 1px solid var(--lt-border); border-radius: 8px; box-shadow: 0 3px 12px #0004;
}
.filter .menu { inset-inline-end: 14px; }

.header, .layers, .toolbar { padding: 8px 14px; }
.name { flex: 1; overflow-wrap: anywhere; font-size: 1.15em; }
.status { padding: 2px 9px; border-radius: 99px; background: var(--tone, var(--lt-dim)); color: var(--lt-bg); font-weight: 600; }
.connection::before { content: "● "; }
.cancel[aria-pressed=true] { background: var(--lt-danger); color: var(--lt-bg); }
.facts { align-items: baseline; gap: 2px 14px; margin-top: 6px; }
.amount { color: var(--lt-text); font-size: 1.15em; }
.backends :is(th, td) { padding-inline-start: 14px; text-align: end; font-weight: 400; }
.failure { margin-top: 6px; padding: 8px 14px; max-height: 8em; overflow: auto; overflow-wrap: anywhere; white-space: pre-wrap; }
.failure, .layer[data-status=failed] { background: color-mix(in srgb, var(--tone) 10%, var(--lt-bg)); }

.layers { flex-shrink: 0; max-height: 7.6em; overflow: auto; padding-top: 0; }
.layer { display: flex; }
.layer[data-status=failed] { color: var(--tone); font-weight: 600; }
.layer, label { max-width: 20rem; overflow: hidden; }
.glyph { width: 1.5em; }
.progress, .tally { padding-inline-start: 8px; margin-inline-start: auto; }

.toolbar { background: var(--lt-raised); border-block: 1px solid var(--lt-border); }
.finder { flex: 1 0 9rem; flex-wrap: nowrap; }
.search { flex: 1; min-width: 5rem; }
.facets { align-items: start; gap: 8px 24px; }

.body { position: relative; display: flex; flex: 1; min-height: 6rem; }
.fresh, .chosen, .toast {
  position: absolute; inset: auto 0 14px; width: max-content; margin: auto; padding: 4px 14px; font: inherit;
  background: var(--lt-text); color: var(--lt-bg); border: 0; border-radius: 99px; box-shadow: 0 3px 12px #0004;
}
.chosen { margin-inline-end: 18px; background: var(--lt-raised); color: inherit; }
.toast { bottom: 52px; }
.fresh { background: var(--lt-accent); }

@container (max-width: 34rem) {
  .layers, .toolbar { flex-wrap: nowrap; overflow-x: auto; }
  .name { flex-basis: 100%; order: 1; }
  .connection { margin-inline-start: auto; }
  .line { grid-template-columns: 6ch 2ch 1fr auto; }
  .time, .level { display: none; }
  .badges, .fields[open], .traceback { grid-column: 3 / -1; }
  .badges { grid-row: 2; }
}
`;

let sheet: CSSStyleSheet | undefined;

/** The style sheet of all panels of the page: made once, and by script, so that no policy for inline styles forbids it. */
export function panelStyle(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(THEME + LINE_LIST_STYLE + STYLE);
  }
  return sheet;
}
