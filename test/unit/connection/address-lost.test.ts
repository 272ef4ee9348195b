// A listener whose path no longer leads to it, one that waits for its predecessor, and relative paths.

import { existsSync, linkSync, mkdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { BoundFile } from '../../../lib/connection/address-watch.js'
import { Admission, openAcceptor } from '../../../lib/connection/admission.js'
import type { AddressLostEvent } from '../../../lib/connection/audit.js'
import { dial } from '../../../lib/connection/dial.js'
import { planOf, type ListenOptions } from '../../../lib/connection/listen-options.js'
import { listen } from '../../../lib/connection/listener.js'
import type { UserErrorEvent } from '../../../lib/base/user-code.js'
import { heard } from '../../support/audit.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

const ignore = (): void => undefined

describe.skipIf(process.platform === 'win32')('a listener whose socket file is removed', () => {
  it('notices on its timer, and tells once', async () => {
    const events = heard<AddressLostEvent>('sentinel-ipc:address-lost')
    const told: AddressLostEvent[] = []
    const listener = await listening(temporaryDirectory(), {
      addressCheckMs: 10,
      onAddressLost: (event) => told.push(event),
    })
    expect(listener.addressLost).toBe(false)
    unlinkSync(listener.address)
    await until(() => listener.addressLost)
    await until(() => told.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(told).toEqual([{ address: listener.address, found: 'nothing', reclaimed: false }])
    expect(events).toEqual(told)
  })

  it('notices when asked to, and when the file is back again', async () => {
    const listener = await listening(temporaryDirectory())
    expect(listener.check()).toBe(true)
    const aside = `${listener.address}.aside`
    renameSync(listener.address, aside)
    writeFileSync(listener.address, 'not a socket')
    expect(listener.check()).toBe(false)
    expect(listener.addressLost).toBe(true)
    rmSync(listener.address)
    renameSync(aside, listener.address)
    expect(listener.check()).toBe(true)
    expect(listener.addressLost).toBe(false)
    listener.close()
    expect(listener.check()).toBe(false)
  })

  it('leaves the lock of the listener that came after it', async () => {
    const directory = temporaryDirectory()
    const first = await listening(directory)
    rmSync(first.address)
    rmSync(`${first.address}.lock`)
    const second = await listening(directory)
    first.close()
    expect(existsSync(`${second.address}.lock`)).toBe(true)
    expect(second.check()).toBe(true)
  })

  it('claims it again if asked to, keeps its connections, and serves an accept that waits', async () => {
    const directory = temporaryDirectory()
    const told: AddressLostEvent[] = []
    const options = { reclaim: true, onAddressLost: (event: AddressLostEvent) => told.push(event) }
    const listener = await listening(directory, options)
    const [before, server] = await Promise.all([dial('test', { directory }), listener.accept()])
    const waiting = listener.accept()
    rmSync(listener.address)
    rmSync(`${listener.address}.lock`)
    expect(await rejectionOf(dial('test', { directory }))).toMatchObject({ code: 'ERR_IPC_NOT_LISTENING' })
    expect(listener.check()).toBe(true)
    const after = await dial('test', { directory })
    const second = await waiting
    await until(() => told.length > 0)
    expect(told).toEqual([{ address: listener.address, found: 'nothing', reclaimed: true }])
    expect(before.closed || server.closed).toBe(false)
    expect(listener.stats).toMatchObject({ accepted: 2, open: 2 })
    for (const connection of [before, server, after, second]) connection.destroy()
    await until(() => listener.stats.open === 0)
    listener.close()
    expect(existsSync(listener.address)).toBe(false)
  })

  it.each<ListenOptions>([
    { maxConnections: 2 },
    { maxConnectionsPerUser: 2 },
    { maxNewConnectionsPerSecondPerUser: 2 },
  ])('counts the connections of before against %j', async (limits) => {
    const directory = temporaryDirectory()
    const listener = await listening(directory, { reclaim: true, ...limits })
    const [before, server] = await Promise.all([dial('test', { directory }), listener.accept()])
    unlinkSync(listener.address)
    expect(listener.check()).toBe(true)
    const [after, second] = await Promise.all([dial('test', { directory }), listener.accept()])
    const third = await dial('test', { directory })
    await until(() => listener.stats.refused === 1)
    expect(listener.stats).toMatchObject({ accepted: 2, open: 2 })
    server.destroy()
    await until(() => listener.stats.open === 1)
    for (const connection of [before, after, second, third]) connection.destroy()
    await until(() => listener.stats.open === 0)
  })

  it('leaves the address to another listener, and claims it once that is gone', async () => {
    const directory = temporaryDirectory()
    const told: AddressLostEvent[] = []
    const listener = await listening(directory, {
      reclaim: true,
      onAddressLost: (event) => told.push(event),
    })
    rmSync(listener.address)
    const foreign = createServer()
    await new Promise<void>((resolve) => foreign.listen(listener.address, resolve))
    onTestFinished(() => void foreign.close())
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const before = timers()
    expect(listener.check()).toBe(false)
    expect(timers()).toBe(before + 1) // the process must live until the next try
    listener.unref()
    expect(timers()).toBe(before)
    listener.ref()
    expect(listener.check()).toBe(false)
    const waiting = listener.accept()
    await until(() => told.length > 0)
    expect(told).toMatchObject([
      { found: 'another-file', reclaimed: false, error: { code: 'ERR_IPC_ADDRESS_IN_USE' } },
    ])
    await new Promise((resolve) => foreign.close(resolve))
    expect(listener.check()).toBe(true)
    const client = await dial('test', { directory })
    ;(await waiting).destroy()
    client.destroy()
  })

  it('does not take a file that has the inode of its old socket for its own, once it has stopped', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory, { reclaim: true })
    const aside = `${listener.address}.aside`
    linkSync(listener.address, aside)
    rmSync(listener.address)
    const foreign = createServer()
    await new Promise<void>((resolve) => foreign.listen(listener.address, resolve))
    expect(listener.check()).toBe(false) // its acceptor has stopped to claim the address
    await new Promise((resolve) => foreign.close(resolve))
    renameSync(aside, listener.address)
    expect(listener.check()).toBe(true)
    const [client, server] = await Promise.all([dial('test', { directory }), listener.accept()])
    client.destroy()
    server.destroy()
  })

  it('has lost a file that was gone before it could be looked at', () => {
    const path = join(temporaryDirectory(), 'gone.sock')
    const file = new BoundFile(path, null)
    expect(file.lostTo()).toBe('nothing')
    writeFileSync(path, '')
    expect(file.lostTo()).toBe('another-file')
  })

  it('has lost a file that was replaced before it was first looked at', async () => {
    const directory = temporaryDirectory()
    const other = await listen('other', { directory })
    const plan = planOf('test', { directory, reclaim: true })
    const acceptor = openAcceptor(plan)
    renameSync(other.address, plan.address)
    const admission = new Admission(plan, acceptor, ignore, ignore)
    expect(admission.lostTo()).toBe('another-file')
    other.close()
    rmSync(plan.address)
    expect(admission.lostTo()).toBe('nothing')
    expect(admission.reclaim(ignore)).toBeUndefined()
    expect(admission.lostTo()).toBeUndefined()
    admission.stop(ignore)
    expect(existsSync(plan.address)).toBe(false)
  })

  it('is not disturbed by a callback that throws', async () => {
    const errors = heard<UserErrorEvent>('sentinel-ipc:user-error')
    const listener = await listening(temporaryDirectory(), {
      onAddressLost: () => {
        throw new Error('mine')
      },
    })
    unlinkSync(listener.address)
    expect(listener.check()).toBe(false)
    await until(() => errors.length > 0)
    expect(errors).toMatchObject([{ callback: 'onAddressLost', error: { message: 'mine' } }])
  })
})

