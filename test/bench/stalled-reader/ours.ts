// A consumer that accepts and never reads, and a producer that goes on all the same.

import { setImmediate as nextTurn } from 'node:timers/promises'

import { BufferedSender, dial, IpcError, listen, newSOCMessage, SOCMsgType } from 'sentinel-ipc'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { logonEvent, PIPE_NAME } from '../input/line.js'

const SAMPLE_MS = 100

export async function consumer(context: RoleContext): Promise<undefined> {
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  await listener.accept()
  return undefined
}

export async function producer(context: RoleContext): Promise<Figures> {
  const measureMs = context.number('measureMs')
  const sender = new BufferedSender(await dial(PIPE_NAME, { directory: context.directory }), 'producer')
  const flood = new Flood(sender)
  await flood.run(context.number('warmUpMs'), () => undefined)
  const refusedBefore = flood.refused
  const before = collectedRss()
  let highest = before
  await flood.run(measureMs, () => {
    highest = Math.max(highest, process.memoryUsage.rss())
  })
  const { accepted, written, pending, dropped } = sender.stats
  if (accepted !== written + pending + dropped) throw new Error('the sender has lost count')
  if (pending === 0) throw new Error('the consumer has read after all')
  return {
    highestMebibytes: (highest - before) / 2 ** 20,
    finalMebibytes: (collectedRss() - before) / 2 ** 20,
    refusedPerSecond: ((flood.refused - refusedBefore) / measureMs) * 1000,
    pending,
  }
}

class Flood {
  readonly #sender: BufferedSender
  #sequence = 0
  refused = 0

  constructor(sender: BufferedSender) {
    this.#sender = sender
  }

  async run(ms: number, onSample: () => void): Promise<void> {
    const end = performance.now() + ms
    let nextSample = 0
    for (let now = 0; now < end; now = performance.now()) {
      if (now >= nextSample) {
        onSample()
        nextSample = now + SAMPLE_MS
      }
      this.#sendUntilFull()
      await nextTurn()
    }
  }

  #sendUntilFull(): void {
    try {
      for (;;) this.#sender.send(newSOCMessage(SOCMsgType.Event, logonEvent(this.#sequence++)))
    } catch (error) {
      if (!(error instanceof IpcError) || error.code !== 'ERR_IPC_BUFFER_FULL') throw error
      ++this.refused
    }
  }
}

function collectedRss(): number {
  if (globalThis.gc === undefined) throw new Error('the process must be started with --expose-gc')
  globalThis.gc()
  globalThis.gc()
  return process.memoryUsage.rss()
}
