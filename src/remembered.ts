/** Pure functions of texts that viewers who wait send over and over: paths, run ids, queries. */

/** How many texts a function remembers, and how long they may be. */
const MOST = 512;
const LONGEST = 256;

/**
 * `of` that remembers what it answered lately: a regular expression costs a poll more than a look-up (`npm run bench
 * -- idle-polls`). What it throws is not remembered.
 */
export function remembered<Value>(of: (text: string) => Value): (text: string) => Value {
  const known = new Map<string, Value>();
  return (text) => {
    const answered = known.get(text);
    if (answered !== undefined) return answered;
    if (text.length > LONGEST) return of(text);
    // A copy: a part of a URL would keep all of it in memory.
    const copy: string = JSON.parse(JSON.stringify(text));
    const value = of(copy);
    if (known.size >= MOST) known.clear();
    known.set(copy, value);
    return value;
  };
}
