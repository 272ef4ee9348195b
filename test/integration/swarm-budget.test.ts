// What a hostile peer that is let in costs a node: how long it holds the event loop at a time, and how much memory it takes.

import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { startChild, type Child } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { GENOME } from '../support/facts.js'
import { hello, page, pagedHello, wire } from '../support/hostile-lines.js'
import { socketIn } from '../support/platform.js'

/** The longest that one turn of the event loop may take, on a machine that does the reference work in REFERENCE_MS. */
const TURN_MS = 20
const REFERENCE_MS = 4.5
/** What one exchange may hold, as docs/swarm.md states it. */
const EXCHANGE_BYTES = 8 << 20
/** The turn counts that is the shortest of these: another process may have had the processor in the others. */
const ROUNDS = 10

interface Said {
  readonly longestMs: number
  readonly referenceMs: number
  readonly bytes: number
  readonly exchanges: number
}

async function ask(child: Child, question: 'begin' | 'memory' | 'end'): Promise<Said> {
  child.send(question)
  return child.report<Said>()
}

/** Speaks as a dialer: the handshake, and the other lines when it was answered. Resolves when the node has hung up. */
async function attack(directory: string, lines: readonly string[]): Promise<void> {
  const socket = connect(socketIn(directory, 'swarm'))
  socket.on('error', () => undefined)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(lines[0] ?? '')
  socket.once('data', () => socket.write(lines.slice(1).join('')))
  socket.resume()
  await closed
}

function lineOf(facts: string, more = ''): string {
  const [head = '', tail = ''] = page([]).split('"facts":[]')
  return `${head}"facts":${facts}${more}${tail}`
}

const MIB = (1 << 20) - 1000
const fill = (unit: string, length = MIB): string => unit.repeat(Math.floor(length / unit.length))
const unique = (make: (i: string) => string, length = MIB): string => {
  const size = make('000000').length + 1
  return Array.from({ length: Math.floor(length / size) }, (_, i) =>
    make(i.toString(36).padStart(6, '0')),
  ).join()
}
const smallest = (i: string): string =>
  `{"id":"${i}","content":"","level":0,"is_gene":false,"source":"","created_at":"2026-01-02T03:04:05Z"}`
const gene = (i: string): string => smallest(`g${i}`).replace('false', 'true')
const nested = `${'['.repeat(120)}${']'.repeat(120)},`

const LINES: readonly [string, string[]][] = [
  ['empty objects', [lineOf(`[${fill('{},')}{}]`)]],
  ['empty lists', [lineOf(`[${fill('[],')}[]]`)]],
  ['deep lists', [lineOf(`[${fill(nested)}0]`)]],
  ['objects of ever new keys', [lineOf(`[${unique((i) => `{"${i}":0}`)}]`)]],
  ['an object of ever new keys', [lineOf(`{${unique((i) => `"${i}":0`)}}`)]],
  ['a fact of ever new keys', [lineOf(`[{"id":"a",${unique((i) => `"${i}":0`)}}]`)]],
  ['keys beside the facts', [lineOf('[]', `,${unique((i) => `"${i}":0`)}`)]],
  ['incidents of unknown keys', [lineOf('[]', `,"incidents":[${unique((i) => `{"${i}":0}`)}]`)]],
  ['numbers', [lineOf(`[${fill('0,')}0]`)]],
  ['backslashes', [lineOf(`["${fill('\\\\')}"]`)]],
  ['the smallest facts', [lineOf(`[${unique(smallest, 990_000)}]`)]],
  ['the smallest genes', [lineOf(`[${unique(gene, 990_000)}]`)]],
]

describe.each([
  ['memory', undefined],
  ['disk', 'facts'],
])('a node with its facts in %s', (_where, store) => {
  it('is not held up by any line', async () => {
    const directory = temporaryDirectory()
    const child = startChild('swarm-victim', {
      directory,
      genomeHash: GENOME,
      ...(store !== undefined && { lmdb: join(directory, store) }),
    })
    await child.report()
    const handshake = '{"type":"handshake","payload":{"from_peer_id":"' + fill('x') + '"}}\n'
    const all: readonly [string, string[]][] = [
      ...LINES.flatMap(([what, lines]): [string, string[]][] => [
        [`${what}, as Go`, [hello(), ...lines]],
        [`${what}, in pages`, [pagedHello(), ...lines]],
      ]),
      ['a long handshake', [handshake]],
      ['a handshake of ever new keys', [`{"type":"handshake","payload":{${unique((i) => `"${i}":0`)}}}\n`]],
      ['many small lines', [pagedHello(), fill('{"type":"a"}\n')]],
    ]
    await attack(directory, [hello(), page([wire('warm')])])
    const slow: string[] = []
    for (const [what, lines] of all) {
      let shortest = Infinity
      for (let round = 0; round < ROUNDS && shortest >= TURN_MS; ++round) {
        await ask(child, 'begin')
        await attack(directory, lines)
        const { longestMs, referenceMs } = await ask(child, 'end')
        shortest = Math.min(shortest, longestMs / Math.max(1, referenceMs / REFERENCE_MS))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      if (shortest >= TURN_MS) slow.push(`${what}: ${shortest.toFixed(1)} ms`)
    }
    expect(slow).toEqual([])
  }, 180_000)
})

describe('peers that stop half-way', () => {
  it('hold no more memory than twice the budget of an exchange each', async () => {
    const directory = temporaryDirectory()
    const child = startChild('swarm-victim', { directory, genomeHash: GENOME })
    await child.report()
    await ask(child, 'begin')
    const peers = 8
    const sockets: Socket[] = Array.from({ length: peers }, () => connect(socketIn(directory, 'swarm')))
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
    })
    for (const socket of sockets) {
      socket.on('error', () => undefined)
      socket.write(pagedHello())
      // Pages whose confirmations it does not read, and the beginning of another line.
      socket.once('data', () => {
        socket.pause()
        for (let i = 1; i < 20; ++i) {
          const next = `2026-01-01T00:00:00.0000${String(i).padStart(2, '0')}Z`
          socket.write(page([wire('x', { content: fill('語', 100_000) })], { has_more: true, next }))
        }
        socket.write(lineOf(`["${fill('x')}`).slice(0, MIB))
      })
    }
    let peak = 0
    for (let i = 0; i < 30; ++i) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      peak = Math.max(peak, (await ask(child, 'memory')).bytes)
    }
    expect(peak).toBeLessThan(2 * peers * EXCHANGE_BYTES)
  }, 60_000)
})
