// Events for a security monitor, published on node:diagnostics_channel. Without a subscriber, an event costs one check
// of a flag.
//
// Subscribers are called in a microtask of their own, in the order of the events. If a subscriber throws, Node reports
// an uncaught exception (diagnostics_channel, `channel.publish`).

import { channel, type Channel } from 'node:diagnostics_channel'

import type { RefusalReason } from '../base/error-reasons.js'
import type { IpcError } from '../base/errors.js'
import { queueMicrotask } from '../base/globals.js'
import type { NativeRefusal } from '../binding/addon.js'
import type { CloseReason } from '../observe/lifecycle.js'
import type { PeerIdentity } from '../peer/peer.js'
import type { AddressFound } from './address-watch.js'

export type { CloseReason } from '../observe/lifecycle.js'

/** On `sentinel-ipc:accept`: a listener let a client in. */
export interface AcceptEvent {
  /** Path of the listening socket, or (Windows) name of the pipe. */
  readonly address: string
  /** The admitted client. */
  readonly peer: PeerIdentity
}

/** On `sentinel-ipc:reject`: a listener turned a client away. Each listener publishes at most 64 every 100 ms. */
export interface RejectEvent {
  /** Path of the listening socket, or (Windows) name of the pipe. */
  readonly address: string
  /** The rule that decided, as `error.reason` of ERR_IPC_PEER_REJECTED, or a quota. */
  readonly reason: RefusalReason
  /** The system's (negative) error number, if that was the reason; otherwise 0. */
  readonly errno: number
  /** Process id of the client. For logs only: process ids are reused. */
  readonly pid: number
  /** User id of the client; null if it is not known. */
  readonly uid: number | null
  /** Group id of the client; null if it is not known. */
  readonly gid: number | null
  /** Supplementary groups of the client. */
  readonly groups: readonly number[]
  /** Path of the client's program; '' if unknown. Read only for peers whose user or group passes. */
  readonly executable: string
  /** systemd unit of the client; '' if unknown. Read only for peers whose user or group passes. */
  readonly unit: string
  /** Security label of the client (SELinux, AppArmor), if the system gives one. */
  readonly label: string
  /** Security identifier of the client (Windows). */
  readonly sid: string
  /** Refusals left out just after this one. */
  readonly omitted: number
}

/** On `sentinel-ipc:invalid`: a peer sent a line that is not a message. */
export interface InvalidEvent {
  /** Path of the socket, or (Windows) name of the pipe. */
  readonly address: string
  /** The peer that sent the line. */
  readonly peer: PeerIdentity
  /** What is wrong with the line: its reason, offset and sample. */
  readonly error: IpcError
}

/** On `sentinel-ipc:drop`: a sender could not write messages that it had accepted. */
export interface DropEvent {
  /** Path of the socket, or (Windows) name of the pipe. */
  readonly address: string
  /** The peer that did not get the messages. */
  readonly peer: PeerIdentity
  /** How many messages were dropped. */
  readonly count: number
  /** Why they could not be written. */
  readonly error: IpcError
}

/** On `sentinel-ipc:close`: a connection has ended. */
export interface CloseEvent {
  /** Path of the socket, or (Windows) name of the pipe. */
  readonly address: string
  /** The peer at the other end. */
  readonly peer: PeerIdentity
  /** Why the connection ended. */
  readonly reason: CloseReason
  /** The error that ended it, if there was one. */
  readonly error: Error | undefined
}

/** On `sentinel-ipc:address-lost`: the path of a listener does not lead to it any more. */
export interface AddressLostEvent {
  /** The address that no longer leads to the listener. */
  readonly address: string
  /** What is at the path now. */
  readonly found: AddressFound
  /** Whether the listener has claimed the address again (`reclaim`). */
  readonly reclaimed: boolean
  /** Why the address could not be claimed again. */
  readonly error?: Error
}

const accept = channel('sentinel-ipc:accept')
const reject = channel('sentinel-ipc:reject')
const invalid = channel('sentinel-ipc:invalid')
const drop = channel('sentinel-ipc:drop')
const close = channel('sentinel-ipc:close')
const addressLost = channel('sentinel-ipc:address-lost')

function publish(to: Channel, event: object): void {
  if (!to.hasSubscribers) return
  queueMicrotask(() => {
    to.publish(event)
  })
}

/** Publishes that a listener let a client in. */
export function publishAccept(event: AcceptEvent): void {
  publish(accept, event)
}

/** Whether anything subscribes to refusals. */
export function wantsRejects(): boolean {
  return reject.hasSubscribers
}

/** Publishes a report of refusals. */
export function publishRejects(
  address: string,
  report: { readonly refusals: readonly NativeRefusal[]; readonly omitted: number },
): void {
  report.refusals.forEach((refusal, i) => {
    const omitted = i === report.refusals.length - 1 ? report.omitted : 0
    publish(reject, { address, ...refusal, omitted } satisfies RejectEvent)
  })
}

/** Publishes an invalid line. */
export function publishInvalid(event: InvalidEvent): void {
  publish(invalid, event)
}

/** Whether anything subscribes to invalid lines. Their errors are made only then, because that takes time. */
export function wantsInvalid(): boolean {
  return invalid.hasSubscribers
}

/** Publishes that a sender dropped messages. */
export function publishDrop(event: DropEvent): void {
  publish(drop, event)
}

/** Publishes that a connection has ended. */
export function publishClose(event: CloseEvent): void {
  publish(close, event)
}

/** Publishes that a listener lost its address. */
export function publishAddressLost(event: AddressLostEvent): void {
  publish(addressLost, event)
}
