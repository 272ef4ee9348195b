// The relay over node:net with split2 (https://github.com/mcollina/split2), the usual way to read lines in Node.js.
// Lines are written together as far as they came together, because one write each would hold it back.

import { pipeline, type Transform } from 'node:stream'

import { requirePeer } from '../harness/project.js'
import type { RoleContext } from '../harness/scenario.js'
import { acceptBoth } from './net.js'

const split2 = requirePeer('split2') as (map: (line: string) => unknown) => Transform

/** How to convert a line, and how to write the result again. */
const modes: Readonly<Record<string, { map: (line: string) => unknown; write: (item: unknown) => string }>> =
  {
    check: {
      map: (line) => {
        JSON.parse(line)
        return line
      },
      write: (line) => `${line as string}\n`,
    },
    stringify: {
      map: (line) => JSON.parse(line) as unknown,
      write: (message) => `${JSON.stringify(message)}\n`,
    },
    unchecked: { map: (line) => line, write: (line) => `${line as string}\n` },
  }

export async function consumer(context: RoleContext): Promise<undefined> {
  const mode = modes[context.text('mode')]
  if (mode === undefined) throw new Error(`there is no mode ${context.text('mode')}`)
  const { from, to } = await acceptBoth(context)
  const lines = pipeline(from, split2(mode.map), () => undefined)
  let text = ''
  const flush = (): void => {
    const ready = text
    text = ''
    if (!to.write(ready)) lines.pause()
  }
  lines.on('data', (item: unknown) => {
    if (text === '') setImmediate(flush)
    text += mode.write(item)
  })
  to.on('drain', () => lines.resume())
  return undefined
}
