// Reads Windows events: Sysmon, the security log, PowerShell's and a few more, as the usual shippers write them to JSON.
// Numbers come as numbers or as text, and in hexadecimal or not, depending on the shipper.

import { programOf, text, type Fields, type Happening } from './happening.js'

type Reader = (event: Fields) => Happening | undefined

/** A logon of this type comes over the network. */
const NETWORK_LOGON = '3'

const SYSMON: Readonly<Record<number, Reader>> = {
  1: (event) => processStart('sysmon', text(event, 'Image'), text(event, 'ParentImage'), event),
  3: (event) =>
    event.Initiated === true || /^true$/i.test(text(event, 'Initiated'))
      ? connection(event, `${text(event, 'DestinationIp')}:${text(event, 'DestinationPort')}`)
      : undefined,
  22: (event) => connection(event, text(event, 'QueryName')),
}

const SECURITY: Readonly<Record<number, Reader>> = {
  1102: (event) => ({ kind: 'log-cleared', log: 'security log', by: clearedBy(event) }),
  4624: (event) => logon(event, true),
  4625: (event) => logon(event, false),
  4688: (event) =>
    processStart('security', text(event, 'NewProcessName'), text(event, 'ParentProcessName'), event),
  4662: directoryAccess,
  4697: (event) => ({
    kind: 'service',
    name: text(event, 'ServiceName'),
    image: text(event, 'ServiceFileName'),
  }),
  4698: (event) => task(event, 'created'),
  4702: (event) => task(event, 'updated'),
  4720: (event) => ({
    kind: 'account',
    name: text(event, 'TargetUserName'),
    by: text(event, 'SubjectUserName'),
  }),
}

const READERS: Readonly<Record<string, Readonly<Record<number, Reader>>>> = {
  'microsoft-windows-sysmon': SYSMON,
  'microsoft-windows-security-auditing': SECURITY,
  'microsoft-windows-eventlog': {
    1102: (event) => ({ kind: 'log-cleared', log: 'security log', by: clearedBy(event) }),
    104: (event) => ({ kind: 'log-cleared', log: 'event log', by: clearedBy(event) }),
  },
  'microsoft-windows-powershell': {
    4103: script,
    4104: (event) => ({
      kind: 'script',
      program: 'powershell.exe',
      commandLine: text(event, 'ScriptBlockText'),
    }),
  },
  powershell: { 400: script, 800: script },
  'service control manager': {
    7045: (event) => ({ kind: 'service', name: text(event, 'ServiceName'), image: text(event, 'ImagePath') }),
  },
}

/** The fields that decide whether a Windows event can report anything. */
export const WINDOWS_FIELDS = ['EventID', 'SourceName', 'ProviderName', 'Provider'] as const

/** Whether an event with these {@link WINDOWS_FIELDS} can report anything that a rule needs. */
export function isWindowsReport(event: Fields): boolean {
  return readerOf(event) !== undefined
}

/** Returns what a Windows event reports; undefined if no rule needs it. */
export function windowsFact(event: Fields): Happening | undefined {
  return readerOf(event)?.(event)
}

function readerOf(event: Fields): Reader | undefined {
  const source = text(event, 'SourceName', 'ProviderName', 'Provider').toLowerCase()
  return READERS[source]?.[Number(text(event, 'EventID'))]
}

function processStart(reporter: string, image: string, parent: string, event: Fields): Happening {
  return {
    kind: 'process',
    program: programOf(image),
    image,
    commandLine: text(event, 'CommandLine') || image,
    parent: programOf(parent),
    reporter,
  }
}

const GUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g

function directoryAccess(event: Fields): Happening {
  const rights = text(event, 'Properties').toLowerCase().match(GUID) ?? []
  return { kind: 'directory-access', user: text(event, 'SubjectUserName'), rights }
}

function connection(event: Fields, to: string): Happening {
  return { kind: 'connection', program: programOf(text(event, 'Image')), to }
}

function logon(event: Fields, ok: boolean): Happening {
  const address = text(event, 'IpAddress', 'WorkstationName')
  return {
    kind: 'logon',
    ok,
    user: text(event, 'TargetUserName'),
    from: address === '-' ? '' : address,
    remote: text(event, 'LogonType') === NETWORK_LOGON,
    session: text(event, 'TargetLogonId').toLowerCase(),
    times: 1,
  }
}

function task(event: Fields, action: string): Happening {
  return {
    kind: 'task',
    action,
    name: text(event, 'TaskName'),
    user: text(event, 'SubjectUserName'),
    session: text(event, 'SubjectLogonId').toLowerCase(),
  }
}

/** The command line that started this PowerShell, which it reports with every command. */
function script(event: Fields): Happening | undefined {
  const details = text(event, 'ContextInfo') || text(event, 'Message')
  const commandLine = /^\s*Host ?Application\s*=\s*(.+)$/im.exec(details)?.[1]?.trim()
  return commandLine === undefined ? undefined : { kind: 'script', program: 'powershell.exe', commandLine }
}

function clearedBy(event: Fields): string {
  return text(event, 'SubjectUserName') || (/Account Name:\s*(\S+)/.exec(text(event, 'Message'))?.[1] ?? '')
}
