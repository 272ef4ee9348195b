// Received messages that are forwarded: written as our encoder writes them and counted by their content, whichever of
// their properties were read in between.

import { describe, expect, it } from 'vitest'

import { frameBytes } from '../../../lib/message/envelope.js'
import { BufferedSender } from '../../../lib/endpoints/buffered-sender.js'
import { frameOf, sizeBound } from '../../../lib/message/message.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { connectedPair, rawToReceiver } from '../../support/pair.js'

describe('a received message that is sent on', () => {
  it.each([
    ['as it came', ''],
    ['without the blank in front of it', ' '],
    ['without the tab in front of it', '\t'],
    ['without the return in front of it', '\r'],
  ])('goes out %s', async (_what, before) => {
    const line = '{"type":"soc_incident","id":"x","ts":5,"payload":{"a": 1}}\n'
    const { raw, receiver } = await rawToReceiver()
    raw.write(before + line)
    const { value } = await receiver.next()
    if (value === undefined) throw new Error('the stream has ended')
    expect(frameBytes(frameOf(value)).toString()).toBe(line)

    const { client, server } = await connectedPair()
    await new Sender(client, 's').send(value)
    const again = await new Receiver(server, 'r').next()
    expect(again.value?.rawPayload).toBe('{"a": 1}')
    expect(again.value?.id).toBe('x')
  })

  it('goes out with our line ending', async () => {
    const line = '{"type":"soc_incident","id":"x","ts":5,"payload":{"a": 1}}'
    const { raw, receiver } = await rawToReceiver()
    raw.write(`${line}\r\n${line}\r\n`)
    const { value } = await receiver.batches().next()
    const { client, server } = await connectedPair()
    await new Sender(client, 's').sendBatch(value ?? [])
    const again = new Receiver(server, 'r')
    await again.next()
    await again.next()
    expect(again.stats).toMatchObject({ received: 2, invalid: 0, bytes: 2 * (line.length + 1) })
  })

  it.each(['€'.repeat(50), '\\u20ac'.repeat(50), 'plain'])(
    'counts for the same before and after its id %s was read',
    async (id) => {
      const { raw, receiver } = await rawToReceiver()
      raw.write(`{"id":"${id}","type":"soc_event","ts":1,"payload":1}\n`)
      const { value } = await receiver.next()
      if (value === undefined) throw new Error('the stream has ended')
      const before = sizeBound(value)
      expect(value.id).not.toBe('')
      expect(sizeBound(value)).toBe(before)
      const { client } = await connectedPair()
      const sender = new BufferedSender(client, 's')
      sender.send(value)
      await sender.flush()
      expect(sender.pending).toBe(0)
      // Were anything left of its size, these would not fit.
      const bound = new BufferedSender(client, 's', { maxBytes: before })
      for (let round = 0; round < 3; ++round) {
        bound.send(value)
        await bound.flush()
      }
    },
  )

  it('counts for all of the line that it holds', async () => {
    const { raw, receiver } = await rawToReceiver()
    const line = `{"junk":"${'x'.repeat(100_000)}","type":"soc_event","ts":1,"payload":1}`
    raw.write(line + '\n')
    const { value } = await receiver.next()
    if (value === undefined) throw new Error('the stream has ended')
    expect(sizeBound(value)).toBeGreaterThanOrEqual(line.length)
  })
})

describe('an array of messages', () => {
  it('may be used again as soon as sendBatch has it', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    const raw = (text: string): ReturnType<typeof newSOCMessage> => newSOCMessage('a', rawJSON(text))
    const batch = [raw('1'), raw('2')]
    const sends = [sender.send(raw('0')), sender.sendBatch(batch)]
    batch.length = 0
    batch.push(raw('3'), raw('4'))
    sends.push(sender.sendBatch(batch))
    const refused = sender.send(raw('oops'))
    batch.length = 0
    await expect(refused).rejects.toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    await Promise.all(sends)
    await sender.close()
    const received: (string | undefined)[] = []
    for await (const { rawPayload } of new Receiver(server, 'r')) received.push(rawPayload)
    expect(received).toEqual(['0', '1', '2', '3', '4'])
  })
})
