// The test vectors of the wire: what this library, the Go peer and the Python peer make of each line.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { INVALID_REASONS } from '../../lib/binding/abi.js'
import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { frameOf } from '../../lib/message/message.js'
import { rawToReceiver } from '../support/pair.js'
import { rejectionOf } from '../support/wait.js'
import { buildGoPeer, hasGo, startGoPeer, whyNot } from './go-peer.js'

interface Filled {
  readonly before: string
  readonly fill: string
  readonly count: number
  readonly after: string
}

interface Vector extends Partial<Filled> {
  readonly name: string
  readonly line?: string
  readonly hex?: string
  readonly first?: true
  readonly last?: true
  readonly means?: {
    readonly type: string
    readonly id: string
    readonly ts: number
    readonly payload?: string | Filled
  }
  readonly skipped?: true
  readonly invalid?: string
}

const folder = fileURLToPath(new URL('./vectors/', import.meta.url))
const vectors = JSON.parse(readFileSync(`${folder}vectors.json`, 'utf8')) as Vector[]
const python = spawnSync('python3', ['--version']).status === 0

function textOf(given: string | Partial<Filled>): string {
  if (typeof given === 'string') return given
  const { before = '', fill = '', count = 0, after = '' } = given
  return before + fill.repeat(count) + after
}

function bytesOf(vector: Vector): Buffer {
  return vector.hex === undefined
    ? Buffer.from(textOf(vector.line ?? vector))
    : Buffer.from(vector.hex, 'hex')
}

describe('the test vectors', () => {
  it('have names of their own, and one outcome each', () => {
    expect(new Set(vectors.map(({ name }) => name)).size).toBe(vectors.length)
    const outcomes = vectors.map((v) => [v.means, v.skipped, v.invalid].filter((o) => o !== undefined).length)
    expect(new Set(outcomes)).toEqual(new Set([1]))
  })

  it('have one of each reason for which a line is refused', () => {
    const known: readonly string[] = INVALID_REASONS.map(([name]) => name)
    const used = new Set(vectors.flatMap(({ invalid }) => invalid ?? []))
    expect([...used].filter((reason) => !known.includes(reason))).toEqual([])
    expect(known.filter((reason) => !used.has(reason))).toEqual([])
  })

  it.each(vectors)('are read as they say: $name', async (vector) => {
    const { raw, receiver } = await rawToReceiver()
    if (vector.first === undefined) raw.write('{"type":"before"}\n')
    raw.write(bytesOf(vector))
    raw.end(vector.last === undefined ? '\n{"type":"after"}\n' : '')
    if (vector.first === undefined) expect((await receiver.next()).value?.type).toBe('before')
    if (vector.invalid !== undefined) {
      const tooLong = vector.invalid === 'too-large'
      expect(await rejectionOf(receiver.next())).toMatchObject({
        code: tooLong ? 'ERR_IPC_MESSAGE_TOO_LARGE' : 'ERR_IPC_INVALID_MESSAGE',
        reason: vector.invalid,
      })
    } else if (vector.means !== undefined) {
      const { type, id, ts, payload } = vector.means
      const message = (await receiver.next()).value
      expect(message).toMatchObject({ type, id, timestamp: ts })
      expect(message?.rawPayload).toBe(payload === undefined ? undefined : textOf(payload))
    }
    if (vector.last === undefined) expect((await receiver.next()).value?.type).toBe('after')
    expect((await receiver.next()).done).toBe(true)
  })

  // What is written from the meaning of a line is a line that means the same.
  it.each(vectors.filter(({ means }) => means !== undefined))(
    'are written so that they read the same: $name',
    async ({ means }) => {
      if (means === undefined) return
      const payload = means.payload === undefined ? undefined : rawJSON(textOf(means.payload))
      const frame = frameOf(newSOCMessage(means.type, payload, { id: means.id, timestamp: means.ts }))
      const text = typeof frame === 'string' ? frame : frame.map(String).join('')
      if (text.length > 1 << 20) return // the longest line has no room for the keys that it leaves out
      const { raw, receiver } = await rawToReceiver()
      raw.end(text)
      const message = (await receiver.next()).value
      expect(message).toMatchObject({ type: means.type, id: means.id, timestamp: means.ts })
      expect(message?.rawPayload).toBe(payload === undefined ? undefined : String(payload.content))
    },
  )

  it.skipIf(!python)(`pass the Python peer${python ? '' : ' (skipped: Python is not installed)'}`, () => {
    const { stdout, stderr } = spawnSync('python3', [`${folder}check.py`], { encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({ checked: vectors.length, failed: [] })
  })
})

describe.skipIf(!hasGo)(`the test vectors and a Go peer${whyNot}`, () => {
  let program: ReturnType<typeof buildGoPeer>
  beforeAll(() => {
    program = buildGoPeer()
  }, 120_000)
  afterAll(() => {
    program?.remove()
  })

  it('pass', async () => {
    const go = startGoPeer(program.path, 'vectors', `${folder}vectors.json`)
    expect(await go.next()).toEqual({ checked: vectors.length, failed: [] })
  })
})
