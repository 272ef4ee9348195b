// Opens one of everything that the package opens, and reports which of the descriptors a program that it starts would
// inherit. Descriptor 4 is a listening socket.

import { dial, listen, newSOCMessage, Receiver, Sender, Spool } from 'sentinel-ipc'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const O_CLOEXEC = 0o2_000_000
const { directory } = JSON.parse(process.argv[2] ?? '{}') as { directory: string }

/** What each open descriptor stands for, and whether it survives exec(2). */
function openFiles(): Map<number, { what: string; inherited: boolean }> {
  const files = new Map<number, { what: string; inherited: boolean }>()
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      const facts = readFileSync(`/proc/self/fdinfo/${name}`, 'latin1')
      const flags = Number.parseInt(/^flags:\s*(\d+)$/m.exec(facts)?.[1] ?? '0', 8)
      files.set(Number(name), {
        what: readlinkSync(`/proc/self/fd/${name}`),
        inherited: (flags & O_CLOEXEC) === 0,
      })
    } catch {
      // The directory that is being read, closed by now.
    }
  }
  return files
}

const before = openFiles()
const adopted = await listen('adopted', { fd: 4 })
const listener = await listen('test', { directory })
const [client, server] = await Promise.all([dial('test', { directory }), listener.accept()])
const watched = server.peerExited
const received = new Receiver(server, 'r').next()
await new Sender(client, 's').send(newSOCMessage('a', 1))
await received
const spool = await Spool.open({ directory: `${directory}/spool` })
const opened = [...openFiles()]
  .filter(([number]) => number === 4 || !before.has(number))
  .map(([, file]) => file)
process.send?.({
  opened: opened.map(({ what }) => what.replace(/\d+/g, '')),
  inherited: opened.filter(({ inherited }) => inherited).map(({ what }) => what),
  watched: watched.aborted,
})
await spool.close()
adopted.close()
process.exit()