describe('listen with waitMs', () => {
  it('waits for its predecessor to leave the address', async () => {
    const directory = temporaryDirectory()
    const first = await listening(directory)
    const second = listen('test', { directory, waitMs: 20_000 })
    await new Promise((resolve) => setTimeout(resolve, 150))
    first.close()
    ;(await second).close()
  })

  it('gives up after that time, and when its signal fires', async () => {
    const directory = temporaryDirectory()
    await listening(directory)
    expect(await rejectionOf(listen('test', { directory, waitMs: 120 }))).toMatchObject({
      code: 'ERR_IPC_ADDRESS_IN_USE',
    })
    const signal = AbortSignal.timeout(30)
    expect(await rejectionOf(listen('test', { directory, waitMs: 20_000, signal }))).toMatchObject({
      code: 'ERR_IPC_ABORTED',
    })
  })
})

describe('a relative directory', () => {
  it('means the one of the call, also after a change of the working directory', async () => {
    const here = process.cwd()
    const root = temporaryDirectory()
    mkdirSync(join(root, 'run'))
    onTestFinished(() => {
      process.chdir(here)
    })
    process.chdir(root)
    const listener = await listening('run')
    const { originOf } = await import('../../../lib/connection/connection.js')
    const [client, server] = await Promise.all([dial('test', { directory: 'run' }), listener.accept()])
    process.chdir('/')
    const [again, accepted] = await Promise.all([originOf(client).redial?.(), listener.accept()])
    expect(again?.address).toBe(join(root, 'run', 'test.sock'))
    for (const connection of [client, server, accepted]) connection.destroy()
    again?.destroy()
  })
})
