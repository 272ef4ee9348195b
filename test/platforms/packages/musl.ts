// Checks the musl binary without a Node for musl: that musl's own loader finds all that it asks for, and
// that the accept thread, the policy and what they call of the system do their work there, in a program without Node.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { readBinding } from '../../../release/binding.js'
import { root } from '../../../release/root.js'
import { output, run } from '../../../release/run.js'
import { lacksZig, zig } from '../../../release/targets.js'

export const MUSL_BINARY = 'prebuilds/linux-x64/sentinel-ipc.musl.node'
const LOADER = '/lib/ld-musl-x86_64.so.1'

export function missingForMusl(): string | undefined {
  return lacksZig() ?? (existsSync(LOADER) ? undefined : `there is no ${LOADER} (Debian: musl)`)
}

function compile(folder: string, name: string, args: readonly string[]): string {
  const [command = '', ...choice] = zig('x86_64-linux-musl')
  const program = join(folder, name)
  run(command, [...choice, '-std=c++17', '-O3', '-Wall', '-Wextra', '-Werror', ...args, '-o', program], {
    cwd: root,
  })
  return program
}

/** A library with all that the addon asks of Node and its libuv; each function ends the process if it is called. */
function standIns(folder: string, addon: string): string {
  const table = output('readelf', ['--wide', '--dyn-syms', addon])
  const names = [...table.matchAll(/ UND ((?:napi|node_api|uv)_\w+)$/gm)].map(([, name = '']) => name)
  if (names.length < 20) throw new Error(`${addon} asks for ${names.length} functions of Node`)
  const source = join(folder, 'stand-ins.cc')
  const functions = names.map((name) => `void ${name}() { abort(); }`)
  writeFileSync(source, `#include <stdlib.h>\nextern "C" {\n${functions.join('\n')}\n}\n`)
  return compile(folder, 'libnode.so', ['-shared', '-fPIC', source])
}

/** Lines that tell what worked; throws at what did not. */
export function tryOnMusl(installed: string): string[] {
  const folder = join(root, 'out/packages/programs')
  mkdirSync(folder, { recursive: true })
  const addon = join(installed, MUSL_BINARY)
  const library = standIns(folder, addon)
  const load = compile(folder, 'musl_load', ['test/platforms/packages/musl_load.cc', library])
  const loaded = output(LOADER, [load, addon]).trim()

  const node = /^native\/(?:node|frames)\//
  const native = readBinding('linux').sources.filter((source) => !node.test(source))
  const threads = compile(folder, 'threads', [
    ...[
      '-fno-exceptions',
      '-Inative',
      '-include',
      'native/platform/linux/glibc.h',
      'test/native/sanitizers/threads.cc',
      ...native,
    ],
    // zig links musl statically, and so not the machine's own, where no other library is shared.
    ...['-Wl,--no-as-needed', library],
  ])
  const place = mkdtempSync(join(tmpdir(), 'sipc-musl-'))
  try {
    return [loaded, output(LOADER, [threads, join(place, 'threads.sock')]).trim()]
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}
