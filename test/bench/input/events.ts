// Security events as lines of SOC messages: real ones when ../shared/data/security-events stands beside the checkout,
// generated ones of about the same length otherwise. The scenario's notes say which.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'

import { projectRoot } from '../harness/project.js'
import { LINE_BYTES, plainMessage } from './line.js'

const realEvents = join(dirname(projectRoot), 'shared', 'data', 'security-events')
const GENERATED_EVENTS = 5000
const SHORT_LINES = 50_000

export interface EventLines {
  /** Whole lines, each with its newline, in UTF-8. */
  readonly bytes: Buffer
  readonly lines: number
  readonly origin: string
}

export function loadEventLines(): EventLines {
  const real = readRealEvents()
  const events = real ?? Array.from({ length: GENERATED_EVENTS }, (_, i) => generatedEvent(i))
  const ts = Math.floor(Date.now() / 1000)
  const text = events
    .map((event, i) => `{"type":"soc_event","id":"${ts}${100_000_000 + i}","ts":${ts},"payload":${event}}\n`)
    .join('')
  const bytes = Buffer.from(text)
  const kind = real === undefined ? 'generated events' : 'real security events (OTRF Security-Datasets)'
  const mean = Math.round(bytes.length / events.length)
  return { bytes, lines: events.length, origin: `${events.length} ${kind}, ${mean} bytes a line on average` }
}

/** Lines of the other benchmarks, about as many bytes of them as of the events. */
export function shortLines(): EventLines {
  const text = Array.from({ length: SHORT_LINES }, (_, i) => `${JSON.stringify(plainMessage(i))}\n`).join('')
  return {
    bytes: Buffer.from(text),
    lines: SHORT_LINES,
    origin: `${SHORT_LINES} lines of ${LINE_BYTES} bytes`,
  }
}

function readRealEvents(): string[] | undefined {
  let files
  try {
    files = readdirSync(realEvents).filter((file) => file.endsWith('.gz'))
  } catch {
    return undefined
  }
  if (files.length === 0) return undefined
  return files
    .flatMap((file) =>
      gunzipSync(readFileSync(join(realEvents, file)))
        .toString()
        .split(/\r?\n/),
    )
    .filter(isJson)
}

/** One line of the data set is damaged; some contestants would end at it, so none gets it. */
function isJson(line: string): boolean {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}

/** Shaped like a Windows event: some forty short keys and one long text with escapes. */
function generatedEvent(i: number): string {
  const fields = Object.fromEntries(
    Array.from({ length: 36 }, (_, k) => [`Field${k}Name`, k % 4 === 0 ? i * k : `value-${i}-${k}`]),
  )
  const message = Array.from(
    { length: 12 },
    (_, k) => `\tItem ${k}:\t\tC:\\Windows\\System32\\${i}.exe`,
  ).join('\r\n')
  return JSON.stringify({
    EventID: 4600 + (i % 90),
    Hostname: `WORKSTATION${i % 9}`,
    Channel: 'Security',
    ...fields,
    Message: message,
  })
}
