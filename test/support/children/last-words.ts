// Sends in a handler of the end of the process, when no event loop runs any more.

import { BufferedSender, dial, newSOCMessage, Sender } from 'sentinel-ipc'

const { directory, kind, count, bytes } = JSON.parse(process.argv[2] ?? '{}') as {
  directory: string
  kind: 'Sender' | 'BufferedSender'
  count: number
  bytes: number
}
const connection = await dial('test', { directory })
const payload = 'x'.repeat(bytes)
process.on('exit', () => {
  const sender = kind === 'Sender' ? new Sender(connection, 'last') : new BufferedSender(connection, 'last')
  for (let i = 0; i < count; ++i) void sender.send(newSOCMessage('a', payload, { id: String(i) }))
  process.exitCode = sender.flushSync() ? 0 : 3
})
process.exit()
