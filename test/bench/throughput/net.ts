// Throughput over node:net as a good engineer writes it today: newline-delimited JSON, back-pressure respected.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { eventMaker, payloadTexts, plainMessage, socketPath, type PlainMessage } from '../input/line.js'
import { Tally } from './tally.js'

export function consumer(context: RoleContext): Promise<Figures> {
  const tally = new Tally(context)
  const takeLine = context.text('mode') === 'object' ? takeObject : takeText
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      let rest = ''
      socket.setEncoding('utf8')
      socket.on('data', (chunk: string) => {
        const text = rest + chunk
        let begin = 0
        let messages = 0
        for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', begin)) {
          takeLine(text.slice(begin, end), tally)
          begin = end + 1
          ++messages
        }
        rest = text.slice(begin)
        const figures = tally.add(messages)
        if (figures !== undefined) resolve(figures)
      })
    })
    server.on('error', reject)
    server.listen(socketPath(context.directory), context.ready)
  })
}

function takeObject(line: string, tally: Tally): void {
  tally.checkObject((JSON.parse(line) as PlainMessage).payload)
}

const BEFORE_PAYLOAD = '"payload":'

function takeText(line: string, tally: Tally): void {
  // Parsed only to be sure that it is JSON. Where the payload stands is taken on trust, which no real gate could do.
  JSON.parse(line)
  tally.checkText(line.slice(line.indexOf(BEFORE_PAYLOAD) + BEFORE_PAYLOAD.length, -1))
}

export async function producer(context: RoleContext): Promise<undefined> {
  const socket = connect({ path: socketPath(context.directory) })
  await once(socket, 'connect')
  const linesPerWrite = context.number('linesPerWrite')
  const linesPerCork = context.number('linesPerCork')
  const payloadBytes = context.number('payloadBytes')
  const makeLine = context.text('mode') === 'object' ? objectLines(payloadBytes) : textLines(payloadBytes)
  for (let i = 0; ;) {
    let more = true
    if (linesPerCork > 0) socket.cork()
    for (const corkEnd = i + Math.max(1, linesPerCork); i < corkEnd;) {
      let lines = ''
      for (const end = i + linesPerWrite; i < end; ++i) lines += makeLine(i)
      more = socket.write(lines)
    }
    if (linesPerCork > 0) socket.uncork()
    if (!more) await once(socket, 'drain')
  }
}

function objectLines(payloadBytes: number): (i: number) => string {
  const makeEvent = eventMaker(payloadBytes)
  return (i) => JSON.stringify(plainMessage(i, makeEvent(i))) + '\n'
}

function textLines(payloadBytes: number): (i: number) => string {
  const texts = payloadTexts(payloadBytes)
  return (i) => {
    const { type, id, ts } = plainMessage(i)
    return `{"type":"${type}","id":"${id}","ts":${ts},"payload":${texts[i % texts.length] as string}}\n`
  }
}
