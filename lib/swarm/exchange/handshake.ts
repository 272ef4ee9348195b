// The handshake, for both roles: each side states its id and genome hash, and the two decide how to go on. Must not
// know connections.

import { randomHex } from '../../base/crypto.js'
import type { PeerIdentity } from '../../peer/peer.js'
import { swarmMessage, type Channel } from './channel.js'
import type { ExchangeContext, Progress } from './exchange.js'
import { exportToGo, importFromGo } from './go-exchange.js'
import { PAGED_VERSION, SwarmMsgType } from '../protocol/messages.js'
import { parseHandshake, parseHandshakeAck, type Handshake } from '../protocol/parse-messages.js'
import { exchangePages } from './paged-exchange.js'
import { Trust } from '../peers/peer-record.js'
import { quoteName } from '../../base/quote.js'
import { invalid } from '../protocol/protocol-error.js'

/** Tells a peer that this node exchanges in pages. Go ignores it. */
const SENTINEL = { version: PAGED_VERSION }

/** Serves a dialer. Returns false if the genomes differ, or one side has rejected the other. */
export async function answerDialer(
  channel: Channel,
  context: ExchangeContext,
  progress: Progress,
): Promise<boolean> {
  const { registry, genomeHash } = context
  const peer = parseHandshake(await channel.expect(SwarmMsgType.Handshake))
  progress.peer = peer
  if (peer.peerId === registry.selfId) throw invalid('own-id', 'the peer claims the id of this node')
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
  return goOn(channel, context, progress, peer, match, importFromGo)
}

/** Dials a listener. Returns false if the genomes differ, or one side has rejected the other. */
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
  // A Go listener sends the dialer's own id back (a bug in Go), so it is identified by its node name instead.
  const peer = answer.paged ? answer : { ...answer, peerId: `go:${answer.node}` }
  progress.peer = peer
  if (peer.peerId === registry.selfId) throw invalid('own-id', 'the peer claims the id of this node')
  if (peer.match && peer.genomeHash !== genomeHash) {
    throw invalid(
      'bad-handshake',
      'the handshake_ack claims that the genomes match, but has another genome_hash',
    )
  }
  const match = peer.match && registry.get(peer.peerId)?.trust !== Trust.Rejected
  return goOn(channel, context, progress, peer, match, exportToGo)
}

/** Exchanges facts by the protocol that the peer supports. Without a match, closes the channel and returns false. */
async function goOn(
  channel: Channel,
  context: ExchangeContext,
  progress: Progress,
  peer: Handshake,
  match: boolean,
  exchangeWithGo: typeof importFromGo,
): Promise<boolean> {
  if (!match) {
    alertMismatch(context, peer, channel.peer)
    await channel.close()
    return false
  }
  progress.protocol = peer.paged ? 'pages' : 'go'
  await (peer.paged ? exchangePages : exchangeWithGo)(channel, context, progress, peer)
  return true
}

function alertMismatch(context: ExchangeContext, peer: Handshake, identity: PeerIdentity): void {
  const same = peer.genomeHash === context.genomeHash
  context.alert({
    severity: 'warning',
    type: same ? 'peer-rejected' : 'genome-mismatch',
    message: same
      ? `nothing is exchanged with ${quoteName(peer.node)}: this node or the peer has rejected the other`
      : `nothing is exchanged with ${quoteName(peer.node)}: it has another genome`,
    peer: identity,
    peerId: peer.peerId,
  })
}

function unixSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
