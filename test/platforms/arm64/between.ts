// An arm64 process and an x64 process exchange messages on one machine. Runs under test/platforms/arm64/main.ts only.

import { describe, expect, it } from 'vitest'

import { dial, newSOCMessage, Receiver, Sender } from '../../../lib/index.js'
import { listening } from '../../support/pair.js'
import { startChild } from '../../support/child.js'
import { temporaryDirectory } from '../../support/directory.js'

// Without PREBUILDS_ONLY, so that it takes the addon that was built for this machine.
const onX64 = {
  execPath: process.env['NODE_ON_X64'] ?? '',
  env: { ...process.env, PREBUILDS_ONLY: '' },
}

describe('arm64 and x64', () => {
  it('are two: this is arm64', () => {
    expect(process.arch).toBe('arm64')
    expect(onX64.execPath).not.toBe('')
  })

  it('carries messages from an x64 client to an arm64 listener', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const child = startChild('endpoint', { role: 'dial', directory }, onX64)
    const server = await listener.accept()
    expect(server.peer).toMatchObject({ pid: child.pid, uid: process.getuid?.() })
    // Not known if the peer has ended by then: under qemu accepting takes its time.
    expect([onX64.execPath, undefined]).toContain(server.peer?.executable)
    const payloads: unknown[] = []
    for await (const message of new Receiver(server, 'here')) payloads.push(message.payload)
    expect(payloads).toEqual([{ from: child.pid }])
    expect(await child.exited).toEqual([0, null])
  })

  it('carries messages from an arm64 client to an x64 listener', async () => {
    const directory = temporaryDirectory()
    const child = startChild('endpoint', { role: 'listen', directory }, onX64)
    expect(await child.report()).toHaveProperty('listening')
    const connection = await dial('test', { directory })
    expect(connection.peer).toMatchObject({ pid: child.pid })
    expect(await child.report()).toMatchObject({ accepted: { pid: process.pid } })
    const sender = new Sender(connection, 'here')
    await sender.send(newSOCMessage('soc_event', { big: 'x'.repeat(100_000) }))
    expect(await child.report()).toMatchObject({ message: { payload: { big: 'x'.repeat(100_000) } } })
    await sender.close()
    expect(await child.report()).toEqual({ ended: true })
  })

  it('refuses an arm64 client that the policy of an x64 listener does not name', async () => {
    const directory = temporaryDirectory()
    const policy = { executables: ['/usr/bin/true'] }
    const child = startChild('endpoint', { role: 'listen', directory, policy }, onX64)
    expect(await child.report()).toHaveProperty('listening')
    const connection = await dial('test', { directory }).catch(() => undefined)
    // What the kernel sees running is qemu.
    expect(await child.report()).toMatchObject({
      refused: {
        reason: 'executable-not-listed',
        pid: process.pid,
        executable: expect.stringContaining('qemu') as string,
      },
    })
    connection?.destroy()
  })
})
