// Explains why the system refused access to an address: the file or directory that refuses, its owner and mode, the
// user of this process, and the remedy. Inspects files only after a refusal.

import { lstatSync, type Stats } from 'node:fs'
import { dirname, sep } from 'node:path'

import { hasCode, IpcError } from '../base/errors.js'

/**
 * Returns ERR_IPC_ACCESS_DENIED for a system error EACCES or EPERM from dialling or listening; returns any other error
 * unchanged.
 */
export function explainDenial(error: unknown, what: 'dial' | 'listen', address: string): unknown {
  if (!hasCode(error, 'ERR_IPC_SYSTEM', 'ERR_IPC_UNSAFE_PATH')) return error
  const cause = error.cause as NodeJS.ErrnoException | undefined
  if (cause?.code !== 'EACCES' && cause?.code !== 'EPERM') return error
  // A lock file of another user is an unsafe path. A lock file that could not be created is a matter of permissions.
  if (error.code === 'ERR_IPC_UNSAFE_PATH' && exists(`${address}.lock`)) return error
  return new IpcError(
    'ERR_IPC_ACCESS_DENIED',
    `${what === 'dial' ? 'dialling' : 'listening at'} ${address} is not permitted (${cause.message}): ` +
      (process.platform === 'win32' ? WINDOWS_REASON : reasonOf(what, address, cause)),
    { cause },
  )
}

const WINDOWS_REASON =
  'the listener lets in only the users that its policy names; name the user of this process there'

function reasonOf(what: 'dial' | 'listen', address: string, cause: NodeJS.ErrnoException): string {
  if (cause.syscall === 'fchownat') {
    return `only a member of a group can give it the socket; ${describeSelf()}. Choose a group of this process.`
  }
  const closed = firstUnsearchable(address)
  if (closed !== undefined) {
    return (
      `the directory ${closed} ${describeFile(closed)}; ${describeSelf()}. ` +
      'Permit this user or its group to search the directory (chmod +x).'
    )
  }
  if (what === 'listen') {
    const directory = dirname(address)
    return (
      `the directory ${directory} ${describeFile(directory)}; ${describeSelf()}. ` +
      'Use a directory that this user can write to, such as /run/<unit> (RuntimeDirectory= of systemd).'
    )
  }
  return (
    `the socket ${describeFile(address)}; ${describeSelf()}. ` +
    'Have the listener use mode 0o660 with a group of this process, or 0o666, and name this user in its policy. ' +
    'If these permissions do allow it, a security module or sandbox refuses.'
  )
}

/** Returns the first directory on the way to `path` that this process may not search. */
function firstUnsearchable(path: string): string | undefined {
  const parts = path.split(sep)
  for (let count = 2; count <= parts.length; ++count) {
    try {
      lstatSync(parts.slice(0, count).join(sep))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EACCES') return undefined
      return parts.slice(0, count - 1).join(sep) || sep
    }
  }
  return undefined
}

function exists(path: string): boolean {
  try {
    lstatSync(path)
    return true
  } catch {
    return false
  }
}

function describeFile(path: string): string {
  let stats: Stats
  try {
    stats = lstatSync(path)
  } catch {
    return 'cannot be inspected'
  }
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0')
  return `belongs to uid ${stats.uid}, gid ${stats.gid} and has mode ${mode}`
}

function describeSelf(): string {
  const groups = process.getgroups?.().join(', ') ?? ''
  return (
    `this process runs as uid ${process.geteuid?.() ?? 'unknown'}, gid ${process.getegid?.() ?? 'unknown'}` +
    (groups === '' ? '' : `, groups ${groups}`)
  )
}
