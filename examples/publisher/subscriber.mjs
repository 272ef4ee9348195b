// Subscribes, and leaves after three incidents.
import { dialWithRetry, Receiver } from 'sentinel-ipc'

let left = 3
for await (const { payload } of new Receiver(await dialWithRetry('incidents', 10), 'dashboard')) {
  console.log(payload)
  if (--left === 0) break
}
