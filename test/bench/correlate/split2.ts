// The correlator over node:net with split2 and JSON.parse, the usual way to read lines of JSON in Node.js. Lines are written
// together as far as they came together, because one write each would hold it back.

import { pipeline, type Transform } from 'node:stream'

import { requirePeer } from '../harness/project.js'
import type { RoleContext } from '../harness/scenario.js'
import { acceptBoth } from '../relay/net.js'
import { incidentLine, Rule, type Event } from './rule.js'

const split2 = requirePeer('split2') as (map: (line: string) => unknown) => Transform

export async function consumer(context: RoleContext): Promise<undefined> {
  const { from, to } = await acceptBoth(context)
  const rule = new Rule()
  const lines = pipeline(
    from,
    split2((line) => ({ line, payload: (JSON.parse(line) as { payload: Event }).payload })),
    () => undefined,
  )
  let text = ''
  const flush = (): void => {
    const ready = text
    text = ''
    if (!to.write(ready)) lines.pause()
  }
  lines.on('data', ({ line, payload }: { line: string; payload: Event }) => {
    if (text === '') setImmediate(flush)
    text += `${line}\n`
    const incident = rule.look(payload.EventID, payload.Hostname, payload.Channel)
    if (incident !== undefined) text += incidentLine(incident)
  })
  to.on('drain', () => lines.resume())
  return undefined
}
