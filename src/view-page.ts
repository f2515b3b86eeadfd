/** A run as a page: the panel, as high as the window. */
import { escapeHtml, newNonce, type Page, page } from "./html.js";

const STYLE = `
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }
body { margin: 0; }
h1 { position: absolute; clip-path: inset(50%); }
livetail-panel { height: 100vh; height: 100dvh; border: 0; border-radius: 0; }
livetail-panel:not(:defined) { display: block; padding: 1rem; }
`;

/**
 * Makes the page of a run, whether the run is stored yet or not. Its script and its requests are relative to its own
 * URL, so that it works behind whatever a proxy makes of the mount. What stands in the panel is seen where the script
 * does not run.
 */
export function viewPage(runId: string, cancellable: boolean): Page {
  const nonce = newNonce();
  const id = escapeHtml(runId);
  const body = `<main>
<h1>${id}</h1>
<livetail-panel src=".." run-id="${id}" standalone${cancellable ? " cancellable" : ""}>
<p>The script of this page has not been loaded. <a href="download">The lines of the run as a file</a></p>
</livetail-panel>
</main>
<script nonce="${nonce}" src="../-/panel.js"></script>`;
  return page(runId, nonce, STYLE, body);
}
