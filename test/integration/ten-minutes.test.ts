// docs/ten-minutes.md as a newcomer follows it: its programs are written where it says and its commands run as they stand, in an
// empty directory with the packed package, and what they print is compared with the page. As root in a mount namespace with a
// layer over /etc, /opt, /run and /var/lib, so that the users it creates do not stay.

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(join(root, 'docs/ten-minutes.md'), 'utf8')

interface Block {
  readonly kind: string
  readonly text: string
}

const blocks: readonly Block[] = [...page.matchAll(/^```([a-z ]+)\n(.*?)^```$/gms)].map(
  ([, kind = '', text = '']) => ({ kind, text }),
)

const LAYERED = ['/etc', '/opt', '/run', '/var/lib']

/** Shell that puts a layer over the folders that the page writes to. What is written there is gone with the namespace. */
function layers(place: string): string {
  const each = LAYERED.map((folder, i) => {
    const [upper, work] = [join(place, `upper${i}`), join(place, `work${i}`)]
    return `mkdir '${upper}' '${work}' && mount -t overlay overlay -o 'lowerdir=${folder},upperdir=${upper},workdir=${work}' ${folder}`
  })
  return [`mount -t tmpfs tmpfs '${place}'`, ...each].join(' &&\n')
}

/** Why the part for two users cannot run here; '' if it can. */
function whyNotTwoUsers(): string {
  if (process.platform !== 'linux') return 'it is for Linux'
  if (process.geteuid?.() !== 0) return 'needs root to act as two users'
  for (const program of ['useradd', 'runuser', 'unshare'])
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `needs ${program}`
  const place = mkdtempSync(join(tmpdir(), 'sipc-layers-'))
  const { status, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', layers(place)], {
    encoding: 'utf8',
  })
  rmSync(place, { recursive: true })
  return status === 0 ? '' : `cannot put a layer over /etc here: ${stderr.trim()}`
}

const windows = process.platform === 'win32'
const noCurl = !windows && spawnSync('curl', ['--version']).status !== 0
const whyNot = windows ? 'it is for a POSIX shell' : noCurl ? 'needs curl' : ''
const whyOneUser = whyNot === '' ? whyNotTwoUsers() : ''

let place: string
let port: number
beforeAll(async () => {
  place = mkdtempSync(join(realpathSync(tmpdir()), 'sipc-ten-minutes-'))
  port = await freePort()
})
afterAll(() => {
  rmSync(place, { recursive: true, force: true })
})

/** The port of the page may be taken on the machine that tests. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as AddressInfo
      server.close(() => {
        resolve(free)
      })
    })
  })
}

/** Packs what the compiler made in this checkout, with the binary of this machine alone, into `folder`. */
function packInto(folder: string): void {
  const sources = join(place, 'sources')
  const folders = ['dist', 'docs']
  for (const entry of [
    ...folders,
    'package.json',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
    'NOTICE',
    'SECURITY.md',
  ])
    cpSync(join(root, entry), join(sources, entry), { recursive: true })
  const binaries = join(sources, 'prebuilds', `${process.platform}-${process.arch}`)
  mkdirSync(binaries, { recursive: true })
  cpSync(join(root, 'build/Release/sentinel_ipc.node'), join(binaries, 'sentinel-ipc.node'))
  const args = ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]
  execFileSync('npm', args, { cwd: sources, stdio: ['ignore', 'ignore', 'inherit'] })
}

const END = '--- the end of a block'

/** All commands of the page in one shell. Each block ends with a line that no program prints. */
function scriptOf(kinds: readonly string[]): string {
  const commands = blocks.filter(({ kind }) => kinds.includes(kind)).map(({ text }) => text)
  return ['set -m', ...commands.map((text) => `${text}echo '${END}'`)]
    .join('\n')
    .replaceAll('9464', String(port))
}

/** What the page says that each block of commands prints; '' where it says nothing. */
function expectedOf(kinds: readonly string[]): string[] {
  return blocks.flatMap(({ kind }, i) => {
    if (!kinds.includes(kind)) return []
    const next = blocks[i + 1]
    return [next?.kind === 'text' ? next.text : '']
  })
}

it('ten-minutes.md has programs, commands and what they print', () => {
  const kinds = new Set(blocks.map(({ kind }) => kind))
  expect([...kinds].sort()).toEqual(['js', 'sh', 'sh root', 'text'])
  const programs = blocks.filter(({ kind }) => kind === 'js').map(({ text }) => text.split('\n')[0])
  expect(programs).toEqual(['// responder.mjs', '// correlator.mjs', '// collector.mjs'])
})

const title = `ten-minutes.md does what it says${whyOneUser === '' ? '' : ` (without two users: ${whyOneUser})`}`
it.skipIf(whyNot !== '')(
  title + (whyNot === '' ? '' : ` (skipped: ${whyNot})`),
  () => {
    const empty = join(place, 'soc')
    mkdirSync(empty)
    packInto(empty)
    for (const { kind, text } of blocks) {
      const [, name = ''] = /^\/\/ (\w+\.mjs)\n/.exec(text) ?? []
      if (kind === 'js') writeFileSync(join(empty, name), text.replaceAll('9464', String(port)))
    }
    const kinds = whyOneUser === '' ? ['sh', 'sh root'] : ['sh']
    const script = scriptOf(kinds)
    const layer = join(place, 'layer')
    mkdirSync(layer)
    const command =
      whyOneUser === ''
        ? ['unshare', '--mount', 'bash', '-c', `${layers(layer)} || exit 1\n${script}`]
        : ['bash', '-c', script]
    const begin = performance.now()
    const { stdout, stderr, status } = spawnSync(command[0] ?? '', command.slice(1), {
      cwd: empty,
      encoding: 'utf8',
      // From the cache where it has what is needed.
      env: { ...process.env, npm_config_prefer_offline: 'true', npm_config_audit: 'false', TMPDIR: place },
      timeout: 200_000,
      killSignal: 'SIGKILL',
    })
    const seconds = (performance.now() - begin) / 1000
    const printed = stdout.split(`${END}\n`).slice(0, -1)
    const expected = expectedOf(kinds)
    expect(printed.length, stdout + stderr).toBe(expected.length)
    for (const [i, text] of expected.entries()) {
      // Where the page cuts a line short, anything may follow.
      const pattern = text
        .split('…')
        .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
        .join('.*')
      expect(printed[i], stderr).toMatch(new RegExp(`^${pattern}$`))
    }
    expect(status).toBe(0)
    console.log(`the commands of docs/ten-minutes.md took ${seconds.toFixed(0)} s`)
    // Ten minutes with the reading.
    expect(seconds).toBeLessThan(180)
  },
  240_000,
)
