// Dials repeatedly as an admitted user, and reports how long each dial took.

import { dial, newSOCMessage, Sender } from 'sentinel-ipc'

const { path, uid, times } = JSON.parse(process.argv[2] ?? '{}') as {
  path: string
  uid: number
  times: number
}
process.setgroups?.([])
process.setgid?.(uid)
process.setuid?.(uid)

const ms: number[] = []
for (let i = 0; i < times; ++i) {
  const begin = performance.now()
  const connection = await dial('honest', { path, policy: { users: [0] }, timeoutMs: 20_000 })
  ms.push(performance.now() - begin)
  const sender = new Sender(connection, 'honest')
  await sender.send(newSOCMessage('soc_event', i))
  await sender.close()
}
ms.sort((a, b) => a - b)
process.send?.({ p50: ms[Math.floor(times * 0.5)], p99: ms[Math.floor(times * 0.99)] })
process.disconnect()
