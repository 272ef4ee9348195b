// Loads the addon and types it. The counterpart of native/node/addon.cc.

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { RefusalReason } from '../base/error-reasons.js'
import { describeError, IpcError, isError } from '../base/errors.js'
import type { WatchState } from './abi.js'

/** An identity as the addon returns it: numbers are null if the system does not have them. */
export interface NativePeer {
  readonly pid: number
  readonly uid: number | null
  readonly gid: number | null
  readonly groups: readonly number[]
  /** '' where the system does not say. */
  readonly executable: string
  readonly unit: string
  readonly label: string
  readonly sid: string
}

/** A policy with its names looked up. Empty lists of executables, units and labels mean any. */
export interface NativePolicy {
  readonly users: Uint32Array
  readonly groups: Uint32Array
  readonly executables: readonly string[]
  readonly units: readonly string[]
  readonly labels: readonly string[]
  readonly sids: readonly string[]
  /** Whether peers of other pid namespaces pass by user and group alone. */
  readonly foreignNamespaces: boolean
}

/** Where to listen: at a path, or on a descriptor that listens already. */
export type NativeListenAddress =
  | {
      readonly path: string
      readonly createDirectory: boolean
      /** Other users may write to the directory of the socket, although it is not sticky. */
      readonly sharedDirectory: boolean
      readonly groupAccess: boolean
      readonly publicAccess: boolean
      readonly group: number | null
    }
  | { readonly descriptor: number }

export interface NativeLimits {
  readonly backlog: number
  readonly maxConnections: number
  readonly maxConnectionsPerUser: number
  /** 0: no limit. */
  readonly maxNewPerSecondPerUser: number
  readonly maxQueued: number
  readonly throttleRefusals: boolean
}

export interface NativeClient extends NativePeer {
  /** An open, connected descriptor. It must be wrapped at once where there is no {@link NativeReadiness}. */
  readonly descriptor: number
}

export interface NativeRefusal extends NativePeer {
  readonly reason: RefusalReason
  readonly errno: number
}

export interface NativeAcceptor {
  take(most: number): NativeClient[]
  /** The refusals since the last report, when one is due: every 100 ms, and after `stop`. Dropped unless `wanted`. */
  takeRefusals(wanted: boolean): { readonly refusals: NativeRefusal[]; readonly omitted: number } | undefined
  /** Releases the quota of a connection that has ended: by uid, or by sid on Windows. */
  release(user: number | string): void
  stats(): {
    readonly admitted: number
    readonly refused: number
    readonly exhausted: number
    readonly open: number
  }
  takeNotifyDescriptor(): number
  stop(): void
}

export interface NativePeerWatcher {
  takeNotifyDescriptor(): number
  /** Watches the process behind a connected descriptor. When it ends, 8 bytes with `id` go to the notify descriptor. */
  watch(id: number, descriptor: number): WatchState
  forget(id: number): void
}

/** Reads from connected descriptors of the addon when something has arrived. */
export interface NativeReadiness {
  /**
   * Call once, before the first `want`. `records` is what {@link Addon.readRecords} returns, or WRITABLE: the kernel may take
   * bytes again. `pollWords` are those of PollWord, see abi.ts.
   */
  start(onReady: (descriptor: number, records: number) => void, pollWords: Int32Array): void
  /** Sets the readiness that a descriptor is waited for. Waiting keeps the process alive, see `keepAlive`. */
  want(descriptor: number, reading: boolean, writing: boolean): void
  /** Whether waiting for a descriptor keeps the process alive. It does at first. */
  keepAlive(descriptor: number, keep: boolean): void
  close(descriptor: number): void
}

/** How `openFile` opens a file: FileDirectory::Access in native/platform/platform.h. */
export const FileAccess = { read: 0, write: 1, create: 2 } as const

