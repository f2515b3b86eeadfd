/** Recent runs as a page. */
import { escapeHtml, newNonce, type Page, page } from "./html.js";
import type { RunSummary } from "./protocol.js";

const STYLE = `
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }
body { margin: 2rem; }
table { border-collapse: collapse; }
th, td { padding: .25rem .75rem; text-align: left; border-bottom: 1px solid #8884; }
`;

/** Makes the page; `mount` is where the handler is mounted as the browser sees it. */
export function listPage(mount: string, runs: readonly RunSummary[]): Page {
  const cell = (text: string | null): string => `<td>${escapeHtml(text ?? "")}</td>`;
  const rows = runs.map((run) => {
    const link = `<a href="${escapeHtml(`${mount}/${run.run_id}/view`)}">${escapeHtml(run.run_id)}</a>`;
    const cells = [run.status, run.operation, run.subject_id, String(run.total_count), run.created_at, run.error];
    return `<tr><td>${link}</td>${cells.map(cell).join("")}</tr>`;
  });
  const heads = ["Run", "Status", "Operation", "Subject", "Lines", "Created", "Error"];
  const head = heads.map((name) => `<th scope="col">${name}</th>`).join("");
  const table = `<table><thead><tr>${head}</tr></thead><tbody>${rows.join("\n")}</tbody></table>`;
  const body = `<h1>Runs</h1>\n${runs.length === 0 ? "<p>There are none.</p>" : table}`;
  return page("Runs", newNonce(), STYLE, body);
}
