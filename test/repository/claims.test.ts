// SECURITY.md names a test for each claim; the named tests must exist.

import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)
const text = readFileSync(new URL('SECURITY.md', root), 'utf8')
const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
  scripts: Record<string, string>
}

const claims = text
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| claim ') && !line.startsWith('| -'))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | *\|?$/g, '').trim()))

describe('SECURITY.md', () => {
  it('makes claims', () => {
    expect(claims.length).toBeGreaterThan(30)
  })

  it.each(claims)('has a test for: %s', (_claim, tests = '') => {
    const files = [...tests.matchAll(/`(test\/[^`]+)`/g)].map(([, file = '']) => file)
    const commands = [...tests.matchAll(/`npm run ([\w:]+)[^`]*`/g)].map(([, name = '']) => name)
    expect(files.length + commands.length).toBeGreaterThan(0)
    for (const file of files) expect(existsSync(new URL(file, root)), file).toBe(true)
    for (const command of commands) expect(Object.keys(scripts)).toContain(command)
  })

  it('names no other file that is not there', () => {
    for (const [, file = ''] of text.matchAll(/(?:`|\()((?:test|docs|lib|native)\/[\w./-]+)/g)) {
      expect(existsSync(new URL(file, root)), file).toBe(true)
    }
  })
})
