// Options of listen, dial and accept, the environment, and arguments of the wrong kind.

import { getEventListeners } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'

import { resolveAddress } from '../../../lib/connection/address.js'
import { checkConnection, type Connection } from '../../../lib/connection/connection.js'
import { dial, diallerOf, dialWithRetry, type DialOptions } from '../../../lib/connection/dial.js'
import type { ListenOptions } from '../../../lib/connection/listen-options.js'
import { listen } from '../../../lib/connection/listener.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { BufferedSender } from '../../../lib/endpoints/buffered-sender.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import { Publisher } from '../../../lib/services/publisher.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair, listening } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

const posix = process.platform !== 'win32'
const uid = process.getuid?.() ?? 0

describe('options of listen', () => {
  it.each<[object, string]>([
    [{ maxConnection: 5 }, 'listen has no option "maxConnection"; did you mean maxConnections?'],
    [{ Policy: {} }, 'listen has no option "Policy"; did you mean policy?'],
    [{ signal: new AbortController() }, 'listen: signal must be an AbortSignal, not an AbortController'],
    [{ throttleRefusals: 1 }, 'listen: throttleRefusals must be true or false, not 1'],
    [{ onAddressLost: {} }, 'listen: onAddressLost must be a function, not a plain object'],
  ])('refuse %o', async (options, message) => {
    expect(await rejectionOf(listen('test', options as ListenOptions))).toEqual(new TypeError(message))
  })

  it.skipIf(!posix).each<[ListenOptions, RegExp]>([
    [{ group: 0 }, /group has no effect without a mode .*: add mode: 0o660/],
    [{ group: 0, mode: 0o600 }, /group has no effect/],
    [
      { policy: { users: [uid, uid + 1] } },
      new RegExp(`policy names uid ${uid + 1}, but mode 0o600 lets only`),
    ],
    [{ policy: { groups: [77] } }, /policy names gid 77, but mode 0o600 lets only/],
    [{ fd: 3, reclaim: true }, /reclaim cannot be combined with fd/],
  ])('that contradict each other are refused: %j', async (options, message) => {
    const directory = options.fd === undefined ? { directory: temporaryDirectory() } : {}
    const error = await rejectionOf(listen('test', { ...directory, ...options }))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as Error).message).toMatch(message)
  })

  it.skipIf(!posix)('may name others where the mode lets them connect, and root always', async () => {
    const directory = temporaryDirectory()
    await listening(directory, { mode: 0o666, policy: { users: [uid + 1] } })
    const listener = await listen('other', { directory, policy: { users: [uid, 0] } })
    listener.close()
  })
})

describe('options of dial', () => {
  it('are checked under the name of what was called', async () => {
    const wrong = { timeout: 5 } as DialOptions
    expect(await rejectionOf(dial('x', wrong))).toEqual(
      new TypeError('dial has no option "timeout"; did you mean timeoutMs?'),
    )
    expect(await rejectionOf(dialWithRetry('x', 1, wrong))).toMatchObject({
      message: expect.stringContaining('dialWithRetry has no option "timeout"') as string,
    })
    expect(() => diallerOf('AcknowledgedSender', 'x', wrong)).toThrow('AcknowledgedSender has no option')
  })

  it('must come after a name', async () => {
    const error = await rejectionOf(dial(undefined as unknown as string))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as Error).message).toMatch(/pipe name must be .* not undefined/)
  })

  it('are read at the call: what happens to them later has no effect', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const options: { directory: string } = { directory }
    const again = diallerOf('test', 'test', options)
    options.directory = '/nowhere'
    const [client, server] = await Promise.all([again(), listener.accept()])
    client.destroy()
    server.destroy()
  })
})

describe('options of accept', () => {
  it('put one listener on a signal that many calls share', async () => {
    const listener = await listening(temporaryDirectory())
    const controller = new AbortController()
    const { signal } = controller
    const accepts = Array.from({ length: 30 }, () => rejectionOf(listener.accept({ signal })))
    await until(() => getEventListeners(signal, 'abort').length > 0)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    controller.abort()
    for (const error of await Promise.all(accepts)) expect(error).toMatchObject({ code: 'ERR_IPC_ABORTED' })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})

describe('SENTINEL_IPC_DIRECTORY', () => {
  it.skipIf(!posix)('is the directory where neither directory nor path is given', async () => {
    const directory = join(temporaryDirectory(), 'made')
    vi.stubEnv('SENTINEL_IPC_DIRECTORY', directory)
    try {
      const listener = await listen('test')
      expect(listener.address).toBe(join(directory, 'test.sock'))
      const [client, server] = await Promise.all([dial('test'), listener.accept()])
      client.destroy()
      server.destroy()
      listener.close()
      expect(resolveAddress('x', { directory: '/run/a' })).toBe('/run/a/x.sock')
      expect(resolveAddress('x', { path: '/run/a' })).toBe('/run/a')
      vi.stubEnv('SENTINEL_IPC_DIRECTORY', '')
      expect(resolveAddress('x', {})).toBe('/tmp/sentinel-x.sock')
      vi.stubEnv('SENTINEL_IPC_DIRECTORY', 'run')
      expect(() => resolveAddress('x', {})).toThrow(/SENTINEL_IPC_DIRECTORY must be an absolute path/)
    } finally {
      vi.unstubAllEnvs()
    }
  })
})

describe('checkConnection', () => {
  it('lets connections pass and names anything else', async () => {
    const { client, listener } = await connectedPair()
    expect(() => {
      checkConnection(client, 'Sender')
    }).not.toThrow()
    const socket = connect(listener.address).on('error', () => undefined)
    expect(() => {
      checkConnection(socket, 'Sender')
    }).toThrow(new TypeError('Sender takes a Connection, as dial and accept return, not a Socket'))
    socket.destroy()
    expect(() => {
      checkConnection(undefined, 'Sender')
    }).toThrow('not undefined')
    const foreign = { [Symbol.for('sentinel-ipc.Connection')]: true }
    expect(() => {
      checkConnection(foreign, 'Sender')
    }).toThrow('another copy')
  })

  it('is what everything that takes a connection begins with', () => {
    const takers: Record<string, (connection: Connection) => unknown> = {
      Sender: (connection) => new Sender(connection, 'x'),
      BufferedSender: (connection) => new BufferedSender(connection, 'x'),
      Receiver: (connection) => new Receiver(connection, 'x'),
      AcknowledgingReceiver: (connection) => new AcknowledgingReceiver(connection, 'x'),
      Endpoint: (connection) => new Endpoint(connection, 'x'),
      'Publisher.add': (connection) => new Publisher().add(connection),
    }
    const wrong = { closed: false, address: '' } as unknown as Connection
    for (const [name, take] of Object.entries(takers)) {
      expect(() => take(wrong)).toThrow(
        new TypeError(`${name} takes a Connection, as dial and accept return, not a plain object`),
      )
    }
  })
})
