// Opens a spool and holds it: as a process, or as a worker thread. Reports `{ opened }` or `{ failed }`; on `{ append }`
// it adds so many messages, one record each, and reports the number of each one once it is kept.

import { newSOCMessage, Spool, type IpcError, type SpoolOptions } from 'sentinel-ipc'
import { parentPort, workerData } from 'node:worker_threads'

const options = (parentPort === null ? JSON.parse(process.argv[2] ?? '{}') : workerData) as SpoolOptions
const report = (value: object): void => {
  if (parentPort === null) process.send?.(value)
  else parentPort.postMessage(value)
}

try {
  const spool = await Spool.open(options)
  const onMessage = async ({ append }: { append: number }): Promise<void> => {
    for (let i = 0; i < append; ++i) {
      const number = await spool.add(
        newSOCMessage('soc_event', 'x'.repeat(i % 700), { id: String(spool.next) }),
      )
      report({ kept: number })
    }
  }
  if (parentPort === null) process.on('message', (message) => void onMessage(message as { append: number }))
  else parentPort.on('message', (message: { append: number }) => void onMessage(message))
  report({ opened: spool.next })
} catch (error) {
  report({ failed: (error as IpcError).code })
}
