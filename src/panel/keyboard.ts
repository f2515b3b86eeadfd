/** Key → what it does. The keys are those of pagers: whoever reads logs has them in the fingers. */
export type Keys = Record<string, () => void>;

/** Calls what a key is for, unless it is typed into a field or belongs to the browser; Escape works in fields, too. */
export function handleKey(event: KeyboardEvent, keys: Keys): void {
  const { key } = event;
  const typing = key !== "Escape" && (event.composedPath()[0] as Element).matches("input,select");
  const act = event.ctrlKey || event.metaKey || event.altKey || typing ? undefined : keys[key];
  if (!act) return;
  event.preventDefault();
  act();
}
