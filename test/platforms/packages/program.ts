// Runs where the package is installed, on whatever system that is: listens, dials, sends, receives, and has a malformed
// line, a malformed payload and a stranger refused. Prints one line of JSON: what it saw, and the binary it saw it with.

import { connect } from 'node:net'
import { join, relative, sep } from 'node:path'
import { dial, listen, newSOCMessage, rawJSON, Receiver, Sender, type IpcError } from 'sentinel-ipc'

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => 'nothing refused',
    (error: unknown) => (error as IpcError).code,
  )
}

const directory = join(process.cwd(), 'pipes')
const listener = await listen('installed', { directory })
const [client, server] = await Promise.all([dial('installed', { directory }), listener.accept()])
const sender = new Sender(client, 'sender')
const sends = Array.from({ length: 1000 }, (_, i) => sender.send(newSOCMessage('soc_event', { i, é: 'ü' })))
const malformedPayload = await codeOf(sender.send(newSOCMessage('soc_event', rawJSON('{"cut":'))))
await Promise.all(sends)
await sender.close()
let received = 0
let inOrder = true
for await (const message of new Receiver(server, 'receiver')) {
  const { i, é } = message.payload as { i: number; é: string }
  inOrder &&= i === received && é === 'ü' && message.peer?.pid === process.pid
  received++
}

// A client that is not ours, which sends what no message is.
const stranger = connect(listener.address)
const accepted = await listener.accept()
stranger.write('{"type":"soc_event","payload":[1,]}\n{"type":"soc_event","payload":"whole"}\n')
const receiver = new Receiver(accepted, 'of a stranger')
const malformedLine = await codeOf(receiver.next())
const { value } = await receiver.next()
stranger.destroy()
accepted.destroy()

const nobody = process.platform === 'win32' ? { sids: ['S-1-5-21-1-2-3-4000000'] } : { users: [4_000_000] }
const strangerDialled = await codeOf(dial('installed', { directory, policy: nobody }))
listener.close()

const { sharedObjects } = process.report.getReport() as { sharedObjects: string[] }
const addon = sharedObjects.find((file) => file.endsWith('.node')) ?? 'none'
console.log(
  JSON.stringify({
    on: `${process.platform} ${process.arch}`,
    binary: relative(process.cwd(), addon).split(sep).join('/'),
    received,
    inOrder,
    malformedPayload,
    malformedLine,
    lineAfterIt: value?.payload,
    strangerDialled,
  }),
)
