// The correlation rules. Each is a function that looks at one fact at a time and returns a finding or nothing. They know
// no clock, no files and no sockets: the same facts in the same order always give the same findings.

import { dirname } from 'node:path'

import type { Evidence, Severity } from '../protocol.js'
import { BoundedMap } from './bounded-map.js'
import { Burst } from './burst.js'
import { decodedCommand, isDownload, isRemoteHta } from './commands.js'
import type { Fact, FactOf } from './fact.js'
import { addressOf, isPublicName } from './network.js'
import type { Kind } from './happening.js'

/** A rule's finding about a fact. Findings with the same key belong to the same incident. */
export interface Finding {
  readonly rule: string
  readonly severity: Severity
  readonly key: string
  readonly title: string
  /** Evidence that is new, with the fact itself. */
  readonly evidence: readonly Evidence[]
}

export type Rule = (fact: Fact) => Finding | undefined

const MINUTE_MS = 60_000

/**
 * Commands that explore a host. Several together, or one started by a script, are typical first steps of an intruder.
 */
const DISCOVERY = new Set(
  'net whoami ipconfig systeminfo tasklist nltest quser qwinsta arp route netstat nbtstat dsquery'
    .split(' ')
    .map((program) => `${program}.exe`),
)
const SCRIPT_HOSTS = new Set(['powershell.exe', 'pwsh.exe', 'wscript.exe', 'cscript.exe', 'mshta.exe'])
/** Attack tools known by name. Renaming them is enough to evade this, so their absence means nothing. */
const ATTACK_TOOLS = new Set(
  'seatbelt mimikatz rubeus sharphound sharpup lazagne procdump psexec psexesvc winpeas'
    .split(' ')
    .map((program) => `${program}.exe`),
)

function isKind<K extends Kind>(fact: Fact, kind: K): fact is FactOf<K> {
  return fact.what.kind === kind
}

/** A rule for facts of one kind, which reports each fact for which `examine` returns a finding. */
function rule<K extends Kind>(
  name: string,
  severity: Severity,
  kind: K,
  examine: (
    fact: FactOf<K>,
  ) => { subject: string; title: string; evidence?: readonly Evidence[] } | undefined,
): Rule {
  return (fact) => {
    if (!isKind(fact, kind)) return undefined
    const found = examine(fact)
    if (found === undefined) return undefined
    const { subject, title, evidence = [fact.evidence] } = found
    return { rule: name, severity, key: `${name}|${fact.host}|${subject}`, title, evidence }
  }
}

/** Creates all rules, in their initial state. */
export function createRules(): Rule[] {
  return [...commandRules(), ...logonRules(), ...changeRules(), ...cloudRules(), ...localRules()]
}

function commandRules(): Rule[] {
  const discoveries = new Burst(3, MINUTE_MS)
  const suspicious = (
    fact: FactOf<'process'> | FactOf<'script'>,
  ): { subject: string; title: string } | undefined => {
    const { program, commandLine } = fact.what
    if (!SCRIPT_HOSTS.has(program)) return undefined
    const command = decodedCommand(commandLine)
    if (command !== undefined)
      return { subject: commandLine, title: `encoded PowerShell command: ${command}` }
    return isDownload(commandLine)
      ? { subject: commandLine, title: `script that runs what it downloads: ${commandLine}` }
      : undefined
  }
  return [
    rule('suspicious-script', 'high', 'process', suspicious),
    rule('suspicious-script', 'high', 'script', suspicious),
    rule('remote-hta', 'high', 'process', ({ what: { commandLine } }) =>
      isRemoteHta(commandLine) ? { subject: commandLine, title: `mshta runs ${commandLine}` } : undefined,
    ),
    rule('attack-tool', 'high', 'process', ({ what: { program, commandLine } }) =>
      ATTACK_TOOLS.has(program)
        ? { subject: program, title: `known attack tool: ${commandLine}` }
        : undefined,
    ),
    rule('discovery-by-script', 'medium', 'process', ({ what: { program, parent, commandLine } }) =>
      DISCOVERY.has(program) && SCRIPT_HOSTS.has(parent)
        ? { subject: commandLine, title: `${parent} started ${commandLine}` }
        : undefined,
    ),
    rule('discovery-burst', 'medium', 'process', (fact) => {
      if (!DISCOVERY.has(fact.what.program)) return undefined
      const evidence = discoveries.add(fact.host, fact)
      return evidence && { subject: '', title: '3 or more discovery commands within a minute', evidence }
    }),
    rule('script-on-network', 'medium', 'connection', ({ what: { program, to } }) =>
      SCRIPT_HOSTS.has(program) && isPublicName(to)
        ? { subject: program, title: `${program} reaches out to ${to}` }
        : undefined,
    ),
  ]
}

