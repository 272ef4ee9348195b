// From a pipe's name to where it stands: a socket path or a Windows pipe name.

import { join, resolve } from 'node:path'

import { sha256 } from '../base/crypto.js'
import { IpcError } from '../base/errors.js'

/** Where to listen or dial, when not at the documented default. */
export interface AddressOptions {
  /**
   * Directory of the socket: `<directory>/<name>.sock`. `listen` makes its last component (mode 0700) when it is
   * absent. A shipped Go peer listens in `$TMPDIR/sentinel-soc`. On Windows pipes have no directories: nothing is made, and
   * the name of the pipe carries a hash of the directory's, so that pipes of two directories are two.
   */
  readonly directory?: string
  /** Full path of the socket, or (Windows) full name of the pipe, `\\.\pipe\…`, instead of one made from the name. */
  readonly path?: string
}

/** Bytes that fit `sun_path` besides the terminating NUL: 108 on Linux, 104 on macOS (unix(7)). */
const MAX_PATH_BYTES = process.platform === 'darwin' ? 103 : 107

/** A pipe of this machine: never one of another. Together with the prefix at most 256 characters (CreateNamedPipe). */
const PIPE_NAME = /^\\\\\.\\pipe\\[^\\/\0]{1,247}$/i

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/

/**
 * The address of the pipe `name`: `/tmp/sentinel-<name>.sock`, on Windows `\\.\pipe\sentinel-<name>` (Go: `Listen`).
 *
 * @throws TypeError when the name is anything but letters, digits, `.`, `_` and `-`, starting with a letter or digit
 * @throws {IpcError} ERR_IPC_PATH_TOO_LONG, ERR_IPC_UNSAFE_PATH (Windows: no name of a pipe of this machine)
 */
export function resolveAddress(name: string, options: AddressOptions): string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new TypeError(
      `pipe name ${JSON.stringify(name)} must be 1 to 200 letters, digits, '.', '_' or '-', ` +
        'and start with a letter or digit',
    )
  }
  if (options.path !== undefined && options.directory !== undefined) {
    throw new TypeError('path and directory exclude each other')
  }
  if (process.platform === 'win32') return pipeName(name, options)

  const path =
    options.path !== undefined
      ? resolve(checkText('path', options.path))
      : options.directory !== undefined
        ? join(resolve(checkText('directory', options.directory)), `${name}.sock`)
        : `/tmp/sentinel-${name}.sock`
  const bytes = Buffer.byteLength(path)
  if (bytes > MAX_PATH_BYTES) {
    throw new IpcError(
      'ERR_IPC_PATH_TOO_LONG',
      `${path} is ${bytes} bytes long; a socket path has at most ${MAX_PATH_BYTES}`,
    )
  }
  return path
}

function pipeName(name: string, { path, directory }: AddressOptions): string {
  if (path !== undefined) {
    if (PIPE_NAME.test(checkText('path', path))) return path
    throw new IpcError(
      'ERR_IPC_UNSAFE_PATH',
      `${JSON.stringify(path)} is not a pipe of this machine (\\\\.\\pipe\\…)`,
    )
  }
  const pipe = `\\\\.\\pipe\\sentinel-${name}`
  if (directory === undefined) return pipe
  // Windows does not tell upper and lower case apart, neither in directories nor in names of pipes.
  const folder = resolve(checkText('directory', directory)).toLowerCase()
  return `${pipe}-${sha256().update(folder).digest('hex').slice(0, 16)}`
}

function checkText(what: string, value: string): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw new TypeError(`${what} must be a string that is not empty and holds no NUL`)
  }
  return value
}
