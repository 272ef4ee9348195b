// Tries to become the listener at given moments, and reports whether it succeeded.

import { listen, type IpcError, type Listener } from 'sentinel-ipc'

const { directory } = JSON.parse(process.argv[2] ?? '{}') as { directory: string }
let listener: Listener | undefined

async function race(name: string, at: number): Promise<void> {
  // A timer would fire a millisecond early or late; the point is to meet the other one.
  while (Date.now() < at);
  try {
    listener = await listen(name, { directory })
    process.send?.({ won: true })
  } catch (error) {
    process.send?.({ won: false, code: (error as IpcError).code, message: (error as Error).message })
  }
}

process.on('message', (order: { name: string; at: number } | 'close') => {
  if (order !== 'close') return void race(order.name, order.at)
  listener?.close()
  listener = undefined
  process.send?.({ closed: true })
})
process.send?.({ ready: true })
