// The same request and reply, by Endpoint and by hand, in the same two processes and in turns: where the scheduler puts the
// processes changes a round trip by more than Endpoint costs, and so changes both alike.

import { dial, Endpoint, listen, newSOCMessage, Receiver, Sender, type Connection } from 'sentinel-ipc'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { logonEvent, numberOf, PIPE_NAME, type LogonEvent } from '../input/line.js'

const TYPE = 'lookup'
const ROUND_TRIPS_A_TURN = 500

interface Reply {
  readonly request: string
  readonly value: LogonEvent
}

export async function consumer(context: RoleContext): Promise<undefined> {
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  const connection = await listener.accept()
  new Endpoint(await listener.accept(), 'replier').respond(TYPE, ({ payload }) => payload)
  const sender = new Sender(connection, 'replier')
  for await (const { id, payload } of new Receiver(connection, 'replier')) {
    await sender.send(newSOCMessage('soc_reply', { request: id, value: payload }))
  }
  return undefined
}

export async function producer(context: RoleContext): Promise<Figures> {
  const connect = (): Promise<Connection> => dial(PIPE_NAME, { directory: context.directory })
  const askByHand = handAsker(await connect())
  const endpoint = new Endpoint(await connect(), 'asker')
  const askByEndpoint = async (i: number): Promise<LogonEvent> =>
    (await endpoint.request<LogonEvent>(TYPE, logonEvent(i))).payload
  const measureFrom = performance.now() + context.number('warmUpMs')
  const end = measureFrom + context.number('measureMs')
  const byHand: number[] = []
  const byEndpoint: number[] = []
  const ratios: number[] = []
  while (performance.now() < end || ratios.length === 0) {
    const hand = await medianUs(askByHand)
    const mine = await medianUs(askByEndpoint)
    if (performance.now() < measureFrom) continue
    byHand.push(hand)
    byEndpoint.push(mine)
    ratios.push(mine / hand)
  }
  return { byHandUs: median(byHand), endpointUs: median(byEndpoint), ratio: median(ratios) }
}

/** The lines of Endpoint written by hand: one request under way, and no deadlines, bounds or errors. */
function handAsker(connection: Connection): (i: number) => Promise<LogonEvent> {
  const sender = new Sender(connection, 'asker')
  const receiver = new Receiver(connection, 'asker')
  return async (i) => {
    const id = `req-${i}`
    await sender.send(newSOCMessage(TYPE, logonEvent(i), { id }))
    const { value: reply } = await receiver.next()
    const { request, value } = reply?.payload as Reply
    if (request !== id) throw new Error('another reply came')
    return value
  }
}

async function medianUs(ask: (i: number) => Promise<LogonEvent>): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < ROUND_TRIPS_A_TURN; ++i) {
    const start = performance.now()
    if (numberOf(await ask(i)) !== i) throw new Error('another reply came')
    times.push((performance.now() - start) * 1000)
  }
  return median(times)
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? NaN
}
