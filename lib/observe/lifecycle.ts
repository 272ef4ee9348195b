// The lifecycle events of listeners, connections, senders and receivers, in one shape: passed to the option `onEvent`,
// and published on the diagnostics channel `sentinel-ipc:lifecycle`. Without a listener or subscriber, an event costs
// one check of a flag.
//
//   listener     listening ──▶ (address-lost | paused ──▶ resumed)* ──▶ closed
//   connection   connected ──▶ closed | lost
//   sender       (paused ──▶ drained | retrying)* ──▶ closed | lost
//   receiver     (paused ──▶ resumed)* ──▶ closed | lost

import { channel } from 'node:diagnostics_channel'

import type { RejectionReason } from '../base/error-reasons.js'
import type { IpcError } from '../base/errors.js'
import { queueMicrotask } from '../base/globals.js'
import { callUser } from '../base/user-code.js'
import type { PeerIdentity } from '../peer/peer.js'

/** The kind of object that an event is about. */
export type LifecycleRole =
  | 'listener'
  | 'connection'
  | 'sender'
  | 'buffered-sender'
  | 'receiver'
  | 'acknowledged-sender'
  | 'acknowledging-receiver'

/** Why a connection ended. */
export type CloseReason =
  | 'closed' // by this side
  | 'peer-closed'
  | 'failed' // see error
  | 'send-timeout'
  | 'idle'
  | 'no-first-message'
  | 'unfinished-message'
  | 'too-many-invalid'
  | 'user-budget' // see maxBytesPerUser of listen

/** The object that an event is about. Part of every event. */
export interface LifecycleSource {
  /** The kind of object. */
  readonly role: LifecycleRole
  /** The name of the object in errors; the address for a listener or connection. */
  readonly name: string
  /** Path of the socket, or (Windows) name of the pipe; '' if unknown. */
  readonly address: string
  /** The `id` of the connection, which is unique in this thread. Undefined while there is none. */
  readonly connection: number | undefined
}

/** Totals of a connection at its end. */
export interface ConnectionCounts {
  /** Bytes read. */
  readonly bytesIn: number
  /** Lines read, valid or not. */
  readonly linesIn: number
  /** Messages written. */
  readonly messagesOut: number
  /** Bytes written. */
  readonly bytesOut: number
  /** Milliseconds that it was open. */
  readonly durationMs: number
}

/** A listener accepts clients. */
export interface ListeningChange {
  /** What happened. */
  readonly type: 'listening'
}

/**
 * A connection was made. For an acknowledged sender: a peer was reached, and it has acknowledged or is sent messages
 * without acknowledgement.
 */
export interface ConnectedChange {
  /** What happened. */
  readonly type: 'connected'
  /** The peer at the other end. */
  readonly peer: PeerIdentity
  /** Of an acknowledged sender: whether the peer acknowledges. */
  readonly acknowledging?: boolean
}

/** An attempt failed, and another one follows. */
export interface RetryingChange {
  /** What happened. */
  readonly type: 'retrying'
  /** Why the attempt failed. */
  readonly error: IpcError
  /** Failed attempts in a row. */
  readonly tries: number
  /** Milliseconds until the next attempt. */
  readonly delayMs: number
}

/** A sender, receiver or listener has to wait. Reported at most ten times a second for each object. */
export interface PausedChange {
  /** What happened. */
  readonly type: 'paused'
  /**
   * The cause. `peer`: the peer reads too slowly for a sender. `application`: the application reads too slowly from a
   * receiver. `user-budget`: the connections of one user exceed `maxBytesPerUser` of the listener.
   */
  readonly reason: 'peer' | 'application' | 'user-budget'
  /** With `user-budget`: the uid, or (Windows) SID. */
  readonly user?: number | string
}

/**
 * The end of a pause: a receiver or listener reads again (`resumed`), or no message of a sender waits any more
 * (`drained`).
 */
export interface ResumedChange {
  /** What happened. */
  readonly type: 'resumed' | 'drained'
  /** Milliseconds since it was paused. */
  readonly pausedMs: number
  /** Pauses since the last event of this type, this one included: short ones in between are not reported. */
  readonly pauses: number
  /** As in {@link PausedChange.user}. */
  readonly user?: number | string
}

/** The end: `closed` by this side, or after the peer had ended the stream; `lost` in any other way. */
export interface EndedChange {
  /** What happened. */
  readonly type: 'closed' | 'lost'
  /** Of a connection: why it ended. */
  readonly reason?: CloseReason
  /** The error behind it, if there is one. */
  readonly error?: Error | undefined
  /** Of a connection: its totals. */
  readonly counts?: ConnectionCounts
  /** Of a listener: clients let in. */
  readonly accepted?: number
  /** Of a listener: clients turned away. */
  readonly refused?: number
}

/** The path of a listener no longer leads to it. */
export interface AddressLostChange {
  /** What happened. */
  readonly type: 'address-lost'
  /** What stands there now. */
  readonly found: 'nothing' | 'another-file'
  /** Whether the listener has claimed the address again. */
  readonly reclaimed: boolean
  /** Why the address could not be claimed again. */
  readonly error?: Error | undefined
}

/** Of an acknowledged sender: `degraded` and `failed`, as its option `onSilentPeer` decides. `failed` is final. */
export interface DegradedChange {
  /** What happened. */
  readonly type: 'degraded' | 'failed'
  /** The error behind it. */
  readonly error: IpcError
}

/** Of an acknowledged sender: the receiver has rejected messages. */
export interface RejectedChange {
  /** What happened. */
  readonly type: 'rejected'
  /** How many messages were rejected. */
  readonly count: number
  /** The reason, as in the result of `send`. */
  readonly reason: RejectionReason
}

/** An event without the object that it is about. */
export type LifecycleChange =
  | ListeningChange
  | ConnectedChange
  | RetryingChange
  | PausedChange
  | ResumedChange
  | EndedChange
  | AddressLostChange
  | DegradedChange
  | RejectedChange

/** One event: the object, and what happened to it. */
export type LifecycleEvent = LifecycleSource & LifecycleChange

/**
 * The option `onEvent`. Called in a microtask of its own; an error that it throws is reported as an error of user code.
 */
export type OnEvent = (event: LifecycleEvent) => void

const lifecycle = channel('sentinel-ipc:lifecycle')

/** Whether an event would reach a listener or subscriber. */
export function isObserved(onEvent: OnEvent | undefined): boolean {
  return onEvent !== undefined || lifecycle.hasSubscribers
}

/** Reports an event to `onEvent` and to the channel, each in a microtask of its own. */
export function report(onEvent: OnEvent | undefined, source: LifecycleSource, change: LifecycleChange): void {
  const event: LifecycleEvent = { ...source, ...change }
  if (onEvent !== undefined) callUser('onEvent', onEvent, event)
  if (!lifecycle.hasSubscribers) return
  queueMicrotask(() => {
    lifecycle.publish(event)
  })
}
