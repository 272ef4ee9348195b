// Replies to requests: the host name of an address. What a handler throws becomes an error at the client.
import { Endpoint, listen, serve } from 'sentinel-ipc'

const hosts = new Map([['10.0.0.1', 'db'], ['10.0.0.2', 'web-01']]) // prettier-ignore

const server = serve(await listen('lookup'), async (connection) => {
  const endpoint = new Endpoint(connection, 'lookup')
  endpoint.respond('host', ({ payload }) => {
    const host = hosts.get(payload?.ip)
    if (host === undefined) throw Object.assign(new Error('unknown address'), { code: 'ENOENT' })
    return { host }
  })
  await endpoint.whenClosed()
})
console.log('listening')
process.once('SIGTERM', () => server.close())
