// Keeps messages with the same key in order: one of them at a time is handed out, and the next one when it is settled.

import { reportUserError } from '../../base/user-code.js'
import type { SOCMessage } from '../../message/message.js'

export class KeyOrder<Item> {
  readonly #orderBy: (message: SOCMessage) => string | undefined
  /** For each key whose message is handed out or released, the items that wait behind it. */
  readonly #waiting = new Map<string, Item[]>()
  readonly #keys = new Map<SOCMessage, string>()

  constructor(orderBy: (message: SOCMessage) => string | undefined) {
    this.#orderBy = orderBy
  }

  /** Takes the key of a message that is about to be handed out. Returns false if the item has to wait behind another. */
  claim(message: SOCMessage, item: Item): boolean {
    if (this.#keys.has(message)) return true
    const key = this.#keyOf(message)
    if (key === undefined) return true
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) {
      waiting.push(item)
      return false
    }
    this.#waiting.set(key, [])
    this.#keys.set(message, key)
    return true
  }

  /** A message keeps its key under another object: it was released, and a copy comes in its place. */
  move(from: SOCMessage, to: SOCMessage): void {
    const key = this.#keys.get(from)
    if (key === undefined) return
    this.#keys.delete(from)
    this.#keys.set(to, key)
  }

  /** A message is settled. Returns the item that was waiting behind it; its message has the key now. */
  free(message: SOCMessage, messageOf: (item: Item) => SOCMessage): Item | undefined {
    const key = this.#keys.get(message)
    if (key === undefined) return undefined
    this.#keys.delete(message)
    const next = this.#waiting.get(key)?.shift()
    if (next === undefined) this.#waiting.delete(key)
    else this.#keys.set(messageOf(next), key)
    return next
  }

  /** Takes out everything that waits. */
  clear(): Item[] {
    const items = [...this.#waiting.values()].flat()
    for (const key of this.#waiting.keys()) this.#waiting.set(key, [])
    return items
  }

  #keyOf(message: SOCMessage): string | undefined {
    try {
      return this.#orderBy(message)
    } catch (error) {
      reportUserError('orderBy', error)
      return undefined
    }
  }
}
