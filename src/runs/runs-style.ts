/** The style of the list. */
import { THEME } from "../panel/theme.js";

const STYLE = `
:host {
  display: flex; flex-direction: column; position: relative; overflow: hidden; container-type: inline-size;
  background: var(--lt-bg); color: var(--lt-text); font: var(--lt-font);
  border: 1px solid var(--lt-border); border-radius: 8px;
}
[hidden] { display: none !important; }
* { box-sizing: border-box; }
:focus-visible { outline: 2px solid var(--lt-accent); }
p { margin: 0; }
.said { position: absolute; clip-path: inset(50%); }
.toolbar, .notice { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; padding: 8px 14px; }
.toolbar { background: var(--lt-raised); border-block-end: 1px solid var(--lt-border); }
.search { flex: 1 1 8rem; min-width: 5rem; max-width: 24rem; }
.tally { margin-inline-start: auto; color: var(--lt-dim); font-variant-numeric: tabular-nums; }
.button, .search {
  font: inherit; padding: 2px 9px; background: var(--lt-bg); color: inherit; border: 1px solid var(--lt-border); border-radius: 6px;
}
.button { cursor: pointer; max-width: 14rem; }
.button:hover { background: var(--lt-hover); }
.notice { color: var(--lt-warning); border-block-end: 1px solid var(--lt-border); background: color-mix(in srgb, var(--lt-warning) 8%, var(--lt-bg)); }
.runs { flex: 1; min-height: 0; overflow: auto; }
.blank { padding: 3rem 1.5rem; text-align: center; color: var(--lt-dim); overflow-wrap: anywhere; }
.blank .button { color: var(--lt-text); }

.table { display: grid; grid-template-columns: max-content minmax(8rem, 2fr) minmax(6rem, 1fr) repeat(3, max-content); }
thead, tbody, tr { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; }
tr { position: relative; align-items: baseline; column-gap: 18px; padding: 7px 14px; border-block-end: 1px solid var(--lt-border); }
.run:hover, .run:focus-within { background: var(--lt-hover); }
th, td { min-width: 0; padding: 0; text-align: start; font-weight: 400; font-variant-numeric: tabular-nums; }
th { color: var(--lt-dim); }
thead tr { padding-block: 5px; }
bdi { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.open { display: block; color: inherit; font-weight: 600; text-decoration: none; }
.open::after { content: ""; position: absolute; inset: 0; }
.open:hover { text-decoration: underline; }
.open:focus-visible { outline: 0; }
.open:focus-visible::after { outline: 2px solid var(--lt-accent); outline-offset: -2px; }
.failure { color: var(--lt-danger); }
.run:has([data-status=cancelled]) .failure { color: var(--lt-dim); }
.failure:empty { display: none; }
.state { white-space: nowrap; color: var(--lt-dim); }
[data-status=running] { color: var(--lt-accent); }
[data-status=completed] { color: var(--lt-success); }
[data-status=failed] { color: var(--lt-danger); font-weight: 600; }
td:is(.started, .duration) { color: var(--lt-dim); }
.duration, .cost { text-align: end; white-space: nowrap; }
.unpriced { color: var(--lt-warning); }

@container (max-width: 40rem) {
  .toolbar .button { flex: 1 0 6rem; order: 1; }
  .head { position: absolute; clip-path: inset(50%); }
  .table, tbody { display: block; }
  .run { grid-template: "status started" "operation cost" "subject duration" / 1fr auto; row-gap: 1px; }
  .status { grid-area: status; }
  .operation { grid-area: operation; }
  .subject { grid-area: subject; }
  .started { grid-area: started; text-align: end; }
  .duration { grid-area: duration; }
  .cost { grid-area: cost; }
}
`;

let sheet: CSSStyleSheet | undefined;

/** The style sheet of all lists of the page: made once, and by script, so that no policy for inline styles forbids it. */
export function runsStyle(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(THEME + STYLE);
  }
  return sheet;
}
