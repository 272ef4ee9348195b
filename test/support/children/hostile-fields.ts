// Times how long the addon takes to check the longest line, as a stream with fields and without, for lines that are made to
// find many fields. Uses the addon alone, so that nothing else takes processor time.

import { createRequire } from 'node:module'

import { ENVELOPE_BYTES, FieldWord, Progress, RecordWord } from '../../../lib/binding/abi.js'
import type { addon as Addon } from '../../../lib/binding/addon.js'

const root = new URL('../../../..', import.meta.url).pathname
const addon = (createRequire(import.meta.url)('node-gyp-build') as (root: string) => typeof Addon)(root)

const LINE_BYTES = (1 << 20) - 1
const ROUNDS = 10

const record = new Int32Array(RecordWord.count)
addon.attachRecords(record, new Int32Array(Progress.count))
addon.attachFieldRows(new Int32Array(FieldWord.first + FieldWord.most * FieldWord.each))
addon.attachWindow(Buffer.alloc(4 << 20))

/** The shortest processor time, in milliseconds, that one line takes. */
function measure(line: Buffer, stream: number, fields?: readonly string[]): number {
  addon.beginTurn()
  addon.openReader(stream, LINE_BYTES, fields)
  const before = process.cpuUsage()
  if (addon.pushRecords(stream, line, line.length) !== 1 || record[RecordWord.state] !== 0) {
    throw new Error('the line was not taken')
  }
  const { user, system } = process.cpuUsage(before)
  addon.closeReader(stream)
  return (user + system) / 1000
}

function longest(open: string, part: string, close: string): Buffer {
  const parts = Math.floor((LINE_BYTES - ENVELOPE_BYTES) / (part.length + 1))
  return Buffer.from(`{"type":"a","payload":${open}${Array(parts).fill(part).join()}${close}}\n`)
}

const LETTERS = Array.from('abcdefghijklmnop')
const CASES: Record<string, { fields: readonly string[]; line: Buffer }> = {
  'names of one length and beginning': {
    fields: LETTERS.map((letter) => `/a${letter}`),
    line: longest('{', '"aa":0', '}'),
  },
  'the last of them': { fields: LETTERS.map((letter) => `/a${letter}`), line: longest('{', '"ap":0', '}') },
  'a name again and again': {
    fields: LETTERS.map((letter) => `/p/${letter}`),
    line: longest('{', '"p":0', '}'),
  },
  'escaped names': {
    fields: LETTERS.map((letter) => `/a${letter}`),
    line: longest('{', String.raw`"\u0061a":0`, '}'),
  },
  elements: { fields: LETTERS.map((_, i) => `/${i}`), line: longest('[', '0', ']') },
}

let stream = 1000
const report = Object.entries(CASES).map(([name, { fields, line }]) => {
  let [found, plain] = [Infinity, Infinity]
  for (let round = 0; round < ROUNDS; ++round) {
    found = Math.min(found, measure(line, ++stream, fields))
    plain = Math.min(plain, measure(line, ++stream))
  }
  return { name, foundMs: found, plainMs: plain }
})
process.send?.(report)
process.disconnect()
