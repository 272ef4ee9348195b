// What happens to the listener and the connections of a swarm, as events of the shape that all objects share.

import { expect, it } from 'vitest'

import type { LifecycleEvent } from '../../../lib/observe/lifecycle.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening, node } from '../../support/facts.js'
import { until } from '../../support/wait.js'

it('a swarm reports its listener and the connections that it accepts and dials', async () => {
  const directory = temporaryDirectory()
  const heard: LifecycleEvent[] = []
  const dialled: LifecycleEvent[] = []
  const listener = node(directory, 'a', { onEvent: (event) => heard.push(event) })
  const dialler = node(directory, 'b', { onEvent: (event) => dialled.push(event) })
  const stop = await listening(listener)
  expect(await dialler.transport.dial()).toBe(true)
  await until(() => dialled.length === 2 && heard.length === 3)
  await stop()
  await until(() => heard.length === 4)
  const typesOf = (events: readonly LifecycleEvent[]): string[] =>
    events.map(({ role, type }) => `${role} ${type}`)
  expect(typesOf(dialled)).toEqual(['connection connected', 'connection closed'])
  expect(typesOf(heard)).toEqual([
    'listener listening',
    'connection connected',
    'connection closed',
    'listener closed',
  ])
  expect(heard[0]?.address).toBe(dialled[0]?.address)
})
