// The lines that go to Go peers, byte for byte: Go's keys in Go's order, and additions only where Go ignores them.

import { describe, expect, it } from 'vitest'

import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { dial } from '../../lib/connection/dial.js'
import type { SwarmMessage } from '../../lib/swarm/protocol/messages.js'
import { temporaryDirectory } from '../support/directory.js'
import { fact, GENOME, incident, node } from '../support/facts.js'
import { ack } from '../support/hostile-lines.js'
import { servePlainly } from '../support/plain-server.js'
import { socketIn } from '../support/platform.js'
import { until } from '../support/wait.js'

describe('lines to a Go receiver', () => {
  it('have the keys type, id, ts and payload, and leave out what is empty', async () => {
    const directory = temporaryDirectory()
    let received = ''
    await servePlainly(socketIn(directory), (socket) => {
      socket.setEncoding('utf8').on('data', (text: string) => (received += text))
    })
    const sender = new Sender(await dial('test', { directory }), 'to-go')
    await sender.sendBatch([
      newSOCMessage('soc_event', { text: 'a<b>&c ü' }, { id: '17', timestamp: 1_700_000_000 }),
      newSOCMessage('soc_incident', undefined, { id: '', timestamp: -5 }),
      newSOCMessage('soc_ack', rawJSON('{"n":1e400}'), { id: 'x\n', timestamp: 0 }),
      newSOCMessage('soc_heartbeat', null, { id: '', timestamp: 1 }),
    ])
    await sender.close()
    const golden = [
      '{"type":"soc_event","id":"17","ts":1700000000,"payload":{"text":"a<b>&c ü"}}',
      '{"type":"soc_incident","ts":-5}',
      '{"type":"soc_ack","id":"x\\n","ts":0,"payload":{"n":1e400}}',
      '{"type":"soc_heartbeat","ts":1,"payload":null}',
    ]
    await until(() => received.split('\n').length === golden.length + 1)
    expect(received.split('\n')).toEqual([...golden, ''])
  })
})

describe('lines to a Go listener of the swarm', () => {
  it('are a handshake and one sync_payload', async () => {
    const directory = temporaryDirectory()
    let received = ''
    await servePlainly(socketIn(directory, 'swarm'), (socket) => {
      socket.setEncoding('utf8').on('data', (text: string) => {
        received += text
        const lines = received.split('\n').length - 1
        if (lines === 1) socket.write(ack({ sentinel: undefined }))
        else if (lines === 2) socket.end()
      })
    })
    const ours = node(directory, 'ours')
    await ours.store.add(fact('a', { domain: 'd', module: 'm', isGene: true }))
    await ours.store.add(fact('b'))
    await ours.incidents.addBatch([incident('i')])
    expect(await ours.transport.dial()).toBe(true)
    const [first = '', second = '', rest] = received.split('\n')
    expect(rest).toBe('')
    const self = ours.registry.selfId
    const ts = String(/"ts":(\d+)/.exec(first)?.[1])
    const handshake = (JSON.parse(first) as SwarmMessage<'handshake'>).payload
    expect(first).toBe(
      `{"type":"handshake","ts":${ts},"payload":{"from_peer_id":"${self}","from_node":"ours",` +
        `"genome_hash":"${GENOME}","timestamp":${handshake.timestamp},"nonce":"${handshake.nonce}",` +
        '"sentinel":{"version":1}}}',
    )
    const sync = (JSON.parse(second) as SwarmMessage<'sync_payload'>).payload
    const created = '"created_at":"2026-01-02T03:04:05.678Z"'
    expect(second.replace(/"ts":\d+/, '"ts":0')).toBe(
      `{"type":"sync_payload","ts":0,"payload":{"from_peer_id":"${self}","genome_hash":"${GENOME}",` +
        `"synced_at":"${sync.synced_at}","facts":[` +
        `{"id":"b","content":"content of b","level":0,"is_gene":false,"source":"test",${created}},` +
        '{"id":"a","content":"content of a","level":0,"domain":"d","module":"m","is_gene":true,"source":"test",' +
        `${created}}],"incidents":[{"id":"i","status":"open","severity":"high","title":"title",` +
        '"description":"description","event_count":3,"correlation_rule":"rule","kill_chain_phase":"phase",' +
        `"mitre_mapping":["T1059"],${created},"source_peer_id":"peer_000000000000000000000000"}]}}`,
    )
  })
})
