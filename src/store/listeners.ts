/** Callbacks by name. */
export class Listeners<T> {
  readonly #byName = new Map<string, Set<(value: T) => void>>();

  /** Whether anybody listens to `name`. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Calls `listener` for every `tell(name)` until the returned function is called. */
  add(name: string, listener: (value: T) => void): () => void {
    // A function of its own, so that one that is added twice is called twice and removed once.
    const own = (value: T) => listener(value);
    const all = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, all.add(own));
    return () => {
      all.delete(own);
      if (all.size === 0 && this.#byName.get(name) === all) this.#byName.delete(name);
    };
  }

  /** Calls whoever listens to `name` now. */
  tell(name: string, value: T): void {
    for (const listener of [...(this.#byName.get(name) ?? [])]) listener(value);
  }

  /** Forgets everybody. */
  clear(): void {
    this.#byName.clear();
  }
}
