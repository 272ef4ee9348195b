// Native code reads and makes values through native/node/script.h only. While a worker is being terminated any call can fail
// and leave its result empty, and node-addon-api's conversions end the process when they are given an empty value.

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../../native/', import.meta.url)
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(cc|h)$/.test(file))
  .sort()
/** They hold values in node-addon-api's handles, whose queries take empty values. */
const WRAPPERS = /^node[/\\]script\.(cc|h)$/

describe('native code', () => {
  it.each(files)('%s cannot end the process by using an empty value', (file) => {
    const text = readFileSync(new URL(file, root), 'utf8')
    expect(text).not.toMatch(/\bnapi_fatal_error\b|\bNAPI_(?:FATAL|THROW)/)
    const classes = [...text.matchAll(/\bNapi::(\w+)/g)].map(([, name]) => name)
    expect(new Set(classes)).toEqual(new Set(file === 'node/script.h' ? ['Value'] : []))
    if (!WRAPPERS.test(file)) expect(text).not.toContain('<napi.h>')
  })
})
