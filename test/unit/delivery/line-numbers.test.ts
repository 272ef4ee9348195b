// The numbers that lines get, and the room that they need.

import { describe, expect, it } from 'vitest'

import { addon } from '../../../lib/binding/addon.js'
import { NUMBER_BYTES } from '../../../lib/binding/abi.js'

const LINES = '{"a":1}\n{"b":2}\n'
const LONGEST = Number.MAX_SAFE_INTEGER - 1

function numbered(first: number, room: number): string {
  const out = Buffer.alloc(room + 1, '#')
  const end = addon.numberLines(Buffer.from(LINES), LINES.length, out.subarray(0, room), 0, first)
  // Nothing is written behind the room.
  expect(out[room]).toBe('#'.charCodeAt(0))
  return out.toString('latin1', 0, end)
}

describe('numbered lines', () => {
  it.each([1, 9, 99, LONGEST])('carry consecutive numbers from %d', (first) => {
    const room = LINES.length + 2 * NUMBER_BYTES
    expect(numbered(first, room)).toBe(`{"a":1,"seq":${first}}\n{"b":2,"seq":${first + 1}}\n`)
  })

  it('are refused where there is no room for a line and the longest number', () => {
    for (let room = 0; room < LINES.length + 2 * NUMBER_BYTES; ++room) {
      const out = Buffer.alloc(room + 2, '#')
      let end = 0
      try {
        end = addon.numberLines(Buffer.from(LINES), LINES.length, out.subarray(0, room), 0, LONGEST)
      } catch (error) {
        expect(error).toMatchObject({ message: 'numberLines: the sizes do not fit' })
      }
      expect(end).toBeLessThanOrEqual(room)
      expect(out.toString('latin1', room)).toBe('##')
    }
  })
})
