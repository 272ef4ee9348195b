// From the name of a pipe to its address: a socket path, or a Windows pipe name.

import { join, isAbsolute, resolve } from 'node:path'

import { sha256 } from '../base/crypto.js'
import { IpcError } from '../base/errors.js'
import { describeValue, flag, text, type OptionTable } from '../base/options.js'

/**
 * Where to listen or dial. Without `directory` and `path`, the environment variable `SENTINEL_IPC_DIRECTORY` (an
 * absolute path) gives the directory; without that, the socket is `/tmp/sentinel-<name>.sock`.
 *
 * Services should use a directory that only they can write to: `/run/<unit>`, which systemd makes for
 * `RuntimeDirectory=<unit>`, or `$XDG_RUNTIME_DIR` for the programs of one user.
 */
export interface AddressOptions {
  /**
   * Directory of the socket: `<directory>/<name>.sock`. `listen` makes its last component (mode 0700) if it does not
   * exist. A relative path is resolved at the call. The released Go peer listens in `$TMPDIR/sentinel-soc`. On Windows
   * pipes have no directories: nothing is made, and the name of the pipe contains a hash of the directory's name, so
   * that pipes of two directories differ.
   */
  readonly directory?: string
  /**
   * Full path of the socket, or (Windows) full name of the pipe, `\\.\pipe\…`, instead of one made from the name. A
   * relative path is resolved at the call.
   */
  readonly path?: string
  /**
   * Declares that other users may write to the directory of the socket although it is not sticky, like a volume that
   * containers share (a Kubernetes emptyDir has mode 0777). Without it, `listen` refuses such a directory. The
   * directory must still belong to this user or to root, and the directories above it are checked as usual.
   *
   * Consequence: every user who can write there can remove or replace the socket at any time, so that no client finds
   * this listener, and can listen there first. Such a user cannot impersonate either end, because both still check the
   * peer. `listen` notices a removed socket (`onAddressLost`, `reclaim`). `dial` takes any directory and ignores this
   * option, so that both ends can share their options. Needs /proc; no effect on Windows. Default: false.
   */
  readonly sharedDirectory?: boolean
}

/** The checks of {@link AddressOptions}, for the tables of everything that takes them. */
export const ADDRESS_TABLE: OptionTable<AddressOptions> = {
  directory: text,
  path: text,
  sharedDirectory: flag,
}

/** Bytes that fit `sun_path` besides the terminating NUL: 108 on Linux, 104 on macOS (unix(7)). */
const MAX_PATH_BYTES = process.platform === 'darwin' ? 103 : 107

/** A pipe of this machine, never of another one. With the prefix at most 256 characters (CreateNamedPipe). */
const PIPE_NAME = /^\\\\\.\\pipe\\[^\\/\0]{1,247}$/i

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/

const DIRECTORY_VARIABLE = 'SENTINEL_IPC_DIRECTORY'

/**
 * Returns the address of the pipe `name`: the one that the options or the environment select, or else
 * `/tmp/sentinel-<name>.sock`, on Windows `\\.\pipe\sentinel-<name>` (Go: `Listen`).
 *
 * @throws TypeError if the name is anything but 1 to 200 letters, digits, `.`, `_` and `-`, starting with a letter or
 *   digit; for an invalid directory or path
 * @throws {IpcError} ERR_IPC_PATH_TOO_LONG; ERR_IPC_UNSAFE_PATH (Windows: `path` is not the name of a local pipe)
 */
export function resolveAddress(name: string, options: AddressOptions): string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new TypeError(
      `the pipe name must be 1 to 200 letters, digits, '.', '_' or '-', starting with a letter or digit, ` +
        `not ${describeValue(name)}`,
    )
  }
  const { path } = options
  if (path !== undefined && options.directory !== undefined) {
    throw new TypeError('path and directory cannot be combined: give one of them')
  }
  if (path !== undefined) text(path, 'path')
  const directory = path === undefined ? directoryOf(options) : undefined
  return process.platform === 'win32' ? pipeName(name, path, directory) : socketPath(name, path, directory)
}

/**
 * Returns the directory of the socket, from the options or from the environment; undefined if neither names one.
 *
 * @throws TypeError if it is not text, or relative in the environment
 */
export function directoryOf({ directory, path }: AddressOptions): string | undefined {
  if (directory !== undefined) {
    text(directory, 'directory')
    return resolve(directory)
  }
  const fromEnvironment = process.env[DIRECTORY_VARIABLE]
  if (path !== undefined || fromEnvironment === undefined || fromEnvironment === '') return undefined
  if (!isAbsolute(fromEnvironment)) {
    throw new TypeError(
      `the environment variable ${DIRECTORY_VARIABLE} must be an absolute path, not ${describeValue(fromEnvironment)}`,
    )
  }
  return fromEnvironment
}

function socketPath(name: string, path: string | undefined, directory: string | undefined): string {
  const address =
    path !== undefined
      ? resolve(path)
      : directory !== undefined
        ? join(directory, `${name}.sock`)
        : `/tmp/sentinel-${name}.sock`
  const bytes = Buffer.byteLength(address)
  if (bytes > MAX_PATH_BYTES) {
    throw new IpcError(
      'ERR_IPC_PATH_TOO_LONG',
      `${address} is ${bytes} bytes long, and a socket path has at most ${MAX_PATH_BYTES}: ` +
        'use a shorter directory or name',
    )
  }
  return address
}

function pipeName(name: string, path: string | undefined, directory: string | undefined): string {
  if (path !== undefined) {
    if (PIPE_NAME.test(path)) return path
    throw new IpcError(
      'ERR_IPC_UNSAFE_PATH',
      `${JSON.stringify(path)} is not the name of a local pipe (\\\\.\\pipe\\…)`,
    )
  }
  const pipe = `\\\\.\\pipe\\sentinel-${name}`
  if (directory === undefined) return pipe
  // Windows ignores case in names of directories and of pipes.
  return `${pipe}-${sha256().update(directory.toLowerCase()).digest('hex').slice(0, 16)}`
}
