// npm run test:packages: packs the package with the binaries of `npm run prebuild:all`, installs it from that file with no
// script and no compiler for each system that can be tried on this machine, and uses it there. With --all a system that
// cannot be tried here is a failure.

import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { readOptions } from '../../../release/options.js'
import { root } from '../../../release/root.js'
import { output } from '../../../release/run.js'
import {
  bytesOfSet,
  expectedFiles,
  MOST_BYTES_OF_ONE_SET,
  packedFiles,
  type Packed,
} from '../../support/package-contents.js'
import { hosts, runNode, type Host } from './hosts.js'
import { missingForMusl, MUSL_BINARY, tryOnMusl } from './musl.js'

const place = join(root, 'out/packages')
const npmCli = output('sh', ['-c', 'readlink -f "$(command -v npm)"']).trim()
const binaries = [...new Set([...hosts.map(({ binary }) => binary), MUSL_BINARY])]

function pack(): Packed {
  const missing = binaries.filter((binary) => !existsSync(join(root, binary)))
  if (missing.length > 0) throw new Error(`no ${missing.join(', ')}: run npm run prebuild:all first`)
  const told = output('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', place], {
    cwd: root,
  })
  const [packed] = JSON.parse(told) as [Packed]
  assert.deepEqual(packedFiles(packed), expectedFiles(root, binaries))
  for (const binary of binaries) {
    const bytes = bytesOfSet(packed, binary)
    console.log(
      `${binary} and all that is not for one system only: ${(bytes / 1024).toFixed(0)} KiB unpacked`,
    )
    assert(bytes <= MOST_BYTES_OF_ONE_SET, `more than ${MOST_BYTES_OF_ONE_SET} bytes`)
  }
  const kib = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`
  console.log(`${packed.filename}: ${kib(packed.size)}, ${kib(packed.unpackedSize)} unpacked`)
  return packed
}

/** Returns the folder that it was installed in. */
function install(packed: Packed, name: string, host?: Host): string {
  const folder = join(place, name.replace(/\W+/g, '-'))
  mkdirSync(folder, { recursive: true })
  const empty = join(place, 'empty')
  mkdirSync(empty, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"name":"elsewhere","private":true}')
  const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--silent']
  const args = [npmCli, 'install', ...options, join(place, packed.filename)]
  if (host?.npm === true) runNode(host, folder, args, empty)
  else output(process.execPath, args, { cwd: folder, env: { HOME: process.env['HOME'], PATH: empty } })
  return folder
}

function use(host: Host, folder: string): void {
  const empty = join(place, 'empty')
  copyFileSync(join(root, 'out/test/platforms/packages/program.js'), join(folder, 'program.mjs'))
  const said = runNode(host, folder, ['program.mjs'], empty)
  const [platform = '', arch = ''] = (host.binary.split('/')[1] ?? '').split('-')
  assert.deepEqual(JSON.parse(said), {
    on: `${platform} ${arch}`,
    binary: `node_modules/sentinel-ipc/${host.binary}`,
    received: 1000,
    inOrder: true,
    malformedPayload: 'ERR_IPC_INVALID_MESSAGE',
    malformedLine: 'ERR_IPC_INVALID_MESSAGE',
    lineAfterIt: 'whole',
    strangerDialled: 'ERR_IPC_PEER_REJECTED',
  })
  const required = `console.log(process.version, typeof require('sentinel-ipc').listen)`
  const [version = '', kind] = runNode(host, folder, ['-e', required], empty).trim().split(' ')
  assert.equal(kind, 'function')
  console.log(`  Node ${version}: 1000 messages in order, a malformed payload, line and a stranger refused`)
}

const { values } = readOptions(
  `Usage: npm run test:packages -- [--all]

Packs the package with the binaries of npm run prebuild:all, installs it from that file with no script and no compiler for
each system that can be tried on this machine, and uses it there.

  --all   a system that cannot be tried here is a failure
  --help  this text`,
  { options: { all: { type: 'boolean' } } },
)
rmSync(place, { recursive: true, force: true })
mkdirSync(place, { recursive: true })
const packed = pack()
let passed = 0
const failed: string[] = []
const skipped: string[] = []

function attempt(name: string, missing: string | undefined, body: () => void): void {
  console.log(`\n== ${name}`)
  if (missing !== undefined) {
    console.log(`SKIPPED: ${missing}`)
    skipped.push(name)
    return
  }
  const started = performance.now()
  try {
    body()
    passed++
    console.log(`  took ${((performance.now() - started) / 1000).toFixed(1)} s`)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    failed.push(name)
  }
}

for (const host of hosts) {
  attempt(host.name, host.missing(), () => {
    use(host, install(packed, host.name, host))
  })
}
attempt('linux-x64, musl, without Node', missingForMusl(), () => {
  const folder = install(packed, 'musl')
  for (const line of tryOnMusl(join(folder, 'node_modules/sentinel-ipc'))) console.log(`  ${line}`)
})
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
console.log(
  `\nsentinel-ipc ${version} installed: ${passed} passed, ${failed.length} failed, ${skipped.length} skipped`,
)
if (failed.length > 0 || (values.all === true && skipped.length > 0)) process.exitCode = 1
