// The sessions of local senders, as the way out knows them. A sender without acknowledgement numbers gets a session that is
// made up for its connection, so that its messages too can be told from repetitions.

import { randomHex } from '../base/crypto.js'
import type { PeerIdentity } from '../peer/peer.js'
import type { Origin } from './batches.js'

type Identity = Pick<Origin, 'uid' | 'sid' | 'pid' | 'unit' | 'session'>

export class Origins {
  readonly #origins = new Map<string, Origin>()
  readonly #most: number

  /** @param most sessions remembered beyond those with messages on their way */
  constructor(most: number) {
    this.#most = most
  }

  /** The session of a sender, by its user and its id. */
  readonly find = ({ uid, sid, pid, unit, session }: Identity): Origin => {
    const key = `${sid ?? uid} ${session}`
    let origin = this.#origins.get(key)
    if (origin !== undefined) {
      // To the end: the first ones are those unused for longest.
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

  /** The session of a peer. */
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

  /** A session for a connection whose sender does not number its messages. */
  invent(peer: PeerIdentity): Origin {
    return this.of(peer, randomHex(16))
  }

  /** A session with nothing on its way begins anew where its sender goes on: that is as good as remembering it. */
  #forget(): void {
    for (const [key, { pending }] of this.#origins) {
      if (pending > 0) continue
      this.#origins.delete(key)
      if (this.#origins.size <= this.#most) return
    }
  }
}
