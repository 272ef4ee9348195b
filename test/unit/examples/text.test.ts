// How the demo lays out text for a terminal.

import { describe, expect, it } from 'vitest'

import { wrapped } from '../../../examples/soc-pipeline/text.js'

describe('a line that is wider than the terminal', () => {
  it('is broken at spaces, and goes on indented', () => {
    const text = 'HIGH      2020-11-02  WORKSTATION5  log-cleared  security log cleared by wardog  [sample:1]'
    expect(wrapped(text, 40).split('\n')).toEqual([
      'HIGH      2020-11-02  WORKSTATION5',
      '      log-cleared  security log cleared',
      '      by wardog  [sample:1]',
    ])
  })

  it('goes on in the column of its text, in the summary', () => {
    expect(wrapped('  round trip    2,000 requests and back, warm', 36).split('\n')).toEqual([
      '  round trip    2,000 requests and',
      '                back, warm',
    ])
  })

  it('is cut where it has no spaces, and ends', () => {
    expect(wrapped('x'.repeat(25), 10).split('\n')).toEqual([
      'xxxxxxxxxx',
      '      xxxx',
      '      xxxx',
      '      xxxx',
      '      xxx',
    ])
  })

  it('is left alone where it fits', () => {
    expect(wrapped('0123456789', 10)).toBe('0123456789')
  })
})
