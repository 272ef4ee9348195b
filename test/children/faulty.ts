// Does everything once more until it works, and tells what went wrong on the way: to be run under test/faults/faults.c.

import { dial, IpcError, listen, newSOCMessage, Receiver, Sender, type Connection } from 'sentinel-ipc'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const { directory } = JSON.parse(process.argv[2] ?? '{}') as { directory: string }
const errors: string[] = []

async function untilItWorks<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; tries < 100; ++tries) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof IpcError)) throw error
      errors.push(`${what} ${error.code} ${(error.cause as { code?: string } | undefined)?.code ?? ''}`)
      await sleep(5)
    }
  }
  throw new Error(`${what} never worked: ${errors.join()}`)
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length

const listener = await untilItWorks('listen', () => listen('test', { directory }))
const server: Connection[] = []
void (async () => {
  for await (const connection of listener) server.push(connection)
})()

async function exchange(): Promise<void> {
  await untilItWorks('exchange', async () => {
    const before = server.length
    const client = await dial('test', { directory })
    const sender = new Sender(client, 's', { timeoutMs: 1000 })
    try {
      await sender.send(newSOCMessage('a', 1))
      for (let i = 0; i < 200 && server.length === before; ++i) await sleep(5)
      const accepted = server.at(-1)
      if (accepted === undefined || server.length === before)
        throw new IpcError('ERR_IPC_TIMEOUT', 'not accepted')
      const { value } = await new Receiver(accepted, 'r').next()
      if (value?.payload !== 1) throw new IpcError('ERR_IPC_CLOSED', 'turned away')
      accepted.destroy()
    } finally {
      client.destroy()
    }
  })
}

await exchange()
await exchange()
await sleep(20)
const baseline = openDescriptors()
for (let i = 0; i < 5; ++i) await exchange()
await sleep(20)
const { exhausted } = listener.stats
const cpuBefore = process.cpuUsage()
await sleep(200)
const cpu = process.cpuUsage(cpuBefore)
process.send?.({
  errors,
  leaked: openDescriptors() - baseline,
  exhausted,
  idleCpuMs: (cpu.user + cpu.system) / 1000,
})
listener.close()
process.disconnect()
