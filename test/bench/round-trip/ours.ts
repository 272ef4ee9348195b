// The round trip over sentinel-ipc: send() and next() at both ends.

import { dial, listen, newSOCMessage, Receiver, Sender, SOCMsgType } from 'sentinel-ipc'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { logonEvent, numberOf, PIPE_NAME, type LogonEvent } from '../input/line.js'
import { Stopwatch } from './stopwatch.js'

export async function consumer(context: RoleContext): Promise<undefined> {
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  const connection = await listener.accept()
  const sender = new Sender(connection, 'answers')
  for await (const { payload } of new Receiver(connection, 'requests')) {
    await sender.send(newSOCMessage(SOCMsgType.Ack, payload))
  }
  return undefined
}

export async function producer(context: RoleContext): Promise<Figures> {
  const stopwatch = new Stopwatch(context)
  const connection = await dial(PIPE_NAME, { directory: context.directory })
  const sender = new Sender(connection, 'requests')
  const receiver = new Receiver(connection, 'answers')
  for (;;) {
    stopwatch.start()
    await sender.send(newSOCMessage(SOCMsgType.Event, logonEvent(stopwatch.current)))
    const { value } = await receiver.next()
    const number = numberOf(value?.payload as LogonEvent)
    if (number !== stopwatch.current) throw new Error(`answer ${number} came out of turn`)
    const figures = stopwatch.stop()
    if (figures !== undefined) return figures
  }
}
