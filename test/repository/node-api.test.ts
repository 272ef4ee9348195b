// Values of JavaScript's in C++: only native/node/script.* may call Node-API to make, read or keep one. While a worker is
// being terminated any such call can leave its result empty, and script.h is where that is handled.

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../../native/', import.meta.url)

/** Calls that neither take nor give a value, and so cannot leave one empty. */
const WITHOUT_VALUES = [
  'napi_add_async_cleanup_hook',
  'napi_add_env_cleanup_hook',
  'napi_get_instance_data',
  'napi_get_uv_event_loop',
  'napi_remove_async_cleanup_hook',
  'napi_remove_env_cleanup_hook',
  'napi_set_instance_data',
]

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(cc|h)$/.test(file) && !/^node.script\.(cc|h)$/.test(file))
  .sort()

describe('native code', () => {
  it.each(files)('%s makes and reads values by script.h only', (file) => {
    const text = readFileSync(new URL(file, root), 'utf8')
    expect(text, 'node-addon-api ends the process when an empty value is used').not.toMatch(
      /\bNapi::|<napi\.h>/,
    )
    const calls = [...text.matchAll(/\b(napi_\w+)\(/g)].map(([, name = '']) => name)
    expect(calls.filter((name) => !WITHOUT_VALUES.includes(name))).toEqual([])
  })
})
