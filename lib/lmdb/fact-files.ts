// The directory and the files of a fact store, before LMDB opens them: that no other user can read, replace or redirect
// them, and that none is shorter than its database. Must not know what the facts are.

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  unlinkSync,
  writeSync,
  type Stats,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'

import { IpcError, isError } from '../base/errors.js'

const DATA = 'data.mdb'
const LOCK = 'lock.mdb'
/**
 * Bytes of a new lock file. LMDB maps it and writes to it in memory: a page that has no block on a full file system would end
 * the process with SIGBUS, so it gets its blocks here.
 */
const LOCK_BYTES = 1 << 14

/**
 * Makes the directory of a fact store and its files if they are absent, and checks them. Returns the absolute path. On
 * Windows, where the access lists of the parent directory apply, it only makes the directory.
 *
 * @throws {IpcError} ERR_IPC_UNSAFE_PATH if another user owns a part of the path or could change it, or a file is a link or
 *   is cut short; system errors of Node
 */
export function claimFactFiles(path: string): string {
  const directory = resolve(path)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (process.platform === 'win32') return directory
  checkAncestors(directory)
  const stats = lstatSync(directory)
  if (!stats.isDirectory()) throw unsafe(directory, 'it is not a directory; a symbolic link is not followed')
  checkOwner(directory, stats)
  if ((stats.mode & 0o022) !== 0) {
    throw unsafe(directory, `others may write to it (mode ${octal(stats)}); run: chmod go-w`)
  }
  checkFile(join(directory, DATA), 0)
  checkLength(join(directory, DATA))
  checkFile(join(directory, LOCK), LOCK_BYTES)
  return directory
}

/** Checks the path above the directory, links included: the owner of a part could put another directory there. */
function checkAncestors(directory: string): void {
  for (const above of ancestorsOf(directory)) {
    const stats = lstatSync(above)
    if (stats.isSymbolicLink() && stats.uid !== 0) checkOwner(above, stats)
  }
  for (const above of ancestorsOf(join(realpathSync(dirname(directory)), 'x'))) {
    const stats = lstatSync(above)
    if (stats.uid !== 0) checkOwner(above, stats)
    // In a sticky directory only its owner can rename what belongs to this user.
    if ((stats.mode & 0o022) !== 0 && (stats.mode & 0o1000) === 0) {
      throw unsafe(
        above,
        `others may write to it (mode ${octal(stats)}), so they could replace what is below it`,
      )
    }
  }
}

function* ancestorsOf(path: string): Generator<string> {
  for (let at = path; at !== dirname(at); at = dirname(at)) yield dirname(at)
}

/**
 * Checks an existing file by its path, without opening it: closing any descriptor of a file drops all locks that the process
 * holds on it (fcntl(2)), and LMDB locks `lock.mdb` in this way. The directory is checked, so the path stays with this file.
 */
function checkFile(path: string, newBytes: number): void {
  makeIfAbsent(path, newBytes)
  const stats = lstatSync(path)
  if (stats.isSymbolicLink()) throw unsafe(path, 'it is a symbolic link')
  if (!stats.isFile()) throw unsafe(path, 'it is not a regular file')
  checkOwner(path, stats)
  if (stats.nlink !== 1) throw unsafe(path, `it has ${stats.nlink} hard links; another path leads to it`)
  if ((stats.mode & 0o077) !== 0) {
    throw unsafe(path, `others may use it (mode ${octal(stats)}); run: chmod 600`)
  }
}

/** LMDB itself would make a file with the mode that the umask leaves. */
function makeIfAbsent(path: string, bytes: number): void {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  try {
    const descriptor = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    fill(path, descriptor, bytes)
    closeSync(descriptor)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

/** A file that did not get its blocks is removed again, as the next opener would take it for one that has them. */
function fill(path: string, descriptor: number, bytes: number): void {
  try {
    if (bytes > 0 && writeSync(descriptor, Buffer.alloc(bytes)) === bytes) return
    if (bytes > 0) throw Object.assign(new Error(`${path} has no room`), { code: 'ENOSPC' })
  } catch (error) {
    closeSync(descriptor)
    unlinkSync(path)
    throw error
  }
}

/** Where the first page says that it is a database, and what else is read of it (mdb.c: MDB_meta). */
const META_BYTES = 24 + 136
const MAGIC = 0xbeefc0de
const MEND = 'restore it, or move it away to begin anew with the facts of the peers'

/**
 * A page that the database has and the file has not would end the process with SIGBUS when it is read.
 *
 * Opening and closing `data.mdb` is harmless, because LMDB takes no locks on it. The size is read after the pages: another
 * process may add to the database meanwhile, and a file is never shorter than an earlier state of its database.
 */
function checkLength(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    if (fstatSync(descriptor).size === 0) return
    const expected = readExpectedSize(descriptor)
    if (expected === undefined) throw unsafe(path, `it is not a database; ${MEND}`)
    const { size } = fstatSync(descriptor)
    if (size < expected) throw unsafe(path, `it has ${size} bytes of ${expected}; ${MEND}`)
  } finally {
    closeSync(descriptor)
  }
}

/** Returns the bytes that the newest state of the database takes; undefined if there is no database. */
function readExpectedSize(descriptor: number): number | undefined {
  const meta = Buffer.alloc(META_BYTES)
  let newest = -1n
  let expected: number | undefined
  for (let page = 0, pageBytes = 4096; page < 2; ++page) {
    if (readSync(descriptor, meta, 0, META_BYTES, page * pageBytes) < META_BYTES) continue
    if (meta.readUInt32LE(24) !== MAGIC) continue
    pageBytes = meta.readUInt32LE(24 + 24)
    const transaction = meta.readBigUInt64LE(24 + 128)
    if (transaction <= newest) continue
    newest = transaction
    expected = (Number(meta.readBigUInt64LE(24 + 120)) + 1) * pageBytes
  }
  return expected
}

function checkOwner(path: string, { uid }: Stats): void {
  const own = process.geteuid?.()
  if (uid !== own) throw unsafe(path, `it belongs to uid ${uid}, and this process is uid ${own ?? '?'}`)
}

function octal({ mode }: Stats): string {
  return `0${(mode & 0o7777).toString(8)}`
}

function codeOf(error: unknown): unknown {
  return isError(error) && 'code' in error ? error.code : undefined
}

function unsafe(path: string, why: string): IpcError {
  return new IpcError('ERR_IPC_UNSAFE_PATH', `${path} is not safe for a fact store: ${why}`, {
    reason: 'unsafe-fact-store',
  })
}
