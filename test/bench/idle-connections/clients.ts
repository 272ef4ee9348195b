// The other ends of the idle connections, plain sockets for all contestants.

import type { Socket } from 'node:net'

import type { RoleContext } from '../harness/scenario.js'
import { connectPatiently } from '../input/connect.js'
import { socketPath } from '../input/line.js'

/** Connections under way at once: a listener's queue is short. */
const AT_ONCE = 32

export async function clients(context: RoleContext): Promise<undefined> {
  const path = socketPath(context.directory)
  const open: Socket[] = []
  await connectMany(path, context.number('warmUp'), open)
  await context.heard('go on')
  await connectMany(path, context.number('connections'), open)
  return undefined
}

async function connectMany(path: string, count: number, open: Socket[]): Promise<void> {
  for (const end = open.length + count; open.length < end;) {
    const wave = Math.min(AT_ONCE, end - open.length)
    open.push(...(await Promise.all(Array.from({ length: wave }, () => connectPatiently(path)))))
  }
}
