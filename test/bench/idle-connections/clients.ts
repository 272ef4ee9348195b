// The other ends of the idle connections, plain sockets for all contestants.

import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import type { RoleContext } from '../harness/scenario.js'
import { socketPath } from '../input/line.js'

/** Connections under way at once: a listener's queue is short, and connect(2) does not wait for it. */
const AT_ONCE = 32
const RETRY_MS = 5

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
    open.push(...(await Promise.all(Array.from({ length: wave }, () => connectOne(path)))))
  }
}

async function connectOne(path: string): Promise<Socket> {
  for (;;) {
    const socket = connect({ path })
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      socket.once('connect', () => {
        resolve(undefined)
      })
      socket.once('error', resolve)
    })
    if (error === undefined) return socket
    if (error.code !== 'EAGAIN') throw error
    await sleep(RETRY_MS)
  }
}
