// Every command line that a page shows. A block of `sh` runs as it stands in a shell; a block of `console` runs in a terminal as a
// person would type it, and every line that the page shows must have been on the screen, up to numbers. What does not run here
// says why.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

import { Screen, whyNoScreen } from '../cli/support/screen.js'
import { temporaryDirectory } from '../support/directory.js'
import { blocksOf, pages, type Block } from '../support/pages.js'
import { until } from '../support/wait.js'
import { SCRIPTS } from './shell-docs/scripts.js'
import { SESSIONS } from './shell-docs/sessions.js'
import { constantPart, textOf, withPrograms } from './shell-docs/surroundings.js'

/** Blocks that this test does not run, by a line of them, and why. */
const NOT_HERE: Readonly<Record<string, readonly (readonly [line: string, why: string])[]>> = {
  'README.md': [
    ['npm install sentinel-ipc', 'needs a registry; package.test.ts installs the packed package'],
  ],
  'CONTRIBUTING.md': [
    ['npm ci', 'is how these tests came to run'],
    ['gdb --args node', 'is for a person at a debugger'],
    ['socat -v UNIX-LISTEN', 'needs socat, strace, and a process to look at'],
  ],
  'docs/cli.md': [['sentinel-ipc bridge --from events', 'needs NATS; test/bridge/command.test.ts runs it']],
  'docs/hardening.md': [['container() {', 'needs root and users; pod.test.ts runs it']],
  'examples/soc-pipeline/README.md': [['npm run demo ', 'demo.test.ts runs it, with these options']],
  'examples/swarm/README.md': [['npm run demo:swarm', 'swarm.test.ts runs it']],
  'examples/README.md': [
    ['node examples/two-programs/correlator.mjs', 'examples.test.ts runs each program'],
    ['python3 examples/python/sender.py', 'needs Python and Go; examples.test.ts runs both'],
  ],
}
/** Pages whose commands another test runs as one session, all of them. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = { 'docs/ten-minutes.md': 'ten-minutes.test.ts' }

const posix = process.platform === 'win32' ? 'skipped: needs a POSIX shell' : undefined

for (const script of SCRIPTS) {
  const why = posix ?? script.skipped
  it.skipIf(why !== undefined)(
    `${script.page}: ${script.has}${why === undefined ? '' : ` (${why})`}`,
    async () => {
      const directory = temporaryDirectory()
      await script.setUp?.(directory)
      const commands = `set -m\n${textOf(script, 'sh', directory)}${script.after ?? ''}`
      const env = { ...process.env, PATH: withPrograms(), HOME: directory, SENTINEL_IPC_DIRECTORY: directory }
      const { stdout, stderr } = await promisify(execFile)('bash', ['-c', commands], {
        cwd: directory,
        env,
        timeout: 60_000,
      })
      const lines = stdout.split('\n')
      let at = 0
      for (const expected of script.prints) {
        const next = lines.findIndex(
          (line, i) => i >= at && (typeof expected === 'string' ? line === expected : expected.test(line)),
        )
        expect(next, `${String(expected)} in\n${stdout}${stderr}`).toBeGreaterThanOrEqual(at)
        at = next + 1
      }
    },
  )
}

for (const session of SESSIONS) {
  const why = posix ?? (whyNoScreen === '' ? undefined : 'skipped: needs tmux')
  it.skipIf(why !== undefined)(
    `${session.page}: ${session.has}${why === undefined ? '' : ` (${why})`}`,
    async () => {
      const directory = temporaryDirectory()
      await session.setUp?.(directory)
      // The pages show where a package of the system has Node.
      const same = (line: string): string =>
        constantPart((session.same?.(line) ?? line).replaceAll(process.execPath, '/usr/bin/node'))
      const screen = Screen.open(400, 60, { SENTINEL_IPC_DIRECTORY: directory, PATH: withPrograms() })
      screen.type(`cd '${directory}'`)
      screen.press('Enter')
      const commands = textOf(session, 'console', directory).split(/^\$ /m).slice(1)
      let code = ''
      for (const text of commands) {
        const [command = '', ...shown] = text.trimEnd().split('\n')
        if (command === 'echo $?') {
          expect(shown).toEqual([code])
          continue
        }
        const seen = new Set<string>()
        let final: string[] = []
        screen.run(command)
        const during = Object.entries(session.during ?? {}).find(([start]) => command.startsWith(start))?.[1]
        const done = during?.(screen, directory)
        done?.catch(() => undefined)
        await until(() => {
          const { lines } = screen
          for (const line of lines) seen.add(same(line))
          const at = lines.findIndex((line) => line.startsWith('code '))
          if (at === -1) return false
          code = (lines[at] ?? '').slice(5)
          final = lines.slice(0, at)
          return true
        })
        await done
        const expected = shown.map(same)
        for (const line of expected)
          expect([...seen], `${command}: it never showed "${line}", but\n${[...seen].join('\n')}`).toContain(
            line,
          )
        for (const line of final.map(same))
          expect(['^C', ...expected], `${command}: not on the page`).toContain(line)
      }
    },
    60_000,
  )
}

it('a block of commands says that it is one', () => {
  const plain = pages().flatMap((page) => blocksOf(page, ''))
  const commands = /^\$ |^(?:sudo |npx |npm (?:run|install|ci)|node |sentinel-ipc [a-z])/m
  expect(plain.filter(({ text }) => commands.test(text))).toEqual([])
})

it('every block of commands runs here, or says why not', () => {
  const isRun = (block: Block): boolean =>
    [...SCRIPTS, ...SESSIONS].some(({ page, has }) => page === block.page && block.text.includes(has))
  const excused = (block: Block): boolean =>
    (NOT_HERE[block.page] ?? []).some(([line]) => block.text.includes(line))
  const blocks = pages()
    .filter((page) => !(page in RUN_ELSEWHERE))
    .flatMap((page) => blocksOf(page, 'sh', 'bash', 'shell', 'console'))
  expect(
    blocks.filter((block) => isRun(block) === excused(block)).map(({ page, text }) => `${page}: ${text}`),
  ).toEqual([])
  // And no excuse has lost its block.
  for (const [page, lines] of Object.entries(NOT_HERE))
    for (const [line] of lines)
      expect(
        blocks.some((block) => block.page === page && block.text.includes(line)),
        line,
      ).toBe(true)
})
