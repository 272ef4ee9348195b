// The handshake, for both roles: who asks, who answers, and what follows from it.

import { randomHex } from '../../base/crypto.js'
import type { PeerIdentity } from '../../peer/peer.js'
import { swarmMessage, type Channel } from './channel.js'
import type { ExchangeContext, Progress } from './exchange.js'
import { exportToGo, importFromGo } from './go-exchange.js'
import {
  PAGED_VERSION,
  parseHandshake,
  parseHandshakeAck,
  SwarmMsgType,
  type Handshake,
} from '../protocol/messages.js'
import { exchangePages } from './paged-exchange.js'
import { Trust } from '../peers/peer-record.js'
import { invalid, quoted } from '../protocol/protocol-error.js'

/** What Go ignores and our own peers read. */
const SENTINEL = { version: PAGED_VERSION }

/** Answers a dialer; false when it is none that facts are exchanged with. */
export async function answerDialer(
  channel: Channel,
  context: ExchangeContext,
  progress: Progress,
): Promise<boolean> {
  const { registry, genomeHash } = context
  const peer = parseHandshake(await channel.expect(SwarmMsgType.Handshake))
  progress.peer = peer
  if (peer.peerId === registry.selfId) throw invalid('own-id', 'the peer claims our own id')
  const { match, trust } = registry.processHandshake(peer, genomeHash)
  await channel.send(
    swarmMessage(SwarmMsgType.HandshakeAck, {
      to_peer_id: registry.selfId,
      to_node: registry.nodeName,
      genome_hash: genomeHash,
      match,
      trust,
      timestamp: unixSeconds(),
      sentinel: SENTINEL,
    }),
  )
  if (!match) {
    alertMismatch(context, peer, channel.peer)
    await channel.close()
    return false
  }
  progress.protocol = peer.paged ? 'pages' : 'go'
  if (peer.paged) await exchangePages(channel, context, progress, peer)
  else await importFromGo(channel, context, progress, peer)
  return true
}

/** Speaks to a listener; false when it is none that facts are exchanged with. */
export async function askListener(
  channel: Channel,
  context: ExchangeContext,
  progress: Progress,
): Promise<boolean> {
  const { registry, genomeHash } = context
  await channel.send(
    swarmMessage(SwarmMsgType.Handshake, {
      from_peer_id: registry.selfId,
      from_node: registry.nodeName,
      genome_hash: genomeHash,
      timestamp: unixSeconds(),
      nonce: randomHex(16),
      sentinel: SENTINEL,
    }),
  )
  const answer = parseHandshakeAck(await channel.expect(SwarmMsgType.HandshakeAck))
  // A Go listener answers with our own id by mistake, so its node has to do.
  const peer = answer.paged ? answer : { ...answer, peerId: `go:${answer.node}` }
  progress.peer = peer
  if (peer.peerId === registry.selfId) throw invalid('own-id', 'the peer claims our own id')
  if (peer.match && peer.genomeHash !== genomeHash) {
    throw invalid('bad-handshake', 'the answer says that the genomes match, and has another one')
  }
  if (!peer.match || registry.get(peer.peerId)?.trust === Trust.Rejected) {
    alertMismatch(context, peer, channel.peer)
    await channel.close()
    return false
  }
  progress.protocol = peer.paged ? 'pages' : 'go'
  if (peer.paged) await exchangePages(channel, context, progress, peer)
  else await exportToGo(channel, context, progress, peer)
  return true
}

function alertMismatch(context: ExchangeContext, peer: Handshake, identity: PeerIdentity): void {
  const same = peer.genomeHash === context.genomeHash
  context.alert({
    severity: 'warning',
    type: same ? 'peer-rejected' : 'genome-mismatch',
    message: same
      ? `one of us has rejected the other: nothing is exchanged with ${quoted(peer.node)}`
      : `${quoted(peer.node)} has another genome: nothing is exchanged with it`,
    peer: identity,
    peerId: peer.peerId,
  })
}

function unixSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
