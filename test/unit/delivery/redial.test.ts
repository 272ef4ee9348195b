// A sender dials the same address each time, as it was resolved once, and gives up when its time is up.

import { basename, dirname } from 'node:path'
import { expect, it } from 'vitest'

import { newSOCMessage } from '../../../lib/message/new-message.js'
import { receiving, sender } from '../../support/delivery.js'
import { temporaryDirectory } from '../../support/directory.js'

it('finds its receiver again after the working directory has changed', async () => {
  const directory = temporaryDirectory()
  const { connections } = await receiving(directory)
  const before = process.cwd()
  try {
    process.chdir(dirname(directory))
    const made = sender(basename(directory))
    expect(await made.send(newSOCMessage('a', 1))).toEqual({ status: 'acknowledged' })
    process.chdir('/')
    connections[0]?.destroy()
    expect(await made.send(newSOCMessage('a', 2))).toEqual({ status: 'acknowledged' })
  } finally {
    process.chdir(before)
  }
  expect(connections).toHaveLength(2)
})

it('tries for the last time when its time is up, not a whole wait later', async () => {
  const waits: number[] = []
  const made = sender(temporaryDirectory(), {
    minBackoffMs: 10_000,
    maxBackoffMs: 10_000,
    giveUpAfterMs: 60,
    onEvent: (event) => {
      if (event.type === 'retrying') waits.push(event.delayMs)
    },
  })
  const error: unknown = await made.send(newSOCMessage('a', 1)).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
  expect(String(error)).toMatch(/test: no peer answered for \d+ ms$/)
  expect((error as Error).cause).toMatchObject({ code: 'ERR_IPC_NOT_LISTENING' })
  for (const wait of waits) expect(wait).toBeLessThanOrEqual(60)
})
