// Times on the wire: RFC 3339 to and from Unix milliseconds, and positions of a fact store as times in microseconds. A
// page has thousands of times, most of the same minute, so the minute converted last is kept. Must not know messages.

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/
const DAY_UNITS = 10
const MINUTE_UNITS = 17
const ISO_UNITS = 24

let lastMinute = ''
let lastMinuteMs = 0

/** Returns Unix milliseconds as `2026-01-02T03:04:05.678Z`. */
export function formatTime(ms: number): string {
  const rest = ms - lastMinuteMs
  if (lastMinute === '' || rest < 0 || rest >= 60_000) {
    const text = new Date(ms).toISOString()
    // Years outside 0 to 9999 have another form.
    if (text.length === ISO_UNITS) keepMinute(text)
    return text
  }
  const seconds = Math.floor(rest / 1000)
  const millis = rest - seconds * 1000
  return `${lastMinute}${seconds < 10 ? '0' : ''}${seconds}.${millis < 10 ? '00' : millis < 100 ? '0' : ''}${millis}Z`
}

/** Returns the Unix milliseconds of an RFC 3339 time, cut to the millisecond; undefined if the text is not one. */
export function parseTime(text: unknown): number | undefined {
  if (typeof text !== 'string' || text.length > 40) return undefined
  if (text.length === ISO_UNITS && lastMinute !== '' && text.startsWith(lastMinute)) {
    const ms = secondsOf(text)
    if (ms !== undefined) return lastMinuteMs + ms
  }
  if (!TIME.test(text) || !isDay(text)) return undefined
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) return undefined
  if (text.length === ISO_UNITS && text.endsWith('Z')) keepMinute(text)
  return ms
}

// `Date.parse` reads 30 February and 24:00 as the day after. If such a minute were kept here, this node would write
// times that no peer accepts.
function isDay(text: string): boolean {
  if (text.startsWith('24', DAY_UNITS + 1)) return false
  // Every month has 28 days.
  if (text.slice(DAY_UNITS - 2, DAY_UNITS) <= '28') return true
  const day = text.slice(0, DAY_UNITS)
  const ms = Date.parse(`${day}T00:00:00.000Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day)
}

function keepMinute(text: string): void {
  lastMinute = text.slice(0, MINUTE_UNITS)
  lastMinuteMs = Date.parse(`${lastMinute}00.000Z`)
}

/** Returns the milliseconds of the `05.678Z` at the end; undefined if it has another form. */
function secondsOf(text: string): number | undefined {
  if (text.charCodeAt(19) !== 0x2e || text.charCodeAt(23) !== 0x5a) return undefined
  let ms = 0
  for (const [index, weight] of DIGITS) {
    const digit = text.charCodeAt(index) - 0x30
    if (digit < 0 || digit > 9) return undefined
    ms += digit * weight
  }
  return ms < 60_000 ? ms : undefined
}

const DIGITS = [
  [17, 10_000],
  [18, 1000],
  [20, 100],
  [21, 10],
  [22, 1],
] as const

const LAST_POSITION = Date.UTC(9999, 11, 31, 23, 59, 59, 999) * 1000

/** Returns a position as a time with six digits after the second; 0 is the Unix epoch. */
export function formatPosition(position: number): string {
  const ms = Math.floor(position / 1000)
  const micros = position - ms * 1000
  return `${new Date(ms).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`
}

/**
 * Returns the position of a time; 0 for times before the epoch, such as Go's zero time. Undefined if the text is not a
 * time.
 */
export function parsePosition(text: unknown): number | undefined {
  const ms = parseTime(text)
  if (ms === undefined) return undefined
  if (ms < 0) return 0
  const digits = /\.(\d+)/.exec(text as string)?.[1] ?? ''
  const micros = Number(digits.slice(3, 6).padEnd(3, '0'))
  return Math.min(ms * 1000 + micros, LAST_POSITION)
}
