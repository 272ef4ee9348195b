// Asks twice at once. The second address is not known, and the error of the handler arrives here.
import { dialWithRetry, Endpoint } from 'sentinel-ipc'

const endpoint = new Endpoint(await dialWithRetry('lookup', 10), 'client', { timeoutMs: 2000 })
const replies = await Promise.allSettled([
  endpoint.request('host', { ip: '10.0.0.1' }),
  endpoint.request('host', { ip: '10.9.9.9' }),
])
for (const { status, value, reason } of replies) {
  if (status === 'fulfilled') console.log(value.payload.host)
  else console.log(reason.code, reason.remote?.code)
}
await endpoint.close()
