// Notifications to systemd and its watchdog, received by a datagram socket in another process.

import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { IpcError } from '../../../lib/base/errors.js'
import { notify } from '../../../lib/systemd/notify.js'
import { watchdog } from '../../../lib/systemd/watchdog.js'
import { temporaryDirectory } from '../../support/directory.js'
import { startManager } from '../../support/fake-systemd.js'
import { rejectionOf, until } from '../../support/wait.js'

const LINUX = process.platform === 'linux'
const whyNot = LINUX ? '' : ' (skipped: needs Linux)'

function inEnvironment(values: Record<string, string>): void {
  onTestFinished(() => {
    for (const name of Object.keys(values)) Reflect.deleteProperty(process.env, name)
  })
  Object.assign(process.env, values)
}

const abstractName = (): string => `@sipc-${randomBytes(8).toString('hex')}`

describe.skipIf(!LINUX)(`notify${whyNot}`, () => {
  it.each(['a path', 'an abstract name'])('tells systemd at %s', async (kind) => {
    const address = kind === 'a path' ? join(temporaryDirectory(), 'notify') : abstractName()
    const manager = await startManager(address)
    inEnvironment({ NOTIFY_SOCKET: address })
    expect(await notify('READY=1')).toBe(true)
    expect(await manager.next()).toEqual({ text: 'READY=1', pid: process.pid })
    await notify({ ready: true, status: 'two\r\nlines\nREADY=0', stopping: false })
    expect((await manager.next()).text).toBe('READY=1\nSTATUS=two lines READY=0')
    await notify({ stopping: true, watchdog: true, extendTimeoutMs: 1.5 })
    expect((await manager.next()).text).toBe('STOPPING=1\nWATCHDOG=1\nEXTEND_TIMEOUT_USEC=1500')
    const before = process.hrtime.bigint() / 1000n
    await notify({ reloading: true })
    const [, usec = ''] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec((await manager.next()).text) ?? []
    expect(BigInt(usec) - before).toBeLessThan(1_000_000n)
  })

  it('waits while systemd has no room, and loses nothing', async () => {
    const address = abstractName()
    const manager = await startManager(address, true)
    inEnvironment({ NOTIFY_SOCKET: address })
    // More than net.unix.max_dgram_qlen.
    const all = Array.from({ length: 600 }, (_, i) => notify(`STATUS=${i}`))
    await new Promise((resolve) => setTimeout(resolve, 30))
    manager.receive()
    expect(new Set(await Promise.all(all))).toEqual(new Set([true]))
    const seen = new Set<string>()
    for (let i = 0; i < 600; ++i) seen.add((await manager.next()).text)
    expect(seen.size).toBe(600)
  })

  it('says when the socket cannot be reached', async () => {
    inEnvironment({ NOTIFY_SOCKET: join(temporaryDirectory(), 'none') })
    const error = await rejectionOf(notify('READY=1'))
    expect(error).toBeInstanceOf(IpcError)
    expect(error).toMatchObject({ code: 'ERR_IPC_SYSTEM', cause: { code: 'ENOENT', syscall: 'sendto' } })
    expect((error as IpcError).message).toMatch(/^notify: .* at NOTIFY_SOCKET=".*none" \(sendto ENOENT\)$/)
    process.env['NOTIFY_SOCKET'] = `/${'x'.repeat(107)}`
    expect(await rejectionOf(notify('READY=1'))).toMatchObject({ code: 'ERR_IPC_PATH_TOO_LONG' })
    process.env['NOTIFY_SOCKET'] = `@${'x'.repeat(107)}`
    expect(await rejectionOf(notify('READY=1'))).toMatchObject({ cause: { code: 'ECONNREFUSED' } })
  })
})

describe('notify without a service manager', () => {
  it('resolves with false', async () => {
    expect(await notify({ ready: true })).toBe(false)
    inEnvironment({ NOTIFY_SOCKET: '' })
    expect(await notify('READY=1')).toBe(false)
  })

  it('still refuses what makes no sense', async () => {
    await expect(notify({})).rejects.toThrow(/must not be empty/)
    await expect(notify('A=\0')).rejects.toThrow(TypeError)
    await expect(notify({ raedy: true } as never)).rejects.toThrow(/did you mean ready/)
    await expect(notify({ status: 5 as never })).rejects.toThrow(TypeError)
    await expect(notify({ status: 'ü'.repeat(2048) })).rejects.toThrow(/4103 bytes, and systemd takes 4096/)
  })
})

describe.skipIf(!LINUX)(`watchdog${whyNot}`, () => {
  const enabled = async (more: Record<string, string> = {}) => {
    const address = abstractName()
    const manager = await startManager(address)
    inEnvironment({ NOTIFY_SOCKET: address, WATCHDOG_USEC: '100000', ...more })
    return manager
  }

  it('notifies at half of the interval, until it is stopped', async () => {
    const manager = await enabled({ WATCHDOG_PID: String(process.pid) })
    const began = performance.now()
    const dog = watchdog()
    expect(dog?.intervalMs).toBe(50)
    for (let i = 0; i < 5; ++i) expect((await manager.next()).text).toBe('WATCHDOG=1')
    const took = performance.now() - began
    expect(took).toBeGreaterThan(150)
    dog?.stop()
    dog?.stop()
    await new Promise((resolve) => setTimeout(resolve, 120))
    await notify('STATUS=last')
    expect((await manager.next()).text).toBe('STATUS=last')
  })

  it('is silent while the check fails, throws or hangs', async () => {
    const manager = await enabled()
    const errors: unknown[] = []
    const onError = (event: unknown): void => void errors.push(event)
    subscribe('sentinel-ipc:user-error', onError)
    onTestFinished(() => {
      unsubscribe('sentinel-ipc:user-error', onError)
    })
    const outcomes: (() => boolean | Promise<boolean>)[] = [
      () => false,
      () => {
        throw new Error('unwell')
      },
      () => Promise.reject(new Error('unwell later')),
      () => true,
      () => new Promise(() => undefined),
      () => true,
    ]
    let at = 0
    const dog = watchdog({ check: () => (outcomes[at++] ?? (() => true))() })
    expect((await manager.next()).text).toBe('WATCHDOG=1')
    expect(at).toBe(4)
    await until(() => at === 5)
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(at).toBe(5)
    expect(errors).toMatchObject([
      { callback: 'check of watchdog', error: { message: 'unwell' } },
      { error: { message: 'unwell later' } },
    ])
    await notify('STATUS=last')
    expect((await manager.next()).text).toBe('STATUS=last')
    dog?.stop()
  })

  it('reports notifications that cannot be sent', async () => {
    inEnvironment({ NOTIFY_SOCKET: abstractName(), WATCHDOG_USEC: '100000' })
    const errors: unknown[] = []
    const dog = watchdog({ onError: (error) => errors.push(error) })
    await until(() => errors.length > 1)
    dog?.[Symbol.dispose]()
    expect(errors[0]).toMatchObject({ code: 'ERR_IPC_SYSTEM' })
  })
})

describe('watchdog where it is not enabled', () => {
  it.each([{}, { WATCHDOG_USEC: '0' }, { WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' }])('%j is none', (env) => {
    inEnvironment({ ...env })
    expect(watchdog()).toBeUndefined()
  })

  it('refuses what systemd does not set, and unknown options', () => {
    inEnvironment({ WATCHDOG_USEC: 'soon' })
    expect(() => watchdog()).toThrow(/WATCHDOG_USEC="soon"/)
    expect(() => watchdog({ chek: () => true } as never)).toThrow(/did you mean check/)
  })
})
