// Frames laid out by the addon are byte for byte what each message alone would be.

import fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { frameBytes } from '../../../lib/message/envelope.js'
import { frameOf, received as receivedMessage, type SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import type { PeerIdentity } from '../../../lib/peer/peer.js'
import { FrameText } from '../../../lib/wire/batch.js'
import { ReadPage } from '../../../lib/message/page.js'
import { MessageFlag } from '../../../lib/message/parts.js'

function laidOut(messages: readonly SOCMessage[], begin = 0): string {
  const text = new FrameText()
  for (const message of messages) text.add(message)
  const slab = Buffer.alloc(begin + text.complete())
  const end = text.encode(slab, begin)
  text.clear()
  return slab.toString('utf8', begin, end)
}

function oneByOne(messages: readonly SOCMessage[]): string {
  return Buffer.concat(messages.map((message) => frameBytes(frameOf(message)))).toString()
}

const PEER: PeerIdentity = { pid: 1, uid: 0, gid: 0, groups: [] }

/** A message as a receiver makes it of a line that is already what we would write. */
function received(bytes: Buffer, lineStart: number, payload: string): SOCMessage {
  const payloadStart = bytes.indexOf('"payload":', lineStart) + '"payload":'.length
  return receivedMessage(
    'soc_event',
    'i',
    5,
    ReadPage.ofBytes(bytes, 0, bytes.length),
    lineStart,
    0,
    0,
    payloadStart,
    payloadStart + payload.length,
    MessageFlag.canonical | MessageFlag.ascii | MessageFlag.checked,
    PEER,
    bytes.length,
  )
}

const sharedPayloads = ['1', '"two"', '{"three":3}']
const sharedLines = sharedPayloads.map(
  (payload) => `{"type":"soc_event","id":"i","ts":5,"payload":${payload}}\n`,
)
const sharedBytes = Buffer.from(sharedLines.join(''))
const sharedMessages = sharedPayloads.map((payload, i) =>
  received(sharedBytes, sharedLines.slice(0, i).join('').length, payload),
)

const types = ['soc_event', 'soc_incident', 'soc_ack', 'soc_heartbeat', 'mine', 'ü"']
const payload = fc.oneof(
  fc.json(),
  fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"é"', '"\u{1f600}"', '"\\ud83d"', '1'),
)
const message = fc.oneof(
  fc
    .tuple(fc.constantFrom(...types), payload, fc.constantFrom('value', 'text', 'bytes', 'none'))
    .map(([type, json, kind]) => {
      switch (kind) {
        case 'value':
          return newSOCMessage(type, JSON.parse(json))
        case 'text':
          return newSOCMessage(type, rawJSON(json))
        case 'bytes':
          return newSOCMessage(type, rawJSON(Buffer.from(json)))
        default:
          return newSOCMessage(type)
      }
    }),
  fc
    .tuple(fc.constantFrom(...types), payload, fc.constantFrom('', 'id', 'ü'))
    .map(([type, json, id]) => newSOCMessage(type, rawJSON(json), { id, timestamp: -7 })),
  fc.constantFrom(...sharedMessages),
)

describe('FrameText', () => {
  it('writes any mixture of messages as each of them alone', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 60 }), fc.nat(100), (messages, begin) => {
        expect(laidOut(messages, begin)).toBe(oneByOne(messages))
      }),
      { numRuns: 500 },
    )
  })

  it('writes more frames than a layout holds at first', () => {
    const messages = Array.from({ length: 5000 }, (_, i) => newSOCMessage('soc_event', i))
    expect(laidOut(messages)).toBe(oneByOne(messages))
  })

  it('writes the ids that the messages say they have', () => {
    const messages = [newSOCMessage('soc_event', 1), newSOCMessage('soc_ack', 'ü')]
    for (const { id } of messages) expect(laidOut(messages)).toContain(`"id":"${id}"`)
  })

  it.each([0, 5, 999_999_999_999])('writes ids of a clock that stands at %i ms', async (now) => {
    // Ids never go back, so only modules that have seen no other time yet show it.
    vi.resetModules()
    const clock = vi.spyOn(Date, 'now').mockReturnValue(now)
    try {
      const { newSOCMessage: newFreshMessage } = await import('../../../lib/message/new-message.js')
      const { frameOf: freshFrameOf } = await import('../../../lib/message/message.js')
      const { FrameText: FreshText } = await import('../../../lib/wire/batch.js')
      const one = newFreshMessage('soc_event', 1)
      const text = new FreshText()
      text.add(one)
      const slab = Buffer.alloc(text.complete())
      expect(one.id).toMatch(new RegExp(`^${now}[0-9]{6}$`))
      expect(slab.toString('utf8', 0, text.encode(slab, 0))).toBe(freshFrameOf(one))
    } finally {
      clock.mockRestore()
    }
  })

  it('can be used again', () => {
    const text = new FrameText()
    for (const value of ['a', 'ü', 'c']) {
      const one = newSOCMessage('soc_event', value)
      text.add(one)
      const slab = Buffer.alloc(text.complete())
      expect(slab.toString('utf8', 0, text.encode(slab, 0))).toBe(frameOf(one))
      text.clear()
    }
  })

  it('keeps to its text where surrogates that were cut apart meet, and never beyond', () => {
    // newSOCMessage refuses them, unless it is told that they are sound; here only nothing else may be touched.
    const check = vi.spyOn(String.prototype, 'isWellFormed').mockReturnValue(true)
    onTestFinished(() => {
      check.mockRestore()
    })
    const halves = [
      newSOCMessage('soc_event', rawJSON('"\ud83d')),
      newSOCMessage('soc_event', rawJSON('\ude00"')),
    ]
    const lines = laidOut([...halves, newSOCMessage('soc_event', 'after')]).split('\n')
    expect(lines).toHaveLength(4)
    expect(lines[2]).toContain('"payload":"after"}')
  })
})

it('takes no memory for the text around payloads of bytes, of which a batch that is passed on has thousands', () => {
  const payloads = Buffer.from('{"a":1}')
  const many = Array.from({ length: 2000 }, (_, i) =>
    newSOCMessage('soc_event', rawJSON(payloads), { id: `ü${i}`, timestamp: 1 }),
  )
  const text = new FrameText()
  const { arrayBuffers } = process.memoryUsage()
  for (const each of many) text.add(each)
  expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(4 << 20)
  const slab = Buffer.alloc(text.complete())
  expect(slab.toString('utf8', 0, text.encode(slab, 0))).toBe(oneByOne(many))
})
