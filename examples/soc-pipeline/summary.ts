// The summary at the end, and whether it adds up: no event or incident may be missing from one count to the next.

import type { AllCounts } from './pipeline.js'
import type { IngestCounts, RuleCount } from './protocol.js'
import { number, plural } from './text.js'
import { latencyText, unparsedOf } from './view.js'

export interface Summary {
  readonly lines: readonly string[]
  readonly addsUp: boolean
}

const SEVERITIES = ['critical', 'high', 'medium', 'low']

/** Summarizes a run. `input` names the input; undefined means this machine. Reports counts that do not add up. */
export function summarize(counts: AllCounts, input: string | undefined, seconds: number): Summary {
  const { ingest, correlate, respond } = counts
  if (ingest === undefined || correlate === undefined || respond === undefined) {
    const missing = [
      ...(ingest === undefined ? ['soc-ingest'] : []),
      ...(correlate === undefined ? ['soc-correlate'] : []),
      ...(respond === undefined ? ['soc-respond'] : []),
    ]
    return { lines: [`adds up: no: there are no counts of ${missing.join(' and ')}`], addsUp: false }
  }
  const { json, syslog, process, listener } = ingest.events
  const events = json + syslog + process + listener
  const unparsed = unparsedOf(ingest)
  const sums: (readonly [text: string, left: number, right: number])[] = [
    ['read = events + unparsed', ingest.read, events + unparsed],
    ['events = sent, nothing buffered or dropped', events, ingest.written],
    ['events sent = received', ingest.written, correlate.received],
    ['events refused = 0', correlate.refused, 0],
    ['incidents sent = received', correlate.sent, respond.received],
    ['incidents refused = 0', respond.refused, 0],
    [
      'received = printed + growth + not printed',
      respond.received,
      respond.printed + respond.repeats + respond.unprinted,
    ],
  ]
  const wrong = sums.filter(([, left, right]) => left !== right)
  const row = (name: string, text: string): string => `  ${name.padEnd(14)}${text}`
  return {
    addsUp: wrong.length === 0,
    lines: [
      'summary',
      row('soc-ingest', readText(ingest, input, unparsed)),
      row(
        'hop 1',
        `${plural(ingest.written, 'event')} sent, ${number(correlate.received)} received; ${latencyText(correlate.latency)}`,
      ),
      row(
        '',
        `${number(ingest.pending)} buffered, ${number(ingest.dropped)} dropped, ${number(correlate.refused)} refused; the reader waited ${plural(ingest.waits, 'time')} for a full buffer`,
      ),
      row(
        'soc-correlate',
        `${plural(correlate.incidents, 'incident')} in ${plural(correlate.sent, 'message')}: one when found, one each time the count doubles`,
      ),
      row(
        'hop 2',
        `${plural(correlate.sent, 'message')} sent, ${number(respond.received)} received; ${latencyText(respond.latency)}`,
      ),
      row(
        'soc-respond',
        `${number(respond.printed)} printed, ${number(respond.unprinted)} not printed, ${number(respond.repeats)} about growth`,
      ),
      ...ruleLines(respond.rules),
      row('time', `${seconds.toFixed(1)} s, ${plural(events / seconds, 'event')} a second from start to end`),
      wrong.length === 0
        ? 'adds up: yes'
        : `adds up: no: ${wrong.map(([text, left, right]) => `${text} (${number(left)} against ${number(right)})`).join('; ')}`,
    ],
  }
}

/** The lines read, and the events made of them. */
function readText(ingest: IngestCounts, input: string | undefined, unparsed: number): string {
  const { json, syslog, process, listener } = ingest.events
  if (input === undefined) {
    const hint = process + listener > 0 ? '' : ': start a program or two meanwhile, or give files to read'
    return `observed ${plural(process, 'new process', 'new processes')} and ${plural(listener, 'new listening socket')} on this machine${hint}`
  }
  const { blank, unknown, tooLong, refused } = ingest.unparsed
  const reasons = [
    blank > 0 && `${number(blank)} blank`,
    unknown > 0 && `${number(unknown)} neither JSON nor syslog`,
    tooLong > 0 && `${number(tooLong)} too long`,
    refused > 0 && `${number(refused)} refused by sentinel-ipc`,
  ].filter((reason) => reason !== false)
  return (
    `read ${plural(ingest.read, 'line')} from ${input}: ` +
    `${plural(json + syslog, 'event')} (${number(json)} JSON, ${number(syslog)} syslog), ` +
    `${plural(unparsed, 'line')} unparsed${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`
  )
}

function ruleLines(rules: readonly RuleCount[]): string[] {
  const order = (rule: RuleCount): number => SEVERITIES.indexOf(rule.severity)
  return [...rules]
    .sort((a, b) => order(a) - order(b) || b.incidents - a.incidents)
    .map(
      ({ rule, severity, incidents, events }) =>
        `    ${severity.padEnd(10)}${rule.padEnd(22)}${plural(incidents, 'incident')} of ${plural(events, 'event')}`,
    )
}
