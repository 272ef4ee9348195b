// Reports the events of a connection: its end on the audit channel, and its lifecycle events.

import {
  isObserved,
  report,
  type CloseReason,
  type ConnectionCounts,
  type LifecycleChange,
  type OnEvent,
} from '../observe/lifecycle.js'
import type { PeerIdentity } from '../peer/peer.js'
import { publishClose } from './audit.js'

interface ReportedConnection {
  readonly id: number
  readonly address: string
  readonly peer: PeerIdentity
}

export function reportConnected(connection: ReportedConnection, onEvent: OnEvent | undefined): void {
  const { peer } = connection
  if (isObserved(onEvent)) reportChange(connection, onEvent, { type: 'connected', peer })
}

/** Queues the events of an end. `countsOf` is called only if something listens. */
export function reportEnd(
  connection: ReportedConnection,
  onEvent: OnEvent | undefined,
  end: { readonly reason: CloseReason; readonly error: Error | undefined },
  countsOf: () => ConnectionCounts,
): void {
  const { address, peer } = connection
  const { reason, error } = end
  publishClose({ address, peer, reason, error })
  if (!isObserved(onEvent)) return
  const wanted = reason === 'closed' || (reason === 'peer-closed' && error === undefined)
  reportChange(connection, onEvent, { type: wanted ? 'closed' : 'lost', reason, error, counts: countsOf() })
}

function reportChange(
  { id, address }: ReportedConnection,
  onEvent: OnEvent | undefined,
  change: LifecycleChange,
): void {
  report(onEvent, { role: 'connection', name: address, address, connection: id }, change)
}
