// Waits for messages that come a millisecond apart, with busy polling, and reports how often it polled. Both ends of the
// connection are in this process.

import { setTimeout as sleep } from 'node:timers/promises'

import { PollWord } from '../../../lib/binding/abi.js'
import { dial } from '../../../lib/connection/dial.js'
import { listen } from '../../../lib/connection/listener.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { pollWords } from '../../../lib/wire/busy-poll.js'

const MESSAGES = 20

const { directory } = JSON.parse(process.argv[2] ?? '{}') as { directory: string }
const busyPoll = { maxMicroseconds: 50 }
const listener = await listen('alone', { directory, busyPoll })
const [client, server] = await Promise.all([dial('alone', { directory }), listener.accept()])
const sender = new Sender(client, 'sender')
const receiver = new Receiver(server, 'receiver')
for (let i = 0; i < MESSAGES; ++i) {
  const next = receiver.next()
  await sleep(1)
  await sender.send(newSOCMessage('soc_event', i))
  if ((await next).value?.payload !== i) throw new Error('a message is missing')
}
process.send?.((pollWords[PollWord.gained] ?? 0) + (pollWords[PollWord.lost] ?? 0))
listener.close()
process.disconnect()
