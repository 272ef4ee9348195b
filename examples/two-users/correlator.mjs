// Runs as one user and takes events from another one: the group of the socket lets it connect, the policy admits it. Usage:
// node correlator.mjs <directory> <group> <collector's user>, in a directory of mode 0750 or 0710 and that group.
import { AcknowledgingReceiver, listen, serve } from 'sentinel-ipc'
import { subscribe } from 'node:diagnostics_channel'

const [directory, group, collector] = process.argv.slice(2)
const named = (text) => (/^\d+$/.test(text) ? Number(text) : text) // by id or by name
subscribe('sentinel-ipc:reject', ({ uid, reason }) => console.log(`refused uid ${uid}: ${reason}`))

const listener = await listen('events', {
  directory,
  mode: 0o660,
  group: named(group),
  policy: { users: [named(collector)] },
})
const server = serve(listener, async (connection) => {
  for await (const { payload } of new AcknowledgingReceiver(connection, 'correlator')) {
    console.log(`uid ${connection.peer.uid} sent`, payload)
  }
})
console.log('listening')
process.once('SIGTERM', () => server.close())
