// The pages about the command line are complete: every command and option, every exit code, every cause of doctor.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { CAUSES } from '../../lib/cli/doctor/report.js'
import { ExitCode } from '../../lib/cli/kit/exit-code.js'
import { COMMANDS } from '../../lib/cli/program.js'

function page(name: string): string {
  return readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')
}

describe('docs/cli.md', () => {
  const text = page('cli.md')

  it.each(COMMANDS.map(({ name }) => name))('has %s in its table and a heading for it', (name) => {
    expect(text).toMatch(new RegExp(`^\\| \\[\`${name}[ \`].*\\]\\(#${name}\\)`, 'm'))
    expect(text).toMatch(new RegExp(`^## ${name}$`, 'm'))
  })

  it('names no option and no command that does not exist', () => {
    const options = new Set(COMMANDS.flatMap((command) => [...Object.keys(command.options), 'json', 'help']))
    const known = new Set([...options, 'version', 'global'])
    const named = [...text.matchAll(/(?<=[\s`])--([a-z][a-z-]*)/g)].map(([, option = '']) => option)
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter((option) => !known.has(option))).toEqual([])
    const commands = new Set(COMMANDS.map(({ name }) => name))
    const run = [...text.matchAll(/(?:\$ |`)sentinel-ipc ([a-z]+)/g)].map(([, name = '']) => name)
    expect(run.filter((name) => !commands.has(name))).toEqual([])
  })

  it('lists every exit code', () => {
    for (const code of Object.values(ExitCode)) expect(text).toMatch(new RegExp(`^\\| ${code} `, 'm'))
  })
})

describe('docs/troubleshooting.md', () => {
  it.each(CAUSES)('has a heading for the cause %s', (cause) => {
    expect(page('troubleshooting.md')).toMatch(new RegExp(`^### ${cause}$`, 'm'))
  })
})
