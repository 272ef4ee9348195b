// One end of a connection in a process, possibly of another user: listens or dials as requested, and reports.

import { dial, listen, newSOCMessage, Receiver, Sender, type IpcError, type PeerPolicy } from 'sentinel-ipc'
import { subscribe } from 'node:diagnostics_channel'

interface Order {
  readonly role: 'listen' | 'dial'
  readonly directory: string
  readonly policy?: PeerPolicy
  readonly mode?: 0o660 | 0o666
  readonly group?: number
  readonly sharedDirectory?: boolean
  readonly umask?: number
  readonly become?: { readonly uid: number; readonly gid: number; readonly groups: number[] }
}

const LINGER_MS = 1000

const order = JSON.parse(process.argv[2] ?? '{}') as Order
const report = (what: object): void => void process.send?.(what)

if (order.umask !== undefined) process.umask(order.umask)
if (order.become !== undefined) {
  process.setgroups?.(order.become.groups)
  process.setgid?.(order.become.gid)
  process.setuid?.(order.become.uid)
}

const { directory, policy, sharedDirectory = false } = order
const options = { directory, sharedDirectory, ...(policy !== undefined && { policy }) }

async function listening(): Promise<void> {
  subscribe('sentinel-ipc:reject', (refusal) => {
    report({ refused: refusal })
  })
  const { mode, group } = order
  const listener = await listen('test', {
    ...options,
    ...(mode !== undefined && { mode }),
    ...(group !== undefined && { group }),
  })
  report({ listening: listener.address })
  for await (const connection of listener) {
    report({ accepted: connection.peer })
    void (async () => {
      for await (const message of new Receiver(connection, 'endpoint')) {
        report({ message: message.toJSON(), peer: message.peer })
      }
      report({ ended: true })
    })()
  }
}

async function dialling(): Promise<void> {
  const connection = await dial('test', options)
  report({ dialled: connection.peer })
  const sender = new Sender(connection, 'endpoint')
  await sender.send(newSOCMessage('soc_event', { from: process.pid }))
  await sender.close()
  // Otherwise it may have ended before a busy listener, or one under qemu, could identify it.
  setTimeout(() => {
    process.disconnect()
  }, LINGER_MS)
}

;(order.role === 'listen' ? listening() : dialling()).catch((error: unknown) => {
  const { code, reason, cause, message } = error as IpcError
  report({ failed: { code, reason, message, cause: (cause as { code?: string } | undefined)?.code } })
  process.disconnect()
})
