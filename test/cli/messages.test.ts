// The commands that move messages: listen, send, request, relay, ping.

import { writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'

import { AcknowledgedSender } from '../../lib/delivery/index.js'
import { AcknowledgingReceiver } from '../../lib/delivery/index.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Endpoint } from '../../lib/services/endpoint.js'
import { serve } from '../../lib/services/server.js'
import { Spool } from '../../lib/spool/spool.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { until } from '../support/wait.js'
import { jsonLines, main, run, start, type Running } from './support/command.js'

const lines = (count: number): string =>
  Array.from(
    { length: count },
    (_, n) => `${JSON.stringify({ type: 'soc_event', id: `m${n}`, ts: 7, payload: { n } })}\n`,
  ).join('')

/** A listener that is ready. */
async function listener(directory: string, ...args: string[]): Promise<Running> {
  const running = start(['listen', 'events', '-d', directory, ...args])
  const probe = await run(['ping', 'events', '-d', directory, '-n', '1', '--timeout', '5s'])
  for (let tries = 0; tries < 50 && probe.code === 3; ++tries) {
    if ((await run(['ping', 'events', '-d', directory, '-n', '1'])).code === 0) break
  }
  return running
}

describe('listen and send', () => {
  it('pass a stream on unchanged: what send reads, listen prints', async () => {
    const directory = temporaryDirectory()
    const listen = await listener(directory, '--count', '1000')
    const input = lines(1000)
    expect(await run(['send', 'events', '-d', directory], { input })).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    })
    expect(await listen.done).toEqual({ code: 0, stdout: input, stderr: '' })
  })

  it('end cleanly at SIGINT with what was counted', async () => {
    const directory = temporaryDirectory()
    const listen = await listener(directory, '--json', '--type', 'soc_event')
    await run(['send', 'events', '-d', directory], { input: lines(3) + '{"type":"other"}\n' })
    await listen.prints('"id":"m2"')
    listen.process.kill('SIGINT')
    const { code, stderr } = await listen.done
    expect(code).toBe(0)
    expect(JSON.parse(stderr)).toMatchObject({ printed: 3, filtered: 1, invalid: 0 })
  })

  it('pick types and fields, and name the peer', async () => {
    const directory = temporaryDirectory()
    const listen = await listener(
      directory,
      '--count',
      '1',
      '--type',
      'b',
      '--fields',
      '/host/name,/list/1,/none',
      '--peer',
    )
    const input = '{"type":"a"}\n{"type":"b","id":"1","ts":2,"payload":{"host":{"name":"x"},"list":[1,2]}}\n'
    await run(['send', 'events', '-d', directory], { input })
    const [message] = jsonLines((await listen.done).stdout)
    expect(message).toMatchObject({ type: 'b', id: '1', fields: { '/host/name': 'x', '/list/1': 2 } })
    expect(message).toHaveProperty('peer.uid', process.getuid?.())
    expect(message).not.toHaveProperty('payload')
  })

  it('send one message from arguments, and lines as payloads', async () => {
    const directory = temporaryDirectory()
    const listen = await listener(directory, '--count', '3')
    await run(['send', 'events', '-d', directory, '--type', 'alert', '--id', 'i1', '--payload', '{"a": 1}'])
    await run(['send', 'events', '-d', directory, '--type', 'log'], { input: '"one"\n{"two":2}' })
    expect(jsonLines((await listen.done).stdout)).toMatchObject([
      { type: 'alert', id: 'i1', payload: { a: 1 } },
      { type: 'log', payload: 'one' },
      { type: 'log', payload: { two: 2 } },
    ])
  })

  it('send stops at a line that is not a message and says which, or leaves it out', async () => {
    const directory = temporaryDirectory()
    const listen = await listener(directory, '--count', '3')
    const input = `${lines(1)}nonsense\n`
    const failed = await run(['send', 'events', '-d', directory], { input })
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('line 2 of the input: a line of the text is not JSON: "nonsense"')
    await listen.prints('"id":"m0"') // what stood before it was sent
    const skipped = await run(['send', 'events', '-d', directory, '--skip-invalid', '--json'], {
      input: input + lines(2),
    })
    expect(skipped.code).toBe(1)
    expect(JSON.parse(skipped.stdout)).toMatchObject({ messages: 3, invalid: 1 })
    await listen.done
  })

  it('send says who refuses, with a code of its own', async () => {
    const directory = temporaryDirectory()
    await listening(directory)
    const args = ['send', 'test', '-d', directory, '--type', 'x', '--allow-user', '4000000']
    const { code, stderr } = await run(args)
    expect(code).toBe(4)
    expect(stderr).toContain('the policy refuses the listener')
    expect(stderr).toContain('--allow-user')
  })

  it('send does not hang at a peer that reads nothing', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const accepted = listener.accept()
    const payload = 'x'.repeat(500_000)
    const input = Array.from({ length: 20 }, () => `${JSON.stringify({ type: 'big', payload })}\n`).join('')
    const { code, stderr } = await run(['send', 'test', '-d', directory, '--timeout', '300ms'], { input })
    expect(stderr).toContain('[ERR_IPC_TIMEOUT]')
    expect(code).toBe(5)
    ;(await accepted).destroy()
  })

  it('--ack waits for the receiving application, and reports what it rejects', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listening(directory), async (connection) => {
      const receiver = new AcknowledgingReceiver(connection, 'r', { autoAck: false })
      await receiver.handle((message) => {
        if (message.id === 'm1') message.reject('not wanted')
      })
    })
    const ok = await run(['send', 'test', '-d', directory, '--ack', '--json'], { input: lines(1) })
    expect(JSON.parse(ok.stdout)).toMatchObject({ messages: 1, acknowledged: 1, rejected: 0 })
    expect(ok.code).toBe(0)
    const { code, stdout } = await run(['send', 'test', '-d', directory, '--ack', '--json'], {
      input: lines(3),
    })
    expect(JSON.parse(stdout)).toMatchObject({ messages: 3, acknowledged: 2, rejected: 1 })
    expect(code).toBe(1)
    await server.close()
  })

  it('--ack without a listener says so in time', async () => {
    const args = ['send', 'nothing', '-d', temporaryDirectory(), '--ack', '--timeout', '300ms', '--type', 'x']
    const { code, stderr } = await run(args, { input: '1\n' })
    expect(stderr).toContain('[ERR_IPC_NOT_LISTENING]')
    expect(code).toBe(3)
  })

  it('--ack ends at SIGINT while a receiver is silent, with what was counted', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listening(directory), async (connection) => {
      // Takes the message in hand, and never settles it.
      const receiver = new AcknowledgingReceiver(connection, 'r', { autoAck: false })
      for await (const message of receiver) if (message.id === 'never') return
    })
    const send = start(['send', 'test', '-d', directory, '--ack', '--json', '--timeout', '1h'])
    send.process.stdin.end(lines(2))
    await until(() => server.stats.accepted > 0)
    await sleep(300) // the messages are on their way
    send.process.kill('SIGINT')
    const { code, stdout } = await send.done
    expect([code, JSON.parse(stdout)]).toMatchObject([130, { messages: 2, acknowledged: 0 }])
    await server.close({ timeoutMs: 100 })
  })

  it('--spool keeps messages while the receiver is away, and delivers them next time', async () => {
    const directory = temporaryDirectory()
    const spool = join(directory, 'spool')
    const args = ['send', 'events', '-d', directory, '--ack', '--spool', spool, '--json', '--timeout', '1s']
    const away = await run(args, { input: lines(5) })
    expect(away).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(away.stdout)).toMatchObject({ messages: 5, acknowledged: 0, spooled: 5 })
    const listen = await listener(directory, '--ack', '--count', '6')
    const there = await run([...args, '--timeout', '10s'], { input: lines(1) })
    expect(JSON.parse(there.stdout)).toMatchObject({ messages: 1, acknowledged: 6, spooled: 0 })
    expect((await listen.done).stdout).toBe(lines(5) + lines(1))
    expect((await Spool.inspect(spool)).messages).toBe(0)
  })
})

