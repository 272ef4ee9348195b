// Checks the directory and the files of a fact store before LMDB opens them: no other user can read, replace or
// redirect them, and the data file is not shorter than its database. Must not know what the facts are.

import { fstatSync, readSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'

import { hasCode, IpcError, isError } from '../base/errors.js'
import { fromNative } from '../binding/native-error.js'
import { PrivateDirectory } from '../binding/private-directory.js'

const DATA = 'data.mdb'
const LOCK = 'lock.mdb'
/**
 * Bytes of a new lock file. LMDB maps it and writes to it in memory: a page that has no block on a full file system
 * would end the process with SIGBUS, so it gets its blocks here.
 */
const LOCK_BYTES = 1 << 14

/**
 * Makes the directory of a fact store and its files if they are absent, and checks them, by the rules of {@link
 * PrivateDirectory}. The path then leads to these files until `close`: no other user can change it. On Windows it makes
 * and checks the directory, whose access list its files inherit.
 *
 * @throws {IpcError} ERR_IPC_UNSAFE_PATH (reason `unsafe-fact-store`) if another user could read, replace or redirect
 *   anything, or the database is cut short; ERR_IPC_SYSTEM
 */
export async function openFactFiles(path: string): Promise<PrivateDirectory> {
  const directory = resolve(path)
  try {
    const files = await PrivateDirectory.open(directory, { create: true })
    try {
      if (process.platform !== 'win32') await checkFiles(files)
      return files
    } catch (error) {
      files.close()
      throw error
    }
  } catch (error) {
    throw openingError(error, directory)
  }
}

async function checkFiles(files: PrivateDirectory): Promise<void> {
  await makeIfAbsent(files, DATA, 0)
  await checkLength(files)
  await makeIfAbsent(files, LOCK, LOCK_BYTES)
  // Not opened: closing any descriptor of it ends the locks that LMDB holds on it in this process (fcntl(2)).
  await files.checkFile(LOCK)
}

/** LMDB itself would make a file with the mode that the umask leaves. */
async function makeIfAbsent(files: PrivateDirectory, name: string, bytes: number): Promise<void> {
  let descriptor
  try {
    descriptor = await files.openFile(name, 'create')
  } catch (error) {
    if (causeOf(error) === 'EEXIST') return
    throw error
  }
  try {
    if (bytes > 0 && writeSync(descriptor, Buffer.alloc(bytes)) < bytes) {
      throw Object.assign(new Error(`${name} has no room`), { code: 'ENOSPC' })
    }
  } catch (error) {
    // Otherwise the next process would assume that the file has its blocks.
    await files.removeFile(name)
    throw error
  } finally {
    files.closeFile(descriptor)
  }
}

/** Bytes to read from a page of metadata: the page header and MDB_meta (mdb.c). */
const META_BYTES = 24 + 136
const MAGIC = 0xbeefc0de
const REMEDY = 'restore it, or move it away to begin anew with the facts of the peers'

/**
 * Checks that the file contains all pages of its database: reading a missing one would end the process with SIGBUS.
 *
 * Opening and closing `data.mdb` is harmless, because LMDB takes no locks on it. The size is read after the pages:
 * another process may add to the database meanwhile, and a file is never shorter than an earlier state of its database.
 */
async function checkLength(files: PrivateDirectory): Promise<void> {
  const descriptor = await files.openFile(DATA, 'read')
  try {
    if (fstatSync(descriptor).size === 0) return
    const expected = readExpectedSize(descriptor)
    if (expected === undefined) throw unsafe(files.path, `${DATA} is not a database; ${REMEDY}`)
    const { size } = fstatSync(descriptor)
    if (size < expected) throw unsafe(files.path, `${DATA} has ${size} bytes of ${expected}; ${REMEDY}`)
  } finally {
    files.closeFile(descriptor)
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

/** Returns the code of the system error behind an error of the addon. */
function causeOf(error: unknown): unknown {
  const known = fromNative(error)
  return isError(known) ? (known.cause as NodeJS.ErrnoException | undefined)?.code : undefined
}

function openingError(error: unknown, directory: string): unknown {
  const known = fromNative(error)
  if (!hasCode(known, 'ERR_IPC_UNSAFE_PATH') || known.reason !== undefined) return known
  return unsafe(directory, known.message)
}

function unsafe(directory: string, why: string): IpcError {
  return new IpcError('ERR_IPC_UNSAFE_PATH', `${directory} is not safe for a fact store: ${why}`, {
    reason: 'unsafe-fact-store',
  })
}
