// Runs as the other user. It checks who listens just as it is checked itself. Usage:
// node collector.mjs <directory> <correlator's user>
import { dial, newSOCMessage, Sender } from 'sentinel-ipc'

const [directory, correlator] = process.argv.slice(2)
const named = (text) => (/^\d+$/.test(text) ? Number(text) : text)

const connection = await dial('events', { directory, policy: { users: [named(correlator)] } })
const sender = new Sender(connection, 'collector')
await sender.send(newSOCMessage('soc_event', `from uid ${process.getuid()}`))
await sender.close()
