// What the package must do in a test of its users, whatever runs the test: send and receive, fail with codes, try again. Timers
// of the test may be fake, so nothing here uses one.

import type * as Package from 'sentinel-ipc'

type Api = typeof Package
type Step = (api: Api, directory: string) => Promise<void>

function expectSame(what: string, seen: unknown, expected: unknown): void {
  // By their text, as a test runner may have an Object of its own.
  const [is, should] = [JSON.stringify(seen), JSON.stringify(expected)]
  if (is !== should) throw new Error(`${what}: ${is} instead of ${should}`)
}

async function failureOf(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.then(
    () => undefined,
    (error: unknown) => error,
  )
}

async function exchange(api: Api, directory: string): Promise<void> {
  const listener = await api.listen('exchange', { directory })
  const [client, server] = await Promise.all([api.dial('exchange', { directory }), listener.accept()])
  const sender = new api.Sender(client, 's')
  const receiver = new api.Receiver(server, 'r', { idleTimeoutMs: 60_000 })
  await Promise.all([1, 2, 3].map((n) => sender.send(api.newSOCMessage('soc_event', { n }))))
  const received = []
  for (let i = 0; i < 3; ++i) received.push((await receiver.next()).value?.payload)
  expectSame('received', received, [{ n: 1 }, { n: 2 }, { n: 3 }])
  const buffered = new api.BufferedSender(await api.dial('exchange', { directory }), 'b')
  const second = new api.Receiver(await listener.accept(), 'r')
  buffered.send(api.newSOCMessage('soc_event', 'buffered'))
  await buffered.close()
  expectSame('received buffered', (await second.next()).value?.payload, 'buffered')
  await sender.close()
  expectSame('after the end', (await receiver.next()).done, true)
  for (const one of [receiver, second]) await one.close()
  listener.close()
}

async function fail(api: Api, directory: string): Promise<void> {
  const seen = async (attempt: Promise<unknown>): Promise<unknown> => {
    const error = (await failureOf(attempt)) as { name?: string; code?: string }
    return [error.name, error.code, error instanceof api.IpcError]
  }
  const nothing = api.dial('nothing', { directory })
  expectSame('no listener', await seen(nothing), ['IpcError', 'ERR_IPC_NOT_LISTENING', true])
  const listener = await api.listen('fail', { directory })
  const again = api.listen('fail', { directory })
  expectSame('a second listener', await seen(again), ['IpcError', 'ERR_IPC_ADDRESS_IN_USE', true])
  const accepting = listener.accept({ signal: AbortSignal.abort() })
  expectSame('an aborted wait', await seen(accepting), ['IpcError', 'ERR_IPC_ABORTED', true])
  const misspelt = api.listen('other', { directroy: directory } as object)
  expectSame('an unknown option', await seen(misspelt), ['TypeError', null, false])
  listener.close()
}

async function retry(api: Api, directory: string): Promise<void> {
  // Waits between its tries by a clock that a test cannot replace.
  const late = api.dialWithRetry('late', 20, { directory })
  await exchange(api, directory)
  const listener = await api.listen('late', { directory })
  const [client, server] = await Promise.all([late, listener.accept()])
  await client.close()
  expectSame('the other end', (await new api.Receiver(server, 'r').next()).done, true)
  await server.close()
  listener.close()
}

async function acknowledge(api: Api, directory: string): Promise<void> {
  const listener = await api.listen('ack', { directory })
  const sender = new api.AcknowledgedSender('ack', { directory })
  const receiver = new api.AcknowledgingReceiver(await listener.accept(), 'r', {
    ledger: new api.DeliveryLedger(),
  })
  const sent = sender.send(api.newSOCMessage('soc_event', 'acknowledged'))
  const received: unknown[] = []
  const reading = (async () => {
    for await (const { payload } of receiver) received.push(payload)
  })()
  expectSame('status', (await sent).status, 'acknowledged')
  await sender.close({ timeoutMs: 5000 })
  await reading
  expectSame('received', received, ['acknowledged'])
  listener.close()
}

export const steps: Readonly<Record<string, Step>> = {
  'sends and receives': exchange,
  'fails with codes': fail,
  'dials again': retry,
  acknowledges: acknowledge,
}
