// Runs as the other user. It checks who listens just as it is checked itself, and learns whether its event was taken. Usage:
// node collector.mjs <directory> <correlator's user>
import { AcknowledgedSender, newSOCMessage } from 'sentinel-ipc'

const [directory, correlator] = process.argv.slice(2)
const named = (text) => (/^\d+$/.test(text) ? Number(text) : text)

const sender = new AcknowledgedSender('events', {
  directory,
  policy: { users: [named(correlator)] },
  giveUpAfterMs: 2000,
})
await sender.send(newSOCMessage('soc_event', `from uid ${process.getuid()}`)) // rejects if nobody takes it
await sender.close()