describe('request', () => {
  async function answering(): Promise<string> {
    const directory = temporaryDirectory()
    const server = serve(await listening(directory), async (connection) => {
      const endpoint = new Endpoint(connection, 'server')
      endpoint.respond('echo', ({ payload }) => ({ got: payload }))
      endpoint.respond('fail', () => {
        throw Object.assign(new Error('no such host'), { code: 'E_HOST' })
      })
      await endpoint.whenClosed()
    })
    onTestFinished(async () => {
      await server.close({ timeoutMs: 100 })
    })
    return directory
  }

  it('prints the value of the reply', async () => {
    const directory = await answering()
    const args = ['request', 'test', 'echo', '-d', directory, '--payload']
    expect(await run([...args, '[1, 2]'])).toEqual({ code: 0, stdout: '{"got":[1,2]}\n', stderr: '' })
    expect(await run([...args, '-'], { input: '"stdin"\n' })).toMatchObject({ stdout: '{"got":"stdin"}\n' })
  })

  it('ends with code 1 and the error that the peer replied with', async () => {
    const { code, stderr } = await run(['request', 'test', 'fail', '-d', await answering()])
    expect([code, stderr]).toEqual([
      1,
      'sentinel-ipc: the peer replied to "fail" with "E_HOST": "no such host"\n',
    ])
  })
})

