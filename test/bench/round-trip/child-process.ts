// The round trip over the channel that child_process.fork() makes.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { numberOf, plainMessage, type PlainMessage } from '../input/line.js'
import { Stopwatch } from './stopwatch.js'

const IS_ECHO = 'echo'

export async function consumer(context: RoleContext): Promise<Figures> {
  const child = fork(fileURLToPath(import.meta.url), [IS_ECHO], {
    serialization: context.text('serialization') === 'json' ? 'json' : 'advanced',
  })
  await once(child, 'message')
  const stopwatch = new Stopwatch(context)
  return new Promise((resolve, reject) => {
    const next = (): void => {
      stopwatch.start()
      child.send(plainMessage(stopwatch.current))
    }
    child.on('error', reject)
    child.on('message', (message) => {
      const number = numberOf((message as PlainMessage).payload)
      if (number !== stopwatch.current) reject(new Error(`answer ${number} came out of turn`))
      const figures = stopwatch.stop()
      if (figures === undefined) next()
      else resolve(figures)
    })
    next()
  })
}

if (process.argv[2] === IS_ECHO) {
  process.on('message', (message) => {
    process.send?.(plainMessage(0, (message as PlainMessage).payload))
  })
  process.send?.('ready')
}
