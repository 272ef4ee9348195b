// The limits on symbol versions that release/ enforces, on small libraries. The addon itself is checked when it is prebuilt
// (test/integration/package.test.ts).

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { asksFor, compareVersions, tooNew } from '../../release/symbol-versions.js'
import { temporaryDirectory } from '../support/directory.js'

/** A shared library of C source. */
function library(directory: string, name: string, source: string, ...flags: string[]): string {
  const file = join(directory, `lib${name}.so`)
  writeFileSync(join(directory, `${name}.c`), source)
  execFileSync('cc', ['-shared', '-fPIC', join(directory, `${name}.c`), '-o', file, ...flags])
  return file
}

describe('what a binary asks of the system', () => {
  it('is read from the binary', () => {
    const binary = library(
      temporaryDirectory(),
      'fine',
      '#include <unistd.h>\nint f(void) { return getpid(); }',
    )
    expect(asksFor(binary).join()).toMatch(/^GLIBC_2\.\d/)
    expect(tooNew(binary)).toEqual([])
  })

  it('is refused when a function is too new', () => {
    const directory = temporaryDirectory()
    // A library that says it is a later version of the C library.
    writeFileSync(join(directory, 'later.map'), 'GLIBC_2.29 { global: from_later; };')
    const later = library(
      directory,
      'later',
      'int from_later(void) { return 1; }',
      `-Wl,--version-script=${join(directory, 'later.map')}`,
    )
    const asking = library(
      directory,
      'asking',
      'int from_later(void); int ask(void) { return from_later(); }',
      later,
    )
    expect(tooNew(asking)).toContain('from_later asks for GLIBC_2.29, and 2.28 is the newest allowed')
  })

  it('is refused when it is a library that is not everywhere', () => {
    const directory = temporaryDirectory()
    const other = library(directory, 'other', 'int other(void) { return 1; }', '-Wl,-soname,libother.so.1')
    const needing = library(
      directory,
      'needing',
      'int other(void); int need(void) { return other(); }',
      other,
    )
    expect(tooNew(needing)).toEqual(['it needs libother.so.1'])
  })

  it('compares by number', () => {
    expect(['2.9', '2.28', '2.4', '2.2.5'].sort(compareVersions)).toEqual(['2.2.5', '2.4', '2.9', '2.28'])
  })
})
