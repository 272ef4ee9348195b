// The correlator with sentinel-ipc: the addon finds the fields, or each payload is parsed. Back-pressure needs no code: the next
// batch is asked for when the last one is sent.

import { listen, newSOCMessage, Receiver, Sender, type SOCMessage } from 'sentinel-ipc'

import type { RoleContext } from '../harness/scenario.js'
import { PIPE_NAME } from '../input/line.js'
import { Rule, type Event, type Incident } from './rule.js'

const FIELDS = ['/EventID', '/Hostname', '/Channel']

export async function consumer(context: RoleContext): Promise<undefined> {
  const byField = context.text('mode') === 'fields'
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  const receiver = new Receiver(await listener.accept(), 'correlator', byField ? { fields: FIELDS } : {})
  const sender = new Sender(await listener.accept(), 'correlator')
  const rule = new Rule()
  const look = byField ? lookAtFields : lookAtPayload
  for await (const batch of receiver.batches()) {
    const incidents: SOCMessage[] = []
    for (const message of batch) {
      const incident = look(rule, message)
      if (incident !== undefined) incidents.push(newSOCMessage('soc_incident', incident))
    }
    await sender.sendBatch(incidents.length === 0 ? batch : [...batch, ...incidents])
  }
  return undefined
}

function lookAtFields(rule: Rule, message: SOCMessage): Incident | undefined {
  return rule.look(message.field('/EventID'), message.field('/Hostname'), message.field('/Channel'))
}

function lookAtPayload(rule: Rule, message: SOCMessage): Incident | undefined {
  const { EventID, Hostname, Channel } = message.payload as Event
  return rule.look(EventID, Hostname, Channel)
}
