// A service with socket activation, notifications and a watchdog. Without systemd it listens by itself.
import { listen, listenFds, notify, Receiver, serve, watchdog } from 'sentinel-ipc'

const [socket] = listenFds()
const listener = await listen('events', {
  ...(socket === undefined ? {} : { fd: socket.fd }),
  policy: { users: [process.env.COLLECTOR ?? process.getuid()] },
})
const server = serve(listener, async (connection) => {
  for await (const { type, payload } of new Receiver(connection, 'correlator')) console.log(type, payload)
})
watchdog() // at half of WatchdogSec=, as long as the event loop runs
await notify({ ready: true, status: `listening at ${listener.address}` })

process.once('SIGTERM', async () => {
  await notify({ stopping: true })
  const { served, aborted } = await server.close({ timeoutMs: 5000 })
  console.log(`served ${served}, aborted ${aborted}`)
})
