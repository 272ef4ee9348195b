// The table of options: kinds, unknown keys and their nearest names, values out of range.

import { describe, expect, it } from 'vitest'

import {
  anything,
  callback,
  checkOptions,
  describeValue,
  flag,
  milliseconds,
  millisecondsOrZero,
  nearestOf,
  oneOf,
  signal,
  text,
  wholeNumber,
  type OptionTable,
} from '../../../lib/base/options.js'

interface Options {
  readonly timeoutMs?: number
  readonly maxPending?: number
  readonly path?: string
}

const TABLE: OptionTable<Options> = { timeoutMs: milliseconds, maxPending: wholeNumber(1, 10), path: text }

function refusal(options: unknown): unknown {
  try {
    return checkOptions('Sender', options as Options, TABLE)
  } catch (error) {
    return error
  }
}

describe('checkOptions', () => {
  it('returns a copy without what is undefined', () => {
    const options = { timeoutMs: 5, path: undefined }
    const checked = checkOptions('Sender', options as unknown as Options, TABLE)
    options.timeoutMs = 9
    expect(checked).toEqual({ timeoutMs: 5 })
    expect(Object.keys(checked)).toEqual(['timeoutMs'])
    expect(checkOptions('Sender', undefined, TABLE)).toEqual({})
  })

  it('reads each option once', () => {
    let reads = 0
    const options = {
      get timeoutMs() {
        return ++reads
      },
    }
    expect(checkOptions('Sender', options, TABLE)).toEqual({ timeoutMs: 1 })
  })

  it.each([
    [{ timeoutMS: 5 }, 'Sender has no option "timeoutMS"; did you mean timeoutMs?'],
    [{ maxPendng: 5 }, 'Sender has no option "maxPendng"; did you mean maxPending?'],
    [{ colour: 5 }, 'Sender has no option "colour"; it takes timeoutMs, maxPending, path'],
    [{ colour: undefined }, 'Sender has no option "colour"; it takes timeoutMs, maxPending, path'],
    [{ constructor: 5 }, 'Sender has no option "constructor"; it takes timeoutMs, maxPending, path'],
    [Object.create({ timeout: 5 }), 'Sender has no option "timeout"; did you mean timeoutMs?'],
    [5, 'Sender takes an object of options, not 5'],
    [null, 'Sender takes an object of options, not null'],
    [[], 'Sender takes an object of options, not an array'],
    [{ timeoutMs: '5' }, 'Sender: timeoutMs must be a positive number of milliseconds, or Infinity, not "5"'],
    [{ path: '' }, 'Sender: path must be a string that is not empty and contains no NUL, not ""'],
  ])('refuses %j', (options, message) => {
    expect(refusal(options)).toEqual(new TypeError(message))
  })

  it.each([{ timeoutMs: 0 }, { timeoutMs: NaN }, { maxPending: 1.5 }, { maxPending: 11 }])(
    'refuses the range of %j',
    (options) => {
      expect(refusal(options)).toBeInstanceOf(RangeError)
    },
  )
})

describe('checks', () => {
  it.each([
    [flag, true, 'yes'],
    [callback, () => 1, {}],
    [signal, new AbortController().signal, new AbortController()],
    [oneOf('throw', 'skip'), 'skip', 'ignore'],
    [text, 'x', 'a\0b'],
    [anything, undefined, undefined],
    [millisecondsOrZero, 0, '0'],
    [wholeNumber(1, Number.MAX_SAFE_INTEGER), 2 ** 40, '7'],
  ])('%o', (check, good, bad) => {
    expect(() => {
      check(good, 'it')
    }).not.toThrow()
    if (bad === undefined) return
    expect(() => {
      check(bad, 'it')
    }).toThrow(TypeError)
  })
})

describe('nearestOf', () => {
  it('finds a slip and leaves the rest', () => {
    expect(nearestOf('singal', ['signal', 'timeoutMs'])).toBe('signal')
    expect(nearestOf('SIGNAL', ['signal', 'timeoutMs'])).toBe('signal')
    expect(nearestOf('retries', ['signal', 'timeoutMs'])).toBeUndefined()
  })
})

describe('describeValue', () => {
  it.each<[unknown, string]>([
    [undefined, 'undefined'],
    [null, 'null'],
    ['x'.repeat(50), `"${'x'.repeat(40)}…"`],
    [3, '3'],
    [new Map(), 'a Map'],
    [new Error(), 'an Error'],
    [{}, 'a plain object'],
    [Object.create(null), 'a plain object'],
    [[], 'an array'],
    [describeValue, 'a function'],
    [Symbol('s'), 'Symbol(s)'],
  ])('of %o', (value, words) => {
    expect(describeValue(value)).toBe(words)
  })
})