function logonRules(): Rule[] {
  const failures = new Burst(5, 2 * MINUTE_MS)
  const refusals = new Burst(3, 5 * MINUTE_MS)
  /** Where failures come from; the user if the event does not contain it. */
  const source = ({ host, what: { from, user } }: FactOf<'logon'>): string => `${host}|${from || user}`
  return [
    rule('failed-logon-burst', 'medium', 'logon', (fact) => {
      if (fact.what.ok) return undefined
      const evidence = failures.add(source(fact), fact, fact.what.times)
      const { from, user } = fact.what
      const title = `5 or more failed logons within 2 minutes ${from === '' ? `as ${user}` : `from ${from}`}`
      return evidence && { subject: from || user, title, evidence }
    }),
    rule('logon-after-failures', 'critical', 'logon', (fact) => {
      const { ok, from, user } = fact.what
      if (!ok || !failures.isOver(source(fact), fact.time)) return undefined
      return {
        subject: `${from}|${user}`,
        title: `${user} logged on${from && ` from ${from}`} right after a burst of failures`,
      }
    }),
    rule('sudo-refused', 'medium', 'sudo-refused', (fact) => {
      const { user, listed, times } = fact.what
      if (!listed) return { subject: user, title: `${user} tried sudo and is not in sudoers` }
      const evidence = refusals.add(`${fact.host}|${user}`, fact, times)
      return (
        evidence && {
          subject: user,
          title: `3 or more wrong sudo passwords within 5 minutes by ${user}`,
          evidence,
        }
      )
    }),
  ]
}

function changeRules(): Rule[] {
  /** Sessions that came over the network, and from where. */
  const sessions = new BoundedMap<string, string>(10_000)
  return [
    rule('remote-task', 'high', 'task', ({ host, what: { action, name, user, session } }) => {
      const from = sessions.get(`${host}|${session}`)
      return from === undefined
        ? undefined
        : {
            subject: name,
            title: `scheduled task ${name} ${action} over the network by ${user} from ${from}`,
          }
    }),
    rule('scheduled-task', 'medium', 'task', ({ what: { action, name, user } }) => ({
      subject: name,
      title: `scheduled task ${name} ${action} by ${user}`,
    })),
    // Reports nothing itself: it remembers logons for the rule remote-task.
    ({ host, what }) => {
      if (what.kind === 'logon' && what.ok && what.remote && what.session !== '') {
        sessions.set(`${host}|${what.session}`, what.from || 'an unknown address')
      }
      return undefined
    },
    rule('schtasks', 'medium', 'process', ({ what: { program, commandLine } }) =>
      program === 'schtasks.exe' && /\/(?:create|change)\b/i.test(commandLine)
        ? { subject: commandLine, title: commandLine }
        : undefined,
    ),
    rule('new-service', 'medium', 'service', ({ what: { name, image } }) => ({
      subject: name,
      title: `service ${name} installed: ${image}`,
    })),
    rule('new-account', 'medium', 'account', ({ what: { name, by } }) => ({
      subject: name,
      title: `account ${name} created${by && ` by ${by}`}`,
    })),
    rule('log-cleared', 'high', 'log-cleared', ({ what: { log, by } }) => ({
      subject: log,
      title: `${log} cleared${by && ` by ${by}`}`,
    })),
  ]
}

