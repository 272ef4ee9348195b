// A steady flow of messages leaves no memory behind on either side.

import { describe, expect, it } from 'vitest'

import { startChild, type Child } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'

interface Use {
  readonly oldSpaceBytes: number
  readonly arrayBufferBytes: number
}

const STRETCHES = 5
const MESSAGES = 30_000
/** The smallest thing that could be kept for each message has more bytes than this. */
const MOST_BYTES_PER_MESSAGE = 2

/**
 * Returns the bytes left behind per message, in the stretch that left least: memory kept for messages grows in every
 * stretch, memory allocated once, such as compiled code, only in some. The first stretch does not count.
 */
async function leastGrowth(child: Child): Promise<Record<keyof Use, number>> {
  const uses: Use[] = []
  for (let i = 0; i < STRETCHES; ++i) uses.push(await child.report<Use>())
  const least = (key: keyof Use): number =>
    Math.min(...uses.slice(1).map((use, i) => (use[key] - (uses[i] as Use)[key]) / MESSAGES))
  return { oldSpaceBytes: least('oldSpaceBytes'), arrayBufferBytes: least('arrayBufferBytes') }
}

async function flow(
  form: 'object' | 'text' | 'acknowledged',
  leak: boolean,
): Promise<Record<'sender' | 'receiver', Record<keyof Use, number>>> {
  const directory = temporaryDirectory()
  const start = (side: string): Child =>
    startChild(
      'steady-flow',
      { side, directory, form, stretches: STRETCHES, messages: MESSAGES, leak },
      { execArgv: ['--expose-gc'] },
    )
  const receiver = start('receiver')
  expect(await receiver.report()).toBe('ready')
  const sender = start('sender')
  const [ofSender, ofReceiver] = await Promise.all([leastGrowth(sender), leastGrowth(receiver)])
  return { sender: ofSender, receiver: ofReceiver }
}

describe('a steady flow', () => {
  it.each(['object', 'text', 'acknowledged'] as const)(
    'makes neither side grow: %s',
    async (form) => {
      const { sender, receiver } = await flow(form, false)
      for (const side of [sender, receiver]) {
        expect(side.oldSpaceBytes).toBeLessThan(MOST_BYTES_PER_MESSAGE)
        expect(side.arrayBufferBytes).toBeLessThan(MOST_BYTES_PER_MESSAGE)
      }
    },
    60_000,
  )

  it.each(['object', 'acknowledged'] as const)(
    'would be noticed to grow: %s',
    async (form) => {
      const { sender, receiver } = await flow(form, true)
      for (const side of [sender, receiver]) {
        expect(side.oldSpaceBytes).toBeGreaterThan(MOST_BYTES_PER_MESSAGE)
      }
    },
    60_000,
  )
})