interface Addon {
  /** Returns the exports of abi.ts, as the addon defines them. */
  readonly abi: () => Readonly<Record<string, unknown>>
  readonly Acceptor: new (
    address: NativeListenAddress,
    policy: NativePolicy,
    limits: NativeLimits,
  ) => NativeAcceptor
  /** Absent on Windows. */
  readonly readiness?: NativeReadiness
  readonly PeerWatcher: new () => NativePeerWatcher
  /**
   * Begins reading a descriptor, with lines of at most this many bytes, until `closeReader`. Finds the fields that these JSON
   * Pointers lead to, if any are given.
   */
  readonly openReader: (descriptor: number, maxLineBytes: number, fields?: readonly string[]) => void
  readonly closeReader: (descriptor: number) => void
  /** Reads what has arrived. Returns the number of records, or NO_ROOM, and sets `progress`. */
  readonly readRecords: (descriptor: number) => number
  /** Like `readRecords`, for the first `size` bytes of a buffer that the event loop has filled. */
  readonly pushRecords: (descriptor: number, bytes: Uint8Array, size: number) => number
  /** Continues with the rest of the last read; call it if `progress` says that there is more. */
  readonly moreRecords: (descriptor: number) => number
  /** Keeps the rest of the last read for a later `moreRecords`; call it if `progress` says that there is more. */
  readonly suspendRecords: (descriptor: number) => void
  /** Returns the records of the unfinished line of a stream that has ended. */
  readonly finishRecords: (descriptor: number) => number
  /** Sets the memory to which all frame readers write their records and the outcome of a step. */
  readonly attachRecords: (records: Int32Array, progress: Int32Array) => void
  /** Sets the memory for the rows of FieldWord. Call it once, before the first `openReader` with fields. */
  readonly attachFieldRows: (rows: Int32Array) => void
  /** Sets the memory that all frame readers read into from now on. */
  readonly attachWindow: (bytes: Uint8Array) => void
  /**
   * Writes the frames that `words` describe (see LayoutWord) at `begin`, and returns where they end. `text` is the text of all
   * frames, one after the other. There must be room for ENVELOPE_BYTES a frame, three bytes a UTF-16 unit, and one more.
   */
  readonly layOutFrames: (
    bytes: Uint8Array,
    begin: number,
    text: string,
    words: Int32Array,
    count: number,
  ) => number
  /**
   * Copies the lines of [0, end) to `out` and gives them the numbers from `first` on; returns where they end there. Each
   * takes at most NUMBER_BYTES more.
   */
  readonly numberLines: (lines: Uint8Array, end: number, out: Uint8Array, at: number, first: number) => number
  /** The number of messages in the lines of [begin, end); or the negative state of the first line that is not a message. */
  readonly checkFrames: (bytes: Uint8Array, begin: number, end: number, maxLineBytes: number) => number
  /** Returns how many bytes the kernel took, or a negative error number. */
  readonly writeBatch: (descriptor: number, bytes: Uint8Array, begin: number, end: number) => number
  /** A client; with a reason instead of a descriptor when the policy refuses the server. */
  readonly connect: (
    path: string,
    policy: NativePolicy,
  ) => NativeClient | (NativePeer & { readonly reason: RefusalReason })
  /** The indices of those whose peer has closed for good and left nothing to read. Entries below 0 are skipped. */
  readonly findGone: (descriptors: Int32Array) => number[]
  /**
   * Opens a directory that only this user can enter, checked from the root down, and resolves with a number for it. With a
   * `lockName` it is claimed for this environment alone, until `closeDirectory` or the end of the environment.
   */
  readonly openDirectory: (path: string, create: boolean, lockName: string) => Promise<number>
  readonly listDirectory: (directory: number) => Promise<string[]>
  /** Resolves with a descriptor, which belongs to the addon until `closeFile`. Access: {@link FileAccess}. */
  readonly openFile: (directory: number, name: string, access: number) => Promise<number>
  /** Rejects unless the file exists and `openFile` would open it, but does not open it. */
  readonly checkFile: (directory: number, name: string) => Promise<void>
  /** Replaces the file `to`, in one step. */
  readonly renameFile: (directory: number, from: string, to: string) => Promise<void>
  readonly removeFile: (directory: number, name: string) => Promise<void>
  /** Resolves once names created and removed in the directory survive a loss of power. */
  readonly syncDirectory: (directory: number) => Promise<void>
  readonly closeDirectory: (directory: number) => void
  /** Closes a descriptor of `openFile`: in a worker, `closeSync` would warn of it. Safe to call again. */
  readonly closeFile: (descriptor: number) => void
  /** Counts while the machine is suspended too; no user can set it. */
  readonly millisecondsSinceBoot: () => number
  /** Differs from one start of the machine to the next; '' where the system does not say. */
  readonly bootId: () => string
  /**
   * Sends a datagram to a Unix socket at a path, or at an abstract name that begins with '@'. Throws `would-block` when its
   * queue is full, and `not-supported` on Windows.
   */
  readonly sendDatagram: (address: string, text: string) => void
  /** The path that a listening descriptor stands at, or ''. */
  readonly addressOf: (descriptor: number) => string
  /** Null if no user or group has that name. */
  readonly resolveUser: (name: string) => number | null
  readonly resolveGroup: (name: string) => number | null
  readonly resolveSid: (account: string) => string | null
  /** `uid` is null on Windows, `sid` is '' elsewhere. */
  readonly ownUser: () => { readonly uid: number | null; readonly sid: string }
}

