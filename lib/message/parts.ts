// What messages are made of: facts known when they are made, and where their type and id come from. Must not know
// messages.

import { EnvelopeExtra, RecordFlag, WHOLE_FRAME } from '../binding/abi.js'
import type { PeerIdentity } from '../peer/peer.js'
import type { MadeMeta } from './meta.js'
import type { Millisecond } from './id.js'

/** Keys, quotes, a timestamp of at most 17 characters and the newline. */
const FRAME_OVERHEAD = 64

/**
 * An upper bound of a frame's size without its payload, for this many characters of type and id: each may become an
 * escape of six.
 */
export function sizeAround(characters: number): number {
  return characters * 6 + FRAME_OVERHEAD
}

/** How much longer extra keys may get when they are written anew: `1e20` as 100000000000000000000. */
const META_ROOM = EnvelopeExtra.mostBytes * 6

/** Whether the extra keys of a message with these flags are written anew. */
function rewritesMeta(flags: number): boolean {
  return (flags & (MessageFlag.hasMeta | MessageFlag.metaInPlace)) === MessageFlag.hasMeta
}

/** The size bound of a received line; see `sizeBound` in message.ts. */
export function sizeOfLine(bytes: number, flags: number): number {
  return bytes + FRAME_OVERHEAD + (rewritesMeta(flags) ? META_ROOM : 0)
}

/** Undoes {@link sizeOfLine}. */
export function bytesOfLine(size: number, flags: number): number {
  return size - FRAME_OVERHEAD - (rewritesMeta(flags) ? META_ROOM : 0)
}

/** Facts about a message that are known when it is made. Those that the addon found are bits of its record. */
export const MessageFlag = {
  /** Its line stands on a page and can be passed on byte for byte. */
  canonical: RecordFlag.canonical,
  /** The bytes of its line are ASCII, so that its page can be cut as text. */
  ascii: RecordFlag.ascii,
  /** No name in its payload can be `__proto__`, or has an escape. */
  plainNames: RecordFlag.plainNames,
  /** It may contain integers beyond 2^53, and they become BigInts. */
  exactIntegers: RecordFlag.longNumber,
  /** Its line has extra keys. */
  hasMeta: RecordFlag.hasMeta,
  /** The extra keys stand where this package writes them. */
  metaInPlace: RecordFlag.metaInPlace,
  /** Its payload is known to be valid JSON on one line, and its line not nested too deeply. No bit of a record. */
  checked: 1 << 16,
} as const

/** Type, meta, and the start of the id, which all messages made in one millisecond share. */
export interface Stamp extends Millisecond {
  readonly type: string
  readonly typeCode: number
  readonly id: undefined
  readonly made: MadeMeta | undefined
}

/** A stamp for the meta of a message whose type and id are known otherwise. */
export function metaStamp(made: MadeMeta): Stamp {
  return { text: '', millions: 0, rest: 0, type: '', typeCode: WHOLE_FRAME, id: undefined, made }
}

/** The type and the id of a message whose maker chose the id, and the peer if it was made from a received message. */
export interface NamedOrigin {
  readonly type: string
  readonly id: string
  readonly peer?: PeerIdentity | undefined
  readonly made?: MadeMeta | undefined
}
