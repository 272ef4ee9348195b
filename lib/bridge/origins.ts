// The sessions of local senders, as an outgoing bridge tracks them. A sender that does not number its messages gets a
// generated session for its connection, so that its messages can be distinguished from repetitions too.

import { randomHex } from '../base/crypto.js'
import type { PeerIdentity } from '../peer/peer.js'
import type { Origin } from './batches.js'

type Identity = Pick<Origin, 'uid' | 'sid' | 'pid' | 'unit' | 'session'>

export class Origins {
  readonly #origins = new Map<string, Origin>()
  readonly #most: number

  /** @param most maximum number of remembered sessions that have no message in transit */
  constructor(most: number) {
    this.#most = most
  }

  /** Returns the session of a sender, by its user and its id. */
  readonly find = ({ uid, sid, pid, unit, session }: Identity): Origin => {
    const key = `${sid ?? uid} ${session}`
    let origin = this.#origins.get(key)
    if (origin !== undefined) {
      // Moved to the end, so that the sessions unused for longest come first.
      this.#origins.delete(key)
    } else {
      origin = {
        uid,
        pid,
        session,
        ...(sid !== undefined && { sid }),
        ...(unit !== undefined && { unit }),
        gathered: 0,
        safe: 0,
        entered: undefined,
        stored: 0,
        draft: -1,
        pending: 0,
      }
    }
    this.#origins.set(key, origin)
    if (this.#origins.size > this.#most) this.#forget()
    return origin
  }

  /** Returns the session of a peer. */
  of(peer: PeerIdentity, session: string): Origin {
    const { uid, sid, pid, unit } = peer
    return this.find({
      uid,
      pid,
      session,
      ...(sid !== undefined && { sid }),
      ...(unit !== undefined && { unit }),
    })
  }

  /** Makes a session for a connection whose sender does not number its messages. */
  invent(peer: PeerIdentity): Origin {
    return this.of(peer, randomHex(16))
  }

  /**
   * Forgets sessions without messages in transit. Such a session can be recreated from the sender's next number, so
   * nothing is lost.
   */
  #forget(): void {
    for (const [key, { pending }] of this.#origins) {
      if (pending > 0) continue
      this.#origins.delete(key)
      if (this.#origins.size <= this.#most) return
    }
  }
}
