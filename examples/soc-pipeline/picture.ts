// The chain as a picture of three lines, with what has passed each arrow and what stands at each process.

import type { AllCounts } from './pipeline.js'
import { number } from './text.js'

const ARROW = 19

/** soc-ingest ──▶ soc-correlate ──▶ soc-respond, 80 columns at most. */
export function chainPicture({ ingest, correlate, respond }: AllCounts): string[] {
  const first = arrow(`${number(correlate?.finished ?? 0)} events`)
  const second = arrow(`${number(respond?.incidents ?? 0)} incidents`)
  const spool = `${number(ingest?.pending ?? 0)} in the spool`
  const journal = correlate?.recovered ? `${number(correlate.recovered)} by the one killed` : ''
  return [
    `  soc-ingest ${first} soc-correlate ${second} soc-respond`,
    `  ${spool.padEnd(11 + ARROW + 1)}${journal}`,
  ]
}

function arrow(text: string): string {
  const label = ` ${text} `
  const left = Math.max(Math.floor((ARROW - 1 - label.length) / 2), 1)
  return `${'─'.repeat(left)}${label}${'─'.repeat(Math.max(ARROW - 1 - left - label.length, 1))}▶`
}
