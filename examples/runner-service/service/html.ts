/** Reading of simple pages. */
const CHARACTERS: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

/** The text of a piece of HTML: a line for each of its elements. */
export function textOf(html: string): string {
  const lines = html.split(/<[^>]*>/).map((text) => text.trim());
  const text = lines.filter(Boolean).join("\n");
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => CHARACTERS[name] ?? "");
}

/** The text of the first element whose tag is so, such as `h1` or `a class="company"`; "" when there is none. */
export function textIn(html: string, tag: string): string {
  const [name = ""] = tag.split(" ");
  const [, after = ""] = html.split(`<${tag}`);
  return textOf(after.slice(after.indexOf(">") + 1).split(`</${name}>`)[0] ?? "");
}

/** The list items in a piece of HTML, tags and all. */
export function itemsIn(html: string): string[] {
  return html.match(/<li\b.*?<\/li>/gs) ?? [];
}

/** The value of an attribute of the first element that has it; "" when none does. */
export function attributeIn(html: string, name: string): string {
  return textOf(html.split(`${name}="`)[1]?.split('"')[0] ?? "");
}
