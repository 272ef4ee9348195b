// The summary at the end, and whether it adds up: no event or incident may be missing from one count to the next.

import type { AllCounts } from './pipeline.js'
import type { IngestCounts, RuleCount, StageName } from './protocol.js'
import { chainPicture } from './picture.js'
import type { Outcome } from './scenes.js'
import { number, plural } from './text.js'
import { latencyText, unparsedOf } from './view.js'

export interface Summary {
  readonly lines: readonly string[]
  readonly addsUp: boolean
}

const SEVERITIES = ['critical', 'high', 'medium', 'low']

/** Summarizes a run. `input` names the input; undefined means the sample and this machine. Reports counts that do not add up. */
export function summarize(
  counts: AllCounts,
  input: string | undefined,
  seconds: number,
  outcomes: readonly Outcome[] = [],
): Summary {
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
    ['events = settled, nothing pending, rejected or dropped', events, ingest.settled],
    ['events settled = finished by soc-correlate, none twice', ingest.settled, correlate.finished],
    ['events refused = 0', correlate.refused, 0],
    ['incidents found = known to soc-respond', correlate.incidents, respond.incidents],
    ['messages refused = 0', respond.refused, 0],
    [
      'received = printed + growth + not printed',
      respond.received,
      respond.printed + respond.repeats + respond.unprinted,
    ],
  ]
  const wrong = sums.filter(([, left, right]) => left !== right)
  const row = (name: string, text: string): string => `  ${name.padEnd(14)}${text}`
  const failed = outcomes.filter((outcome) => !outcome.ok)
  return {
    addsUp: wrong.length === 0 && failed.length === 0,
    lines: [
      'summary',
      row('soc-ingest', readText(ingest, input, unparsed)),
      row(
        'hop 1',
        `${plural(ingest.settled, 'event')} settled, ${number(correlate.finished)} finished; ${latencyText(correlate.latency)}${correlate.recovered > 0 ? ', which includes the kill' : ''}`,
      ),
      row(
        '',
        `${number(ingest.pending)} pending, ${number(ingest.rejected)} rejected, ${number(ingest.dropped)} dropped, ${number(correlate.refused)} refused; ${plural(ingest.connections, 'connection')}`,
      ),
      row(
        'soc-correlate',
        `${plural(correlate.incidents, 'incident')}: told when found, and each time the count doubles`,
      ),
      row('hop 2', `${plural(respond.received, 'message')} received; ${latencyText(respond.latency)}`),
      row(
        'soc-respond',
        `${number(respond.printed)} printed, ${number(respond.unprinted)} not printed, ${number(respond.repeats)} about growth or repeated`,
      ),
      ...ruleLines(respond.rules),
      ...outcomes.map(({ scene, text, ok }) => row(scene, ok ? text : `FAILED: ${text}`)),
      row('time', `${seconds.toFixed(1)} s of reading, ${plural(events / seconds, 'event')} a second`),
      '',
      ...chainPicture(counts),
      ...(ingest.settled === events && correlate.finished === events
        ? [`  ${plural(events, 'event')} sent, settled and finished: none lost, none twice`]
        : []),
      wrong.length === 0 && failed.length === 0
        ? 'adds up: yes'
        : `adds up: no: ${[...wrong.map(([text, left, right]) => `${text} (${number(left)} against ${number(right)})`), ...failed.map(({ scene }) => `the scene ${scene}`)].join('; ')}`,
    ],
  }
}

/** Summarizes one stage that ran beside programs of others, which count for themselves. */
export function summarizeStage(counts: AllCounts, stage: StageName, seconds: number): Summary {
  const { ingest, correlate, respond } = counts
  const text =
    stage === 'soc-ingest' && ingest !== undefined
      ? `${number(ingest.read)} read, ${number(ingest.settled)} written to the Go correlator, ${number(ingest.pending)} pending`
      : stage === 'soc-correlate' && correlate !== undefined
        ? `${number(correlate.finished)} events taken, ${number(correlate.refused)} refused; ${plural(correlate.incidents, 'incident')}, ${number(correlate.sent)} messages written to the Go responder`
        : respond !== undefined
          ? `${plural(respond.received, 'message')} taken, ${number(respond.refused)} refused; ${plural(respond.incidents, 'incident')}`
          : 'there are no counts'
  return {
    lines: ['summary', `  ${stage}  ${text}; ${seconds.toFixed(1)} s`],
    addsUp: text !== 'there are no counts',
  }
}

/** The lines read, and the events made of them. */
function readText(ingest: IngestCounts, input: string | undefined, unparsed: number): string {
  const { json, syslog, process, listener } = ingest.events
  if (input === undefined) {
    return (
      `${plural(json, 'event')} of the sample, ` +
      `${plural(process, 'new process', 'new processes')} and ${plural(listener, 'new listening socket')} of this machine`
    )
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
