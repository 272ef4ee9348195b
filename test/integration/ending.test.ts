// A process ends, by any way of ending it: no thread of the addon keeps it alive or crashes it.

import { describe, expect, it } from 'vitest'

import { listen } from '../../lib/connection/listener.js'
import { Child, startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'

describe('a process with a listener and a connection open', () => {
  it.each([
    ['by itself', 0],
    ['process.exit', 7],
    ['an error', 1],
    ['a rejection', 1],
  ])('ends with %s', async (how, code) => {
    const directory = temporaryDirectory()
    const endings = Array.from({ length: 5 }, async (_, i) => {
      const child: Child = startChild('ending', { how, directory: `${directory}/${i}` }, { quiet: true })
      return (await child.exited)[0]
    })
    expect(await Promise.all(endings)).toEqual([code, code, code, code, code])
    // What it left behind is no obstacle.
    const listener = await listen('test', { directory: `${directory}/0` })
    listener.close()
  })

  it('ends with a signal', async () => {
    const child = startChild('endpoint', { role: 'listen', directory: temporaryDirectory() })
    await child.report()
    child.process.kill('SIGTERM')
    expect(await child.exited).toEqual([null, 'SIGTERM'])
  })
})

describe('a process whose listener and connections wait', () => {
  const all = ['listener', 'client', 'server'] as const

  it.each([0, 1, 2])('ends by itself when all of them are unref’d, in any order (%i)', async (first) => {
    const unref = [...all.slice(first), ...all.slice(0, first)]
    const child = startChild('unref', { directory: temporaryDirectory(), unref })
    expect(await child.report()).toBe('ready')
    expect(await child.exited).toEqual([0, null])
  })

  it.each(all)('goes on while the %s is not', async (kept) => {
    const others = all.filter((name) => name !== kept)
    for (const order of [{ unref: others }, { unref: all, ref: kept }]) {
      const child = startChild('unref', { directory: temporaryDirectory(), ...order })
      expect(await child.report()).toBe('ready')
      const ended = await Promise.race([child.exited, new Promise((resolve) => setTimeout(resolve, 300))])
      expect(ended).toBeUndefined()
      await child.kill()
    }
  })
})
