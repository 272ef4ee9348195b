// `sentinel-ipc spool`: reads a spool that its owner uses, shows damage, exports, follows, sends dead letters again.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { AcknowledgingReceiver } from '../../lib/delivery/index.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { serve } from '../../lib/services/server.js'
import { Spool } from '../../lib/spool/spool.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { until } from '../support/wait.js'
import { jsonLines, run, start } from './support/command.js'

async function filled(count: number): Promise<Spool> {
  const spool = await Spool.open({ directory: join(temporaryDirectory(), 'spool') })
  onTestFinished(() => spool.close())
  for (let n = 1; n <= count; ++n)
    await spool.add(newSOCMessage('soc_event', { n }, { id: `m${n}`, timestamp: 7 }))
  return spool
}

const line = (n: number): string => `{"type":"soc_event","id":"m${n}","ts":7,"payload":{"n":${n}}}\n`

describe('spool', () => {
  it('shows what a spool holds while its owner uses it', async () => {
    const spool = await filled(3)
    spool.settle(1, 1)
    await until(() => readFileSync(join(spool.directory, segmentOf(spool))).includes('[[1,1]]'))
    const { code, stdout, stderr } = await run(['spool', spool.directory])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^waiting +2 messages, /m)
    expect(stdout).toMatch(/^oldest +number 2, waits for /m)
    expect(stdout).toMatch(/^settled +through number 1; the next number is 4$/m)
    expect(stdout).toContain(segmentOf(spool))
    expect(stdout).toMatch(/^no damage$/m)
    expect(JSON.parse((await run(['spool', spool.directory, '--json'])).stdout)).toMatchObject({
      messages: 2,
      next: 4,
    })
    await spool.add(newSOCMessage('soc_event')) // still its owner's
  })

  it('shows damage, with code 1', async () => {
    const spool = await filled(3)
    await spool.close()
    const file = join(spool.directory, segmentOf(spool))
    const bytes = readFileSync(file)
    const at = bytes.indexOf('"m2"')
    bytes.writeUInt8(0x20, at + 1)
    writeFileSync(file, bytes)
    const { code, stdout } = await run(['spool', spool.directory])
    expect(code).toBe(1)
    expect(stdout).toMatch(/damaged record in \d+\.log from byte \d+, \d+ B, which held 1 message/)
    expect(stdout).toContain('1 message lost to damage')
  })

  it('exports the messages, and leaves them where they are', async () => {
    const spool = await filled(3)
    spool.settle(2, 2)
    await until(() => readFileSync(join(spool.directory, segmentOf(spool))).includes('[[2,2]]'))
    expect(await run(['spool', spool.directory, '--export'])).toEqual({
      code: 0,
      stdout: line(1) + line(3),
      stderr: '',
    })
    expect(spool.messages).toBe(2)
  })

  it('follows what is added and settled', async () => {
    const spool = await filled(1)
    const messages = start(['spool', spool.directory, '--export', '--follow'])
    const states = start(['spool', spool.directory, '--follow'])
    await messages.prints('"m1"')
    await states.prints('no damage')
    await spool.add(newSOCMessage('soc_event', { n: 2 }, { id: 'm2', timestamp: 7 }))
    await messages.prints('"m2"')
    await states.prints('+1 -0')
    spool.settle(1, 2)
    await states.prints('+0 -2')
    for (const command of [messages, states]) {
      command.process.kill('SIGINT')
      expect(await command.done).toMatchObject({ code: 0, stderr: '' })
    }
    expect(messages.stdout).toBe(line(1) + line(2))
  })

  it('sends dead letters again, and keeps the ones rejected again', async () => {
    const spool = await filled(4)
    await spool.close()
    const directory = temporaryDirectory()
    const got: string[] = []
    const server = serve(await listening(directory), async (connection) => {
      const receiver = new AcknowledgingReceiver(connection, 'r', { autoAck: false })
      await receiver.handle((message) => {
        if (message.id === 'm3') message.reject('still bad')
        else got.push(message.id)
      })
    })
    const args = ['spool', spool.directory, '--requeue', 'test', '-d', directory]
    const { code, stderr } = await run(args)
    expect([code, stderr]).toEqual([
      1,
      '3 messages accepted, 1 rejected again (still bad), 1 left in the spool\n',
    ])
    expect(got).toEqual(['m1', 'm2', 'm4'])
    expect(jsonLines((await run(['spool', spool.directory, '--export'])).stdout)).toMatchObject([
      { id: 'm3' },
    ])
    await server.close()
  })

  it('exports and sends again messages with all of their keys', async () => {
    const spool = await filled(0)
    const meta = { traceparent: '00-1-2-01', 'a"b': [{ payload: 1 }] }
    await spool.add(newSOCMessage('soc_event', { n: 1 }, { id: 'm1', timestamp: 7, meta }))
    await spool.close()
    const exported = await run(['spool', spool.directory, '--export'])
    expect(exported.stdout).toBe(
      '{"type":"soc_event","id":"m1","ts":7,"traceparent":"00-1-2-01","a\\"b":[{"payload":1}],"payload":{"n":1}}\n',
    )
    const directory = temporaryDirectory()
    const got: unknown[] = []
    const server = serve(await listening(directory), async (connection) => {
      if (got.length > 0) {
        for await (const message of new Receiver(connection, 'r')) got.push(message.toJSON())
        return
      }
      const receiver = new AcknowledgingReceiver(connection, 'r', { autoAck: false })
      await receiver.handle((message) => got.push(message.toJSON()))
    })
    await run(['spool', spool.directory, '--requeue', 'test', '-d', directory])
    await run(['send', 'test', '-d', directory], { input: exported.stdout })
    const message = { type: 'soc_event', id: 'm1', ts: 7, ...meta, payload: { n: 1 } }
    await until(() => got.length === 2)
    expect(got).toEqual([message, message])
    await server.close()
  })

  it('loses nothing when there is no listener, and says so', async () => {
    const spool = await filled(2)
    await spool.close()
    const args = [
      'spool',
      spool.directory,
      '--requeue',
      'nothing',
      '-d',
      temporaryDirectory(),
      '--timeout',
      '300ms',
    ]
    const { code, stderr } = await run(args)
    expect(code).toBe(3)
    expect(stderr).toContain('[ERR_IPC_NOT_LISTENING]')
    expect((await Spool.inspect(spool.directory)).messages).toBe(2)
  })

  it('refuses to send again what its owner still uses', async () => {
    const spool = await filled(1)
    const { code, stderr } = await run([
      'spool',
      spool.directory,
      '--requeue',
      'x',
      '-d',
      temporaryDirectory(),
    ])
    expect(code).toBe(1)
    expect(stderr).toContain('is already open, in this process or another one; close it there first')
  })

  it('says that there is no spool', async () => {
    const { code, stderr } = await run(['spool', join(temporaryDirectory(), 'missing')])
    expect(code).toBe(1)
    expect(stderr).toContain('there is no spool in')
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })
})

function segmentOf({ directory }: Spool): string {
  return (
    readdirSync(directory)
      .filter((name) => name.endsWith('.log'))
      .sort()
      .at(-1) ?? ''
  )
}
