// Exchanges messages with a process of its own, both with busy polling on the processors that this one was given, and
// reports how often it polled.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { PollWord } from '../../../lib/binding/abi.js'
import { listen } from '../../../lib/connection/listener.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { pollWords } from '../../../lib/wire/busy-poll.js'

const { directory, waits } = JSON.parse(process.argv[2] ?? '{}') as { directory: string; waits: number }
const busyPoll = { maxMicroseconds: 50 }
const listener = await listen('test', { directory, busyPoll })
const child = fork(fileURLToPath(new URL('answering.js', import.meta.url)), [
  JSON.stringify({ directory, busyPoll }),
])
await once(child, 'message') // It has dialled.
const connection = await listener.accept()
const sender = new Sender(connection, 'questions')
const receiver = new Receiver(connection, 'answers')
for (let i = 0; i < waits; ++i) {
  await sender.send(newSOCMessage('soc_event', i))
  if ((await receiver.next()).value?.payload !== i) throw new Error('a message is missing')
}
process.send?.((pollWords[PollWord.gained] ?? 0) + (pollWords[PollWord.lost] ?? 0))
await connection.close()
listener.close()
process.disconnect()
