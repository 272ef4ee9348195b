// Listens on a pipe until its one expected client has connected.

import { listen, type Connection } from 'sentinel-ipc'

import type { Stage } from './stage.js'

/** The connection of the client, or undefined when the stage was stopped before it came. */
export async function acceptOne(pipe: string, from: string, stage: Stage): Promise<Connection | undefined> {
  // Without a policy only processes of the same user are admitted.
  const listener = await listen(pipe, { directory: stage.config.directory })
  try {
    void stage.report({ report: 'ready' })
    const connection = await listener.accept({ signal: stage.stop })
    const { pid, uid, sid } = connection.peer
    void stage.report({
      report: 'notice',
      text: `lets ${from} in, which by the kernel is pid ${pid} of ${sid ?? `uid ${uid}`}`,
    })
    return connection
  } catch (error) {
    if (stage.stop.aborted) return undefined
    throw error
  } finally {
    listener.close()
  }
}