describe('relay', () => {
  it('passes messages on, unchanged and in order', async () => {
    const directory = temporaryDirectory()
    const listen = await listener(directory, '--count', '500')
    const relay = start(['relay', 'in', 'events', '-d', directory, '--json'])
    await run(['send', 'in', '-d', directory, '--retries', '5'], { input: lines(500) })
    expect((await listen.done).stdout).toBe(lines(500))
    relay.process.kill('SIGINT')
    const { code, stdout } = await relay.done
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { relayed: 500, connections: 1 }])
  })

  it('with --ack, hands the outcome of each message back to its sender', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listening(directory), async (connection) => {
      const receiver = new AcknowledgingReceiver(connection, 'r', { autoAck: false })
      await receiver.handle((message) => {
        if (message.id === 'm7') message.reject('spam')
      })
    })
    const relay = start(['relay', 'in', 'test', '-d', directory, '--ack'])
    const sender = new AcknowledgedSender('in', { directory })
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => sender.send(newSOCMessage('soc_event', { n }, { id: `m${n}` }))),
    )
    expect(results.filter(({ status }) => status === 'acknowledged')).toHaveLength(19)
    expect(results[7]).toMatchObject({ status: 'rejected', reason: 'spam' })
    await sender.close()
    relay.process.kill('SIGINT')
    expect(await relay.done).toMatchObject({ code: 0 })
    await server.close()
  })

  it('ends with an error when the receiver goes away', async () => {
    const directory = temporaryDirectory()
    const listen = await listener(directory)
    const relay = start(['relay', 'in', 'events', '-d', directory])
    await run(['send', 'in', '-d', directory, '--retries', '5'], { input: lines(1) })
    await listen.prints('m0')
    listen.process.kill('SIGINT')
    await listen.done
    await run(['send', 'in', '-d', directory], { input: lines(1) })
    await run(['send', 'in', '-d', directory], { input: lines(1) })
    const { code, stderr } = await relay.done
    expect(stderr).toContain('[ERR_IPC_CLOSED]')
    expect(code).toBe(1)
  })
})

describe('ping', () => {
  it('prints percentiles and a histogram of connecting', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listening(directory), (connection) => connection.whenClosed())
    const { code, stdout } = await run(['ping', 'test', '-d', directory, '-n', '5', '-i', '1ms'])
    expect(code).toBe(0)
    expect(stdout).toContain(`pid ${process.pid}`)
    expect(stdout).toContain('5 of 5 connected')
    expect(stdout).toMatch(/min .+, median .+, mean .+, 90% .+, 99% .+, max /)
    expect(stdout).toMatch(/< .+ [µm]s +\d+ {2}█/)
    await server.close()
  })

  it('with --request counts any reply of an endpoint', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listening(directory), (connection) =>
      new Endpoint(connection, 's').whenClosed(),
    )
    const args = ['ping', 'test', '-d', directory, '-n', '50', '-i', '1ms', '--request', 'anything', '--json']
    const { code, stdout } = await run(args)
    expect([code, JSON.parse(stdout)]).toMatchObject([
      0,
      { replied: 50, failed: 0, milliseconds: { count: 50 } },
    ])
    await server.close({ timeoutMs: 100 })
  })

  it('ends at SIGINT with what was counted', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listening(directory), (connection) => connection.whenClosed())
    const ping = start(['ping', 'test', '-d', directory, '-n', '1000'])
    await ping.prints('ping ')
    await until(() => server.stats.accepted > 2)
    ping.process.kill('SIGINT')
    const { code, stdout } = await ping.done
    expect(code).toBe(130)
    expect(stdout).toMatch(/\d+ of \d+ connected/)
    await server.close()
  })
})

describe('send, of a file', () => {
  it('takes it from a redirection', async () => {
    const directory = temporaryDirectory()
    const listen = await listener(directory, '--count', '200')
    const file = join(directory, 'input.ndjson')
    writeFileSync(file, lines(200))
    const { status } = spawnSync('bash', [
      '-c',
      `"${process.execPath}" "${main}" send events -d "${directory}" < "${file}"`,
    ])
    expect(status).toBe(0)
    expect((await listen.done).stdout).toBe(lines(200))
  })
})
