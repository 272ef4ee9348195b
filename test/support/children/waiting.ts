// Waits for messages on idle connections, and ends by itself when they end.

import { listen, Receiver } from 'sentinel-ipc'

const { directory, connections } = JSON.parse(process.argv[2] ?? '{}') as {
  directory: string
  connections: number
}
const listener = await listen('test', { directory })
process.send?.('listening')
const receivers: Receiver[] = []
while (receivers.length < connections) receivers.push(new Receiver(await listener.accept(), 'waiting'))
listener.close()
process.send?.('waiting')
const counts = await Promise.all(
  receivers.map(async (receiver) => {
    let count = 0
    for await (const message of receiver) count += message.payload === 1 ? 1 : Infinity
    return count
  }),
)
process.send?.(counts)
process.disconnect()
