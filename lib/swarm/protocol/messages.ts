// The messages of an exchange: their types, and what each carries on the wire. Keys that Go does not know (`sentinel`,
// and those of pages) are additions of this package; Go's decoder ignores them. parse-messages.ts checks the messages
// of a peer.

import type { Trust } from '../peers/peer-record.js'
import type { WireFact, WireIncident } from './wire-fact.js'

/** Message types (Go: `MsgHandshake`, `MsgHandshakeAck`, `MsgSyncRequest`, `MsgSyncPayload`). */
export const SwarmMsgType = {
  /** The first message of a dialer. */
  Handshake: 'handshake',
  /** The reply of the listener. */
  HandshakeAck: 'handshake_ack',
  /** Asks for facts. */
  SyncRequest: 'sync_request',
  /** Brings facts and incidents. */
  SyncPayload: 'sync_payload',
} as const
/** One of the message types. */
export type SwarmMsgType = (typeof SwarmMsgType)[keyof typeof SwarmMsgType]

/** The payload of each type of message, key by key as on the wire. Keys that only this package writes are optional. */
export interface SwarmPayloads {
  /** Dialer to listener, first. */
  readonly handshake: {
    /** Id of the sending peer. */
    readonly from_peer_id: string
    /** Node name of the sending peer. */
    readonly from_node: string
    /** Hash of the genes of the sending node. See {@link genomeHash}. */
    readonly genome_hash: string
    /** Unix seconds. */
    readonly timestamp: number
    /** Random text. */
    readonly nonce: string
    /** Extensions of this library; Go ignores them. */
    readonly sentinel?: {
      /** Version of the exchange in pages. */
      readonly version: number
    }
  }
  /** Listener to dialer. A Go listener writes the dialer's own id into `to_peer_id`. */
  readonly handshake_ack: {
    /** Id of the replying peer. A Go listener sends the id of the dialer. */
    readonly to_peer_id: string
    /** Node name of the replying peer. */
    readonly to_node: string
    /** Hash of the genes of the sending node. See {@link genomeHash}. */
    readonly genome_hash: string
    /** Whether both genomes are the same. */
    readonly match: boolean
    /** How far the peer is trusted. See {@link Trust}. */
    readonly trust: Trust
    /** Unix seconds. */
    readonly timestamp: number
    /** Extensions of this library; Go ignores them. */
    readonly sentinel?: {
      /** Version of the exchange in pages. */
      readonly version: number
    }
  }
  /** Asks for facts that entered the peer's store after `since`; Go defines it and sends none. */
  readonly sync_request: {
    /** Id of the sending peer. */
    readonly from_peer_id: string
    /** Hash of the genes of the sending node. See {@link genomeHash}. */
    readonly genome_hash: string
    /** RFC 3339. */
    readonly since: string
    /** Maximum number of facts in a page; 100 if absent or 0. */
    readonly max_batch?: number
    /** Id of the store that `since` belongs to. */
    readonly store?: string
    /** Whether the sender has everything and wants no more pages. */
    readonly done?: boolean
    /**
     * With `done`: all facts of the sender's own store up to this position came from the receiver, which need not read
     * them. RFC 3339.
     */
    readonly skip_to?: string
  }
  /** Facts and incidents. Go writes null for no facts. */
  readonly sync_payload: {
    /** Version of the payload. */
    readonly version?: string
    /** Id of the sending peer. */
    readonly from_peer_id: string
    /** Hash of the genes of the sending node. See {@link genomeHash}. */
    readonly genome_hash: string
    /** The facts; null or empty if there are none. */
    readonly facts: readonly WireFact[] | null
    /** The incidents, newest first. */
    readonly incidents?: readonly WireIncident[]
    /** RFC 3339. */
    readonly synced_at: string
    /** Whether more facts follow. */
    readonly has_more?: boolean
    /** Id of the store that the facts come from. */
    readonly store?: string
    /** Position in that store up to which this page goes. RFC 3339. */
    readonly next?: string
  }
}

/**
 * One line of the swarm's socket as JSON (Go: `Message`): for programs that speak to it themselves.
 * {@link SwarmTransport} reads and writes them for you.
 */
export type SwarmMessage<Type extends SwarmMsgType = SwarmMsgType> = {
  readonly [T in Type]: {
    /** The type of the message. See {@link SwarmMsgType}. */
    readonly type: T
    /** The payload of that type. */
    readonly payload: SwarmPayloads[T]
  }
}[Type]

/** The version of the exchange in pages, as it stands in both handshakes: `"sentinel": {"version": 1}`. */
export const PAGED_VERSION = 1
