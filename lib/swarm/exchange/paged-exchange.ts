// The exchange in pages, the same for both roles: each side asks for the other's facts and gives its own, over one
// connection and at the same time.

import type { Channel } from './channel.js'
import { rememberPeer, type ExchangeContext, type Progress } from './exchange.js'
import { parseSyncRequest, SwarmMsgType, type Handshake } from '../protocol/messages.js'
import { PageReader } from './page-reader.js'
import { PageServer } from './page-server.js'
import { invalid, quoted } from '../protocol/protocol-error.js'

/**
 * Exchanges pages until both sides have everything. When it breaks off, the pages stored so far stay, and the next
 * exchange goes on after them.
 */
export async function exchangePages(
  channel: Channel,
  context: ExchangeContext,
  progress: Progress,
  peer: Handshake,
): Promise<void> {
  const { store } = context
  const until = await store.lastPosition()
  const server = new PageServer(channel, context, progress, until)
  const reader = new PageReader(channel, context, progress, peer, until)
  try {
    reader.begin()
    for (;;) {
      // The last page ends it when it is stored, not when it has come.
      if (server.done && reader.lastCame) await reader.stored()
      if (server.done && reader.done) break
      const message = await channel.receive()
      if (message.type === SwarmMsgType.SyncRequest) server.onRequest(parseSyncRequest(message.payload, peer))
      else if (message.type === SwarmMsgType.SyncPayload) await reader.onPage(message.payload)
      else throw invalid('unexpected-message', `a ${quoted(message.type)} came in the middle of the pages`)
    }
    reader.skipTo(server.skipTo)
    await channel.close()
  } finally {
    await reader.settled()
    await remember(context, progress, peer, server, reader)
  }
}

/** What is stored is also noted, so that a broken exchange goes on where it broke. */
async function remember(
  context: ExchangeContext,
  progress: Progress,
  peer: Handshake,
  server: PageServer,
  reader: PageReader,
): Promise<void> {
  const { read } = reader
  if (read === undefined) return
  const stored = progress.received + progress.known + progress.incidentsReceived > 0
  // Somebody who broke off and left nothing here is not remembered.
  if (!stored && !(server.done && reader.done)) return
  // First the facts, then how far we have read them: the other order could lose some.
  if (!reader.done) await context.store.flush()
  rememberPeer(context, peer, {
    received: progress.received,
    sent: server.done ? progress.sent : 0,
    genes: progress.genes,
    read,
  })
}
