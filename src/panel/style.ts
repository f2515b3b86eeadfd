/** The style of everything but the lines. */
import { LINE_LIST_STYLE } from "./line-list-style.js";
import { THEME } from "./theme.js";

const STYLE = `
:host {
  display: flex;
  flex-direction: column;
  block-size: 32rem;
  position: relative;
  container-type: inline-size;
  overflow: hidden;
  background: var(--lt-bg);
  color: var(--lt-text);
  font: var(--lt-font);
  border: 1px solid var(--lt-border);
  border-radius: 8px;
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
:focus-visible { outline: 2px solid var(--lt-accent); }
p, ol, fieldset, h2 { margin: 0; padding: 0; border: 0; font-size: inherit; list-style: none; }
.blank { margin: auto; color: var(--lt-dim); }
.said { position: absolute; clip-path: inset(50%); }
.head, .facts, .total, .layers, .toolbar, .finder, .facets, .chosen, label { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; }

button, input, select { font: inherit; color: inherit; }
.button, .layer, .search, .chosen {
  padding: 2px 9px;
  background: var(--lt-bg);
  border: 1px solid var(--lt-border);
  border-radius: 6px;
  color: inherit;
  text-decoration: none;
  white-space: nowrap;
}
button, summary, select { cursor: pointer; }
.button:hover, .layer:hover { background: var(--lt-hover); }
[aria-pressed=true] { border-color: currentcolor; color: var(--lt-accent); }
summary { list-style: none; }
details { position: relative; }
.filter .menu { inset-inline-end: 0; }
.menu { position: absolute; z-index: 2; inset-block-start: 100%; inline-size: max-content; max-inline-size: 88cqi; max-block-size: 20rem; overflow: auto; padding: 10px 12px; background: var(--lt-bg); color: var(--lt-text); border: 1px solid var(--lt-border); border-radius: 8px; box-shadow: 0 6px 24px #0003; }

.header { padding: 12px 14px 10px; }
.name { flex: 1; overflow-wrap: anywhere; font-size: 1.15em; }
.subject, .connection, .facts, .progress, legend, .tally, .found, [scope=col] { color: var(--lt-dim); font-weight: 400; font-variant-numeric: tabular-nums; }
.status { padding: 2px 10px; border-radius: 99px; background: var(--lt-dim); color: var(--lt-bg); font-weight: 600; text-transform: capitalize; }
.status[data-status=running] { background: var(--lt-accent); }
.status[data-status=completed] { background: var(--lt-success); }
.status[data-status=failed] { background: var(--lt-danger); }
.connection:not(:empty)::before { content: "● "; color: var(--lt-danger); }
.connection[data-connection=live]::before { color: var(--lt-success); }
[data-connection=reconnecting], [data-connection=paused], [data-owner=stalled], .unpriced { color: var(--lt-warning); }
[data-connection=offline], [data-owner=lost], .errors, .code { color: var(--lt-danger); }
.cancel[aria-pressed=true] { background: var(--lt-danger); color: var(--lt-bg); }
.facts { gap: 4px 12px; margin-block-start: 6px; }
.facts :empty { display: none; }
.total { gap: 0 10px; }
.total::after { content: "▾"; }
.amount { color: var(--lt-text); font-size: 1.1em; }
.backends :is(th, td) { padding-inline-start: 20px; text-align: end; font-weight: 400; }
.backends th:first-child { padding: 0; text-align: start; }
.failure { margin-block-start: 10px; padding: 8px 10px; max-block-size: 8em; overflow: auto; border-inline-start: 3px solid var(--lt-danger); background: color-mix(in srgb, var(--lt-danger) 9%, var(--lt-bg)); overflow-wrap: anywhere; white-space: pre-wrap; }
.code { font-weight: 600; }

.layers { flex-shrink: 0; max-block-size: 7.6em; overflow: auto; padding: 2px 14px 10px; }
.layer { display: flex; max-inline-size: 22rem; padding-inline-start: 6px; background: linear-gradient(var(--lt-accent), var(--lt-accent)) 0 100% / var(--done) 2px no-repeat var(--lt-bg); }
.layer bdi, label bdi { max-inline-size: 16rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.glyph { inline-size: 1.5em; }
.progress { padding-inline-start: 8px; }
.layer[data-status=running], .layer[data-status=running] .glyph { border-color: currentcolor; color: var(--lt-accent); }
.layer[data-status=running] .glyph { animation: turn 2s linear infinite; }
.layer[data-status=success] .glyph { color: var(--lt-success); }
.layer:is([data-status=pending], [data-status=skipped]) { color: var(--lt-dim); }
.layer[data-status=failed] { border-color: currentcolor; background: color-mix(in srgb, var(--lt-danger) 12%, var(--lt-bg)); color: var(--lt-danger); font-weight: 600; }
@keyframes turn { to { rotate: 1turn; } }
@media (prefers-reduced-motion) { * { animation: none !important; } }

.toolbar { padding: 8px 14px; background: var(--lt-raised); border-block: 1px solid var(--lt-border); }
.finder { flex: 1 0 9rem; flex-wrap: nowrap; }
.search { flex: 1; min-inline-size: 5rem; }
.search::placeholder { color: var(--lt-dim); opacity: 1; }
.facets { align-items: start; gap: 8px 24px; margin-block-end: 8px; }
.tally { margin-inline-start: auto; padding-inline-start: 12px; }

.body { position: relative; display: flex; flex: 1; min-block-size: 6rem; }
.body > .lines { flex: 1; min-inline-size: 0; }
.fresh, .chosen, .toast { position: absolute; z-index: 1; inset-block-end: 14px; border-radius: 99px; box-shadow: 0 3px 12px #0004; }
.fresh, .toast { inset-inline: 0; inline-size: max-content; margin-inline: auto; padding: 4px 14px; border: 0; background: var(--lt-accent); color: var(--lt-bg); }
.toast { inset-block-end: 52px; background: var(--lt-text); }
.chosen { inset-inline-end: 18px; }

@container (max-width: 34rem) {
  .layers, .toolbar { flex-wrap: nowrap; overflow-x: auto; }
  details { position: static; }
  .menu { inset: auto 10px; inline-size: auto; }
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