/** Rights of a domain controller to copy the passwords of a domain (DS-Replication-Get-Changes and its relatives). */
const REPLICATION = new Set([
  '1131f6aa-9c07-11d1-f79f-00c04fc2dcd2',
  '1131f6ad-9c07-11d1-f79f-00c04fc2dcd2',
  '89e95b76-444d-4c62-991a-0facbeda640c',
])
/** Calls that blind a cloud account. */
const BLINDING = new Set(
  'StopLogging DeleteTrail UpdateTrail DeleteDetector DeleteFlowLogs DisableKey'.split(' '),
)
/** Calls that leave a way back in, or more rights. */
const PERSISTENCE = new Set(
  'CreateUser CreateAccessKey CreateLoginProfile UpdateLoginProfile AttachUserPolicy AttachRolePolicy PutUserPolicy UpdateAssumeRolePolicy AuthorizeSecurityGroupIngress'.split(
    ' ',
  ),
)

function cloudRules(): Rule[] {
  const denials = new Burst(5, 5 * MINUTE_MS)
  const callOf = ({ service, call, user, target }: FactOf<'cloud-call'>['what']): string =>
    `${service} ${call}${target && ` of ${target}`} by ${user}`
  return [
    rule('dcsync', 'critical', 'directory-access', ({ what: { user, rights } }) =>
      // Domain controllers, whose accounts end with $, copy from each other all the time.
      !user.endsWith('$') && rights.some((right) => REPLICATION.has(right))
        ? {
            subject: user,
            title: `${user} copies passwords of the domain as a domain controller would (DCSync)`,
          }
        : undefined,
    ),
    rule('cloud-blinded', 'high', 'cloud-call', ({ what }) =>
      what.error === '' && BLINDING.has(what.call) ? { subject: what.user, title: callOf(what) } : undefined,
    ),
    rule('cloud-persistence', 'medium', 'cloud-call', ({ what }) =>
      what.error === '' && PERSISTENCE.has(what.call)
        ? { subject: `${what.user}|${what.call}`, title: callOf(what) }
        : undefined,
    ),
    rule('cloud-root', 'medium', 'cloud-call', ({ what }) =>
      what.isRoot
        ? { subject: what.from, title: `the root user calls ${what.service} from ${what.from}` }
        : undefined,
    ),
    rule('cloud-denied-burst', 'medium', 'cloud-call', (fact) => {
      const { error, user } = fact.what
      if (!/AccessDenied|UnauthorizedOperation/.test(error)) return undefined
      const evidence = denials.add(`${fact.host}|${user}`, fact)
      return (
        evidence && { subject: user, title: `5 or more refused calls within 5 minutes by ${user}`, evidence }
      )
    }),
  ]
}

const TEMPORARY = /^\/(?:tmp|var\/tmp|dev\/shm)\//
const LOOPBACK = /^(?:127\.|::1$)/

function localRules(): Rule[] {
  const starts = new Burst(40, 10_000)
  return [
    rule('temporary-program', 'high', 'local-process', ({ what: { exe, commandLine } }) =>
      TEMPORARY.test(exe) ? { subject: exe, title: `program runs from ${exe}: ${commandLine}` } : undefined,
    ),
    rule('deleted-program', 'medium', 'local-process', ({ what: { exe, commandLine } }) =>
      exe.endsWith(' (deleted)')
        ? { subject: exe, title: `program runs whose file is gone: ${commandLine}` }
        : undefined,
    ),
    rule('process-burst', 'low', 'local-process', (fact) => {
      const evidence = starts.add(fact.host, fact)
      return evidence && { subject: '', title: '40 or more process starts within 10 seconds', evidence }
    }),
    rule('new-listener', 'low', 'listener', ({ what: { program, protocol, address, port } }) => {
      const open = port !== undefined && !LOOPBACK.test(address)
      const where = port === undefined ? address || '(unnamed)' : addressOf(address, port)
      return {
        // Local ports and names of sockets are often random; their directory is more telling.
        subject: `${program}|${protocol}|${port === undefined ? dirname(address) : open ? port : 'local'}`,
        title: `${program} listens on ${protocol} ${where}${open ? ', open to the network' : ''}`,
      }
    }),
  ]
}
