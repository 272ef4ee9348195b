// Sends numbered events that survive kill -9 and a correlator that is away: they wait in a spool on disk, and a new start
// sends what is left. Usage: node collector.mjs <spool directory> <number of events>
import { AcknowledgedSender, newSOCMessage, Spool, SOCMsgType } from 'sentinel-ipc'

const [directory, events] = process.argv.slice(2)
const spool = await Spool.open({ directory, durability: 'process' })
const sender = new AcknowledgedSender('collected', {
  spool,
  onEvent: ({ type, error }) => console.log(type, error?.message ?? ''),
})
for (let number = 1; number <= Number(events); ++number) {
  const { status } = await sender.send(newSOCMessage(SOCMsgType.Event, { number }))
  console.log(number, status) // spooled: kill -9 does not lose it any more
}
await sender.close({ timeoutMs: 5000 }) // waits for acknowledgements; what is left stays in the spool
await spool.close()
