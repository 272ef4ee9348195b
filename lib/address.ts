// From a pipe's name to where it stands: a socket path or a Windows pipe name.

import { join, resolve } from 'node:path'

import { IpcError } from './errors.js'

/** Where to listen or dial, when not at the documented default. */
export interface AddressOptions {
  /**
   * Directory of the socket: `<directory>/<name>.sock`. `listen` makes its last component (mode 0700) when it is
   * absent. A shipped Go peer listens in `$TMPDIR/sentinel-soc`.
   */
  readonly directory?: string
  /** Full path of the socket, instead of one made from the name. */
  readonly path?: string
}

/** Bytes that fit `sun_path` besides the terminating NUL: 108 on Linux, 104 on macOS (unix(7)). */
const MAX_PATH_BYTES = process.platform === 'darwin' ? 103 : 107

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/

/**
 * The address of the pipe `name`: `/tmp/sentinel-<name>.sock`, on Windows `\\.\pipe\sentinel-<name>` (Go: `Listen`).
 *
 * @throws TypeError when the name is anything but letters, digits, `.`, `_` and `-`, starting with a letter or digit
 * @throws {IpcError} ERR_IPC_PATH_TOO_LONG
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
  if (process.platform === 'win32') return `\\\\.\\pipe\\sentinel-${name}`

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

function checkText(what: string, value: string): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw new TypeError(`${what} must be a string that is not empty and holds no NUL`)
  }
  return value
}
