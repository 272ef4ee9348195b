// Does everything that needs system calls, retries each step until it works, and reports the errors on the way. Run under
// test/native/faults/faults.c. Descriptor 4 is a listening socket.

import { dial, IpcError, listen, newSOCMessage, Receiver, Sender, type Connection } from 'sentinel-ipc'
import { readdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const { directory, adoptedPath } = JSON.parse(process.argv[2] ?? '{}') as {
  directory: string
  adoptedPath: string
}
const errors: string[] = []

async function untilItWorks<T>(what: string, attempt: () => T | Promise<T>): Promise<T> {
  for (let tries = 0; tries < 100; ++tries) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof IpcError)) throw error
      const { code = '', syscall = '' } = (error.cause ?? {}) as { code?: string; syscall?: string }
      errors.push(`${what} ${error.code} ${code} ${syscall}`)
      await sleep(5)
    }
  }
  throw new Error(`${what} never worked: ${errors.join()}`)
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length

/** A dead socket file, as a killed process leaves it. */
async function leaveDeadSocket(path: string): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(`${path}-`, resolve))
  renameSync(`${path}-`, path)
  await new Promise((resolve) => server.close(resolve))
}

const userName = userInfo().username
const groupName = readFileSync('/etc/group', 'utf8')
  .split('\n')
  .map((line) => line.split(':'))
  .find(([, , id]) => Number(id) === process.getgid?.())?.[0]

// Through a link, to a directory that is not there yet; then again, to a dead socket.
symlinkSync(directory, join(directory, 'link'))
const place = { directory: join(directory, 'link', 'made') }
const options = {
  ...place,
  policy: { users: [userName] },
  mode: 0o660 as const,
  group: groupName ?? 0,
  busyPoll: { maxMicroseconds: 50 },
}
const first = await untilItWorks('listen', () => listen('test', options))
first.close()
await leaveDeadSocket(first.address)
const listener = await untilItWorks('listen', () => listen('test', options))
const server: Connection[] = []
void (async () => {
  for await (const connection of listener) server.push(connection)
})()

/** Dials, and returns both ends. */
async function connected(where: object): Promise<[Connection, Connection]> {
  const before = server.length
  const client = await dial('test', where)
  try {
    for (let i = 0; i < 200 && server.length === before && !client.closed; ++i) await sleep(5)
    const accepted = server.at(-1)
    if (accepted === undefined || server.length === before)
      throw new IpcError('ERR_IPC_TIMEOUT', 'not accepted')
    return [client, accepted]
  } catch (error) {
    client.destroy()
    throw error
  }
}

async function exchange(where: object): Promise<void> {
  await untilItWorks('exchange', async () => {
    const [client, accepted] = await connected(where)
    try {
      // Waits before there is anything, so that it polls.
      const received = new Receiver(accepted, 'r').next()
      await Promise.race([sleep(1), received])
      await new Sender(client, 's', { timeoutMs: 1000 }).send(newSOCMessage('a', 1))
      const { value } = await received
      if (value?.payload !== 1) throw new IpcError('ERR_IPC_CLOSED', 'turned away')
    } finally {
      accepted.destroy()
      client.destroy()
    }
  })
}

await exchange(place)
await exchange(place)
const adopted = await untilItWorks('adopt', () => listen('test', { fd: 4 }))
void (async () => {
  for await (const connection of adopted) server.push(connection)
})()
await exchange({ path: adoptedPath })
adopted.close()

// The end of the peer process, and of a connection without a receiver, is noticed.
const [client, unread] = await untilItWorks('connect', () => connected(place))
const watched = await untilItWorks('watch', () => unread.peerExited)
client.destroy()
await unread.whenClosed()

await sleep(20)
const baseline = openDescriptors()
for (let i = 0; i < 5; ++i) await exchange(place)
await sleep(20)
const { exhausted } = listener.stats
const cpuBefore = process.cpuUsage()
await sleep(200)
const cpu = process.cpuUsage(cpuBefore)
listener.close()
process.send?.({
  errors,
  leaked: openDescriptors() - baseline,
  exhausted,
  idleCpuMs: (cpu.user + cpu.system) / 1000,
  peerExited: watched.aborted,
})
process.disconnect()
