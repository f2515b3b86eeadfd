/** The style of everything but the lines. */
import { LINE_LIST_STYLE } from "./line-list-style.js";
import { THEME } from "./theme.js";

const STYLE = `
:host {
  display: flex; flex-direction: column; position: relative; height: 32rem; overflow: hidden; container-type: inline-size;
  background: var(--lt-bg); color: var(--lt-text); font: var(--lt-font);
  border: 1px solid var(--lt-border); border-radius: 8px;
}
[hidden] { display: none !important; }
* { box-sizing: border-box; }
:focus-visible { outline: 2px solid var(--lt-accent); }
p, ol, fieldset, h2 { margin: 0; padding: 0; border: 0; font-size: inherit; list-style: none; }
.blank { margin: auto; }
.said { position: absolute; clip-path: inset(50%); }
.head, .facts, .layers, .toolbar, .finder, .facets, label { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; }
button, input, select { font: inherit; }
.button, .layer, .search {
  padding: 2px 9px; white-space: nowrap; text-decoration: none; cursor: pointer;
  background: var(--lt-bg); color: inherit; border: 1px solid var(--lt-border); border-radius: 6px;
}
.button:hover, .layer:hover { background: var(--lt-hover); }
[aria-pressed=true] { border-color: currentcolor; color: var(--lt-accent); }
details { position: relative; }
.menu {
  position: absolute; z-index: 2; top: 100%; width: max-content; max-width: 88cqi; max-height: 20rem; overflow: auto; padding: 10px 14px;
  background: var(--lt-bg); color: var(--lt-text); border: 1px solid var(--lt-border); border-radius: 8px; box-shadow: 0 3px 12px #0004;
}
.filter .menu { inset-inline-end: 0; }

.header { padding: 12px 14px 10px; }
.name { flex: 1; overflow-wrap: anywhere; font-size: 1.15em; }
.subject, .connection, .facts, .progress, .tally, .found, legend { color: var(--lt-dim); font-weight: 400; font-variant-numeric: tabular-nums; }
.status { padding: 2px 10px; border-radius: 99px; background: var(--lt-dim); color: var(--lt-bg); font-weight: 600; }
.status, .connection { text-transform: capitalize; }
.status[data-status=running] { background: var(--lt-accent); }
.status[data-status=completed] { background: var(--lt-success); }
.status[data-status=failed], .cancel[aria-pressed=true] { background: var(--lt-danger); color: var(--lt-bg); }
.connection::before { content: "● "; }
.connection[data-state=ended] { display: none; }
[data-state=live]::before, [data-status=success] .glyph { color: var(--lt-success); }
[data-state=reconnecting], [data-state=paused], [data-state=stalled], .unpriced, .missing { color: var(--lt-warning); }
[data-state=offline], [data-state=refused], [data-state=lost], .errors, .code, .layer[data-status=failed] { color: var(--lt-danger); font-weight: 600; }
.facts { align-items: baseline; gap: 12px; margin-top: 6px; }
.facts :empty { display: none; }
.amount { color: var(--lt-text); font-size: 1.1em; }
.backends :is(th, td) { padding-inline-start: 20px; text-align: end; font-weight: 400; }
.backends th:first-child { padding: 0; text-align: start; }
.failure { margin-top: 10px; padding: 8px 10px; max-height: 8em; overflow: auto; border-inline-start: 3px solid var(--lt-danger); overflow-wrap: anywhere; white-space: pre-wrap; }
.failure, .layer[data-status=failed] { background: color-mix(in srgb, var(--lt-danger) 10%, var(--lt-bg)); }

.layers { flex-shrink: 0; max-height: 7.6em; overflow: auto; padding: 2px 14px 10px; }
.layers:empty { display: none; }
.layer { display: flex; background: linear-gradient(var(--lt-accent), var(--lt-accent)) 0 100% / var(--done) 2px no-repeat var(--lt-bg); }
.layer bdi, label bdi { max-width: 16rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.glyph { width: 1.5em; }
.progress { padding-inline-start: 8px; }
.layer[data-status=pending], .layer[data-status=skipped] { color: var(--lt-dim); }
.layer[data-status=running] { border-color: currentcolor; color: var(--lt-accent); }
.layer[data-status=failed] { border-color: currentcolor; }
@media (prefers-reduced-motion: no-preference) { .layer[data-status=running] .glyph { animation: turn 2s linear infinite; } }
@keyframes turn { to { rotate: 1turn; } }

.toolbar { padding: 8px 14px; background: var(--lt-raised); border-block: 1px solid var(--lt-border); }
.finder { flex: 1 0 9rem; flex-wrap: nowrap; }
.search { flex: 1; min-width: 5rem; cursor: text; }
.found:empty ~ * { display: none; }
.facets { align-items: start; gap: 8px 24px; margin-bottom: 8px; }
.tally { margin-inline-start: auto; padding-inline-start: 12px; }

.body { position: relative; display: flex; flex: 1; min-height: 6rem; }
.lines { flex: 1; min-width: 0; }
.fresh, .chosen, .toast {
  position: absolute; inset: auto 0 14px; width: max-content; margin: auto; padding: 4px 14px;
  background: var(--lt-text); color: var(--lt-bg); border: 0; border-radius: 99px; box-shadow: 0 3px 12px #0004;
}
.chosen { margin-inline-end: 18px; background: var(--lt-raised); color: inherit; }
.toast { bottom: 52px; }
.fresh { background: var(--lt-accent); }

@container (max-width: 34rem) {
  .layers, .toolbar { flex-wrap: nowrap; overflow-x: auto; }
  details { position: static; }
  .menu { inset: auto 10px; width: auto; }
  .name { flex-basis: 100%; order: 1; }
  .connection { margin-inline-start: auto; }
}
`;

let sheet: CSSStyleSheet | undefined;

/** The style sheet of all panels of the page: made once, and by script, so that no policy for inline styles forbids it. */
export function panelStyle(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(THEME + STYLE + LINE_LIST_STYLE);
  }
  return sheet;
}
