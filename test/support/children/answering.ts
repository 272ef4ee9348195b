// Dials, and sends back every message that it receives.

import { dial, Receiver, Sender } from 'sentinel-ipc'

const { directory, busyPoll } = JSON.parse(process.argv[2] ?? '{}') as {
  directory: string
  busyPoll?: { maxMicroseconds: number }
}

const connection = await dial('test', { directory, ...(busyPoll && { busyPoll }) })
process.send?.('dialled')
const answers = new Sender(connection, 'answers')
for await (const message of new Receiver(connection, 'questions')) await answers.send(message)
process.disconnect()
