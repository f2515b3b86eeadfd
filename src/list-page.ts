/** Recent and open runs as a page: the element that keeps them up to date, over the list as it is now. */
import { escapeHtml, newNonce, type Page, page } from "./html.js";
import type { RunSummary } from "./protocol.js";

const STYLE = `
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }
body { margin: 0; }
h1 { position: absolute; clip-path: inset(50%); }
livetail-runs { height: 100vh; height: 100dvh; border: 0; border-radius: 0; }
livetail-runs:not(:defined) { display: block; height: auto; padding: 1rem; }
table { border-collapse: collapse; }
th, td { padding: .25rem .75rem; text-align: left; border-bottom: 1px solid #8884; }
`;

/** Where a page was asked for. */
export interface ListPlace {
  /** The URL as it came. */
  url: string;
  /** The path of the mount, without a trailing slash. */
  mount: string;
}

/**
 * Makes the page. Its script, its requests and its links are relative to its own URL, so that it works behind whatever
 * a proxy makes of the mount, and nothing of the URL stands in it; the element reads the query itself. What stands in the element is seen where the script does not run.
 */
export function listPage({ url, mount }: ListPlace, runs: readonly RunSummary[]): Page {
  const below = url.split("?", 1)[0]?.endsWith("/") ? "." : `./${mount.slice(mount.lastIndexOf("/") + 1)}`;
  const base = escapeHtml(below);
  const cell = (text: string | null): string => `<td>${escapeHtml(text ?? "")}</td>`;
  const rows = runs.map((run) => {
    const link = `<a href="${base}/${escapeHtml(run.run_id)}/view">${escapeHtml(run.run_id)}</a>`;
    const cells = [run.status, run.operation, run.subject_id, String(run.total_count), run.created_at, run.error];
    return `<tr><td>${link}</td>${cells.map(cell).join("")}</tr>`;
  });
  const heads = ["Run", "Status", "Operation", "Subject", "Lines", "Created", "Error"];
  const head = heads.map((name) => `<th scope="col">${name}</th>`).join("");
  const table = `<table><thead><tr>${head}</tr></thead><tbody>${rows.join("\n")}</tbody></table>`;
  const nonce = newNonce();
  const body = `<main>
<h1>Runs</h1>
<livetail-runs src="${base}" standalone>
${runs.length === 0 ? "<p>There are none.</p>" : table}
</livetail-runs>
</main>
<script nonce="${nonce}" src="${base}/-/runs.js"></script>`;
  return page("Runs", nonce, STYLE, body);
}
