// The round trip over sentinel-ipc: send() and next() at both ends.

import {
  dial,
  listen,
  newSOCMessage,
  Receiver,
  Sender,
  SOCMsgType,
  type DialOptions,
  type ListenOptions,
} from 'sentinel-ipc'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { logonEvent, numberOf, PIPE_NAME, type LogonEvent } from '../input/line.js'
import { isLoaded, LOAD_NAME, startLoad } from './load.js'
import { Stopwatch } from './stopwatch.js'

/** For `dial` and `listen`, with busy polling where it is asked for. */
function optionsOf(context: RoleContext): DialOptions & ListenOptions {
  const { directory } = context
  const maxMicroseconds = context.number('busyPollUs')
  return maxMicroseconds === 0 ? { directory } : withBusyPoll(directory, maxMicroseconds)
}

function withBusyPoll(directory: string, maxMicroseconds: number): DialOptions & ListenOptions {
  const options = { directory, busyPoll: { maxMicroseconds } }
  return options
}

export async function consumer(context: RoleContext): Promise<undefined> {
  const options = optionsOf(context)
  const listener = await listen(PIPE_NAME, options)
  if (isLoaded(context)) {
    const loads = await listen(LOAD_NAME, { directory: context.directory })
    void loads.accept().then(async (connection) => {
      for await (const { payload } of new Receiver(connection, 'load')) numberOf(payload as LogonEvent)
    })
  }
  context.ready()
  const connection = await listener.accept()
  const sender = new Sender(connection, 'answers')
  for await (const { payload } of new Receiver(connection, 'requests')) {
    await sender.send(newSOCMessage(SOCMsgType.Ack, payload))
  }
  return undefined
}

export async function producer(context: RoleContext): Promise<Figures> {
  const connection = await dial(PIPE_NAME, optionsOf(context))
  if (isLoaded(context)) {
    const load = new Sender(await dial(LOAD_NAME, { directory: context.directory }), 'load')
    startLoad(context, (first, count) => {
      const messages = Array.from({ length: count }, (_, i) =>
        newSOCMessage(SOCMsgType.Event, logonEvent(first + i)),
      )
      void load.sendBatch(messages)
    })
  }
  const sender = new Sender(connection, 'requests')
  const receiver = new Receiver(connection, 'answers')
  const stopwatch = new Stopwatch(context)
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