const supported = ['linux', 'darwin', 'win32']

/** Runtimes that load addons but have no event loop of libuv's, by their key in `process.versions`. */
const foreignRuntimes = { bun: 'Bun', deno: 'Deno' }

/**
 * Refuses a runtime that would end the process at the first call of libuv: those they have are stubs that abort. Their
 * sockets do not take over a descriptor either, so there is nothing to fall back to.
 */
function checkRuntime(): void {
  for (const [key, name] of Object.entries(foreignRuntimes)) {
    const version = process.versions[key]
    if (version === undefined) continue
    throw new IpcError(
      'ERR_IPC_SYSTEM',
      `sentinel-ipc needs the event loop of Node.js, which ${name} ${version} does not have: ` +
        'run this program with Node.js 20.19 or newer',
    )
  }
}

/** What a binary must fit, in words. */
function describeHost(): string {
  const { platform, arch, version, versions } = process
  const parts = [`${platform} ${arch}`]
  if (platform === 'linux') {
    const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
    parts.push(header?.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`)
  }
  return [...parts, `Node ${version}`, `Node-API ${versions['napi'] ?? '?'}`].join(', ')
}

/**
 * The folder of the package, which holds prebuilds/: the nearest above this file with a package.json. The sources, the
 * compiled files and the bundle lie at different depths below it.
 */
function packageRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  for (let folder = here; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
  }
  return dirname(here)
}

/** Whether a folder is that of this package, and not of a program that a bundler put this file into. */
function isOwnRoot(folder: string): boolean {
  const file = join(folder, 'package.json')
  if (!existsSync(file)) return false
  const { name } = JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown }
  return name === 'sentinel-ipc'
}

function explainBundle(): string {
  return (
    `sentinel-ipc was bundled into ${fileURLToPath(import.meta.url)}, away from its binary. Have the bundler leave it ` +
    'outside (esbuild: --external:sentinel-ipc), and deploy node_modules along with the bundle.'
  )
}

/** Why no addon may be loaded in this process, and how to start it instead. */
function explainDisabledAddons(root: string): string {
  const rule =
    'permission' in process
      ? `with its permission model but without --allow-addons. Add that, and --allow-fs-read for ${root}`
      : 'with --no-addons. Remove that, also from NODE_OPTIONS'
  return `sentinel-ipc cannot load its binary, because Node was started ${rule}: there is no slower way without the checks of the binary.`
}

function load(): Addon {
  checkRuntime()
  const root = packageRoot()
  const { platform, arch } = process
  if (!supported.includes(platform)) {
    throw new IpcError(
      'ERR_IPC_SYSTEM',
      `sentinel-ipc does not run on ${platform} (${arch}); it is made for ${supported.join(', ')}`,
    )
  }
  const require = createRequire(import.meta.url)
  try {
    const { path } = require('node-gyp-build') as { path: (root: string) => string }
    // Not by require(), which returns the same exports to every evaluation of this file in a thread: test runners evaluate
    // it once per test file. dlopen gives each evaluation an instance with state of its own.
    const loaded = { exports: {} }
    process.dlopen(loaded, path(root))
    return loaded.exports as Addon
  } catch (cause) {
    const code = isError(cause) && 'code' in cause ? cause.code : undefined
    if (code === 'ERR_DLOPEN_DISABLED')
      throw new IpcError('ERR_IPC_SYSTEM', explainDisabledAddons(root), { cause })
    const [why = ''] = describeError(cause).split('\n')
    if (!isOwnRoot(root)) throw new IpcError('ERR_IPC_SYSTEM', explainBundle(), { cause })
    throw new IpcError(
      'ERR_IPC_SYSTEM',
      `sentinel-ipc has no binary that loads here (${describeHost()}): ${why}. ` +
        `Looked in ${join(root, 'prebuilds')} and ${join(root, 'build', 'Release')}. To make one, run ` +
        `'npm ci && npm run prebuild' in a checkout of the repository, which needs Python 3 and a C++17 compiler, ` +
        `and copy its prebuilds${sep}${platform}-${arch} to ${join(root, 'prebuilds')}.`,
      { cause },
    )
  }
}

/** The addon. Loading fails loudly: there is no slower way without the checks that it makes. */
export const addon: Addon = load()
