/**
 * The layers of one writer on their way to the store. One change is in flight at a time; if the stored text is not
 * the one that it was merged into, it is merged again.
 */
import { createHash } from "node:crypto";
import {
  type LayerChange,
  type LayerChanges,
  mergeLayers,
  noteChange,
  parseLayers,
  stringifyLayers,
} from "./layers.js";
import type { LayerMap } from "./protocol.js";
import type { LayersWrite } from "./store.js";

export class LayerOutbox {
  /** The stored text, as far as it is known here. */
  #stored = "";
  /** What waits, and all that was ever said here: null until something is, as in most runs nothing ever is. */
  #waiting: LayerChanges | null = null;
  #said: LayerChanges | null = null;
  #inFlight: { changes: LayerChanges; text: string } | null = null;
  /** Layers that are only said again: what others said since stands. */
  #again: Set<string> | null = null;
  #afterLine = 0;

  /** Whether anything is not stored yet. */
  get pending(): boolean {
    return this.#waiting !== null || this.#inFlight !== null;
  }

  /** Whether a change could leave now. */
  get mayLeave(): boolean {
    return this.#waiting !== null && this.#inFlight === null;
  }

  /** Layers travel with or after the line of this number. */
  get afterLine(): number {
    return this.#afterLine;
  }

  /** Layers as they will be when all is stored. */
  get layers(): LayerMap {
    const known = parseLayers(this.#stored);
    const sent = this.#inFlight === null ? known : mergeLayers(known, this.#inFlight.changes);
    return this.#waiting === null ? sent : mergeLayers(sent, this.#waiting);
  }

  /** The same as the text to store, "" for none. */
  get text(): string {
    const { layers } = this;
    return Object.keys(layers).length === 0 ? "" : stringifyLayers(layers);
  }

  note(name: string, change: LayerChange, afterLine: number): void {
    this.#waiting ??= new Map();
    this.#said ??= new Map();
    noteChange(this.#waiting, name, change);
    noteChange(this.#said, name, change);
    this.#again?.delete(name);
    this.#afterLine = afterLine;
  }

  /** Sends what waits along; null when nothing does or something is on its way. */
  take(): LayersWrite | null {
    const changes = this.#waiting;
    if (changes === null || this.#inFlight !== null) return null;
    const stored = parseLayers(this.#stored);
    this.#waiting = null;
    for (const name of this.#again ?? []) {
      const { finished_at, started_at } = stored[name] ?? {};
      if ((finished_at ?? started_at ?? "") > (changes.get(name)?.at ?? "")) changes.delete(name);
    }
    if (changes.size === 0) return null;
    const text = stringifyLayers(mergeLayers(stored, changes));
    this.#inFlight = { changes, text };
    const replacesSha1 = this.#stored === "" ? "" : createHash("sha1").update(this.#stored).digest("hex");
    return { text, replacesSha1 };
  }

  /** What was sent is stored, or `other` is, and ours has to be merged into that. */
  answered(other: string | null): void {
    const evicted = other === "" && this.#stored !== "";
    this.#stored = other ?? this.#inFlight?.text ?? this.#stored;
    if (other === null) this.#inFlight = null;
    else this.putBack();
    if (evicted) this.sayAgain();
  }

  /** What was sent did not get through: it waits again, under what was said since. */
  putBack(): void {
    if (this.#inFlight === null) return;
    const { changes } = this.#inFlight;
    this.#inFlight = null;
    for (const [name, change] of this.#waiting ?? []) noteChange(changes, name, change);
    this.#waiting = changes;
  }

  /** The store may be an older copy: all is said again. */
  sayAgain(): void {
    if (this.#said === null) return;
    this.#waiting ??= new Map();
    this.#again ??= new Set();
    for (const [name, change] of this.#said) {
      if (this.#waiting.has(name)) continue;
      this.#waiting.set(name, change);
      this.#again.add(name);
    }
  }

  /** The store has `text`, and what waits comes on top. */
  begin(text: string): void {
    this.#stored = text;
  }
}
