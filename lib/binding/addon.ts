// The exports of the addon, with their types. The counterpart of native/node/addon.cc.

import type { RefusalReason } from '../base/error-reasons.js'
import type { WatchState } from './abi.js'
import { loadAddon } from './load-addon.js'

/** An identity as the addon returns it: numbers are null if the system does not have them. */
export interface NativePeer {
  readonly pid: number
  readonly uid: number | null
  readonly gid: number | null
  readonly groups: readonly number[]
  /** '' where the system does not report it. */
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
  /** Whether peers of other pid namespaces are judged by user and group only, instead of refused. */
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
  /** Releases the quota of a connection that has ended. `user` is the uid, or on Windows the SID. */
  release(user: number | string): void
  stats(): {
    readonly admitted: number
    readonly refused: number
    readonly exhausted: number
    readonly open: number
  }
  /** Returns the file of the socket that it made, as `fileAt` does; null if that is not known. Call it before `stop`. */
  boundFile(): string | null
  takeNotifyDescriptor(): number
  stop(): void
  /**
   * Accepts again after `stop`. Connections admitted before still count against the limits. Afterwards
   * `takeNotifyDescriptor` returns a new descriptor.
   */
  restart(address: NativeListenAddress, policy: NativePolicy, limits: NativeLimits): void
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
   * Call once, before the first `want`. `records` is what {@link Addon.readRecords} returns, or WRITABLE: the kernel
   * may take bytes again. `pollWords` are those of PollWord, see abi.ts.
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
   * Begins reading a descriptor, with lines of at most this many bytes, until `closeReader`. Finds the fields that
   * these JSON Pointers lead to, if any are given.
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
  /**
   * Begins a turn of the event loop, with all that it may read. Where `readiness` exists, the addon does so by itself.
   */
  readonly beginTurn: () => void
  /** Returns the records of the unfinished line of a stream that has ended. */
  readonly finishRecords: (descriptor: number) => number
  /** Sets the memory to which all frame readers write their records and the outcome of a step. */
  readonly attachRecords: (records: Int32Array, progress: Int32Array) => void
  /** Sets the memory for the rows of FieldWord. Call it once, before the first `openReader` with fields. */
  readonly attachFieldRows: (rows: Int32Array) => void
  /** Sets the memory that all frame readers read into from now on. */
  readonly attachWindow: (bytes: Uint8Array) => void
  /**
   * Writes the frames that `words` describe (see LayoutWord) at `begin`, and returns where they end. `text` is the text
   * of all frames, one after the other. There must be room for ENVELOPE_BYTES a frame, three bytes a UTF-16 unit, and
   * one more.
   */
  readonly layOutFrames: (
    bytes: Uint8Array,
    begin: number,
    text: string,
    words: Int32Array,
    count: number,
  ) => number
  /**
   * Copies the lines of [0, end) to `out` and gives them the numbers from `first` on; returns where they end there.
   * Each takes at most NUMBER_BYTES more.
   */
  readonly numberLines: (lines: Uint8Array, end: number, out: Uint8Array, at: number, first: number) => number
  /**
   * Returns the number of messages in the lines of [begin, end), or the negative state of the first line that is not a
   * message.
   */
  readonly checkFrames: (bytes: Uint8Array, begin: number, end: number, maxLineBytes: number) => number
  /** Returns how many bytes the kernel took, or a negative error number. */
  readonly writeBatch: (descriptor: number, bytes: Uint8Array, begin: number, end: number) => number
  /** Returns a client, or a reason instead of a descriptor if the policy refuses the server. */
  readonly connect: (
    path: string,
    policy: NativePolicy,
  ) => NativeClient | (NativePeer & { readonly reason: RefusalReason })
  /**
   * Returns the indices of the descriptors whose peer has closed both directions and left nothing to read. Entries
   * below 0 are skipped.
   */
  readonly findGone: (descriptors: Int32Array) => number[]
  /**
   * Opens a directory that only this user can enter, checked from the root down, and resolves with a number for it.
   * With a `lockName` it is claimed for this environment alone, until `closeDirectory` or the end of the environment.
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
  /** Returns the time since boot, time suspended included. No user can set this clock. */
  readonly millisecondsSinceBoot: () => number
  /** Returns an id that differs from one boot of the machine to the next; '' where the system has none. */
  readonly bootId: () => string
  /**
   * Sends a datagram to a Unix socket at a path, or at an abstract name that begins with '@'. Throws `would-block` when
   * its queue is full, and `not-supported` on Windows.
   */
  readonly sendDatagram: (address: string, text: string) => void
  /** Returns the path that a listening descriptor is bound to, or ''. */
  readonly addressOf: (descriptor: number) => string
  /**
   * Returns text that identifies the file at a path while it exists, '' if there is none, and null if that cannot be
   * determined. A link in the last component is not followed.
   */
  readonly fileAt: (path: string) => string | null
  /** Returns null if no user or group has that name. */
  readonly resolveUser: (name: string) => number | null
  readonly resolveGroup: (name: string) => number | null
  readonly resolveSid: (account: string) => string | null
  /** `uid` is null on Windows, `sid` is '' elsewhere. */
  readonly ownUser: () => { readonly uid: number | null; readonly sid: string }
}

/** The addon. Throws if it cannot be loaded. There is no fallback, because the addon makes the security checks. */
export const addon = loadAddon() as Addon
