// The exchange in pages, the same for both roles: each side asks for the other's facts and sends its own, over one
// connection and at the same time. Must not know how pages are stored or made.

import type { Channel } from './channel.js'
import { rememberPeer, type ExchangeContext, type Progress } from './exchange.js'
import { SwarmMsgType } from '../protocol/messages.js'
import { parseSyncRequest, type Handshake } from '../protocol/parse-messages.js'
import { PageReader } from './page-reader.js'
import { PageServer } from './page-server.js'
import { quoteName } from '../../base/quote.js'
import { invalid } from '../protocol/protocol-error.js'

/**
 * Exchanges pages until both sides have everything. If it breaks off, the pages stored so far stay, and the next
 * exchange continues after them.
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
      // The exchange is over when the last page is stored, not when it has arrived.
      if (server.done && reader.lastCame) await reader.stored()
      if (server.done && reader.done) break
      const message = await channel.receive()
      if (message.type === SwarmMsgType.SyncRequest) {
        server.onRequest(parseSyncRequest(await channel.shortPayload(message), peer))
      } else if (message.type === SwarmMsgType.SyncPayload) await reader.onPage(await channel.parts(message))
      else
        throw invalid('unexpected-message', `expected a page or a request, got a ${quoteName(message.type)}`)
    }
    reader.skipTo(server.skipTo)
    await channel.close()
  } finally {
    await reader.settled()
    await remember(context, progress, peer, server, reader)
  }
}

/** Records in the registry how far facts were stored, so that the next exchange continues there. */
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
  // A peer that broke off before anything was stored is not remembered.
  if (!stored && !(server.done && reader.done)) return
  // Facts first, then the position: in the other order a crash could lose facts.
  if (!reader.done) await context.store.flush()
  rememberPeer(context, peer, {
    received: progress.received,
    sent: server.done ? progress.sent : 0,
    genes: progress.genes,
    read,
  })
}
