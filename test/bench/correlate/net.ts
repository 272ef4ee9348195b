// The correlator over node:net without a library: finds the lines itself, parses each, and writes those of one read together,
// with the incidents behind them.

import type { RoleContext } from '../harness/scenario.js'
import { acceptBoth } from '../relay/net.js'
import { incidentLine, Rule, type Event } from './rule.js'

export async function consumer(context: RoleContext): Promise<undefined> {
  const { from, to } = await acceptBoth(context)
  const rule = new Rule()
  let rest = ''
  from.setEncoding('utf8')
  from.on('data', (chunk: string) => {
    const text = rest + chunk
    let begin = 0
    let incidents = ''
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', begin)) {
      const { payload } = JSON.parse(text.slice(begin, end)) as { payload: Event }
      const incident = rule.look(payload.EventID, payload.Hostname, payload.Channel)
      if (incident !== undefined) incidents += incidentLine(incident)
      begin = end + 1
    }
    rest = text.slice(begin)
    if (begin > 0 && !to.write(text.slice(0, begin) + incidents)) from.pause()
  })
  to.on('drain', () => from.resume())
  from.resume()
  return undefined
}
