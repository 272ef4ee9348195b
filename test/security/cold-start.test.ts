// What one turn of the event loop hands out one by one before V8 has compiled the code for it. This file runs alone in its thread,
// so its first messages find everything cold.

import { describe, expect, it } from 'vitest'

import { AcknowledgingReceiver } from '../../lib/delivery/index.js'
import { MOST_COLD_HAND_OUTS, WARM_AFTER } from '../../lib/delivery/receiver/cold-start.js'
import { temporaryDirectory } from '../support/directory.js'
import { rawSender } from '../support/delivery.js'
import { listening } from '../support/pair.js'

const MESSAGES = 20_000
/** Between two of our own immediates, the count of a turn may begin again once. */
const TURNS = 2

/** How many messages loops over numbered lines were handed out, at each immediate. */
async function handOuts(receivers: number, messages: number): Promise<number[]> {
  const listener = await listening(temporaryDirectory())
  const lines = Array.from({ length: messages }, (_, i) => `{"type":"a","seq":${i + 1}}\n`).join('')
  let delivered = 0
  const loops = Array.from({ length: receivers }, async () => {
    const raw = rawSender(listener.address)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'receiver')
    raw.state({ next: 1, lowest: 1 })
    raw.socket.write(lines)
    for (let i = 0; i < messages; ++i) {
      await receiver.next()
      ++delivered
    }
    await receiver.close()
  })
  const counts: number[] = [0]
  while (delivered < receivers * messages) {
    await new Promise((resolve) => setImmediate(resolve))
    counts.push(delivered)
  }
  await Promise.all(loops)
  return counts
}

function mostBetween(counts: readonly number[]): number {
  return Math.max(...counts.slice(1).map((count, i) => count - (counts[i] as number)))
}

describe('a cold turn of the event loop', () => {
  it('hands out a bounded number of numbered messages, over all receivers, until the code is compiled', async () => {
    const counts = await handOuts(4, MESSAGES)
    const cold = counts.filter((count) => count < WARM_AFTER)
    expect(counts.at(-1)).toBe(4 * MESSAGES)
    expect(mostBetween(cold)).toBeLessThanOrEqual(TURNS * MOST_COLD_HAND_OUTS)
    // Afterwards, turns are bounded by what they read.
    expect(mostBetween(counts)).toBeGreaterThan(4 * MOST_COLD_HAND_OUTS)
  })
})
