// Text of others in errors: it cannot steer a terminal, forge a line of a log, or fill it.

import { describe, expect, it } from 'vitest'

import { describeValue } from '../../../lib/base/options.js'
import { quoteText } from '../../../lib/base/quote.js'
import type { NativePeer } from '../../../lib/binding/addon.js'
import { describePeer } from '../../../lib/peer/peer.js'

const hostile = 'sensor\u009b2J\u202egnp.exe\u2028FAKE\r\n\x1b[31m\x7f'
const escaped = '"sensor\\u009b2J\\u202egnp.exe\\u2028FAKE\\r\\n\\u001b[31m\\u007f"'

describe('quoteText', () => {
  it('escapes everything but printable ASCII', () => {
    expect(quoteText(hostile, 100)).toBe(escaped)
    expect(quoteText('plain "text"', 100)).toBe('"plain \\"text\\""')
    expect(quoteText('\ud83d', 1)).toBe('"\\ud83d"')
  })

  it('cuts long text and shows that it did', () => {
    expect(quoteText('abcdef', 6)).toBe('"abcdef"')
    expect(quoteText('abcdefg', 6)).toBe('"abcdef…"')
  })

  it('shows what a caller passed, and the names that a peer gave itself', () => {
    expect(describeValue(hostile)).toBe(escaped)
    const peer: NativePeer = {
      pid: 1,
      uid: 2,
      gid: 3,
      groups: [],
      executable: hostile,
      unit: hostile,
      label: 'x'.repeat(1000),
      sid: '',
    }
    expect(describePeer(peer)).toBe(
      `uid 2, gid 3, pid 1, executable ${escaped}, unit ${escaped}, label "${'x'.repeat(256)}…"`,
    )
  })
})
