// Text on a terminal: widths, cuts, wraps, escapes, times, and the progress of a transfer.

import { describe, expect, it } from 'vitest'

import { printable } from '../../lib/base/quote.js'
import { histogram } from '../../lib/cli/kit/percentiles.js'
import { timeLeft, TransferText } from '../../lib/cli/kit/progress.js'
import { cut, harmless, pad, table, widthOf, wrap } from '../../lib/cli/kit/text.js'
import { clockTime } from '../../lib/cli/kit/units.js'

describe('the width of a text', () => {
  it.each([
    ['', 0],
    ['plain', 5],
    ['\x1b[1;31mred\x1b[0m', 3],
    ['漢字', 4],
    ['한국어', 6],
    ['e\u0301', 1],
    ['😀', 2],
    ['über', 4],
    ['│█▏', 3],
  ])('of %j is %i', (text, width) => {
    expect(widthOf(text)).toBe(width)
    expect(widthOf(pad(text, 10))).toBe(10)
  })

  it('aligns columns', () => {
    expect(
      table(
        [
          ['漢字', '1'],
          ['abc', '20'],
        ],
        new Set([1]),
      ),
    ).toEqual(['漢字   1', 'abc   20'])
  })
})

describe('cut', () => {
  it.each([
    ['short', 5, 'short'],
    ['longer', 5, 'long…'],
    ['漢字漢字', 6, '漢字…'],
    ['\x1b[31mcoloured\x1b[0m', 4, '\x1b[31mcol…\x1b[0m'],
    ['x', 0, '…'],
    ['\x1b]0;OWNED\x07', 20, ']0;OWNED'],
    ['\x1b[31mred\x1b[0m\x1b[2J\x9b2J\x1b', 20, '\x1b[31mred\x1b[0m[2J2J'],
    ['a\x1b[2Jbcdefgh\r\n', 6, 'a[2Jb…'],
  ])('makes of %j in %i columns %j', (text, columns, result) => {
    expect(cut(text, columns)).toBe(result)
  })
})

describe('wrap', () => {
  it('breaks between words, indents the lines below, and breaks words that are too long for any line', () => {
    expect(wrap('one two three four', 10)).toEqual(['one two', 'three four'])
    expect(wrap('key  one two three four', 12, 5)).toEqual(['key  one two', '     three', '     four'])
    expect(wrap('key  /a/very/long/path', 12, 5)).toEqual(['key  /a/very', '     /long/p', '     ath'])
    expect(wrap('not a terminal '.repeat(50), Infinity)).toHaveLength(1)
    expect(wrap('\x1b[1mkey\x1b[0m  one two three', 12, 5)).toEqual([
      '\x1b[1mkey\x1b[0m  one two',
      '     three',
    ])
  })
})

describe('printable', () => {
  it('escapes what a terminal would obey or hide, and nothing else', () => {
    expect(printable('über 漢字 😀 "\\"')).toBe('über 漢字 😀 "\\"')
    expect(printable('\x1b[2J\x07\x7f\x9b\u00ad\u061c\u200b\u202e\u2028\ufeff\u{e0041}\ud800')).toBe(
      '\\u001b[2J\\u0007\\u007f\\u009b\\u00ad\\u061c\\u200b\\u202e\\u2028\\ufeff\\udb40\\udc41\\ud800',
    )
    expect(printable('a\nb\tc\r')).toBe('a\\nb\\tc\\r')
    const json = JSON.stringify({ '\x9b': '\u202e\u{e0041}' })
    expect(JSON.parse(printable(json))).toEqual(JSON.parse(json))
  })
})

describe('harmless', () => {
  it('keeps colours and ends of lines, and escapes everything else that would steer a terminal', () => {
    expect(harmless('\x1b[1;31m漢字\x1b[0m\nover')).toBe('\x1b[1;31m漢字\x1b[0m\nover')
    expect(harmless('\x1b]0;OWNED\x07\x1b[2J\r\x9b\u202e\x1b[31\x1b')).toBe(
      '\\u001b]0;OWNED\\u0007\\u001b[2J\\r\\u009b\\u202e\\u001b[31\\u001b',
    )
  })
})

describe('clockTime', () => {
  it('gives the date of another day, and the seconds of a time that no clock shows', () => {
    const now = new Date(2026, 10, 26, 12, 0, 0).getTime()
    expect(clockTime(new Date(2026, 10, 26, 7, 8, 9).getTime(), now)).toBe('07:08:09')
    expect(clockTime(new Date(2026, 10, 25, 7, 8, 9).getTime(), now)).toBe('2026-11-25 07:08:09')
    expect(clockTime(9e18, now)).toBe('9000000000000000')
  })
})

describe('the progress of a transfer', () => {
  const KIB = 1024
  const waitsFor = 'input'

  it('estimates the time left by the rate of the last seconds', () => {
    const text = new TransferText(1000 * KIB)
    expect(text.at(0, { messages: 0, bytes: 0, waitsFor })).toBe(
      'sent 0 messages, 0 B of 1000.0 KiB (0%), 0/s',
    )
    text.at(1000, { messages: 100, bytes: 100 * KIB, waitsFor })
    expect(text.at(2000, { messages: 200, bytes: 200 * KIB, waitsFor })).toBe(
      'sent 200 messages, 200.0 KiB of 1000.0 KiB (20%), 100/s, 8 s left',
    )
    // A receiver that slows down to a tenth.
    for (let second = 3; second < 9; ++second)
      text.at(second * 1000, { messages: 200 + second, bytes: (180 + 10 * second) * KIB, waitsFor })
    expect(text.at(9000, { messages: 210, bytes: 270 * KIB, waitsFor })).toMatch(/ 1 min 13 s left$/)
  })

  it('says what it waits for while nothing moves, and knows no end of a pipe', () => {
    const text = new TransferText(undefined)
    text.at(1000, { messages: 1, bytes: KIB, waitsFor })
    expect(text.at(1500, { messages: 1, bytes: KIB, waitsFor })).toBe('sent 1 message, 1.0 KiB, 1/s')
    expect(text.at(4000, { messages: 1, bytes: KIB, waitsFor })).toBe(
      'sent 1 message, 1.0 KiB, waiting for input since 3 s',
    )
    expect(text.at(4200, { messages: 12_345, bytes: 2 * KIB, waitsFor })).toMatch(
      /^sent 12\.3k messages, 2\.0 KiB, /,
    )
  })

  it('does not pretend to know milliseconds', () => {
    expect([10, 2400, 200_000].map(timeLeft)).toEqual(['under 1 s left', '2 s left', '3 min 20 s left'])
  })
})

describe('histogram', () => {
  it('shows even one of many', () => {
    const lines = histogram([...Array.from({ length: 1000 }, () => 0.3), 3], 40)
    expect(lines).toEqual([
      `<   500 µs     1000  ${'█'.repeat(40)}`,
      '<   1.0 ms        0',
      '<   2.0 ms        0',
      '<   5.0 ms        1  ▏',
    ])
  })
})
