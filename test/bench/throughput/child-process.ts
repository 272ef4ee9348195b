// Throughput over the channel that child_process.fork() makes: the consumer forks its producer. Sends until send() says
// that the backlog is long, then waits for the callback, as the documentation of Node.js advises.

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { plainMessage, type PlainMessage } from '../input/line.js'
import { Tally } from './tally.js'

const MESSAGES_PER_LOOK = 64
const IS_PRODUCER = 'produce'

export function consumer(context: RoleContext): Promise<Figures> {
  const child = fork(fileURLToPath(import.meta.url), [IS_PRODUCER], {
    serialization: context.text('serialization') === 'json' ? 'json' : 'advanced',
  })
  const tally = new Tally(context, () => child.pid)
  let messages = 0
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('message', (message) => {
      tally.checkObject((message as PlainMessage).payload)
      if (++messages < MESSAGES_PER_LOOK) return
      const figures = tally.add(messages)
      if (figures !== undefined) resolve(figures)
      messages = 0
    })
  })
}

function produce(): void {
  let i = 0
  const fill = (): void => {
    while (process.connected && process.send?.(plainMessage(i++)) === true) continue
    // One more, whose callback comes when the backlog before it is gone.
    if (process.connected) process.send?.(plainMessage(i++), undefined, {}, fill)
  }
  process.on('disconnect', () => process.exit(0))
  fill()
}

if (process.argv[2] === IS_PRODUCER) produce()
