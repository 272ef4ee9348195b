// Listens, and prints what comes. A client that sends garbage ends its own connection alone.
import { listen, Receiver, serve } from 'sentinel-ipc'

const server = serve(
  await listen('events'),
  async (connection) => {
    for await (const { type, payload } of new Receiver(connection, 'correlator')) {
      console.log(`pid ${connection.peer.pid}, uid ${connection.peer.uid}:`, type, payload)
    }
  },
  { onError: (error) => console.error('a connection failed:', error) },
)
console.log('listening')

process.once('SIGTERM', async () => {
  console.log(await server.close({ timeoutMs: 2000 })) // stops accepting, lets handlers finish
})
