// The exchange as the Go package knows it: one line of facts from dialer to listener. A Go listener reads short lines
// only, so the facts that fit are sent now, newest first, and the rest at the next dials; an alert counts the remaining
// ones.

import { processStart } from '../../base/process-identity.js'
import { swarmMessage, type Channel } from './channel.js'
import { rememberPeer, storeFacts, storeIncidents, type ExchangeContext, type Progress } from './exchange.js'
import { SwarmMsgType } from '../protocol/messages.js'
import { parseGoPayload, type Handshake } from '../protocol/parse-messages.js'
import { formatTime } from '../protocol/rfc3339.js'
import { toWireFact, toWireIncident, type WireIncident } from '../protocol/wire-fact.js'
import { selectFacts } from './go-selection.js'

/** The largest payload for a Go listener: its scanner reads lines below 65,536 bytes, envelope and newline included. */
const GO_PAYLOAD_BYTES = 65_000
const GO_MAX_INCIDENTS = 100

/** Stores the one payload of a Go dialer. */
export async function importFromGo(
  channel: Channel,
  context: ExchangeContext,
  progress: Progress,
  peer: Handshake,
): Promise<void> {
  const { facts, incidents } = await parseGoPayload(
    await channel.expectParts(SwarmMsgType.SyncPayload),
    peer,
    context.takeTurn,
  )
  await storeFacts(facts, context, progress, channel.peer)
  await storeIncidents(incidents, context, progress)
  await context.store.flush()
  rememberPeer(context, peer, { received: progress.received, sent: 0, genes: progress.genes })
}

/** Sends a Go listener the facts and incidents that fit one line. The listener confirms by hanging up. */
export async function exportToGo(
  channel: Channel,
  context: ExchangeContext,
  progress: Progress,
  peer: Handshake,
): Promise<void> {
  const { registry, store, genomeHash } = context
  const envelope = {
    from_peer_id: registry.selfId,
    genome_hash: genomeHash,
    synced_at: formatTime(Date.now()),
  }
  const budget =
    GO_PAYLOAD_BYTES - Buffer.byteLength(JSON.stringify({ ...envelope, facts: [], incidents: [] }))
  const listener = { pid: channel.peer.pid, started: processStart(channel.peer.pid) }
  const selection = await selectFacts(store, registry.get(peer.peerId)?.given, listener, budget)
  const incidents = await incidentsForGo(context, channel, budget - selection.bytes)
  progress.unsent = selection.unsent + selection.given.tooLarge
  await channel.send(
    swarmMessage(SwarmMsgType.SyncPayload, {
      ...envelope,
      facts: selection.facts.map(toWireFact),
      ...(incidents.length > 0 && { incidents }),
    }),
  )
  await channel.expectEnd()

  progress.sent = selection.facts.length
  progress.incidentsSent = incidents.length
  rememberPeer(context, peer, { received: 0, sent: progress.sent, given: selection.given })
  if (progress.unsent > 0) {
    const { tooLarge } = selection.given
    context.alert({
      severity: 'warning',
      type: 'facts-unsent',
      message:
        `${progress.unsent} facts were not sent to the Go listener: ${selection.unsent} will be sent at the next dials, ` +
        `${tooLarge} are larger than the longest line that it reads`,
      peer: channel.peer,
      peerId: peer.peerId,
      counts: { unsent: progress.unsent, tooLarge },
    })
  }
}

/** Returns the newest incidents that fit beside the facts. */
async function incidentsForGo(
  context: ExchangeContext,
  channel: Channel,
  maxBytes: number,
): Promise<WireIncident[]> {
  const store = context.incidents
  if (store === undefined) return []
  const chosen: WireIncident[] = []
  let bytes = 0
  for (const incident of await store.recent(GO_MAX_INCIDENTS)) {
    const wire = toWireIncident(incident)
    bytes += Buffer.byteLength(JSON.stringify(wire)) + 1
    if (bytes > maxBytes) break
    chosen.push(wire)
  }
  const unsent = (await store.count()) - chosen.length
  if (unsent > 0) {
    context.alert({
      severity: 'warning',
      type: 'incidents-unsent',
      message: `${unsent} incidents were not sent: they do not fit the one line to a Go listener`,
      peer: channel.peer,
      counts: { unsent },
    })
  }
  return chosen
}
