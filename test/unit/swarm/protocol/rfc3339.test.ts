// Times on the wire: RFC 3339 with up to nine digits of a second.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  formatPosition,
  formatTime,
  parsePosition,
  parseTime,
} from '../../../../lib/swarm/protocol/rfc3339.js'

describe('times', () => {
  it('are written and read as Date does it', () => {
    const ms = fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 })
    const near = fc.integer({ min: 1_760_000_000_000, max: 1_760_000_200_000 })
    fc.assert(
      fc.property(fc.oneof(ms, near, near), (time) => {
        const text = new Date(time).toISOString()
        expect(formatTime(time)).toBe(text)
        expect(parseTime(text)).toBe(time)
      }),
    )
  })

  it.each([
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05.123456789+01:00', '2026-01-02T02:04:05.123Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ])('of Go are read: %s', (text, same) => {
    expect(parseTime(text)).toBe(Date.parse(same))
  })

  it.each([
    '',
    '2026',
    '2026-01-02',
    '2026-13-02T03:04:05Z',
    '2026-01-02T03:04:61.000Z',
    '2026-02-30T03:04:05.000Z',
    '2027-02-29T03:04:05.000Z',
    '2026-04-31T03:04:05Z',
    '2026-01-02T24:00:00.000Z',
    '2026-01-02 03:04:05Z',
    5,
    null,
  ])('that are invalid are refused: %j', (text) => {
    formatTime(Date.parse('2026-01-02T03:04:05Z'))
    expect(parseTime(text)).toBeUndefined()
  })

  it('that no calendar has do not get into those that are written next', () => {
    const ms = Date.parse('2026-03-02T10:00:05.000Z')
    parseTime('2026-02-30T10:00:00.000Z')
    expect(formatTime(ms)).toBe('2026-03-02T10:00:05.000Z')
    parseTime('2026-03-01T24:00:00.000Z')
    expect(formatTime(Date.parse('2026-03-02T00:00:07.000Z'))).toBe('2026-03-02T00:00:07.000Z')
    expect(parseTime('2028-02-29T00:00:00.000Z')).toBe(Date.UTC(2028, 1, 29))
  })
})

describe('positions', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000_000_000 }), (position) => {
        expect(parsePosition(formatPosition(position))).toBe(position)
      }),
    )
  })

  it('before the epoch are the first', () => {
    expect(parsePosition('0001-01-01T00:00:00Z')).toBe(0)
  })
})
