// The native gate and JSON.parse, given the same texts: where they differ, it is on purpose.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { MAX_MESSAGE_BYTES } from '../../lib/message/envelope.js'
import { addon } from '../../lib/binding/addon.js'
import '../../lib/wire/read-window.js'
import { rawToReceiver } from '../support/pair.js'

const suite = new URL('../../../shared/data/json-test-suite/test_parsing/', import.meta.url)
const present = existsSync(suite)
const why = present ? '' : ' (skipped: ../shared/data/json-test-suite is not there)'
const files = present ? readdirSync(suite).sort() : []

const HEAD = Buffer.from('{"type":"t","payload":')

function asLine(payload: Buffer): Buffer {
  return Buffer.concat([HEAD, payload, Buffer.from('}\n')])
}

function gateTakes(payload: Buffer): boolean {
  const line = asLine(payload)
  return addon.checkFrames(line, 0, line.length, MAX_MESSAGE_BYTES) === 1
}

function parsed(payload: Buffer): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload)) }
  } catch {
    return undefined
  }
}

/**
 * A trailing newline is not part of the text. One within a valid text is a blank, so that another blank in its place says the
 * same on one line; an invalid text stays as it is.
 */
function asPayload(text: Buffer): Buffer {
  const trimmed = text.at(-1) === 0x0a ? text.subarray(0, -1) : text
  return parsed(trimmed) === undefined
    ? trimmed
    : (trimmed.map((byte) => (byte === 0x0a ? 0x20 : byte)) as Buffer)
}

describe.skipIf(!present)(`JSONTestSuite${why}`, () => {
  const texts = files.map((file) => ({
    file,
    text: asPayload(readFileSync(join(fileURLToPath(suite), file))),
  }))
  const ofKind = (kind: 'y_' | 'n_' | 'i_'): typeof texts => texts.filter(({ file }) => file.startsWith(kind))

  it('is all there', () => {
    expect(files).toHaveLength(318)
    expect([ofKind('y_').length, ofKind('n_').length, ofKind('i_').length]).toEqual([95, 188, 35])
  })

  it.each(ofKind('y_'))('$file is taken', ({ text }) => {
    expect(gateTakes(text)).toBe(true)
  })

  it.each(ofKind('n_'))('$file is refused', ({ text }) => {
    expect(gateTakes(text)).toBe(false)
  })

  it.each(ofKind('i_'))('$file is judged as strict UTF-8 and JSON.parse do', ({ file, text }) => {
    const deep = file.includes('500_nested')
    expect(gateTakes(text)).toBe(parsed(text) !== undefined && !deep) // 256 levels, see README
  })

  it('is delivered as JSON.parse gives it', async () => {
    const taken = texts.map(({ text }) => text).filter(gateTakes)
    const { raw, receiver } = await rawToReceiver()
    raw.end(Buffer.concat(taken.map(asLine)))
    for (const text of taken) {
      const message = (await receiver.next()).value
      expect(message?.rawPayload).toBe(text.toString('utf8').trim())
      expect(message?.payload).toEqual(parsed(text)?.value)
    }
    expect((await receiver.next()).done).toBe(true)
    expect(taken.length).toBeGreaterThanOrEqual(95)
  })
})

describe('generated texts', () => {
  const nearlyJson = fc
    .tuple(
      fc.json({ maxDepth: 4 }),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(...Array.from('[]{}:,"\\0129eE+-.tfnu \t\r\x00\x1fé'))), {
        maxLength: 3,
      }),
    )
    .map(([text, edits]) =>
      edits.reduce(
        (t, [at, c]) => t.slice(0, at % (t.length + 1)) + c + t.slice((at % (t.length + 1)) + (at % 2)),
        text,
      ),
    )

  it('are taken or refused as JSON.parse does', () => {
    fc.assert(
      fc.property(nearlyJson, (text) => {
        const bytes = Buffer.from(text)
        expect(gateTakes(bytes), JSON.stringify(text)).toBe(parsed(bytes) !== undefined)
      }),
      {
        numRuns: 20_000,
        examples: [['1'], ['1,"x":2'], ['"\\u12"'], ['-'], ['[1,]'], ['{"a":1,}'], ['\t1\r']],
      },
    )
  })

  it('of bytes that are not UTF-8 are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        const text = Buffer.concat([Buffer.from('"'), bytes, Buffer.from('"')])
        if (text.includes(0x0a)) return
        expect(gateTakes(text), text.toString('hex')).toBe(parsed(text) !== undefined)
      }),
      { numRuns: 20_000 },
    )
  })
})

/** Go's encoding/json takes a key for a field if they are equal under Unicode's simple case folding (strings.EqualFold). */
function foldedByGo(key: string): string {
  return key
    .replaceAll('\u017f', 's')
    .replaceAll('\u212a', 'k')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

describe('keys in another case', () => {
  const ENVELOPE = ['type', 'id', 'ts', 'payload']
  const VALUES: Record<string, string> = { type: '"a"', id: '"i"', ts: '1', payload: '2' }
  const letter = fc.constantFrom(
    ...Array.from('typeidsaloTYPEIDSALO'),
    '\u017f',
    '\u212a',
    '\u0130',
    '\u0131',
    '\u1e9e',
    'x',
    '',
  )
  const nearKey = fc
    .constantFrom(...ENVELOPE)
    .chain((key) =>
      fc
        .array(fc.tuple(fc.nat({ max: key.length - 1 }), letter), { maxLength: 2 })
        .map((edits) => edits.reduce((text, [at, by]) => text.slice(0, at) + by + text.slice(at + 1), key)),
    )
  const variant = fc
    .constantFrom(...ENVELOPE)
    .chain((key) =>
      fc
        .array(fc.boolean(), { minLength: key.length, maxLength: key.length })
        .map((upper) =>
          Array.from(key, (c, i) => (upper[i] === true ? (c === 's' ? '\u017f' : c.toUpperCase()) : c)).join(
            '',
          ),
        ),
    )
  /** A key as JSON text, with some of its characters as escapes. */
  const spelled = fc
    .tuple(fc.oneof(nearKey, variant), fc.array(fc.boolean(), { maxLength: 8 }))
    .map(([key, escapes]) => ({
      key,
      text: Array.from(key, (c, i) =>
        escapes[i] === true ? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}` : c,
      ).join(''),
    }))

  it('are refused where Go would take them for ours, however they are written', () => {
    fc.assert(
      fc.property(spelled, fc.boolean(), ({ key, text }, first) => {
        const ours = foldedByGo(key)
        const other = ours === 'type' ? [] : ['"type":"t"']
        const member = `"${text}":${VALUES[ours] ?? '3'}`
        // The gate for outgoing frames wants the payload last; here it must not matter.
        const members = first && ours !== 'payload' ? [member, ...other] : [...other, member]
        const line = Buffer.from(`{${members.join(',')}}\n`)
        const exact = ENVELOPE.includes(key)
        const ambiguous = !exact && ENVELOPE.includes(ours)
        const missing = !exact && !ambiguous && other.length === 0
        const taken = addon.checkFrames(line, 0, line.length, MAX_MESSAGE_BYTES) === 1
        expect(taken, line.toString()).toBe(!ambiguous && !missing)
      }),
      { numRuns: 20_000 },
    )
  })
})
