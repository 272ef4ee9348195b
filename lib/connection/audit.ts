// What a security monitor may want to hear, published on node:diagnostics_channel. Costs a look at a flag while nobody
// listens.

import { channel } from 'node:diagnostics_channel'

import type { IpcError } from '../base/errors.js'
import type { NativeRefusal } from '../binding/addon.js'
import type { PeerIdentity } from '../peer/peer.js'

/** On `sentinel-ipc:accept`: a client was let in. */
export interface AcceptEvent {
  readonly address: string
  readonly peer: PeerIdentity
}

/** On `sentinel-ipc:reject`: a client was turned away. At most 64 are published every 100 ms, by each listener. */
export interface RejectEvent {
  readonly address: string
  /** The rule that decided, as `error.reason` of ERR_IPC_PEER_REJECTED, or a quota. */
  readonly reason: string
  /** The system's (negative) error number, where that was the reason; otherwise 0. */
  readonly errno: number
  readonly pid: number
  readonly uid: number | null
  readonly gid: number | null
  readonly groups: readonly number[]
  /** '' where unknown. Only read for peers whose user or group passes. */
  readonly executable: string
  readonly label: string
  readonly sid: string
  /** Refusals left out just before this one. */
  readonly omitted: number
}

/** On `sentinel-ipc:invalid`: a peer sent a line that is no message. */
export interface InvalidEvent {
  readonly address: string
  readonly peer: PeerIdentity
  readonly error: IpcError
}

/** On `sentinel-ipc:drop`: messages that a sender had taken could not be written. */
export interface DropEvent {
  readonly address: string
  readonly peer: PeerIdentity
  readonly count: number
  readonly error: IpcError
}

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

/** On `sentinel-ipc:close`: a connection has ended. */
export interface CloseEvent {
  readonly address: string
  readonly peer: PeerIdentity
  readonly reason: CloseReason
  readonly error: Error | undefined
}

const accept = channel('sentinel-ipc:accept')
const reject = channel('sentinel-ipc:reject')
const invalid = channel('sentinel-ipc:invalid')
const drop = channel('sentinel-ipc:drop')
const close = channel('sentinel-ipc:close')

export function publishAccept(event: AcceptEvent): void {
  if (accept.hasSubscribers) accept.publish(event)
}

/** Whether anybody wants to know of clients that were turned away. */
export function wantsRejects(): boolean {
  return reject.hasSubscribers
}

export function publishRejects(
  address: string,
  report: { readonly refusals: readonly NativeRefusal[]; readonly omitted: number },
): void {
  report.refusals.forEach((refusal, i) => {
    const omitted = i === report.refusals.length - 1 ? report.omitted : 0
    reject.publish({ address, ...refusal, omitted } satisfies RejectEvent)
  })
}

export function publishInvalid(event: InvalidEvent): void {
  if (invalid.hasSubscribers) invalid.publish(event)
}

/** Whether anybody wants to know of invalid lines: making their errors is not free. */
export function wantsInvalid(): boolean {
  return invalid.hasSubscribers
}

export function publishDrop(event: DropEvent): void {
  if (drop.hasSubscribers) drop.publish(event)
}

export function publishClose(event: CloseEvent): void {
  if (close.hasSubscribers) close.publish(event)
}
