// Takes acknowledged events: each is acknowledged when the loop asks for the next one, and none is handed out twice.
import { AcknowledgingReceiver, DeliveryLedger, listen, serve } from 'sentinel-ipc'

const ledger = new DeliveryLedger() // one for all connections: it knows what was delivered
const server = serve(await listen('collected'), async (connection) => {
  const receiver = new AcknowledgingReceiver(connection, 'correlator', { ledger })
  for await (const { payload } of receiver) console.log('event', payload.number)
})
console.log('listening')
process.once('SIGTERM', () => server.close())
