// Runs the checks that only C++ can make (native_check.cc), each as a test of its own.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const program = fileURLToPath(new URL('../../../native_check.exe', import.meta.url))
const { status, stdout } = spawnSync(program, { encoding: 'utf8' })

describe('the native checks', () => {
  const lines = stdout.split(/\r?\n/).filter((line) => /^(not )?ok /.test(line))

  it('ran to their end', () => {
    expect(status).toBe(0)
    expect(lines.length).toBeGreaterThan(30)
  })

  it.each(lines.map((line) => [line.replace(/^(not )?ok /, ''), line]))('%s', (_name, line) => {
    expect(line).toMatch(/^ok /)
  })
})
