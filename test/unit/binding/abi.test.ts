// The numbers and names on which TypeScript and C++ agree, compared through the loaded addon.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import * as abi from '../../../lib/binding/abi.js'
import { addon } from '../../../lib/binding/addon.js'
import { TYPE_NAMES } from '../../../lib/message/type.js'

/** What abi.ts has beyond the numbers of the addon: it is made of them. */
const DERIVED = ['INVALID_REASONS', 'MESSAGE_STATE', 'TOO_LARGE_STATE']

const ofTypeScript = Object.fromEntries(Object.entries(abi).filter(([name]) => !DERIVED.includes(name)))

describe('abi.ts and the addon', () => {
  it('have the same groups, names and numbers', () => {
    expect(addon.abi()).toEqual(ofTypeScript)
  })

  it('leave out no constant of abi.h', () => {
    const header = readFileSync(new URL('../../../native/abi/abi.h', import.meta.url), 'utf8')
    const inHeader = [...header.matchAll(/\bk[A-Z]\w* = /g)].length
    const compared = Object.entries(ofTypeScript).flatMap(([, value]) =>
      typeof value === 'number' ? [value] : Object.values(value as Record<string, unknown>),
    ).length
    // WHOLE_FRAME is another name of MessageType::kOther. Failure kinds and verdicts stand in other headers.
    expect(compared).toBe(inHeader + 1 + abi.FAILURE_KINDS.length + abi.VERDICTS.length)
  })

  it('have a reason for each state of a line, and a name for each message type', () => {
    expect(abi.INVALID_REASONS).toHaveLength(Object.keys(abi.LineState).length)
    expect(abi.INVALID_REASONS[abi.LineState.duplicateKey]?.[0]).toBe('duplicate-key')
    expect(TYPE_NAMES).toEqual(
      Object.entries(abi.MessageTypeCode).map(([name]) => (name === 'other' ? '' : `soc_${name}`)),
    )
  })
})
