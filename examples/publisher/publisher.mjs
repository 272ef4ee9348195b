// Publishes an incident ten times a second to all who dial. A subscriber that stops reading loses its oldest incidents;
// the others lose nothing.
import { listen, newSOCMessage, Publisher, serve, SOCMsgType } from 'sentinel-ipc'

const publisher = new Publisher({ maxPendingBytes: 1 << 20, onFull: 'drop-oldest' })
const server = serve(await listen('incidents'), async (connection) => {
  publisher.add(connection, { types: [SOCMsgType.Incident] })
  await connection.whenClosed()
})
let count = 0
const timer = setInterval(() => {
  publisher.publish(newSOCMessage(SOCMsgType.Incident, { number: ++count, severity: 'high' }))
}, 100)
console.log('listening')

process.once('SIGTERM', async () => {
  clearInterval(timer)
  await publisher.close()
  await server.close()
})
