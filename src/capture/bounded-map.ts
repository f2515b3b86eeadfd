/** Creates a map that keeps the newest `most` entries: what was set first goes first. */
export function boundedMap<K, V>(most: number): Map<K, V> {
  return new BoundedMap(most);
}

class BoundedMap<K, V> extends Map<K, V> {
  readonly #most: number;

  constructor(most: number) {
    super();
    this.#most = most;
  }

  override set(key: K, value: V): this {
    super.set(key, value);
    if (this.size > this.#most) {
      const [oldest] = this.keys();
      this.delete(oldest as K);
    }
    return this;
  }
}
