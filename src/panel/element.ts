/** How the panel makes its nodes: never out of HTML. */

/** What of an element is set when it is made. */
type Properties<Name extends keyof HTMLElementTagNameMap> = Partial<
  Pick<HTMLElementTagNameMap[Name], WritableTexts<HTMLElementTagNameMap[Name]>>
>;

/** Names of properties that are plain values: no method, no node, and nothing that takes HTML. */
type WritableTexts<Type> = Exclude<
  { [Key in keyof Type]: Type[Key] extends string | number | boolean | null ? Key : never }[keyof Type],
  "innerHTML" | "outerHTML"
>;

/**
 * Makes an element with children; a string is a text node, and what is empty is left out. `part` names it for styles, as its class inside of the
 * shadow root and as its `::part` outside; "" for none.
 */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  part: string,
  properties?: Properties<Name>,
  ...children: (Node | string | false | 0 | undefined)[]
): HTMLElementTagNameMap[Name] {
  const made = Object.assign(document.createElement(name), properties);
  if (part) {
    made.className = part;
    made.setAttribute("part", part);
  }
  made.append(...children.filter((child): child is Node | string => !!child));
  return made;
}

/** Makes a button that does something; `title` says more than its text, to everybody. */
export function button(part: string, text: string, onClick: () => void, title?: string): HTMLButtonElement {
  const made = element("button", part, { type: "button", ...(title && { title, ariaLabel: title }) }, text);
  made.onclick = onClick;
  return made;
}
