// Socket activation: the descriptors of listenFds() are found, named, close-on-exec, and served by listen().

import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'

import { dial } from '../../../lib/connection/dial.js'
import { listenFds } from '../../../lib/systemd/listen-fds.js'
import { temporaryDirectory } from '../../support/directory.js'
import { startActivated } from '../../support/fake-systemd.js'

const LINUX = process.platform === 'linux'
const program = fileURLToPath(new URL('../../../out/test/support/children/listen-fds.js', import.meta.url))

function inEnvironment(values: Record<string, string>): void {
  onTestFinished(() => {
    for (const name of Object.keys(values)) Reflect.deleteProperty(process.env, name)
  })
  Object.assign(process.env, values)
}

describe.skipIf(!LINUX)(`a service that systemd starts${LINUX ? '' : ' (skipped: needs Linux)'}`, () => {
  const start = (sockets: string[], env: Record<string, string>, own?: string[], ...rest: string[]) => {
    const child = startActivated(sockets, [program, ...rest], env, own)
    if (child.stdout === null) throw new Error('no output')
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    return {
      child,
      next: async () => JSON.parse(String((await lines.next()).value)) as Record<string, unknown>,
    }
  }

  it('gets its sockets with their names, and listens on them', async () => {
    const directory = temporaryDirectory()
    const paths = ['one', 'two'].map((name) => join(directory, `${name}.sock`))
    const { child, next } = start(paths, { LISTEN_FDS: '2', LISTEN_FDNAMES: 'events:control' })
    expect(await next()).toEqual({
      found: [
        { fd: 3, name: 'events' },
        { fd: 4, name: 'control' },
      ],
      inherited: [],
      left: [],
      again: 0,
    })
    expect(await next()).toEqual({ serving: 'events' })
    const connection = await dial('one', { directory })
    connection.destroy()
    child.stdin?.end()
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0)
  })

  it('keeps the variables if so told, and has a name for a socket without one', async () => {
    const { next } = start([join(temporaryDirectory(), 's')], { LISTEN_FDS: '1' }, ['LISTEN_PID'], 'keep')
    expect(await next()).toMatchObject({
      found: [{ fd: 3, name: 'unknown' }],
      left: ['LISTEN_FDS', 'LISTEN_PID'],
      again: 1,
    })
  })

  it.each([
    ['are for another process', { LISTEN_PID: '1', LISTEN_FDS: '1' }, { found: [], left: [] }],
    ['have no process', { LISTEN_FDS: '1' }, { found: [] }],
    ['have no count', { LISTEN_PID: 'own' }, { found: [] }],
  ])('finds none where the variables %s', async (_what, env, expected) => {
    const own = Object.entries(env).flatMap(([name, value]) => (value === 'own' ? [name] : []))
    const { next } = start([join(temporaryDirectory(), 's')], env, own)
    expect(await next()).toMatchObject(expected)
  })
})

describe('listenFds', () => {
  it.each([
    [{ LISTEN_PID: 'x', LISTEN_FDS: '1' }, /LISTEN_PID="x" in the environment must be a whole number/],
    [{ LISTEN_FDS: '-1' }, /LISTEN_FDS="-1"/],
    [{ LISTEN_FDS: '1e3' }, /LISTEN_FDS="1e3"/],
    [{ LISTEN_FDS: '99999999' }, /at most 1048576/],
    [{ LISTEN_FDS: '2', LISTEN_FDNAMES: 'one' }, /LISTEN_FDNAMES="one" .* must be 2 names/],
  ])('refuses %j, which systemd does not set', (env, message) => {
    inEnvironment({ LISTEN_PID: String(process.pid), ...env })
    expect(() => listenFds()).toThrow(message)
    expect(process.env['LISTEN_PID']).toBeUndefined()
  })

  it('takes nothing that is for another process, and removes the variables all the same', () => {
    inEnvironment({ LISTEN_PID: String(process.pid + 1), LISTEN_FDS: '1' })
    expect(listenFds()).toEqual([])
    expect(process.env['LISTEN_FDS']).toBeUndefined()
  })

  it('refuses unknown options', () => {
    expect(() => listenFds({ unsett: false } as never)).toThrow(/did you mean unset/)
  })
})
