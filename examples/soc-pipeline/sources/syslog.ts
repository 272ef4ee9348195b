// Parses a syslog line: RFC 5424, RFC 3164, and the format that rsyslog and journalctl write to files, with an ISO time
// and without the priority in front.

export interface SyslogFields {
  readonly host: string
  readonly app: string
  readonly pid?: number
  readonly message: string
  /** ISO 8601; absent when the line has no time. */
  readonly time?: string
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const ISO = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?`
/** `<34>1 2003-10-11T22:14:15.003Z host app 123 ID47 [data] message` */
const RFC5424 = new RegExp(
  String.raw`^<\d{1,3}>1 (${ISO}|-) (\S{1,255}) (\S{1,48}) (\S{1,128}) \S{1,32} (?:-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: (.*))?$`,
  's',
)
/** `<34>Oct 11 22:14:15 host app[123]: message`, or with an ISO time */
const RFC3164 = new RegExp(
  String.raw`^(?:<\d{1,3}>)?(?:([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d:\d\d:\d\d)|(${ISO})) (\S{1,255}) ([^\s:[\]]{1,64})(?:\[(\d{1,10})\])?: ?(.*)$`,
  's',
)

/** Returns the fields of a syslog line; undefined if it is not one. */
export function parseSyslog(line: string): SyslogFields | undefined {
  const modern = RFC5424.exec(line)
  if (modern !== null) {
    const [, time = '', host = '', app = '', pid = '', message = ''] = modern
    // A byte order mark in front of the message says that it is UTF-8.
    return fields(isoTime(time), host, app, pid, message.replace(/^\ufeff/, ''))
  }
  const old = RFC3164.exec(line)
  if (old === null) return undefined
  const [, month = '', day = '', clock = '', iso, host = '', app = '', pid = '', message = ''] = old
  const time = iso === undefined ? timeThisYear(month, Number(day), clock) : isoTime(iso)
  return fields(time, host, app, pid, message)
}

function fields(
  time: string | undefined,
  host: string,
  app: string,
  pid: string,
  message: string,
): SyslogFields {
  return {
    host,
    app,
    ...(/^\d+$/.test(pid) && { pid: Number(pid) }),
    message,
    ...(time !== undefined && { time }),
  }
}

function isoTime(text: string): string | undefined {
  const time = Date.parse(text)
  return Number.isNaN(time) ? undefined : new Date(time).toISOString()
}

/** RFC 3164 has local time and no year: the last such day that is not in the future. */
function timeThisYear(month: string, day: number, clock: string): string | undefined {
  const monthIndex = MONTHS.indexOf(month)
  const [hours = 0, minutes = 0, seconds = 0] = clock.split(':').map(Number)
  if (monthIndex === -1 || day < 1 || day > 31) return undefined
  const now = Date.now()
  const time = new Date(new Date(now).getFullYear(), monthIndex, day, hours, minutes, seconds)
  if (time.getTime() > now + 86_400_000) time.setFullYear(time.getFullYear() - 1)
  return time.toISOString()
}
