// Serves a pipe to the stage before: reports which process it let in, as the kernel identifies it, and keeps its
// connections apart.

import { listen, serve, type Connection, type ListenOptions, type Server } from 'sentinel-ipc'

import type { Stage } from './stage.js'

/** Runs `handler` for each client of a pipe. Without options only processes of the same user are let in. */
export async function letIn(
  pipe: string,
  from: string,
  stage: Stage,
  handler: (connection: Connection) => Promise<void>,
  options: ListenOptions = {},
): Promise<Server> {
  const listener = await listen(pipe, { directory: stage.config.directory, ...options })
  return serve(
    listener,
    async (connection) => {
      const { pid, uid, sid } = connection.peer
      void stage.report({
        report: 'notice',
        text: `lets ${from} in, which by the kernel is pid ${pid} of ${sid ?? `uid ${uid}`}`,
      })
      await handler(connection)
    },
    {
      onError: (error) => {
        const text = error instanceof Error ? error.message : String(error)
        void stage.report({ report: 'notice', text: `the connection of ${from} has ended: ${text}` })
      },
    },
  )
}
