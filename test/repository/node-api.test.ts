// Native code uses Node-API itself, never node-addon-api's classes. While a worker is being terminated any call can fail and
// leave its result empty. Node-API returns a status when it is given an empty value; node-addon-api ends the process.
// native/node/script.h has types that pass emptiness on.

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../../native/', import.meta.url)
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(cc|h)$/.test(file))
  .sort()

describe('native code', () => {
  it.each(files)('%s cannot end the process by using an empty value', (file) => {
    const text = readFileSync(new URL(file, root), 'utf8')
    expect(text).not.toMatch(/\bNapi::|<napi\.h>|\bnapi_fatal_error\b|\bNAPI_(?:FATAL|THROW)/)
  })
})
