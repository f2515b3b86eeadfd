/** The coverage of a service's routes as a page. */
import { COVERAGE_HEADS, coverageRows } from "./coverage-table.js";
import { escapeHtml, newNonce, type Page, page } from "./html.js";
import type { CoverageAnswer } from "./protocol.js";

const STYLE = `
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }
body { margin: 2rem; }
table { border-collapse: collapse; }
th, td { padding: .25rem .75rem; text-align: left; border-bottom: 1px solid #8884; }
td:nth-child(n+2):nth-child(-n+5), td:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.none td:nth-child(6) { color: light-dark(#b3261e, #ff8a80); font-weight: 600; }
.partial td:nth-child(6) { color: light-dark(#8a5300, #ffb74d); font-weight: 600; }
.full td:nth-child(6) { color: light-dark(#1b6e33, #81c995); font-weight: 600; }
`;

/** Makes the page. */
export function coveragePage(answer: CoverageAnswer): Page {
  const head = COVERAGE_HEADS.map((name) => `<th scope="col">${name}</th>`).join("");
  const rows = coverageRows(answer).map((cells, at) => {
    const visibility = answer.routes[at]?.visibility ?? "none";
    return `<tr class="${visibility}">${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`;
  });
  const table = `<table><thead><tr>${head}</tr></thead><tbody>${rows.join("\n")}</tbody></table>`;
  const body = `<main>
<h1>Coverage</h1>
<p>The routes of this process since ${escapeHtml(answer.since)}, those that users waited for longest first.</p>
${rows.length === 0 ? "<p>Nothing was asked yet, or no coverage middleware is in place.</p>" : table}
</main>`;
  return page("Coverage", newNonce(), STYLE, body);
}
