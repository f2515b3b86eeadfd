/** Text made safe for HTML, and the policy of the pages. */

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** `text` as it must stand in HTML, between tags or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}

/** A random value that marks the scripts and styles of one page as its own. */
export function newNonce(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18))));
}

/**
 * The Content-Security-Policy of a page: the scripts and styles that it names, requests to its own server, nothing
 * else; and no script may make markup out of text.
 */
function pagePolicy(nonce: string): string {
  return (
    `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; img-src 'self'; ` +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; " +
    "require-trusted-types-for 'script'; trusted-types 'none'"
  );
}

/** A page of one server answer. */
export interface Page {
  html: string;
  /** Its Content-Security-Policy. */
  policy: string;
}

/** A page from its title (text) and its head and body (HTML that is safe already). */
export function page(title: string, nonce: string, style: string, body: string): Page {
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style nonce="${nonce}">${style}</style>
</head>
<body>
${body}
</body>
</html>
`;
  return { html, policy: pagePolicy(nonce) };
}
