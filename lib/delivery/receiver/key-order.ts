// Keeps messages with the same key in order: one of them at a time is handed out, and the next one when it is settled.

import { wrongKind } from '../../base/options.js'
import { reportUserError } from '../../base/user-code.js'
import type { SOCMessage } from '../../message/message.js'

/**
 * `waits`: an earlier message of the key is in hand. `abandoned`: an earlier message of the key will arrive on the next
 * connection.
 */
export type Claim = 'claimed' | 'waits' | 'abandoned'

export class KeyOrder<Item> {
  /** By key of a message that is handed out or released: the items that wait behind it. */
  readonly #waiting = new Map<string, Item[]>()
  /** The messages that hold their key. */
  readonly #keys = new Map<SOCMessage, string>()
  /** Keys with a message that will arrive on the next connection. Their later messages must follow it. */
  readonly #abandoned = new Set<string>()

  /** Claims the key of a message that is about to be handed out, unless the item has to wait behind another. */
  claim(message: SOCMessage, key: string | undefined, item: Item): Claim {
    if (key === undefined || this.#keys.has(message)) return 'claimed'
    if (this.#abandoned.has(key)) return 'abandoned'
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) {
      waiting.push(item)
      return 'waits'
    }
    this.#waiting.set(key, [])
    this.#keys.set(message, key)
    return 'claimed'
  }

  /** Abandons the key of a message that will not be settled here. Returns the items that wait behind it. */
  abandon(message: SOCMessage, key: string | undefined): Item[] {
    if (key === undefined) return []
    this.#keys.delete(message)
    this.#abandoned.add(key)
    const items = this.#waiting.get(key) ?? []
    this.#waiting.delete(key)
    return items
  }

  /** Moves a key from a released message to the copy that replaces it. */
  move(from: SOCMessage, to: SOCMessage): void {
    const key = this.#keys.get(from)
    if (key === undefined) return
    this.#keys.delete(from)
    this.#keys.set(to, key)
  }

  /**
   * Releases the key of a settled message. Returns the next item that waited behind it, whose message now holds the
   * key.
   */
  free(message: SOCMessage, messageOf: (item: Item) => SOCMessage): Item | undefined {
    const key = this.#keys.get(message)
    if (key === undefined) return undefined
    this.#keys.delete(message)
    const next = this.#waiting.get(key)?.shift()
    if (next === undefined) this.#waiting.delete(key)
    else this.#keys.set(messageOf(next), key)
    return next
  }

  /** Removes and returns all waiting items. */
  clear(): Item[] {
    const items = [...this.#waiting.values()].flat()
    for (const key of this.#waiting.keys()) this.#waiting.set(key, [])
    return items
  }
}

/**
 * Returns the keys of messages. Runs user code, which may call back into the library: call it only while the state is
 * consistent. An exception is reported, and a message whose key could not be determined is not ordered.
 */
export function keysOf(
  orderBy: (message: SOCMessage) => string | undefined,
  messages: readonly SOCMessage[],
): (string | undefined)[] {
  return messages.map((message) => {
    try {
      const key: unknown = orderBy(message)
      if (key === undefined || typeof key === 'string') return key
      throw wrongKind('the result of orderBy', 'a string or undefined', key)
    } catch (error) {
      reportUserError('orderBy', error)
      return undefined
    }
  })
}
