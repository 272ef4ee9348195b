// A sender dials the same address each time: what it was given is resolved once.

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
