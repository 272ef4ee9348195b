// Both ends of the relay: writes event lines to it without making them anew, and counts what comes out behind it. The
// same for all contestants, and fast enough to be in nobody's way.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

import { Meter } from '../harness/meter.js'
import type { Figures, RoleContext } from '../harness/scenario.js'
import { loadEventLines } from '../input/events.js'
import { socketPath } from '../input/line.js'

/** Where the relay passes on what it gets. */
export const OUTLET_NAME = 'outlet'

const WRITE_BYTES = 1 << 16
const NEWLINE = 10

export async function feeder(context: RoleContext): Promise<Figures> {
  const { bytes } = loadEventLines()
  const outlet = createServer()
  outlet.listen(socketPath(context.directory, OUTLET_NAME))
  await once(outlet, 'listening')
  const inlet = connect({ path: socketPath(context.directory) })
  await once(inlet, 'connect')
  const [behind] = (await once(outlet, 'connection')) as [Socket]
  feed(inlet, bytes)
  return drain(behind, context, bytes)
}

function feed(inlet: Socket, bytes: Buffer): void {
  let at = 0
  const fill = (): void => {
    for (let more = true; more; at = at >= bytes.length ? 0 : at) {
      const begin = at
      at += WRITE_BYTES
      more = inlet.write(bytes.subarray(begin, at))
    }
  }
  inlet.on('drain', fill)
  fill()
}

function drain(behind: Socket, context: RoleContext, bytes: Buffer): Promise<Figures> {
  const meter = new Meter(context.number('warmUpMs'), context.number('measureMs'))
  const mustBeSame = context.number('untouched') === 1
  let at = 0
  let measuredBytes = 0
  let since = 0
  return new Promise((resolve, reject) => {
    behind.on('data', (chunk) => {
      if (meter.warmingUp && mustBeSame) {
        at = compare(chunk, bytes, at)
        if (at === -1) {
          reject(new Error('the relay has changed what it passed on'))
          return
        }
      }
      const wasWarmingUp = meter.warmingUp
      const over = meter.add(countLines(chunk))
      const now = performance.now()
      if (wasWarmingUp) since = now
      else measuredBytes += chunk.length
      if (!over) return
      resolve({
        messagesPerSecond: meter.rate,
        mebibytesPerSecond: (measuredBytes / 2 ** 20 / (now - since)) * 1000,
      })
    })
  })
}

function countLines(chunk: Buffer): number {
  let lines = 0
  for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) ++lines
  return lines
}

/** Where the next chunk must go on in the endless repetition of `bytes`; -1 when this one differs. */
function compare(chunk: Buffer, bytes: Buffer, at: number): number {
  for (let done = 0; done < chunk.length;) {
    const size = Math.min(chunk.length - done, bytes.length - at)
    if (chunk.compare(bytes, at, at + size, done, done + size) !== 0) return -1
    done += size
    at = (at + size) % bytes.length
  }
  return at
}
