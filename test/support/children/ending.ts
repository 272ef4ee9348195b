// Ends in the requested way with a listener or connection open. Nothing may keep it alive or crash it.

import { dial, listen, newSOCMessage, Sender } from 'sentinel-ipc'

const { how, directory } = JSON.parse(process.argv[2] ?? '{}') as { how: string; directory: string }
const listener = await listen('test', { directory })
const [client, server] = await Promise.all([dial('test', { directory }), listener.accept()])
await new Sender(client, 's').send(newSOCMessage('a', 1))
process.disconnect()

switch (how) {
  case 'by itself':
    listener.close()
    client.destroy()
    server.destroy()
    break
  case 'process.exit':
    process.exit(7)
    break
  case 'an error':
    setTimeout(() => {
      throw new Error('on purpose')
    }, 1)
    break
  case 'a rejection':
    void Promise.reject(new Error('on purpose'))
    break
}
