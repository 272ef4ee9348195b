// Keeps messages with the same key in order: one of them at a time is handed out, and the next one when it is settled.

import { wrongKind } from '../../base/options.js'
import { reportUserError } from '../../base/user-code.js'
import type { SOCMessage } from '../../message/message.js'

/**
 * `waits`: behind an earlier message of the key. `abandoned`: an earlier message of the key comes on the next connection.
 */
export type Claim = 'claimed' | 'waits' | 'abandoned'

export class KeyOrder<Item> {
  /** For each key whose message is handed out or released, the items that wait behind it. */
  readonly #waiting = new Map<string, Item[]>()
  /** The messages that have their key. */
  readonly #keys = new Map<SOCMessage, string>()
  /** Keys of which a message will come on the next connection: their later messages must come after it. */
  readonly #abandoned = new Set<string>()

  /** Takes the key of a message that is about to be handed out, unless the item has to wait behind another. */
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

  /** A message will not be settled here. Returns the items that wait behind it; nothing of its key is claimed any more. */
  abandon(message: SOCMessage, key: string | undefined): Item[] {
    if (key === undefined) return []
    this.#keys.delete(message)
    this.#abandoned.add(key)
    const items = this.#waiting.get(key) ?? []
    this.#waiting.delete(key)
    return items
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
}

/**
 * The keys of messages. Runs code of the user, who may call back: use it while no state is half changed. What it throws is
 * reported, and a message whose key cannot be had is not ordered.
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
