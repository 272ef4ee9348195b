// Formats durations, sizes and counts for people, and parses durations that people type.

import { usageError } from './exit-code.js'

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/

/**
 * Returns the milliseconds of a text such as `500ms`, `5s`, `2m` or `1h`. Without a unit, the number is in
 * milliseconds.
 */
export function parseDuration(text: string, option: string): number {
  const [, digits, unit = 'ms'] = DURATION.exec(text) ?? []
  const ms = Number(digits) * UNITS_MS[unit as keyof typeof UNITS_MS]
  if (digits === undefined || !(ms > 0)) {
    throw usageError(`--${option} takes a duration such as 500ms, 5s or 2m, not '${text}'`)
  }
  return ms
}

/** A whole number of at least `least`. */
export function parseCount(text: string, option: string, least = 1): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
    throw usageError(`--${option} takes a whole number from ${least}, not '${text}'`)
  }
  return value
}

/** `850 µs`, `12.3 ms`, `4.2 s`, `3 min 20 s`, `2 d 4 h`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '-'
  if (ms < 1) return `${Math.round(ms * 1000)} µs`
  if (ms < 1000) return `${ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

/**
 * Returns a time, in Unix milliseconds, as local time of day, with the date if it is not today. A time outside the
 * range of Date is returned as its number of seconds.
 */
export function clockTime(ms: number, nowMs = Date.now()): string {
  const time = new Date(ms)
  if (Number.isNaN(time.getTime())) return String(ms / 1000)
  const clock = time.toTimeString().slice(0, 8)
  const day = dateOf(time)
  return day === dateOf(new Date(nowMs)) ? clock : `${day} ${clock}`
}

function dateOf(time: Date): string {
  const [month, day] = [time.getMonth() + 1, time.getDate()].map((part) => String(part).padStart(2, '0'))
  return `${time.getFullYear()}-${month}-${day}`
}

/** `512 B`, `4.0 KiB`, `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`
  let value = bytes / 1024
  for (const unit of ['KiB', 'MiB', 'GiB']) {
    if (value < 1024) return `${value.toFixed(1)} ${unit}`
    value /= 1024
  }
  return `${value.toFixed(1)} TiB`
}

/** `950`, `12.3k`, `4.1M`: a count in at most five characters. */
export function formatCount(count: number): string {
  if (count < 1000) return Number.isInteger(count) ? String(count) : count.toFixed(1)
  if (count < 1e6) return `${(count / 1e3).toFixed(count < 1e5 ? 1 : 0)}k`
  if (count < 1e9) return `${(count / 1e6).toFixed(count < 1e8 ? 1 : 0)}M`
  return `${(count / 1e9).toFixed(1)}G`
}

/** A number with commas between groups of three digits: `1,234,567`. */
export function groupDigits(count: number): string {
  return count.toLocaleString('en-US')
}

/** `1 message`, `2 messages`. */
export function plural(count: number, word: string): string {
  return `${groupDigits(count)} ${word}${count === 1 ? '' : 's'}`
}
