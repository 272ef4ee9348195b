// Reads syslog lines of Linux hosts, the same as JSON with a field `message`, and what was seen on this machine.

import type { EventForm } from '../protocol.js'
import { programOf, text, type Fields, type Happening } from './happening.js'

const PROGRAMS = new Set(['sshd', 'sshd-session', 'sudo', 'useradd'])

/** The fields that decide whether a Linux event can report anything. */
export const LINUX_FIELDS = ['app', 'program', 'SYSLOG_IDENTIFIER', 'ident'] as const

/** Whether an event with these {@link LINUX_FIELDS} can report anything that a rule needs. */
export function isLinuxReport(event: Fields): boolean {
  return PROGRAMS.has(programThatLogs(event))
}

/** Returns what a Linux event reports; undefined if no rule needs it. */
export function linuxFact(form: EventForm, event: Fields): Happening | undefined {
  if (form === 'process') return localProcess(event)
  if (form === 'listener') return listener(event)
  const message = text(event, 'message', 'MESSAGE', 'msg')
  if (message === '') return undefined
  return syslogFact(programThatLogs(event), message)
}

function programThatLogs(event: Fields): string {
  return programOf(text(event, ...LINUX_FIELDS))
}

function syslogFact(app: string, message: string): Happening | undefined {
  switch (app) {
    case 'sshd':
    case 'sshd-session':
      return sshFact(message)
    case 'sudo':
      return sudoFact(message)
    case 'useradd': {
      const name = /^new user: name=([^,]+)/.exec(message)?.[1]
      return name === undefined ? undefined : { kind: 'account', name, by: '' }
    }
    default:
      return undefined
  }
}

const REPEATED = /^message repeated (\d{1,6}) times: \[ (.*)\]$/

function sshFact(message: string): Happening | undefined {
  const [, times = '1', repeated = message] = REPEATED.exec(message) ?? []
  const match = /^(Failed|Accepted) \S+ for (?:invalid user )?(.*) from (\S+) port \d+/.exec(repeated)
  if (match === null) return undefined
  const [, verdict, user = '', from = ''] = match
  return {
    kind: 'logon',
    ok: verdict === 'Accepted',
    user,
    from,
    remote: true,
    session: '',
    times: Number(times),
  }
}

function sudoFact(message: string): Happening | undefined {
  const [, user, reason = ''] = /^\s*(\S+) : ([^;]*)/.exec(message) ?? []
  if (user === undefined) return undefined
  if (reason.includes('NOT in sudoers')) return { kind: 'sudo-refused', user, listed: false, times: 1 }
  const times = /(\d{1,6}) incorrect password attempt/.exec(reason)?.[1]
  return times === undefined ? undefined : { kind: 'sudo-refused', user, listed: true, times: Number(times) }
}

function localProcess(event: Fields): Happening {
  const exe = text(event, 'exe')
  return {
    kind: 'local-process',
    program: text(event, 'name') || programOf(exe),
    exe,
    commandLine: text(event, 'cmdline'),
  }
}

function listener(event: Fields): Happening {
  const { port } = event
  return {
    kind: 'listener',
    program: programOf(text(event, 'exe')) || 'unknown program',
    protocol: text(event, 'protocol'),
    address: text(event, 'address'),
    port: typeof port === 'number' ? port : undefined,
  }
}
