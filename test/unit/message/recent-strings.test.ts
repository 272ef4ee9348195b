// Strings of fields that repeat: the same string for the same bytes, and never another one's.

import { describe, expect, it, vi } from 'vitest'

import { ReadPage } from '../../../lib/message/page.js'
import { RecentStrings } from '../../../lib/message/recent-strings.js'

const pagesOf = (text: string): [string, ReadPage][] => [
  ['text', ReadPage.ofText(text)],
  ['bytes', ReadPage.ofBytes(Buffer.from(`before${text}`), 6, 6 + text.length)],
]

describe.each(['text', 'bytes'])('recent strings of a page of %s', (kind) => {
  const origin = kind === 'bytes' ? 6 : 0
  function taking(...strings: string[]): { taken: (string | undefined)[]; copies: number } {
    const recent = new RecentStrings()
    const page = new Map(pagesOf(strings.join(''))).get(kind) as ReadPage
    const copy = vi.spyOn(page, 'asciiCopy')
    let at = origin
    const taken = strings.map((string) => recent.take(page, at, (at += string.length)))
    return { taken, copies: copy.mock.calls.length }
  }

  it('are the text of their bytes', () => {
    const strings = ['web-1', '', 'web-2', 'x', 'Security', 'web-1', '~', 'x']
    expect(taking(...strings).taken).toEqual(strings)
  })

  it('are made once if they repeat', () => {
    const { taken, copies } = taking('web-1', 'Security', 'web-1', 'Security', 'web-1')
    expect(taken).toEqual(['web-1', 'Security', 'web-1', 'Security', 'web-1'])
    expect(copies).toBe(2)
  })

  it('are told apart where length, middle and end are the same', () => {
    const strings = ['aXmYz', 'bXmYz', 'aZmYz', 'aXmWz', 'aXmYz']
    expect(taking(...strings).taken).toEqual(strings)
  })

  it('are found again up to 64 characters', () => {
    const longest = 'n'.repeat(64)
    expect(taking(longest, longest)).toEqual({ taken: [longest, longest], copies: 1 })
    const longer = 'n'.repeat(65)
    expect(taking(longer, longer)).toEqual({ taken: [longer, longer], copies: 2 })
  })

  it('have no escapes', () => {
    expect(taking('a\\nb', 'a\\nb', 'n'.repeat(70) + '\\').taken).toEqual([undefined, undefined, undefined])
  })

  it('keep to 64, however many there are', () => {
    const strings = Array.from({ length: 3000 }, (_, i) => `host-${(i * 7919) % 2000}`)
    const { taken, copies } = taking(...strings, ...strings)
    expect(taken).toEqual([...strings, ...strings])
    expect(copies).toBeGreaterThan(2000)
  })
})
