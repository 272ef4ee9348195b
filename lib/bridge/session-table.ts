// How far the messages of each session were read, to recognize repetitions and missing messages. Part of the checkpoint
// of an incoming bridge. Given the same batches in the same order, two tables are equal.

import { sha256 } from '../base/crypto.js'
import type { BatchRun } from './bridge.js'

const KEY_BYTES = 16
const ENTRY_BYTES = KEY_BYTES + 6

/** The decision about a run: the first number that is new, or `missing` if an earlier message has not been read. */
export type Verdict = number | 'missing'

export class SessionTable {
  readonly #most: number
  /** By key, least recently used first. */
  readonly #through = new Map<string, number>()
  #forgotten = 0

  /** @param most maximum number of sessions remembered */
  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#through.size
  }

  /** Sessions forgotten to make room. */
  get forgotten(): number {
    return this.#forgotten
  }

  /** Returns the first number of a run that is new, a number past its end if none is, or `missing`. */
  judge(key: string, run: BatchRun): Verdict {
    const through = this.#through.get(key)
    if (!run.anchored && (through ?? -1) < run.previous) return 'missing'
    return Math.max(run.first, (through ?? 0) + 1)
  }

  /** Notes that the messages of a session through this number were read. */
  note(key: string, number: number): void {
    const before = this.#through.get(key) ?? 0
    this.#through.delete(key)
    this.#through.set(key, Math.max(before, number))
    if (this.#through.size <= this.#most) return
    const [oldest] = this.#through.keys()
    if (oldest !== undefined) this.#through.delete(oldest)
    ++this.#forgotten
  }

  copy(): SessionTable {
    const copy = new SessionTable(this.#most)
    for (const [key, number] of this.#through) copy.#through.set(key, number)
    return copy
  }

  encode(): Buffer {
    const bytes = Buffer.allocUnsafe(this.#through.size * ENTRY_BYTES)
    let at = 0
    for (const [key, number] of this.#through) {
      at += bytes.write(key, at, 'latin1')
      at = bytes.writeUIntBE(Math.min(number, 2 ** 48 - 1), at, 6)
    }
    return bytes
  }

  /** @throws RangeError for bytes that {@link encode} did not make */
  decode(bytes: Buffer): void {
    if (bytes.length % ENTRY_BYTES !== 0) throw new RangeError('a checkpoint has a damaged table of sessions')
    for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
      const key = bytes.toString('latin1', at, at + KEY_BYTES)
      this.#through.set(key, bytes.readUIntBE(at + KEY_BYTES, 6))
    }
  }
}

/** Makes the keys of a table from host, user and session. Short, because checkpoints contain all of them. */
export class SessionKeys {
  readonly #most: number
  readonly #keys = new Map<string, string>()

  constructor(most: number) {
    this.#most = most
  }

  of(host: string, { uid, sid, session }: BatchRun): string {
    const name = `${host} ${sid ?? uid} ${session}`
    let key = this.#keys.get(name)
    if (key === undefined) {
      if (this.#keys.size >= this.#most) this.#keys.clear()
      key = sha256().update(name).digest().toString('latin1', 0, KEY_BYTES)
      this.#keys.set(name, key)
    }
    return key
  }
}
