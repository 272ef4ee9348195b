// Subjects of NATS, and the headers of a batch: converts a batch to a message of JetStream and back.

import type { MsgHdrs } from '@nats-io/transport-node'

import { parseJson } from '../base/json.js'
import type { Batch, BatchRun, SourceItem } from './bridge.js'

export const Header = {
  version: 'Sentinel-Version',
  host: 'Sentinel-Host',
  count: 'Sentinel-Count',
  runs: 'Sentinel-Runs',
  reason: 'Sentinel-Reason',
  type: 'Sentinel-Type',
  bytes: 'Sentinel-Bytes',
  writer: 'Sentinel-Writer',
  created: 'Sentinel-Stream-Created',
} as const

const VERSION = '1'
const NEWLINE = 10

/**
 * Returns one token of a subject: characters other than letters, digits, `-` and `_` become `%` and two hexadecimal
 * digits for each byte of UTF-8.
 */
export function tokenOf(text: string): string {
  if (text === '') return '%'
  return text.replace(/[^A-Za-z0-9_-]+/gu, (part) =>
    [...Buffer.from(part)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  )
}

/** Returns the text of a token; undefined if {@link tokenOf} did not make it. */
export function textOf(token: string): string | undefined {
  if (token === '%') return ''
  try {
    const text = decodeURIComponent(token)
    return tokenOf(text) === token.replace(/%../g, (code) => code.toLowerCase()) ? text : undefined
  } catch {
    return undefined
  }
}

export function subjectOf(prefix: string, host: string, type: string): string {
  return `${prefix}.${tokenOf(host)}.${tokenOf(type)}`
}

/** Returns the runs as JSON in ASCII, which a header can carry. */
export function encodeRuns(runs: readonly BatchRun[]): string {
  return JSON.stringify(runs).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

export function setBatchHeaders(headers: MsgHdrs, { host, runs, lines }: Batch): void {
  headers.set(Header.version, VERSION)
  headers.set(Header.host, tokenOf(host))
  headers.set(Header.count, String(lines.length === 0 ? 0 : countOf(runs)))
  headers.set(Header.runs, encodeRuns(runs))
}

function countOf(runs: readonly BatchRun[]): number {
  let count = 0
  for (const run of runs) count += run.count
  return count
}

/** Converts a stored message to an item. The host is taken from the subject, which the server's permissions protect. */
export function itemOf(
  prefix: string,
  message: { readonly seq: number; readonly subject: string; readonly data: Uint8Array },
  headers: MsgHdrs | undefined,
): SourceItem {
  const { seq: position, subject } = message
  const { buffer, byteOffset, byteLength } = message.data
  const data = Buffer.from(buffer, byteOffset, byteLength)
  const batch = batchOf(prefix, subject, data, headers)
  return batch === undefined ? { position, batch, reason: 'not-a-batch', data } : { position, batch }
}

function batchOf(
  prefix: string,
  subject: string,
  lines: Buffer,
  headers: MsgHdrs | undefined,
): Batch | undefined {
  if (headers?.get(Header.version) !== VERSION) return undefined
  const parts = partsOf(prefix, subject)
  const runs = runsOf(headers.get(Header.runs))
  if (parts === undefined || runs === undefined) return undefined
  if (lines.length > 0 && newlinesIn(lines) !== countOf(runs)) return undefined
  return { ...parts, runs, lines }
}

interface SubjectParts {
  readonly host: string
  readonly type: string
}

/** Cache of parsed subjects: a stream has few subjects compared with its messages. */
const recent = new Map<string, SubjectParts>()
const MOST_RECENT = 1024

/** Returns host and type of a subject; undefined if {@link subjectOf} did not make it with this prefix. */
function partsOf(prefix: string, subject: string): SubjectParts | undefined {
  const key = `${prefix} ${subject}`
  let parts = recent.get(key)
  if (parts !== undefined) return parts
  if (!subject.startsWith(`${prefix}.`)) return undefined
  const [hostToken = '', typeToken = '', more] = subject.slice(prefix.length + 1).split('.')
  const host = textOf(hostToken)
  const type = textOf(typeToken)
  if (host === undefined || type === undefined || more !== undefined) return undefined
  if (recent.size >= MOST_RECENT) recent.clear()
  recent.set(key, (parts = { host, type }))
  return parts
}

function runsOf(text: string): BatchRun[] | undefined {
  try {
    const runs = parseJson(text)
    return Array.isArray(runs) && runs.length > 0 && runs.every(isRun) ? runs : undefined
  } catch {
    return undefined
  }
}

function isRun(value: unknown): value is BatchRun {
  const { uid, sid, session, previous, first, count, anchored } = Object(value) as Partial<BatchRun>
  const isNumber = (number: unknown, least: number): boolean =>
    Number.isSafeInteger(number) && (number as number) >= least
  return (
    isNumber(uid, -1) &&
    (sid === undefined || typeof sid === 'string') &&
    typeof session === 'string' &&
    /^[0-9a-f]{32}$/.test(session) &&
    isNumber(previous, 0) &&
    isNumber(first, 1) &&
    isNumber(count, 1) &&
    (previous as number) < (first as number) &&
    typeof anchored === 'boolean'
  )
}

/** Returns the number of lines; -1 if the last one does not end in a newline. */
function newlinesIn(lines: Buffer): number {
  if (lines[lines.length - 1] !== NEWLINE) return -1
  let count = 0
  for (let at = lines.indexOf(NEWLINE); at >= 0; at = lines.indexOf(NEWLINE, at + 1)) ++count
  return count
}
