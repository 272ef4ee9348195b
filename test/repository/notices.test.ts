// NOTICE carries the copyright notices and licenses of all third-party code that is compiled into the binaries.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { missingNotices } from '../../release/notices.js'

const notice = readFileSync(new URL('../../NOTICE', import.meta.url), 'utf8')

describe('NOTICE', () => {
  it('carries every copyright line of what is compiled in', () => {
    expect(missingNotices(notice)).toEqual([])
  })

  it.each(['Facebook, Inc', 'Martin Moene', 'Florian Loitsch', 'Node.js API collaborators'])(
    'is found to lack %s where that was cut out',
    (name) => {
      expect(missingNotices(notice.replaceAll(name, '')).join('\n')).toContain(name)
    },
  )

  it.each([
    'Redistribution and use in source and binary forms',
    'Boost Software License',
    'Permission is hereby granted',
  ])('carries the license that begins "%s"', (begin) => {
    expect(notice).toContain(begin)
  })
})
