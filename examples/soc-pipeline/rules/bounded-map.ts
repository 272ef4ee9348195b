// A Map that evicts its least recently used entry when it is full, so that rules use bounded memory.

export class BoundedMap<K, V> {
  readonly #capacity: number
  readonly #map = new Map<K, V>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** The value, which now counts as the one used last. */
  get(key: K): V | undefined {
    const value = this.#map.get(key)
    if (value !== undefined) {
      // A Map goes through its keys in the order in which they were put in.
      this.#map.delete(key)
      this.#map.set(key, value)
    }
    return value
  }

  /** Stores a value. Returns the value that was evicted for it, if any. */
  set(key: K, value: V): V | undefined {
    this.#map.delete(key)
    this.#map.set(key, value)
    if (this.#map.size <= this.#capacity) return undefined
    for (const [oldest, forgotten] of this.#map) {
      this.#map.delete(oldest)
      return forgotten
    }
    return undefined
  }

  values(): IterableIterator<V> {
    return this.#map.values()
  }
}
