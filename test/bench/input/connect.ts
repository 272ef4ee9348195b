// Connects with node:net, and again when the listener's queue is full: connect(2) does not wait for it there.

import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const RETRY_MS = 5

export async function connectPatiently(path: string): Promise<Socket> {
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
