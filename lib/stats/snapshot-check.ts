// Checks what a process replied to readStats() and sends as audit events, before a caller calculates with it or prints
// it: any process can listen at the address, and a number may be a text.

import type { LatencyStats } from '../observe/latency.js'
import type { AuditRecord } from './audit-feed.js'
import type { ConnectionSnapshot, ObjectSnapshot, StatsSnapshot } from './snapshot.js'

/** Returns the place of the first fault in a value, such as `connections[3].pid`; undefined if there is none. */
type Check = (value: unknown, place: string) => string | undefined
/** A check for every field of a type. */
type Fields<Shape> = Readonly<Record<keyof Shape & string, Check>>

const holds =
  (test: (value: unknown) => boolean): Check =>
  (value, place) =>
    test(value) ? undefined : place

const number = holds(isCount)
const text = holds((value) => typeof value === 'string')
const flag = holds((value) => typeof value === 'boolean')
const stats = holds((value) => isObject(value) && Object.values(value).every(isCountIfNumber))

/** Whether a value is a number whose sums and rates stay finite. -1 is a user or process id that is not known. */
function isCount(value: unknown): boolean {
  return typeof value === 'number' && value >= -1 && value <= Number.MAX_SAFE_INTEGER
}

function isCountIfNumber(value: unknown): boolean {
  return typeof value !== 'number' || isCount(value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function optional(check: Check): Check {
  return (value, place) => (value === undefined ? undefined : check(value, place))
}

function list(check: Check): Check {
  return (value, place) => {
    if (!Array.isArray(value)) return place
    for (const [index, element] of value.entries()) {
      const fault = check(element, `${place}[${index}]`)
      if (fault !== undefined) return fault
    }
    return undefined
  }
}

function fields<Shape>(table: Fields<Shape>): Check {
  const checks = Object.entries<Check>(table)
  return (value, place) => {
    if (!isObject(value)) return place
    for (const [key, check] of checks) {
      const fault = check(value[key], place === '' ? key : `${place}.${key}`)
      if (fault !== undefined) return fault
    }
    return undefined
  }
}

const latency = fields<LatencyStats>({ count: number, p50: number, p99: number, max: number })

const connection = fields<ConnectionSnapshot>({
  id: number,
  address: text,
  pid: number,
  uid: number,
  executable: optional(text),
  unit: optional(text),
  ageMs: number,
  received: number,
  receivedBytes: number,
  invalid: number,
  sent: number,
  sentBytes: number,
  pending: number,
  dropped: number,
  blocked: flag,
  latency: optional(latency),
  uses: list(text),
})

const counted = fields<ObjectSnapshot>({ id: number, kind: text, name: optional(text), stats })

const snapshot = fields<StatsSnapshot>({
  version: holds((value) => value === 1),
  name: text,
  pid: number,
  node: text,
  timeMs: number,
  monotonicMs: number,
  uptimeMs: number,
  cpuMs: number,
  rssBytes: number,
  loopLagMs: number,
  connections: list(connection),
  omitted: number,
  objects: list(counted),
})

const record = fields<Pick<AuditRecord, 'event' | 'timeMs' | 'address'>>({
  event: text,
  timeMs: number,
  address: optional(text),
})

/** Returns the place of the first fault in what should be a {@link StatsSnapshot}; undefined if there is none. */
export function faultOfSnapshot(value: unknown): string | undefined {
  return placed(snapshot(value, ''))
}

/** Returns the place of the first fault in what should be an {@link AuditRecord}; undefined if there is none. */
export function faultOfRecord(value: unknown): string | undefined {
  return placed(record(value, ''))
}

function placed(fault: string | undefined): string | undefined {
  return fault === '' ? 'the payload' : fault
}
