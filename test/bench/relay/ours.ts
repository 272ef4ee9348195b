// The relay with sentinel-ipc. Back-pressure needs no code: the next batch is asked for when the last one is sent.

import { listen, newSOCMessage, rawJSON, Receiver, Sender, type SOCMessage } from 'sentinel-ipc'

import type { RoleContext } from '../harness/scenario.js'
import { PIPE_NAME } from '../input/line.js'

export async function consumer(context: RoleContext): Promise<undefined> {
  const rewrap = context.text('mode') === 'payload'
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  const receiver = new Receiver(await listener.accept(), 'relay')
  const sender = new Sender(await listener.accept(), 'relay')
  for await (const batch of receiver.batches()) await sender.sendBatch(rewrap ? batch.map(wrapAgain) : batch)
  return undefined
}

function wrapAgain({ type, id, timestamp, rawPayload }: SOCMessage): SOCMessage {
  return newSOCMessage(type, rawPayload === undefined ? undefined : rawJSON(rawPayload), { id, timestamp })
}
